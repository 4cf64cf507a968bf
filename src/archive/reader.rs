//! Reads archives from front to back and gives back their content.

use std::io::{self, Read, Seek};
use std::sync::Arc;

use super::block::BlockCoder;
use super::embedded;
use super::frames::{Block, Content, Frame, Frames, Job, decode_blocks};
use super::gpu;
use super::lines::LineRange;
use super::observe::{Event, Observer};
use super::options::DecompressOptions;
use super::pipeline::{Jobs, Pipeline};
use super::stats::{ArchiveStats, BlockStats};
use crate::learner::{Learner, LearnerSettings};
use crate::model::{Model, Models};
use crate::{Error, Result};

/// Restores the content of an archive, or of several one after another, as it is read from.
///
/// What comes out is always right: a block is handed on only when its checksums agree. Behind the
/// last intact block of a damaged archive, `read` gives an error instead; it holds an
/// [`Error`] ([`Error::from_io`]).
///
/// ```
/// use std::io::Read;
/// use surprisal::{Decompressor, Models};
///
/// let models = Models::bundled();
/// let archive = surprisal::compress(b"1+1=2\n", models.default_model())?;
/// let mut text = String::new();
/// Decompressor::new(&archive[..], &models)?.read_to_string(&mut text)?;
/// assert_eq!(text, "1+1=2\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Decompressor<R: Read> {
    frames: Frames<R>,
    models: Models,
    threads: usize,
    /// Blocks that a model decodes.
    pipeline: Pipeline<Job, Result<Content>>,
    /// What coded the present archive; none before the first header.
    decoder: Option<ArchiveDecoder>,
    observer: Option<Observer>,
    /// The content of a block, and what of it is still to be read.
    content: Content,
    /// Lines that are wanted, and newlines before the next block.
    wanted: LineRange,
    newlines: u64,
    stats: ArchiveStats,
    state: State,
}

/// What decodes the blocks of an archive.
enum ArchiveDecoder {
    /// A model: blocks are independent.
    Model(Arc<Model>),
    /// A learner: each block needs those before it.
    Learner(Box<Learner>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    /// No more frames; what is under way is still to come.
    Draining,
    Failed,
}

impl<R: Read> Decompressor<R> {
    /// Begins to read: the first archive's header is read at once. `models` are those that archives may have been made
    /// with; models that they carry are used, too. One thread decodes.
    ///
    /// # Errors
    /// [`Error::NotAnArchive`], [`Error::Version`], [`Error::WrongModel`], [`Error::Damaged`] or
    /// [`Error::Io`].
    pub fn new(input: R, models: &Models) -> Result<Self> {
        Self::with_options(input, DecompressOptions::default().with_models(models.clone()))
    }

    /// Begins to read.
    ///
    /// # Errors
    /// As [`Decompressor::new`].
    pub fn with_options(input: R, options: DecompressOptions) -> Result<Self> {
        let DecompressOptions { models, threads, lines, device, observer } = options;
        let pipeline = if device.is_cpu() {
            Pipeline::new(threads, 1, |jobs: Jobs<_, _>| decode_blocks(jobs))
        } else {
            gpu::pipeline(device, threads)
        };
        let mut reader = Self {
            frames: Frames::new(input),
            models,
            threads,
            pipeline,
            decoder: None,
            observer,
            content: Content::default(),
            wanted: lines,
            newlines: 0,
            stats: ArchiveStats::default(),
            state: State::Reading,
        };
        reader.read_frame()?;
        Ok(reader)
    }

    /// The model of the archive that is being read; none if it was coded while learning.
    pub fn model(&self) -> Option<&Arc<Model>> {
        match &self.decoder {
            Some(ArchiveDecoder::Model(model)) => Some(model),
            _ => None,
        }
    }

    /// How the learner of the archive that is being read learns; none if a model coded it.
    pub fn learner(&self) -> Option<&LearnerSettings> {
        match &self.decoder {
            Some(ArchiveDecoder::Learner(learner)) => Some(learner.settings()),
            _ => None,
        }
    }

    /// Has every batch and block told to `observer` from now on, as with an observer of the options.
    pub fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
        self.observe_learner();
    }

