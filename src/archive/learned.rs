//! Archives that are coded while learning: each block depends on those before it.

use std::io::{self, Write};

use super::block::{self, BLOCK_LINES, Coded, MAX_BLOCK_BYTES, Modelled, Split};
use super::format::{BlockHeader, BlockKind, Header};
use super::observe::{BlockParts, BlockWatch};
use super::sink::Sink;
use super::writer::Summary;
use crate::Result;
use crate::coding::{self, Predictor};
use crate::learner::{Learner, LearnerSettings, Observer};
use crate::model::{GptConfig, Identity, Preset};
use crate::text::Survey;

/// Lines of the first block; each has twice as many as the one before, up to [`BLOCK_LINES`], so
/// that little depends on how the learner does while it knows little.
const FIRST_BLOCK_LINES: usize = 4096;

/// A block that zstd makes hardly shorter is noise: no learner is tried on it.
const NOISE: f64 = 0.99;

/// How to compress while learning. The archive's bytes do not depend on the number of threads.
pub struct LearnOptions {
    /// The size of the network.
    pub preset: Preset,
    /// Lines of a batch; the preset's own if none.
    pub batch_lines: Option<usize>,
    /// The highest learning rate; the preset's own if none.
    pub rate: Option<f32>,
    /// What the first weights are drawn from.
    pub seed: u64,
    /// Further steps for each batch, on lines that came before.
    pub replay: u8,
    /// Where nothing more is learned a step is taken on every second batch only, then on every fourth, up to every
    /// so manieth, a power of two up to 64; the preset's own if none.
    pub stride: Option<u8>,
    /// Threads.
    pub threads: usize,
    /// A look at the whole content. Without it the first 4 MiB tell what symbols there are, and the
    /// learning rate falls without knowing how much is to come.
    pub survey: Option<Survey>,
    /// Is told of every batch.
    pub observer: Option<Observer>,
    /// Is told of every block, behind its batches.
    pub blocks: Option<BlockWatch>,
}

impl Default for LearnOptions {
    fn default() -> Self {
        Self {
            preset: Preset::Nano,
            batch_lines: None,
            rate: None,
            seed: 1,
            replay: 0,
            stride: None,
            threads: 1,
            survey: None,
            observer: None,
            blocks: None,
        }
    }
}

impl LearnOptions {
    fn settings(&self, survey: &Survey, whole: bool) -> Result<LearnerSettings> {
        let (block_size, vocabulary) = (survey.common_len() + 1, survey.learner_vocabulary());
        let mut settings =
            LearnerSettings::new(GptConfig::with_vocabulary(self.preset, block_size, &vocabulary));
        if let Some(rate) = self.rate {
            settings.rate = rate;
        }
        if let Some(stride) = self.stride {
            settings.stride = stride;
        }
        settings.seed = self.seed;
        settings.replay = self.replay;
        settings.fit(whole.then_some(survey.lines()), self.batch_lines)
    }
}

/// Compresses what is written to it into `W`, by a network that begins with nothing and learns from
/// every batch of lines behind it. The archive needs no model.
///
/// ```
/// use std::io::Write;
/// use surprisal::{LearnOptions, LearningCompressor, Models};
///
/// let lines = b"2024-01-01 ok\n2024-01-02 ok\n";
/// let mut compressor = LearningCompressor::new(Vec::new(), LearnOptions::default());
/// compressor.write_all(lines)?;
/// let (archive, summary, _) = compressor.finish()?;
/// assert_eq!(summary.lines, 2);
/// assert_eq!(surprisal::decompress(&archive, &Models::bundled())?, lines[..]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LearningCompressor<W: Write> {
    sink: Sink<W>,
    options: LearnOptions,
    /// None before the header is written.
    coder: Option<Learner>,
    /// Content that is not yet a block.
    waiting: Vec<u8>,
}

impl<W: Write> LearningCompressor<W> {
    /// Begins an archive. Its header is written as soon as it is known what symbols there are.
    pub fn new(output: W, options: LearnOptions) -> Self {
        Self {
            sink: Sink::new(output),
            options,
            coder: None,
            waiting: Vec::new(),
        }
    }

    /// Ends the archive and gives back what it was written to, an account of it, and what was
    /// learned.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if writing fails, [`crate::Error::Invalid`] if the options make no sense.
    pub fn finish(mut self) -> Result<(W, Summary, Learner)> {
        self.hand_out_blocks()?;
        let mut coder = self.coder(true)?;
        while !self.waiting.is_empty() {
            let len = block::next_block(&self.waiting, self.block_lines()).unwrap_or(self.waiting.len());
            let rest = self.waiting.split_off(len);
            let content = std::mem::replace(&mut self.waiting, rest);
            let threads = coder.threads();
            let coded = threads.install(|| encode(&content, &mut coder, self.waiting.is_empty()));
            self.put(&coded)?;
        }
        let (output, summary) = self.sink.end()?;
        Ok((output, summary, coder))
    }

    /// Bytes of content in blocks that are coded.
    pub fn bytes_coded(&self) -> u64 {
        let blocks = self.sink.blocks().iter();
        blocks.map(|block| u64::from(block.content_len)).sum()
    }

