//! One block: content to payload and back, in the shortest of the ways to store it.

use xxhash_rust::xxh3::xxh3_64;

use super::format::{BlockHeader, BlockKind};
use super::observe::{BlockNotes, Observer, observed};
use super::payload::{Joiner, Split};
use super::pipeline::Jobs;
use crate::coding::{self, Predictor, predictor_on};
use crate::learner::Learner;
use crate::model::Model;
use crate::network::Device;

/// The most lines of a block.
pub const BLOCK_LINES: usize = 65_536;

/// The level of zstd for blocks that the model does not serve.
const ZSTD_LEVEL: i32 = 19;
/// The level of a quick probe of what zstd can do with a block.
const ZSTD_PROBE_LEVEL: i32 = 1;
/// The level of a closer probe, beside a learner: in its time that does not count, where the best level would be a quarter.
const ZSTD_CLOSE_PROBE_LEVEL: i32 = 9;
/// The better level is tried where the probe comes within this factor of the model.
const PROBE_MARGIN: f64 = 1.5;
/// A block that zstd makes hardly shorter is noise: no learner is tried on it.
const NOISE: f64 = 0.99;

/// A coded block.
pub(super) struct Coded<N> {
    pub header: BlockHeader,
    pub payload: Vec<u8>,
    /// Lines and tokens that the model coded.
    pub modelled_lines: u64,
    pub tokens: u64,
    pub notes: N,
}

/// What codes the lines of blocks.
pub(super) enum BlockCoder<'a> {
    /// A model: blocks are independent.
    Model(Box<dyn Predictor + 'a>),
    /// A learner, which learns from every block. Fastest on a thread of its own.
    Learner(&'a mut Learner),
}

impl BlockCoder<'_> {
    /// What predicts their tokens.
    pub fn predictor(&mut self) -> &mut dyn Predictor {
        match self {
            Self::Model(predictor) => &mut **predictor,
            Self::Learner(learner) => *learner,
        }
    }

    fn split<'c>(&mut self, content: &'c [u8]) -> Split<'c> {
        let predictor = self.predictor();
        let (vocabulary, most) = (predictor.vocabulary(), predictor.max_line_len());
        Split::new(content, |line| vocabulary.has_all(line, most))
    }

    /// Codes a block in the shortest way. Behind the last one nothing need be learned.
    pub fn encode<N: BlockNotes>(&mut self, content: &[u8], is_last: bool) -> Coded<N> {
        let mut notes = N::default();
        let split = self.split(content);
        notes.begin(content, &split.lines);
        let (coded_kind, probe_level, noise) = match self {
            Self::Model(_) => (BlockKind::Modelled, ZSTD_PROBE_LEVEL, f64::INFINITY),
            Self::Learner(_) => (BlockKind::Learned, ZSTD_CLOSE_PROBE_LEVEL, NOISE),
        };
        let probe = zstd(content, probe_level);
        // Where most bytes are outside the grammar the model's part cannot pay.
        let is_tried = split.is_mostly_lines() && probe.len() as f64 <= noise * content.len() as f64;
        let before = match self {
            Self::Learner(learner) if is_tried => Some(learner.snapshot()),
            _ => None,
        };
        let coded = is_tried.then(|| {
            let words = coding::encode(self.predictor(), &split.lines, |line, position, slots| {
                notes.token(line, position, slots);
            });
            (coded_kind, split.payload(&words))
        });
        let (mut kind, payload) = shortest(content, coded, probe);
        if let (Self::Learner(learner), Some(before)) = (self, before)
            && kind != coded_kind
        {
            // Where zstd is shorter the learner keeps what it learned; where nothing is, the block was noise.
            if kind == BlockKind::Zstd && !is_last {
                kind = BlockKind::ZstdLearned;
            } else {
                learner.restore(before);
            }
        }
        notes.end(content, &split.lines, kind);
        let is_modelled = u64::from(kind.is_modelled());
        Coded {
            header: BlockHeader {
                kind,
                content_len: content.len() as u32,
                newlines: memchr::memchr_iter(b'\n', content).count() as u32,
                payload_len: payload.len() as u32,
                payload_crc: crc32fast::hash(&payload),
                content_hash: xxh3_64(content),
            },
            payload,
            modelled_lines: is_modelled * split.lines.len() as u64,
            tokens: is_modelled * split.tokens(),
            notes,
        }
    }

    /// The content of a block. A learner then knows what it knew when it had coded it; what it learned from one that
    /// zstd stores is for [`BlockCoder::absorb`].
    ///
    /// # Errors
    /// What is wrong, if the payload is not what [`BlockCoder::encode`] writes.
    pub fn decode(&mut self, header: &BlockHeader, payload: &[u8]) -> Result<Vec<u8>, &'static str> {
        let limit = header.content_len as usize;
        let content = match (header.kind, &mut *self) {
            (BlockKind::Raw, _) => payload.to_vec(),
            (BlockKind::Zstd, _) | (BlockKind::ZstdLearned, Self::Learner(_)) => {
                zstd::bulk::decompress(payload, limit).map_err(|_| "its zstd data does not unpack")?
            }
            (BlockKind::Modelled, Self::Model(_)) | (BlockKind::Learned, Self::Learner(_)) => {
                let (mut joiner, words) = Joiner::new(payload, limit)?;
                let decoded = coding::decode(self.predictor(), &words, joiner.text, |line| joiner.line(line));
                decoded.map_err(|_| BAD_WORDS)?;
                joiner.finish()?
            }
            _ => return Err("it is of another kind of archive"),
        };
        check(header, content)
    }

    /// Has a learner learn from a block of this kind that zstd stores.
    pub fn absorb(&mut self, kind: BlockKind, content: &[u8]) {
        if kind == BlockKind::ZstdLearned {
            let split = self.split(content);
            if let Self::Learner(learner) = self {
                learner.absorb(&split.lines);
            }
        }
    }
}

