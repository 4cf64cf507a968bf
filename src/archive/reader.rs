//! Reads archives from front to back and gives back their content.

use std::collections::VecDeque;
use std::io::{self, Read, Seek};
use std::sync::Arc;

use super::block::BlockCoder;
use super::embedded;
use super::format::BlockKind;
use super::frames::{Block, Content, Frame, Frames, Job, decode_blocks};
use super::gpu;
use super::lines::LineRange;
use super::observe::{Event, Observer};
use super::options::DecompressOptions;
use super::pipeline::{Jobs, Pipeline};
use super::salvage::{Damage, KEPT, Missing, Place, Salvage};
use super::stats::{ArchiveStats, BlockStats};
use crate::coding::GROUP;
use crate::learner::{Learner, LearnerSettings};
use crate::model::{Model, Models};
use crate::{Error, Result};

/// Restores the content of an archive, or of several one after another, as it is read from.
///
/// What comes out is always right: a block is handed on only when its checksums agree. Behind the
/// last intact block of a damaged archive, `read` gives an error instead; it holds an
/// [`Error`] ([`Error::from_io`]).
///
/// An archive that comes in pieces can be read as they come: an input that has nothing for now gives
/// [`io::ErrorKind::WouldBlock`], and so does `read` when all is handed out that was decoded. Before `read` is called
/// again, the input must go back to byte [`Decompressor::bytes_read`] and give what follows there once more. That does not go
/// together with [`DecompressOptions::salvage`].
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
    /// What is found of damaged archives, if reading goes on behind damage, and the places of the blocks under way.
    salvage: Option<Salvage>,
    places: VecDeque<Place>,
    /// Whether the first archive's end is the end.
    first_only: bool,
    stats: ArchiveStats,
    state: State,
}

/// What decodes the blocks of an archive.
enum ArchiveDecoder {
    /// A model: blocks are independent.
    Model(Arc<Model>),
    /// A learner: each block that it coded needs those before it.
    Learner(Box<LearnedBlocks>),
}

/// A learner, and blocks that it has not learned from: it does when a block is wanted that depends on them.
struct LearnedBlocks {
    learner: Learner,
    pending: Vec<Block>,
    /// Bytes of their payloads.
    pending_len: usize,
    /// Whether something that it learned from is missing: then it knows nothing of what follows.
    is_lost: bool,
    /// Whether it learns from each block at once, so that an observer is told of it.
    is_observed: bool,
}

/// The most bytes of payloads that wait to be learned from.
const MAX_PENDING: usize = 64 << 20;

impl LearnedBlocks {
    /// The content of the next block, if it is wanted.
    fn take(&mut self, block: Block, is_wanted: bool) -> Result<Vec<u8>> {
        let threads = self.learner.threads();
        threads.install(|| {
            let kind = block.header.kind;
            let mut content = Vec::new();
            if is_wanted {
                if kind == BlockKind::Learned {
                    if self.is_lost {
                        return Err(block.undecodable("it depends on one before it that is missing"));
                    }
                    self.catch_up()?;
                }
                content = block.decode(&mut BlockCoder::Learner(&mut self.learner))?;
            }
            if !self.is_lost && (kind == BlockKind::ZstdLearned || (kind == BlockKind::Learned && !is_wanted))
            {
                self.pending_len += block.payload.len();
                self.pending.push(block);
            }
            if self.is_observed || self.pending_len > MAX_PENDING {
                self.catch_up()?;
            }
            Ok(content)
        })
    }