    /// The coder, taken out; made, and the header written, if there is none yet. `whole` says that
    /// everything is in `waiting`.
    fn coder(&mut self, whole: bool) -> Result<Learner> {
        if let Some(coder) = self.coder.take() {
            return Ok(coder);
        }
        let settings = match &self.options.survey {
            Some(survey) => self.options.settings(survey, true)?,
            None => {
                let mut survey = Survey::default();
                let looked_at = self.waiting.len().min(MAX_BLOCK_BYTES);
                survey.update(&self.waiting[..looked_at]);
                self.options.settings(&survey, whole)?
            }
        };
        let header = Header {
            identity: Identity(*blake3::hash(&settings.to_bytes()).as_bytes()),
            name: format!("learning {}", self.options.preset.name()),
            has_model: false,
            learner: Some(settings.clone()),
        };
        self.sink.begin(&header, &[])?;
        let mut coder = Learner::new(&settings, self.options.threads)?;
        if let Some(observer) = self.options.observer.take() {
            coder.observe(observer);
        }
        Ok(coder)
    }

    fn put(&mut self, coded: &Coded<()>) -> io::Result<()> {
        self.sink.put_block(coded)?;
        if let Some(blocks) = &mut self.options.blocks {
            blocks(&BlockParts::new(&coded.header, &coded.payload, coded.modelled));
        }
        Ok(())
    }

    /// The most lines of the next block.
    fn block_lines(&self) -> usize {
        let doublings = self.sink.blocks().len().min(BLOCK_LINES.ilog2() as usize) as u32;
        (FIRST_BLOCK_LINES << doublings).min(BLOCK_LINES)
    }

    /// Codes whole blocks, once there is enough to begin with.
    fn hand_out_blocks(&mut self) -> Result<()> {
        let begun = self.coder.is_some() || self.options.survey.is_some();
        if !begun && self.waiting.len() < MAX_BLOCK_BYTES {
            return Ok(());
        }
        let mut from = 0;
        while let Some(len) = block::next_block(&self.waiting[from..], self.block_lines()) {
            // What is the last block is known only when another follows.
            if from + len == self.waiting.len() {
                break;
            }
            let mut coder = self.coder(false)?;
            let threads = coder.threads();
            let coded = threads.install(|| encode(&self.waiting[from..from + len], &mut coder, false));
            self.coder = Some(coder);
            self.put(&coded)?;
            from += len;
        }
        self.waiting.drain(..from);
        Ok(())
    }
}

impl<W: Write> Write for LearningCompressor<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Not more at a time than a block: what waits stays small.
        let data = &data[..data.len().min(MAX_BLOCK_BYTES)];
        self.waiting.extend_from_slice(data);
        self.sink.count(data);
        self.hand_out_blocks()?;
        Ok(data.len())
    }

    /// Flushes what was coded; content that is not yet a whole block keeps waiting.
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Codes a block in the shortest way. Where zstd is shorter than the learner, the learner keeps what
/// it learned, unless this is the last block; where nothing is, the block was noise.
fn encode(content: &[u8], coder: &mut Learner, is_last: bool) -> Coded<()> {
    let split = Split::new(content, |line| coder.fits(line));
    let look = block::close_look(content);
    let is_noise = look.len() as f64 > NOISE * content.len() as f64;
    if !split.is_mostly_lines() || is_noise {
        let (kind, payload) = block::shortest_way(content, None, look);
        return Coded::new(content, kind, payload, Modelled::default(), ());
    }
    let before = coder.snapshot();
    let learned = (
        BlockKind::Learned,
        split.payload(&coding::encode(coder, &split.lines, &mut ())),
    );
    let (kind, payload) = block::shortest_way(content, Some(learned), look);
    match kind {
        BlockKind::Learned => Coded::new(content, kind, payload, split.modelled(), ()),
        BlockKind::Zstd if !is_last => {
            Coded::new(content, BlockKind::ZstdLearned, payload, Modelled::default(), ())
        }
        _ => {
            coder.restore(before);
            Coded::new(content, kind, payload, Modelled::default(), ())
        }
    }
}

/// The content of a block, and what the learner has to learn from it.
///
/// # Errors
/// What is wrong, if the payload is not what [`encode`] writes.
pub(super) fn decode(
    header: &BlockHeader,
    payload: &[u8],
    coder: &mut Learner,
) -> Result<Vec<u8>, &'static str> {
    let threads = coder.threads();
    threads.install(|| decode_here(header, payload, coder))
}

fn decode_here(header: &BlockHeader, payload: &[u8], coder: &mut Learner) -> Result<Vec<u8>, &'static str> {
    let limit = header.content_len as usize;
    let content = match header.kind {
        BlockKind::Raw => payload.to_vec(),
        BlockKind::Zstd | BlockKind::ZstdLearned => block::unpack(payload, limit)?,
        BlockKind::Learned => block::join(payload, limit, |text, words, line_done| {
            coding::decode(coder, words, text, line_done)
        })?,
        BlockKind::Modelled => return Err("it is of another kind of archive"),
    };
    let content = block::check(header, content)?;
    if header.kind == BlockKind::ZstdLearned {
        let split = Split::new(&content, |line| coder.fits(line));
        coder.absorb(&split.lines);
    }
    Ok(content)
}

/// What a block that was decoded is made of.
pub(super) fn parts(header: &BlockHeader, payload: &[u8], content: &[u8], coder: &Learner) -> BlockParts {
    let modelled = match header.kind {
        BlockKind::Learned => Split::new(content, |line| coder.fits(line)).modelled(),
        _ => Modelled::default(),
    };
    BlockParts::new(header, payload, modelled)
}
