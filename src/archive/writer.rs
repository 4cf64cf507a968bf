//! Writes an archive as its content comes.

use std::io::{self, Write};
use std::sync::Arc;

use super::block::{BLOCK_LINES, BlockCoder, Coded, encode_blocks};
use super::cutter::Cutter;
use super::embedded;
use super::format::{BlockKind, Header, MAX_BLOCK_BYTES};
use super::observe::{Event, Observer, Recorder};
use super::options::{Coder, CompressOptions, LearnOptions};
use super::pipeline::Pipeline;
use super::stats::{ArchiveStats, BlockStats};
use super::trailer::end_to_bytes;
use crate::Result;
use crate::learner::Learner;
use crate::model::{Identity, Model};
use crate::text::Survey;

/// Content, in bytes, without one learned block behind which the learner gives up: both archives are held until then.
const TRIAL_BYTES: u64 = 32 << 20;
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
/// While learning, the archive needs no model, unless the learner codes no block: then it is the one that
/// [`LearnOptions::substitute`] makes.
///
/// ```
/// use std::io::Write;
/// use surprisal::{CompressOptions, Compressor, LearnOptions};
///
/// let lines = &include_bytes!("../../corpora/uniform-8-10k.txt")[..28 * 500];
/// let options = CompressOptions::default().with_coder(LearnOptions::default());
/// let mut compressor = Compressor::with_options(Vec::new(), options)?;
/// compressor.write_all(lines)?;
/// let finished = compressor.finish()?;
/// assert!(finished.is_learned);
/// assert_eq!(surprisal::decompress(&finished.output, &surprisal::Models::bundled())?, lines);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Compressor<W: Write, R: Recorder = ()> {
    output: W,
    /// Blocks that were written.
    blocks: Vec<BlockStats>,
    stats: ArchiveStats,
    ends_in_newline: bool,
    /// Whether all content has come.
    is_ended: bool,
    /// Content that is not yet coded.
    waiting: Cutter,
    coding: Coding<R::Block>,
    /// The archive without a learner.
    substitute: Option<Box<Substitute>>,
    observer: Option<Observer>,
    recorder: R,
}

/// The archive that a model makes of the same content as a learner.
struct Substitute {
    archive: Compressor<Vec<u8>>,
    /// The learner's archive so far, while it is not known which to write.
    held: Vec<u8>,
    choice: Choice,
    /// As [`TRIAL_BYTES`], which tests lower.
    trial_bytes: u64,
}

/// Which of two archives is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// The learner has coded no block yet.
    Open,
    /// The learner's. The other one goes on, so that its size is known.
    Learned,
    /// The substitute.
    Substitute,
}

/// What codes blocks.
enum Coding<N> {
    /// A model: blocks are independent and go to the threads.
    Model(Pipeline<Vec<u8>, (Coded<N>, Vec<u8>)>),
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
    /// Whether it was coded while learning.
    pub is_learned: bool,
    /// What was learned on the way, of use or not.
    pub learner: Option<Box<Learner>>,
    /// Beside a learner: what the archive of [`LearnOptions::substitute`] holds and takes.
    pub substitute: Option<ArchiveStats>,
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
    /// [`crate::Error::Io`] if it cannot be written, [`crate::Error::Setting`] if one of a learner's options is out of range
    /// (without [`LearnOptions::survey`] that shows later).
    pub fn with_options(output: W, options: CompressOptions) -> Result<Self> {
        Self::recorded(output, options, ())
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if writing fails, [`crate::Error::Setting`] if one of a learner's options is out of range.
    pub fn finish(self) -> Result<Finished<W>> {
        Ok(self.finish_recorded()?.0)
    }
}

impl<W: Write, R: Recorder> Compressor<W, R> {
    /// Begins an archive, and has everything that is coded taken down.
    pub(crate) fn recorded(output: W, options: CompressOptions, recorder: R) -> Result<Self> {
        let CompressOptions { coder, threads, embed_model, device, observer } = options;
        let (mut header, mut substitute) = (None, None);
        let coding = match coder {
            Coder::Learner(options) => {
                if let Some(model) = &options.substitute {
                    let coder = model.into();
                    let options = CompressOptions { coder, threads, embed_model, device, observer: None };
                    substitute = Some(Box::new(Substitute {
                        archive: Compressor::with_options(Vec::new(), options)?,
                        held: Vec::new(),
                        choice: Choice::Open,
                        trial_bytes: TRIAL_BYTES,
                    }));
                }
                Coding::Undecided(options, threads)
            }
            Coder::Model(model) => {
                let embedded = if embed_model { embedded::model_to_bytes(&model)? } else { Vec::new() };
                let of_model = Header {
                    identity: model.identity(),
                    name: model.name().to_owned(),
                    has_model: embed_model,
                    learner: None,
                };
                header = Some((of_model, embedded));
                let observer = observer.clone();
                Coding::Model(Pipeline::new(threads, 1, move |jobs| {
                    encode_blocks(jobs, &model, &device, observer.as_ref());
                }))
            }
        };
        let mut compressor = Self {
            output,
            blocks: Vec::new(),
            stats: ArchiveStats::default(),
            ends_in_newline: true,
            is_ended: false,
            waiting: Cutter::default(),
            coding,
            substitute,
            observer,
            recorder,
        };
        if let Some((header, model)) = header {
            compressor.put(&header.to_bytes())?;
            compressor.put(&model)?;
            compressor.stats.model_len = model.len() as u64;
        }
        if matches!(&compressor.coding, Coding::Undecided(options, _) if options.survey.is_some()) {
            compressor.begin_learning()?;
        }
        Ok(compressor)
    }