/// What is wrong with words that do not decode.
pub(super) const BAD_WORDS: &str = "its coded lines do not decode";

/// The content, if it is the right one.
pub(super) fn check(header: &BlockHeader, content: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    if content.len() != header.content_len as usize || xxh3_64(&content) != header.content_hash {
        return Err("what it decodes to does not match its checksum");
    }
    Ok(content)
}

/// A way to store a block, and the payload.
type Way = (BlockKind, Vec<u8>);

/// The shortest way among the content itself, what a model made of it, and zstd, unless the probe tells that zstd's best
/// level cannot be. What is not shorter is let go at once, and the content is copied only if nothing is: blocks have
/// megabytes.
fn shortest(content: &[u8], coded: Option<Way>, probe: Vec<u8>) -> Way {
    let len = |best: &Option<Way>| best.as_ref().map_or(content.len(), |(_, payload)| payload.len());
    let mut best = coded.filter(|(_, payload)| payload.len() < content.len());
    if (probe.len() as f64) < PROBE_MARGIN * len(&best) as f64 {
        if probe.len() < len(&best) {
            best = Some((BlockKind::Zstd, probe));
        } else {
            drop(probe);
        }
        let packed = zstd(content, ZSTD_LEVEL);
        if packed.len() < len(&best) {
            best = Some((BlockKind::Zstd, packed));
        }
    }
    best.unwrap_or_else(|| (BlockKind::Raw, content.to_vec()))
}

fn zstd(content: &[u8], level: i32) -> Vec<u8> {
    zstd::bulk::compress(content, level).expect("memory does not fail")
}

/// Codes blocks by a model on a device and gives their content back: what a thread of the writer does, as `decode_blocks` is
/// what one of the reader does.
pub(super) fn encode_blocks<N: BlockNotes>(
    jobs: Jobs<Vec<u8>, (Coded<N>, Vec<u8>)>,
    model: &Model,
    device: &Device,
    observer: Option<&Observer>,
) {
    let mut jobs = jobs.peekable();
    // A model that nothing is to be coded with need not be made ready.
    if jobs.peek().is_none() {
        return;
    }
    let mut coder = BlockCoder::Model(observed(predictor_on(device, model.exact()), observer));
    for (content, reply) in jobs {
        reply.give((coder.encode(&content, false), content));
    }
}
