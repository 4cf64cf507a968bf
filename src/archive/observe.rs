//! Looking on while an archive is coded or decoded. No byte depends on it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::format::BlockKind;
use super::stats::BlockStats;
use crate::coding::{KnownGroup, Predictor};
use crate::learner::BatchRecord;
use crate::network::{Cdfs, Slots};
use crate::text::{Token, Vocabulary};

/// What happens while an archive is coded or decoded.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A learner coded a batch and learned from it. Whether it stands in the archive as it was coded, its block tells.
    Batch(&'a BatchRecord),
    /// So many lines were coded by a model, or decoded by one on the CPU, on one of the threads: their block is told when it
    /// is whole.
    Lines(usize),
    /// A block was written or decoded, the archive's blocks in order.
    Block(&'a BlockStats),
}

/// A function that is told of events. Clones are the same one.
#[derive(Clone)]
pub struct Observer(Arc<Mutex<Observe>>);

type Observe = dyn FnMut(Event<'_>) + Send;

impl Observer {
    /// Has a function told of every event.
    pub fn new(observe: impl FnMut(Event<'_>) + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(observe)))
    }

    /// Has a function told of every batch, and of nothing else.
    pub fn of_batches(mut observe: impl FnMut(&BatchRecord) + Send + 'static) -> Self {
        Self::new(move |event| {
            if let Event::Batch(record) = event {
                observe(record);
            }
        })
    }

    pub(crate) fn tell(&self, event: Event<'_>) {
        // What panicked once is told no less.
        (self.0.lock().unwrap_or_else(PoisonError::into_inner))(event);
    }
}

/// A predictor whose observer is told of every group of lines.
struct Observed<'a> {
    predictor: Box<dyn Predictor + 'a>,
    observer: Observer,
}

/// A predictor that an observer, if there is one, is told of.
pub(super) fn observed<'a>(
    predictor: Box<dyn Predictor + 'a>,
    observer: Option<&Observer>,
) -> Box<dyn Predictor + 'a> {
    match observer.cloned() {
        Some(observer) => Box::new(Observed { predictor, observer }),
        None => predictor,
    }
}

impl Predictor for Observed<'_> {
    fn vocabulary(&self) -> &Vocabulary {
        self.predictor.vocabulary()
    }

    fn max_line_len(&self) -> usize {
        self.predictor.max_line_len()
    }

    fn group_lines(&self) -> usize {
        self.predictor.group_lines()
    }

    fn begin(&mut self, lines: usize) {
        self.predictor.begin(lines);
    }

    fn step(&mut self, tokens: &[Token]) -> Cdfs<'_> {
        self.predictor.step(tokens)
    }

    fn begin_known(&mut self, lines: usize, known: &[&[u8]]) {
        self.predictor.begin_known(lines, known);
    }

    fn step_known(&mut self, position: usize, group: &mut KnownGroup, slots: &mut [Slots]) {
        self.predictor.step_known(position, group, slots);
    }

    fn end(&mut self, lines: &[&[u8]]) {
        self.predictor.end(lines);
        self.observer.tell(Event::Lines(lines.len()));
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Takes down what each token cost, for the account of bits. `()` takes down nothing.
pub trait Recorder {
    /// The notes of one block, taken on the thread that codes it.
    type Block: BlockNotes;

    /// A block was written: they come in order.
    fn block(&mut self, notes: Self::Block, stats: &BlockStats);
}

/// Notes of one block. Those of its tokens count only if the block turns out to be modelled.
pub trait BlockNotes: Default + Send + 'static {
    /// Before anything is coded: the content, and those of its lines that the model may code (slices of the content,
    /// without what ends them).
    fn begin(&mut self, _content: &[u8], _lines: &[&[u8]]) {}

    /// A token is coded by these slots; line and position are counted from 0.
    #[inline]
    fn token(&mut self, _line: usize, _position: usize, _slots: Slots) {}

    /// The block is coded, in this way.
    fn end(&mut self, _content: &[u8], _lines: &[&[u8]], _kind: BlockKind) {}
}

impl BlockNotes for () {}

impl Recorder for () {
    type Block = ();

    fn block(&mut self, _notes: (), _stats: &BlockStats) {}
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{CompressOptions, Compressor, DecompressOptions, Decompressor, Models, Result};

    /// An observer that counts lines.
    fn counter() -> (Arc<AtomicUsize>, Observer) {
        let lines = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&lines);
        let observer = Observer::new(move |event| {
            if let Event::Lines(lines) = event {
                count.fetch_add(lines, Ordering::Relaxed);
            }
        });
        (lines, observer)
    }

    #[test]
    fn every_line_is_told_and_no_byte_depends_on_it() -> Result<()> {
        let content = &include_bytes!("../../corpora/uniform-8-10k.txt")[..28 * 1000];
        let (coded, observer) = counter();
        let options = CompressOptions::default().with_threads(2_usize).with_observer(observer);
        let mut compressor = Compressor::with_options(Vec::new(), options)?;
        compressor.write_all(content)?;
        let archive = compressor.finish()?.output;
        assert_eq!(archive, crate::compress(content, Models::bundled().default_model())?);
        let (decoded, observer) = counter();
        let options = DecompressOptions::default().with_observer(observer);
        let mut restored = Vec::new();
        Decompressor::with_options(&archive[..], options)?.read_to_end(&mut restored)?;
        assert_eq!(restored, content);
        assert_eq!([coded, decoded].map(|lines| lines.load(Ordering::Relaxed)), [1000; 2]);
        Ok(())
    }
}