    /// Learns from all blocks that are pending.
    fn catch_up(&mut self) -> Result<()> {
        self.pending_len = 0;
        let mut coder = BlockCoder::Learner(&mut self.learner);
        for block in self.pending.drain(..) {
            let content = block.decode(&mut coder)?;
            coder.absorb(block.header.kind, &content);
        }
        Ok(())
    }
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
        let DecompressOptions { models, threads, lines, salvage, first_only, device, observer } = options;
        let pipeline = if device.is_cpu() {
            let observer = observer.clone();
            Pipeline::new(threads, 1, move |jobs: Jobs<_, _>| decode_blocks(jobs, observer.as_ref()))
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
            salvage: salvage.then(Salvage::default),
            places: VecDeque::new(),
            first_only,
            stats: ArchiveStats::default(),
            state: State::Reading,
        };
        if salvage {
            reader.frames.input.keep(KEPT);
        }
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
            Some(ArchiveDecoder::Learner(blocks)) => Some(blocks.learner.settings()),
            _ => None,
        }
    }

    /// Has every batch and block told to `observer` from now on, as with an observer of the options.
    pub fn observe(&mut self, observer: Observer) {
        self.observer = Some(observer);
        self.observe_learner();
    }

    fn observe_learner(&mut self) {
        if let (Some(ArchiveDecoder::Learner(blocks)), Some(observer)) = (&mut self.decoder, &self.observer) {
            let observer = observer.clone();
            blocks.is_observed = true;
            blocks.learner.observe(Box::new(move |record| observer.tell(Event::Batch(record))));
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

    /// What is missing, once all was read and [`DecompressOptions::salvage`] was set. In an archive without an end
    /// nobody knows what followed.
    pub fn missing(&self) -> Vec<Missing> {
        self.salvage.as_ref().map(Salvage::missing).unwrap_or_default()
    }

    /// The first damage that was read past.
    pub fn damage(&mut self) -> Option<Error> {
        self.salvage.as_mut()?.damage.take()
    }

    /// The next frame; where reading goes on behind damage the next that is whole.
    fn next_frame(&mut self) -> Result<Option<Frame>> {
        let Some(salvage) = &mut self.salvage else {
            return self.frames.next();
        };
        loop {
            let Damage { error, block } = match self.frames.next_whole()? {
                Ok(frame) => return Ok(frame),
                Err(damage) => damage,
            };
            let Some((number, header)) = block else {
                salvage.damage.get_or_insert(error);
                continue;
            };
            let (place, follows_gap) = salvage.block(number, &header);
            salvage.lose(place, error);
            if let Some(ArchiveDecoder::Learner(blocks)) = &mut self.decoder {
                blocks.is_lost |= follows_gap || header.kind.is_learned();
            }
        }
    }

    /// Reads one frame and hands a block to the threads.
    fn read_frame(&mut self) -> Result<()> {
        match self.next_frame()? {
            None => self.state = State::Draining,
            Some(Frame::Header(header, packed)) => {
                let packed = packed.as_deref();
                self.decoder = Some(match &header.learner {
                    Some(settings) => ArchiveDecoder::Learner(Box::new(LearnedBlocks {
                        learner: Learner::new(settings, self.threads)?,
                        pending: Vec::new(),
                        pending_len: 0,
                        is_lost: false,
                        is_observed: false,
                    })),
                    None => ArchiveDecoder::Model(embedded::model_of(&header, packed, &self.models)?),
                });
                self.stats.model_len += packed.map_or(0, embedded::framed_len);
                self.observe_learner();
                if let Some(salvage) = &mut self.salvage {
                    salvage.begin();
                }
            }
            Some(Frame::End(blocks)) => {
                self.stats.archives += 1;
                self.stats.bytes_out = self.frames.offset();
                if self.first_only {
                    self.state = State::Draining;
                }
                if let Some(salvage) = &mut self.salvage {
                    salvage.end(&blocks);
                    // The next header may be lost.
                    self.decoder = None;
                }
            }
            Some(Frame::Block(block)) => {
                let before = self.newlines;
                self.newlines += u64::from(block.header.newlines);
                if let Some(salvage) = &mut self.salvage {
                    let (place, follows_gap) = salvage.block(block.number, &block.header);
                    self.places.push_back(place);
                    if let Some(ArchiveDecoder::Learner(blocks)) = &mut self.decoder {
                        blocks.is_lost |= follows_gap;
                    }
                }
                self.take_block(block, before);
                if self.wanted.ends_by(self.newlines) {
                    self.state = State::Draining;
                }
            }
        }
        Ok(())
    }

    /// Hands a block to the threads, or to the learner at once.
    fn take_block(&mut self, block: Block, before: u64) {
        let wanted = self.wanted;
        let is_wanted = wanted.touches(before, block.header.newlines);
        let stats = Some(block.stats);
        let decoded = match &mut self.decoder {
            Some(ArchiveDecoder::Model(_)) if !is_wanted => return,
            Some(ArchiveDecoder::Model(model)) => {
                return self.pipeline.give(Job { model: Arc::clone(model), block, wanted, before });
            }
            Some(ArchiveDecoder::Learner(blocks)) => blocks.take(block, is_wanted),
            None => self.try_models(&block),
        };
        if is_wanted || decoded.is_err() {
            self.pipeline.give_done(decoded.map(|whole| {
                let wanted = wanted.cut(&whole, before);
                Content { stats, wanted, whole }
            }));
        }
    }

    /// The content of a block whose archive's header is lost. If a model at hand decodes it, that is the archive's.
    fn try_models(&mut self, block: &Block) -> Result<Vec<u8>> {
        let mut header = block.header;
        if header.kind == BlockKind::ZstdLearned {
            header.kind = BlockKind::Zstd;
        }
        for model in self.models.iter() {
            let mut coder = BlockCoder::Model(Box::new(model.exact().group(GROUP)));
            if let Ok(content) = coder.decode(&header, &block.payload) {
                if header.kind == BlockKind::Modelled {
                    self.decoder = Some(ArchiveDecoder::Model(Arc::clone(model)));
                }
                return Ok(content);
            }
        }
        Err(block.undecodable("the header of its archive is missing, and no model at hand decodes it"))
    }

    /// Whether more should be read before something is handed out. A learner takes its time for a
    /// block, so what it decoded comes out first.
    fn reads_ahead(&self) -> bool {
        let is_learning = matches!(self.decoder, Some(ArchiveDecoder::Learner(_)));
        self.state == State::Reading && !self.pipeline.is_full() && !(is_learning && self.pipeline.is_busy())
    }

    /// Brings in the next content; false at the end.
    fn advance(&mut self) -> Result<bool> {
        loop {
            while self.reads_ahead() {
                if let Err(error) = self.read_frame() {
                    if is_for_now(&error) {
                        if self.pipeline.is_busy() {
                            break;
                        }
                        return Err(error);
                    }
                    // What was intact before it comes first.
                    self.state = State::Draining;
                    self.pipeline.give_done(Err(error));
                }
            }
            let done = self.pipeline.take();
            let place = self.places.pop_front();
            match (done, &mut self.salvage) {
                (None, Some(salvage)) if salvage.is_empty() => {
                    self.state = State::Failed;
                    return salvage.damage.take().map_or(Ok(false), Err);
                }
                (None, _) => return Ok(false),
                (Some(Err(error)), Some(salvage)) if let Some(place) = place => salvage.lose(place, error),
                (Some(Err(error)), _) => {
                    self.state = State::Failed;
                    return Err(error);
                }
                (Some(Ok(content)), _) => {
                    if let Some(block) = &content.stats {
                        self.stats += block;
                        if let Some(observer) = &self.observer {
                            observer.tell(Event::Block(block));
                        }
                    }
                    self.content = content;
                    return Ok(true);
                }
            }
        }
    }
}

/// Whether an input only has nothing for now.
fn is_for_now(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

impl<R: Read + Seek> Decompressor<R> {
    /// Passes over the first blocks of the first archive, before which stand so many newlines, unless a learner needs
    /// them. Says whether it did.
    pub(super) fn skip(&mut self, newlines: u64, blocks: &[BlockStats]) -> Result<bool> {
        self.newlines = newlines;
        let is_passed = self.model().is_some();
        if is_passed {
            self.newlines += blocks.iter().map(|block| u64::from(block.newlines)).sum::<u64>();
            self.frames.skip(blocks)?;
        }
        Ok(is_passed)
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

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use super::*;
    use crate::archive::{CompressOptions, Compressor, Index, LearnOptions};
    use crate::model::Preset;
    use crate::text::{Additions, Distribution, Operands, Survey};

    /// A learner takes no step for a block that zstd stores unless a block that it coded and that is wanted follows.
    #[test]
    fn nothing_is_learned_for_nothing() -> Result<()> {
        let sums = Additions::new(Distribution::new(8, Operands::Uniform)?, 3).text(4096);
        let text = [&sums[..], &sums[..28 * 128].repeat(64)].concat();
        let learning = LearnOptions::default().with_preset(Preset::Pico).with_rate(1e-2);
        let archive_of = |text: &[u8]| {
            let options = CompressOptions::default().with_coder(learning.clone());
            let mut compressor = Compressor::with_options(Vec::new(), options)?;
            compressor.write_all(text)?;
            let archive = compressor.finish()?.output;
            let index = Index::read(&mut Cursor::new(&archive))?;
            let kinds = index.archives[0].blocks.iter().map(|block| block.kind).collect::<Vec<_>>();
            Ok::<_, Error>((archive, kinds))
        };
        let batch_lines = learning.settings(&Survey::default(), None)?.batch_lines as u64;
        let steps = |archive: &[u8], lines: LineRange, observer: Option<Observer>| {
            let options = DecompressOptions::default().with_lines(lines).with_observer(observer);
            let mut reader = Decompressor::with_options(archive, options)?;
            io::copy(&mut reader, &mut io::sink())?;
            match reader.decoder {
                Some(ArchiveDecoder::Learner(blocks)) => Ok::<_, Error>(blocks.learner.steps() * batch_lines),
                _ => panic!("no learner"),
            }
        };
        let (learned, zstd) = (BlockKind::Learned, BlockKind::ZstdLearned);
        let (archive, kinds) = archive_of(&[&text[..], b"end\n"].concat())?;
        assert_eq!(kinds, [learned, zstd, BlockKind::Raw]);
        assert_eq!(steps(&archive, LineRange::ALL, None)?, 4096);
        assert_eq!(steps(&archive, LineRange::ALL, Some(Observer::new(|_| ())))?, 3 * 4096);
        assert_eq!(steps(&archive, LineRange::new(5000, 6000)?, None)?, 0);
        assert_eq!(steps(&archive, LineRange::new(9, 5000)?, None)?, 4096);

        let (archive, kinds) = archive_of(&[text, sums].concat())?;
        assert_eq!(kinds, [learned, zstd, learned]);
        assert_eq!(steps(&archive, LineRange::new(5000, 6000)?, None)?, 0);
        assert_eq!(steps(&archive, LineRange::new(14_000, 14_001)?, None)?, 4 * 4096);
        Ok(())
    }
}
