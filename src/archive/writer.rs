//! Writes an archive as its content comes.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::block::{self, BLOCK_LINES, BlockCoder, Coded, MAX_BLOCK_BYTES};
use super::embedded;
use super::format::Header;
use super::observe::{BlockNotes, Event, Observer, Recorder};
use super::options::{Coder, CompressOptions, LearnOptions};
use super::pipeline::{Jobs, Pipeline};
use super::stats::{ArchiveStats, BlockStats};
use super::trailer::end_to_bytes;
use crate::Result;
use crate::coding::predictor_on;
use crate::learner::{Learner, LearnerSettings};
use crate::model::{Identity, Model};
use crate::network::Device;
use crate::text::Survey;

/// Lines of a learner's first block; each has twice as many as the one before, up to [`BLOCK_LINES`], so that little
/// depends on how the learner does while it knows little.
const FIRST_BLOCK_LINES: usize = 4096;

/// Compresses what is written to it into `W`, by a model or while learning.
///
/// The archive ends where [`Compressor::finish`] is called: dropped before, what was written is none.
///
/// ```
/// use std::io::Write;
/// use surprisal::{Compressor, Models};
///
/// let mut compressor = Compressor::new(Vec::new(), Models::bundled().default_model())?;
/// compressor.write_all(b"17282456+79546852=096829308\n")?;
/// let finished = compressor.finish()?;
/// assert_eq!(finished.stats.lines, 1);
/// assert_eq!(finished.stats.bytes_out, finished.output.len() as u64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// While learning, the archive needs no model:
///
/// ```
/// use std::io::Write;
/// use surprisal::{CompressOptions, Compressor, LearnOptions};
///
/// let lines = b"2024-01-01 ok\n2024-01-02 ok\n";
/// let options = CompressOptions::default().with_coder(LearnOptions::default());
/// let mut compressor = Compressor::with_options(Vec::new(), options)?;
/// compressor.write_all(lines)?;
/// let archive = compressor.finish()?.output;
/// assert_eq!(surprisal::decompress(&archive, &surprisal::Models::bundled())?, lines);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Compressor<W: Write, R: Recorder = ()> {
    output: W,
    /// Blocks that were written.
    blocks: Vec<BlockStats>,
    stats: ArchiveStats,
    ends_in_newline: bool,
    /// Content that is not yet a block.
    waiting: BytesMut,
    coding: Coding<R::Block>,
    observer: Option<Observer>,
    recorder: R,
}

/// What codes blocks.
enum Coding<N> {
    /// A model: blocks are independent and go to the threads.
    Model(Pipeline<Bytes, Coded<N>>),
    /// A learner: each block needs those before it.
    Learner(Box<Learner>),
    /// A learner to be, on so many threads, when it is known what symbols there are.
    Undecided(LearnOptions, usize),
}

/// A finished archive.
#[non_exhaustive]
pub struct Finished<W> {
    /// What it was written to.
    pub output: W,
    /// What it holds and took.
    pub stats: ArchiveStats,
    /// What was learned, if it was coded while learning.
    pub learner: Option<Box<Learner>>,
}

impl<W: Write> Compressor<W> {
    /// Begins an archive that this model codes, on one thread.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if its header cannot be written.
    pub fn new(output: W, model: &Arc<Model>) -> Result<Self> {
        Self::with_options(output, CompressOptions::default().with_coder(model))
    }

    /// Begins an archive. Its header is written at once if a model codes, else when it is known what symbols there are.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if it cannot be written.
    pub fn with_options(output: W, options: CompressOptions) -> Result<Self> {
        Self::recorded(output, options, ())
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if writing fails, [`crate::Error::Invalid`] if a learner's options make no sense.
    pub fn finish(self) -> Result<Finished<W>> {
        Ok(self.finish_recorded()?.0)
    }
}

impl<W: Write, R: Recorder> Compressor<W, R> {
    /// Begins an archive, and has everything that is coded taken down.
    pub(crate) fn recorded(output: W, options: CompressOptions, recorder: R) -> Result<Self> {
        let CompressOptions { coder, threads, embed_model, device, observer } = options;
        let mut header = None;
        let coding = match coder {
            Coder::Learner(options) => Coding::Undecided(options, threads),
            Coder::Model(model) => {
                let embedded = if embed_model { embedded::model_to_bytes(&model)? } else { Vec::new() };
                header = Some((Header::of_model(&model, embed_model), embedded));
                Coding::Model(Pipeline::new(threads, 1, move |jobs| {
                    encode_blocks(jobs, &model, &device);
                }))
            }
        };
        let mut compressor = Self {
            output,
            blocks: Vec::new(),
            stats: ArchiveStats::default(),
            ends_in_newline: true,
            waiting: BytesMut::new(),
            coding,
            observer,
            recorder,
        };
        if let Some((header, model)) = header {
            compressor.put(&header.to_bytes())?;
            compressor.put(&model)?;
            compressor.stats.model_len = model.len() as u64;
        }
        Ok(compressor)
    }

    /// As [`Compressor::finish`], and gives back who took everything down.
    pub(crate) fn finish_recorded(mut self) -> Result<(Finished<W>, R)> {
        self.encode_waiting(Content::Ended)?;
        self.begin_learning(Content::Ended)?;
        while self.put_oldest()? {}
        let end = end_to_bytes(&self.blocks, self.stats.bytes_out);
        self.put(&end)?;
        self.output.flush()?;
        self.stats.lines += u64::from(!self.ends_in_newline);
        self.stats.archives = 1;
        let finished = Finished {
            output: self.output,
            stats: self.stats,
            learner: match self.coding {
                Coding::Learner(learner) => Some(learner),
                _ => None,
            },
        };
        Ok((finished, self.recorder))
    }