    fn observe_learner(&mut self) {
        if let (Some(ArchiveDecoder::Learner(learner)), Some(observer)) = (&mut self.decoder, &self.observer)
        {
            let observer = observer.clone();
            learner.observe(Box::new(move |record| observer.tell(Event::Batch(record))));
        }
    }

    /// Bytes of archives that were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.frames.offset()
    }

    /// What was read and found right so far. `modelled_lines` and `tokens` are not counted.
    pub fn stats(&self) -> ArchiveStats {
        self.stats
    }

    /// Reads one frame and hands a block to the threads.
    fn read_frame(&mut self) -> Result<()> {
        match self.frames.next()? {
            None => self.state = State::Draining,
            Some(Frame::Header(header, packed)) => {
                let packed = packed.as_deref();
                self.decoder = Some(match &header.learner {
                    Some(settings) => {
                        ArchiveDecoder::Learner(Box::new(Learner::new(settings, self.threads)?))
                    }
                    None => ArchiveDecoder::Model(embedded::model_of(&header, packed, &self.models)?),
                });
                self.stats.model_len += packed.map_or(0, embedded::framed_len);
                self.observe_learner();
            }
            Some(Frame::End) => {
                self.stats.archives += 1;
                self.stats.bytes_out = self.frames.offset();
            }
            Some(Frame::Block(block)) => {
                let before = self.newlines;
                self.newlines += u64::from(block.header.newlines);
                self.take_block(block, before)?;
                if self.wanted.ends_by(self.newlines) {
                    self.state = State::Draining;
                }
            }
        }
        Ok(())
    }

    /// Hands a block to the threads, or to the learner at once.
    fn take_block(&mut self, block: Block, before: u64) -> Result<()> {
        let wanted = self.wanted;
        match self.decoder.as_mut().expect("a header came first") {
            ArchiveDecoder::Model(model) => {
                if wanted.touches(before, block.header.newlines) {
                    self.pipeline.give(Job { model: Arc::clone(model), block, wanted, before });
                }
            }
            ArchiveDecoder::Learner(learner) => {
                let threads = learner.threads();
                let whole = threads.install(|| block.decode(&mut BlockCoder::Learner(learner)))?;
                self.pipeline.give_done(Ok(Content {
                    stats: Some(block.stats),
                    wanted: wanted.cut(&whole, before),
                    whole,
                }));
            }
        }
        Ok(())
    }

    /// Whether more should be read before something is handed out. A learner takes its time for a
    /// block, so what it decoded comes out first.
    fn reads_ahead(&self) -> bool {
        let is_learning = matches!(self.decoder, Some(ArchiveDecoder::Learner(_)));
        self.state == State::Reading && !self.pipeline.is_full() && !(is_learning && self.pipeline.is_busy())
    }

    /// Brings in the next content; false at the end.
    fn advance(&mut self) -> Result<bool> {
        while self.reads_ahead() {
            if let Err(error) = self.read_frame() {
                // What was intact before it comes first.
                self.state = State::Draining;
                self.pipeline.give_done(Err(error));
            }
        }
        match self.pipeline.take() {
            None => Ok(false),
            Some(Err(error)) => {
                self.state = State::Failed;
                Err(error)
            }
            Some(Ok(content)) => {
                if let Some(block) = &content.stats {
                    self.stats += block;
                    if let Some(observer) = &self.observer {
                        observer.tell(Event::Block(block));
                    }
                }
                self.content = content;
                Ok(true)
            }
        }
    }
}

impl<R: Read + Seek> Decompressor<R> {
    /// Passes over the first blocks of the first archive, before which stand so many newlines, unless a learner needs
    /// them.
    pub(super) fn skip(&mut self, newlines: u64, blocks: &[BlockStats]) -> Result<()> {
        self.newlines = newlines;
        if self.model().is_some() {
            self.newlines += blocks.iter().map(|block| u64::from(block.newlines)).sum::<u64>();
            self.frames.skip(blocks)?;
        }
        Ok(())
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Content { whole, wanted, .. } = &mut self.content;
            if wanted.start < wanted.end || buffer.is_empty() {
                let len = buffer.len().min(wanted.end - wanted.start);
                buffer[..len].copy_from_slice(&whole[wanted.start..wanted.start + len]);
                wanted.start += len;
                return Ok(len);
            }
            if self.state == State::Failed {
                return Err(Error::damaged("reading went on behind an error", "end").into());
            }
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}
