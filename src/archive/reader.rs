//! Reads archives from front to back and gives back their content.

use std::io::{self, Read};
use std::sync::Arc;

use super::decoding::{Content, Decoding, Job};
use super::embedded;
use super::format::BlockHeader;
use super::frames::{self, Frame, Frames};
use super::learned;
use super::lines::LineRange;
use super::observe::BlockWatch;
use super::pipeline::Pipeline;
use crate::learner::{self, Learner, LearnerSettings};
use crate::model::{Model, Models};
use crate::network::Device;
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
/// Decompressor::new(&archive[..], models, 1)?.read_to_string(&mut text)?;
/// assert_eq!(text, "1+1=2\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Decompressor<R: Read> {
    frames: Frames<R>,
    models: Models,
    pipeline: Pipeline<Job, Result<Content>>,
    /// What codes the present archive.
    coding: Coding,
    threads: usize,
    /// Is told of every block that a learner decodes.
    watch: Option<BlockWatch>,
    /// The content of a block, and what of it is still to be read.
    content: Content,
    /// Lines that are wanted, and newlines before the next block.
    wanted: LineRange,
    newlines: u64,
    verified: Verified,
    state: State,
}

/// What codes an archive.
enum Coding {
    /// Nothing, before the first header.
    Unknown,
    /// A model: blocks are independent and go to the threads.
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

/// How much of an archive was read and found right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Archives, one after another.
    pub archives: u64,
    /// Blocks.
    pub blocks: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Newlines in it.
    pub newlines: u64,
}

/// How to decompress. What comes out does not depend on threads and device.
#[derive(Clone, Debug)]
pub struct DecompressOptions {
    /// Threads that decode blocks; at least one.
    pub threads: usize,
    /// Lines that are wanted: blocks without any of them are read past and not decoded.
    pub lines: LineRange,
    /// Where the network runs.
    pub device: Device,
}

impl Default for DecompressOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            lines: LineRange::ALL,
            device: Device::CPU,
        }
    }
}

impl<R: Read> Decompressor<R> {
    /// Begins to read: the first archive's header is read at once. `models` are those that archives
    /// may have been made with; models that they carry are used too. `threads` decode blocks.
    ///
    /// # Errors
    /// [`Error::NotAnArchive`], [`Error::Version`], [`Error::WrongModel`], [`Error::Damaged`] or
    /// [`Error::Io`].
    pub fn new(input: R, models: Models, threads: usize) -> Result<Self> {
        let options = DecompressOptions {
            threads,
            ..DecompressOptions::default()
        };
        Self::with_options(input, models, options)
    }

    /// As [`Decompressor::new`], with options.
    ///
    /// # Errors
    /// As there.
    pub fn with_options(input: R, models: Models, options: DecompressOptions) -> Result<Self> {
        let DecompressOptions {
            threads,
            lines,
            device,
        } = options;
        let decoding = Decoding::new(device, threads);
        let mut reader = Self {
            frames: Frames::new(input),
            models,
            pipeline: Pipeline::new(threads, decoding.held(), decoding),
            coding: Coding::Unknown,
            threads,
            watch: None,
            content: Content::default(),
            wanted: lines,
            newlines: 0,
            verified: Verified::default(),
            state: State::Reading,
        };
        reader.read_frame()?;
        Ok(reader)
    }

    /// The model of the archive that is being read; none if it was coded while learning.
    pub fn model(&self) -> Option<&Arc<Model>> {
        match &self.coding {
            Coding::Model(model) => Some(model),
            _ => None,
        }
    }

    /// How the learner of the archive that is being read learns; none if a model coded it.
    pub fn learner(&self) -> Option<&LearnerSettings> {
        match &self.coding {
            Coding::Learner(coder) => Some(coder.settings()),
            _ => None,
        }
    }

    /// Has every batch of the archive that is being read told to `batches`, and every block to
    /// `blocks`, if it was coded while learning: as [`crate::LearnOptions`] has when it is written.
    pub fn watch(&mut self, batches: learner::Observer, blocks: BlockWatch) {
        if let Coding::Learner(coder) = &mut self.coding {
            coder.observe(batches);
            self.watch = Some(blocks);
        }
    }

    /// Bytes of archives that were read so far.
    pub fn bytes_read(&self) -> u64 {
        self.frames.offset()
    }

    /// How much was read and found right so far.
    pub fn verified(&self) -> Verified {
        self.verified
    }

    /// Reads one frame and hands a block to the threads.
    fn read_frame(&mut self) -> Result<()> {
        match self.frames.next()? {
            None => self.state = State::Draining,
            Some(Frame::Header(header, packed)) => {
                self.coding = match &header.learner {
                    Some(settings) => Coding::Learner(Box::new(Learner::new(settings, self.threads)?)),
                    None => {
                        let packed = packed.as_deref();
                        Coding::Model(embedded::model_of(&header, packed, &self.models)?)
                    }
                };
            }
            Some(Frame::End) => self.verified.archives += 1,
            Some(Frame::Block(header)) => {
                let payload = self.frames.payload(&header)?;
                let before = self.newlines;
                self.newlines += u64::from(header.newlines);
                self.take_block(header, payload, before)?;
                if self.wanted.ends_by(self.newlines) {
                    self.state = State::Draining;
                }
            }
        }
        Ok(())
    }

    /// Hands a block to the threads, or to the learner at once.
    fn take_block(&mut self, header: BlockHeader, payload: Vec<u8>, before: u64) -> Result<()> {
        let (wanted, number) = (self.wanted, self.frames.block_number());
        let touches = wanted.touches(before, header.newlines);
        match &mut self.coding {
            Coding::Unknown => unreachable!("a header came first"),
            Coding::Model(_) if !touches => {}
            Coding::Model(model) => self.pipeline.give(Job {
                model: Arc::clone(model),
                number,
                header,
                payload,
                wanted,
                before,
            }),
            Coding::Learner(coder) => {
                let whole = learned::decode(&header, &payload, coder)
                    .map_err(|what| frames::undecodable(number, what))?;
                if let Some(watch) = &mut self.watch {
                    watch(&learned::parts(&header, &payload, &whole, coder));
                }
                if touches {
                    let wanted = wanted.cut(&whole, before);
                    self.pipeline.give_done(Ok(Content { whole, wanted }));
                }
            }
        }
        Ok(())
    }

    /// Whether more should be read before something is handed out. A learner takes its time for a
    /// block, so what it decoded comes out first.
    fn reads_ahead(&self) -> bool {
        let is_learning = matches!(self.coding, Coding::Learner(_));
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
                self.verified.blocks += 1;
                self.verified.bytes += content.whole.len() as u64;
                self.verified.newlines += memchr::memchr_iter(b'\n', &content.whole).count() as u64;
                self.content = content;
                Ok(true)
            }
        }
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Content { whole, wanted } = &mut self.content;
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