    /// As [`Compressor::finish`], and gives back who took everything down.
    pub(crate) fn finish_recorded(mut self) -> Result<(Finished<W>, R)> {
        self.is_ended = true;
        self.begin_learning()?;
        while !self.waiting.content().is_empty() {
            let block = self.waiting.take(self.block_lines());
            self.encode_block(block, self.waiting.content().is_empty())?;
        }
        while self.put_oldest()? {}
        let end = end_to_bytes(&self.blocks, self.stats.bytes_out);
        self.put(&end)?;
        self.stats.lines += u64::from(!self.ends_in_newline);
        self.stats.archives = 1;
        if self.choice() == Choice::Open {
            self.choose_substitute();
        }
        let choice = self.choice();
        let substitute = self.substitute.take().map(|substitute| substitute.archive.finish()).transpose()?;
        let substitute = substitute.map(|finished| (finished.output, finished.stats));
        if let (Choice::Substitute, Some((archive, stats))) = (choice, &substitute) {
            self.output.write_all(archive)?;
            self.stats = *stats;
        }
        self.output.flush()?;
        let learner = match self.coding {
            Coding::Learner(learner) => Some(learner),
            _ => None,
        };
        let finished = Finished {
            output: self.output,
            stats: self.stats,
            is_learned: learner.is_some() && choice == Choice::Learned,
            learner,
            substitute: substitute.map(|(_, stats)| stats),
        };
        Ok((finished, self.recorder))
    }

    /// Which archive is written; the only one where there is no substitute.
    fn choice(&self) -> Choice {
        self.substitute.as_ref().map_or(Choice::Learned, |substitute| substitute.choice)
    }

    /// Has the learner's archive written: it codes a block.
    fn choose_learned(&mut self) -> io::Result<()> {
        if let Some(substitute) = &mut self.substitute {
            substitute.choice = Choice::Learned;
            self.output.write_all(&std::mem::take(&mut substitute.held))?;
        }
        self.blocks.iter().for_each(|block| tell_block(self.observer.as_ref(), block));
        Ok(())
    }

    /// Has the substitute written: the learner has coded nothing.
    fn choose_substitute(&mut self) {
        self.waiting = Cutter::default();
        if let Some(substitute) = &mut self.substitute {
            substitute.choice = Choice::Substitute;
            substitute.held = Vec::new();
            let archive = &mut substitute.archive;
            archive.observer.clone_from(&self.observer);
            archive.blocks.iter().for_each(|block| tell_block(archive.observer.as_ref(), block));
        }
    }

    /// Bytes of content in blocks that are written.
    pub fn bytes_coded(&self) -> u64 {
        match &self.substitute {
            Some(substitute) if substitute.choice == Choice::Substitute => substitute.archive.bytes_coded(),
            _ => self.stats.bytes_in,
        }
    }

    /// Lays content into blocks, and has those coded behind which more follows.
    fn take_in(&mut self, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() && self.choice() != Choice::Substitute {
            let lines = self.block_lines();
            if !self.waiting.is_whole(lines) {
                data = &data[self.waiting.fill(data, lines)..];
            } else if matches!(self.coding, Coding::Undecided(..)) {
                self.begin_learning()?;
            } else {
                let block = self.waiting.take(lines);
                self.encode_block(block, false)?;
            }
        }
        Ok(())
    }

    /// Has a block coded.
    fn encode_block(&mut self, block: Vec<u8>, is_last: bool) -> Result<()> {
        while matches!(&self.coding, Coding::Model(pipeline) if pipeline.is_full()) {
            self.put_oldest()?;
        }
        match &mut self.coding {
            Coding::Model(pipeline) => pipeline.give(block),
            Coding::Learner(learner) => {
                let threads = learner.threads();
                let coded = threads.install(|| BlockCoder::Learner(learner).encode(&block, is_last));
                self.waiting.give_back(block);
                self.put_block(coded)?;
            }
            Coding::Undecided(..) => unreachable!("a learner has begun"),
        }
        let is_over = |substitute: &Substitute| self.stats.bytes_in >= substitute.trial_bytes;
        if self.choice() == Choice::Open && self.substitute.as_deref().is_some_and(is_over) {
            self.choose_substitute();
        }
        Ok(())
    }