    /// Bytes of content in blocks that are written.
    pub fn bytes_coded(&self) -> u64 {
        self.stats.bytes_in
    }

    /// Has whole blocks coded, of an ended content all.
    fn encode_waiting(&mut self, content: Content) -> Result<()> {
        let is_ended = content == Content::Ended;
        while !self.waiting.is_empty() && (is_ended || self.knows_enough()) {
            let len = match block::next_block(&self.waiting, self.block_lines()) {
                // What is the last block is known only when another follows.
                Some(len) if is_ended || len < self.waiting.len() => len,
                None if is_ended => self.waiting.len(),
                _ => break,
            };
            self.begin_learning(content)?;
            let block = self.waiting.split_to(len).freeze();
            self.encode_block(block)?;
        }
        Ok(())
    }

    /// Has a block coded, behind which the rest is waiting.
    fn encode_block(&mut self, content: Bytes) -> io::Result<()> {
        while matches!(&self.coding, Coding::Model(pipeline) if pipeline.is_full()) {
            self.put_oldest()?;
        }
        match &mut self.coding {
            Coding::Model(pipeline) => pipeline.give(content),
            Coding::Learner(learner) => {
                let is_last = self.waiting.is_empty();
                let threads = learner.threads();
                let coded = threads.install(|| BlockCoder::Learner(learner).encode(&content, is_last));
                self.put_block(coded)?;
            }
            Coding::Undecided(..) => unreachable!("a learner has begun"),
        }
        Ok(())
    }

    /// The most lines of the next block.
    fn block_lines(&self) -> usize {
        if matches!(self.coding, Coding::Model(_)) {
            return BLOCK_LINES;
        }
        let doublings = self.blocks.len().min(BLOCK_LINES.ilog2() as usize) as u32;
        (FIRST_BLOCK_LINES << doublings).min(BLOCK_LINES)
    }

    /// Whether enough has come to make a learner, if one is to be made.
    fn knows_enough(&self) -> bool {
        match &self.coding {
            Coding::Undecided(options, _) => {
                options.survey.is_some() || self.waiting.len() >= MAX_BLOCK_BYTES
            }
            _ => true,
        }
    }

    /// Makes the learner and writes the header, if that is still to be done.
    fn begin_learning(&mut self, content: Content) -> Result<()> {
        let Coding::Undecided(options, threads) = &self.coding else {
            return Ok(());
        };
        let settings = match &options.survey {
            Some(survey) => options.settings(survey, true)?,
            None => {
                let mut survey = Survey::default();
                survey.update(&self.waiting[..self.waiting.len().min(MAX_BLOCK_BYTES)]);
                options.settings(&survey, content == Content::Ended)?
            }
        };
        let header = Header::of_learner(&settings, options.preset.name());
        let mut learner = Learner::new(&settings, *threads)?;
        if let Some(observer) = self.observer.clone() {
            learner.observe(Box::new(move |record| observer.tell(Event::Batch(record))));
        }
        self.coding = Coding::Learner(Box::new(learner));
        self.put(&header.to_bytes())?;
        Ok(())
    }

    /// Waits for the oldest block that is under way and writes it; false if there is none.
    fn put_oldest(&mut self) -> io::Result<bool> {
        let Coding::Model(pipeline) = &mut self.coding else {
            return Ok(false);
        };
        let Some(coded) = pipeline.take() else {
            return Ok(false);
        };
        self.put_block(coded)?;
        Ok(true)
    }

    fn put_block(&mut self, coded: Coded<R::Block>) -> io::Result<()> {
        let Coded { header, payload, modelled_lines, tokens, notes } = coded;
        let block = BlockStats::new(self.stats.bytes_out, &header, &payload);
        self.put(&header.to_bytes(self.blocks.len() as u64))?;
        self.put(&payload)?;
        self.blocks.push(block);
        self.stats += &block;
        self.stats.modelled_lines += modelled_lines;
        self.stats.tokens += tokens;
        if let Some(observer) = &self.observer {
            observer.tell(Event::Block(&block));
        }
        self.recorder.block(notes, &block);
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.stats.bytes_out += bytes.len() as u64;
        Ok(())
    }
}

/// Whether more content may come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Open,
    Ended,
}

impl Header {
    fn of_model(model: &Model, is_embedded: bool) -> Self {
        Self {
            identity: model.identity(),
            name: model.name().to_owned(),
            has_model: is_embedded,
            learner: None,
        }
    }

    fn of_learner(settings: &LearnerSettings, preset: &str) -> Self {
        Self {
            identity: Identity(*blake3::hash(&settings.to_bytes()).as_bytes()),
            name: format!("learning {preset}"),
            has_model: false,
            learner: Some(settings.clone()),
        }
    }
}

/// What a thread does.
fn encode_blocks<N: BlockNotes>(jobs: Jobs<Bytes, Coded<N>>, model: &Model, device: &Device) {
    let mut jobs = jobs.peekable();
    // A model that nothing is to be coded with need not be made ready.
    if jobs.peek().is_none() {
        return;
    }
    let mut coder = BlockCoder::Model(predictor_on(device, model.exact()));
    for (content, reply) in jobs {
        reply.give(coder.encode(&content, false));
    }
}

impl<W: Write, R: Recorder> Write for Compressor<W, R> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Not more at a time than a block: what waits stays small.
        let data = &data[..data.len().min(MAX_BLOCK_BYTES)];
        if let Some(&last) = data.last() {
            self.ends_in_newline = last == b'\n';
        }
        self.waiting.extend_from_slice(data);
        self.encode_waiting(Content::Open)?;
        Ok(data.len())
    }

    /// Flushes what was coded; content that is not yet a whole block keeps waiting.
    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