    /// The most lines of the next block; of what a learner is made by, any.
    fn block_lines(&self) -> usize {
        match &self.coding {
            Coding::Model(_) => BLOCK_LINES,
            Coding::Learner(_) => {
                let doublings = self.blocks.len().min(BLOCK_LINES.ilog2() as usize) as u32;
                (FIRST_BLOCK_LINES << doublings).min(BLOCK_LINES)
            }
            Coding::Undecided(..) => usize::MAX,
        }
    }

    /// Makes the learner, if that is still to be done, by what waits unless a survey is there: writes the header, and lays
    /// into blocks what waits.
    fn begin_learning(&mut self) -> Result<()> {
        let Coding::Undecided(options, threads) = &self.coding else {
            return Ok(());
        };
        let settings = match &options.survey {
            Some(survey) => options.settings(survey, Some(survey.lines()))?,
            None => {
                let mut survey = Survey::default();
                survey.update(self.waiting.content());
                options.settings(&survey, self.is_ended.then_some(survey.lines()))?
            }
        };
        let header = Header {
            identity: Identity(*blake3::hash(&settings.to_bytes()).as_bytes()),
            name: format!("learning {}", options.preset.name()),
            has_model: false,
            learner: Some(settings.clone()),
        };
        let mut learner = Learner::new(&settings, *threads)?;
        if let Some(observer) = self.observer.clone() {
            learner.observe(Box::new(move |record| observer.tell(Event::Batch(record))));
        }
        self.coding = Coding::Learner(Box::new(learner));
        self.put(&header.to_bytes())?;
        let collected = std::mem::take(&mut self.waiting);
        self.take_in(collected.content())
    }

    /// Waits for the oldest block that is under way and writes it; false if there is none.
    fn put_oldest(&mut self) -> io::Result<bool> {
        let Coding::Model(pipeline) = &mut self.coding else {
            return Ok(false);
        };
        let Some((coded, content)) = pipeline.take() else {
            return Ok(false);
        };
        self.waiting.give_back(content);
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
        self.recorder.block(notes, &block);
        match self.choice() {
            Choice::Learned => tell_block(self.observer.as_ref(), &block),
            Choice::Open if block.kind == BlockKind::Learned => self.choose_learned()?,
            _ => {}
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.substitute {
            Some(substitute) if substitute.choice == Choice::Open => substitute.held.extend_from_slice(bytes),
            Some(substitute) if substitute.choice == Choice::Substitute => {}
            _ => self.output.write_all(bytes)?,
        }
        self.stats.bytes_out += bytes.len() as u64;
        Ok(())
    }
}

fn tell_block(observer: Option<&Observer>, block: &BlockStats) {
    if let Some(observer) = observer {
        observer.tell(Event::Block(block));
    }
}

impl<W: Write, R: Recorder> Write for Compressor<W, R> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Not more at a time than a block: what a substitute holds stays small.
        let data = &data[..data.len().min(MAX_BLOCK_BYTES)];
        if let Some(&last) = data.last() {
            self.ends_in_newline = last == b'\n';
        }
        if let Some(substitute) = &mut self.substitute {
            substitute.archive.write_all(data)?;
        }
        self.take_in(data)?;
        if let Some(substitute) = &mut self.substitute
            && substitute.choice != Choice::Open
        {
            let written = std::mem::take(&mut substitute.archive.output);
            if substitute.choice == Choice::Substitute {
                self.output.write_all(&written)?;
            }
        }
        Ok(data.len())
    }

    /// Flushes what was coded; content that is not yet a whole block keeps waiting.
    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::compress;
    use crate::model::{Models, Preset};

    /// A learner gives up at the same place however content comes.
    #[test]
    fn a_learner_gives_up() -> Result<()> {
        let late = include_bytes!("../../corpora/uniform-8-10k.txt");
        let block = late[..28 * 128].repeat(FIRST_BLOCK_LINES / 128);
        let text = [&block[..], &block, &block, late].concat();
        let learning = LearnOptions::default().with_preset(Preset::Pico);
        let finished = |trial_bytes: usize, piece: usize| {
            let options = CompressOptions::default().with_coder(learning.clone());
            let mut compressor = Compressor::with_options(Vec::new(), options)?;
            compressor.substitute.as_mut().expect("there is one").trial_bytes = trial_bytes as u64;
            for piece in text.chunks(piece) {
                compressor.write_all(piece)?;
            }
            compressor.finish()
        };
        let plain = compress(&text, Models::bundled().default_model())?;
        for piece in [1000, 70_001, text.len()] {
            let gave_up = finished(3 * block.len(), piece)?;
            assert!(!gave_up.is_learned, "pieces of {piece}");
            assert!(
                gave_up.output == plain,
                "pieces of {piece}: {} and {} bytes",
                gave_up.output.len(),
                plain.len()
            );
            assert_eq!(gave_up.stats.bytes_out, plain.len() as u64);
            let learned = finished(3 * block.len() + 1, piece)?;
            assert!(learned.is_learned, "pieces of {piece}");
            assert_eq!(learned.substitute, Some(gave_up.stats));
        }
        Ok(())
    }
}
