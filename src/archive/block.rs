//! One block: content to payload and back.
//!
//! A modelled payload is: a byte that says how lines end (0: `\n`, 1: `\r\n`); then as varints the
//! number of modelled lines, the number of exceptions, the length of the exceptions once unpacked
//! and as they stand; the exceptions; and the range coder's words. An exception is a line that the
//! model cannot code, its newline with it: for each, varints of the number of modelled lines before
//! it since the last one and of its length; then all of their bytes. They stand packed by zstd where
//! that makes them shorter.

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::format::{BlockHeader, BlockKind, get_varint, put_varint};
use super::observe::BlockObserver;
use crate::coding::{self, Predictor, TextLimits, Undecodable};

/// The most lines of a block.
pub const BLOCK_LINES: usize = 65_536;
/// The most bytes of a block: one is cut within a line rather than be longer.
pub const MAX_BLOCK_BYTES: usize = 4 << 20;

/// The level of zstd for blocks that the model does not serve.
const ZSTD_LEVEL: i32 = 19;
/// A quick look at what zstd can do with a block.
const ZSTD_PROBE_LEVEL: i32 = 1;
/// A closer look, beside a learner: in its time that does not count, where the best level would be a quarter.
const ZSTD_CLOSE_LEVEL: i32 = 9;
/// The better level is tried where the look comes within this factor of the model.
const PROBE_MARGIN: f64 = 1.5;

/// A coded block.
pub(super) struct Coded<B> {
    pub header: BlockHeader,
    pub payload: Vec<u8>,
    /// Lines that the model coded, and their tokens.
    pub modelled: Modelled,
    /// What looked on.
    pub observer: B,
}

/// What the model did in a block, or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Modelled {
    pub lines: u64,
    pub tokens: u64,
}

/// Length of the next block of `input`, of at most so many lines; none if more input could make it
/// longer.
pub(super) fn next_block(input: &[u8], lines: usize) -> Option<usize> {
    let window = &input[..input.len().min(MAX_BLOCK_BYTES)];
    let mut ends = memchr::memchr_iter(b'\n', window);
    match ends.nth(lines - 1) {
        Some(last) => Some(last + 1),
        None if input.len() < MAX_BLOCK_BYTES => None,
        // Whole lines as far as they go; within a line only if it is longer than a block.
        None => Some(memchr::memrchr(b'\n', window).map_or(MAX_BLOCK_BYTES, |last| last + 1)),
    }
}

/// A way to store a block.
pub(super) type Way = (BlockKind, Vec<u8>);

fn zstd(content: &[u8], level: i32) -> Vec<u8> {
    zstd::bulk::compress(content, level).expect("memory does not fail")
}

/// A close look at what zstd can do with a block.
pub(super) fn close_look(content: &[u8]) -> Vec<u8> {
    zstd(content, ZSTD_CLOSE_LEVEL)
}

/// The shortest way among the content itself, what a model made of it, and zstd, unless the look tells that zstd's best
/// level cannot be.
pub(super) fn shortest_way(content: &[u8], model: Option<Way>, look: Vec<u8>) -> Way {
    let len = |(_, payload): &Way| payload.len();
    let mut ways = vec![(BlockKind::Raw, content.to_vec())];
    ways.extend(model);
    let shortest = ways.iter().map(len).min().expect("raw at least");
    if (look.len() as f64) < PROBE_MARGIN * shortest as f64 {
        ways.push((BlockKind::Zstd, look));
        ways.push((BlockKind::Zstd, zstd(content, ZSTD_LEVEL)));
    }
    ways.into_iter().min_by_key(len).expect("raw at least")
}

/// Codes a block in the shortest of the three ways.
pub(super) fn encode<B: BlockObserver>(content: &[u8], predictor: &mut dyn Predictor) -> Coded<B> {
    let mut observer = B::default();
    let split = Split::new(content, |line| predictor.fits(line));
    observer.begin(content, &split.lines);
    let modelled = split.modelled();
    // Where most bytes are outside the grammar the model's part cannot pay.
    let model = split.is_mostly_lines().then(|| {
        let words = coding::encode(predictor, &split.lines, &mut observer);
        (BlockKind::Modelled, split.payload(&words))
    });
    let (kind, payload) = shortest_way(content, model, zstd(content, ZSTD_PROBE_LEVEL));
    let modelled = match kind {
        BlockKind::Modelled => modelled,
        _ => Modelled::default(),
    };
    observer.end(content, &split.lines, kind);
    Coded::new(content, kind, payload, modelled, observer)
}

impl<B> Coded<B> {
    /// Content in the way that was chosen.
    pub fn new(content: &[u8], kind: BlockKind, payload: Vec<u8>, modelled: Modelled, observer: B) -> Self {
        let header = BlockHeader {
            kind,
            content_len: content.len() as u32,
            newlines: memchr::memchr_iter(b'\n', content).count() as u32,
            payload_len: payload.len() as u32,
            payload_crc: crc32fast::hash(&payload),
            content_hash: xxh3_64(content),
        };
        Self {
            header,
            payload,
            modelled,
            observer,
        }
    }
}

/// Content, taken apart into what the model codes and the rest.
pub(super) struct Split<'a> {
    crlf: bool,
    /// Length of the content.
    len: usize,
    /// Lines that fit the grammar, without what ends them.
    pub lines: Vec<&'a [u8]>,
    /// For each exception the modelled lines before it, and its length.
    places: Vec<u8>,
    count: u64,
    /// The exceptions' bytes.
    exceptions: Vec<u8>,
}

impl<'a> Split<'a> {
    /// Takes content apart into lines that fit and the rest.
    pub fn new(content: &'a [u8], fits: impl Fn(&[u8]) -> bool) -> Self {
        let newlines = memchr::memchr_iter(b'\n', content).count();
        let crlf = 2 * memchr::memmem::find_iter(content, b"\r\n").count() > newlines;
        let mut split = Self {
            crlf,
            len: content.len(),
            lines: Vec::new(),
            places: Vec::new(),
            count: 0,
            exceptions: Vec::new(),
        };
        let terminator = terminator(crlf);
        let mut since = 0;
        for line in content.split_inclusive(|&b| b == b'\n') {
            match line.strip_suffix(terminator).filter(|line| fits(line)) {
                Some(line) => {
                    split.lines.push(line);
                    since += 1;
                }
                None => {
                    put_varint(&mut split.places, since);
                    put_varint(&mut split.places, line.len() as u64);
                    split.exceptions.extend_from_slice(line);
                    split.count += 1;
                    since = 0;
                }
            }
        }
        split
    }

    /// What the model has to code: the lines, their characters and their ends.
    pub fn modelled(&self) -> Modelled {
        Modelled {
            lines: self.lines.len() as u64,
            tokens: self.lines.iter().map(|line| line.len() as u64 + 1).sum(),
        }
    }

    /// Whether at least half of the bytes are in lines that fit.
    pub fn is_mostly_lines(&self) -> bool {
        2 * self.exceptions.len() < self.len
    }

    /// The payload of a modelled block whose lines were coded into these words.
    pub fn payload(&self, words: &[u32]) -> Vec<u8> {
        let plain = [&self.places[..], &self.exceptions].concat();
        let packed = zstd::bulk::compress(&plain, ZSTD_LEVEL).expect("memory does not fail");
        let section = if packed.len() < plain.len() {
            &packed
        } else {
            &plain
        };
        let mut out = vec![u8::from(self.crlf)];
        for number in [
            self.lines.len() as u64,
            self.count,
            plain.len() as u64,
            section.len() as u64,
        ] {
            put_varint(&mut out, number);
        }
        out.extend(section);
        out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        out
    }
}

fn terminator(crlf: bool) -> &'static [u8] {
    if crlf { b"\r\n" } else { b"\n" }
}

/// The content of a block.
///
/// # Errors
/// What is wrong, if the payload is not what [`encode`] writes.
pub(super) fn decode(
    header: &BlockHeader,
    payload: &[u8],
    predictor: &mut dyn Predictor,
) -> Result<Vec<u8>, &'static str> {
    let limit = header.content_len as usize;
    let content = match header.kind {
        BlockKind::Raw => payload.to_vec(),
        BlockKind::Zstd => unpack(payload, limit)?,
        BlockKind::Modelled => join(payload, limit, |text, words, line_done| {
            coding::decode(predictor, words, text, line_done)
        })?,
        BlockKind::Learned | BlockKind::ZstdLearned => return Err("it is of another kind of archive"),
    };
    check(header, content)
}

/// What zstd packed.
pub(super) fn unpack(payload: &[u8], limit: usize) -> Result<Vec<u8>, &'static str> {
    zstd::bulk::decompress(payload, limit).map_err(|_| "its zstd data does not unpack")
}

/// The content, if it is the right one.
pub(super) fn check(header: &BlockHeader, content: Vec<u8>) -> Result<Vec<u8>, &'static str> {
    if content.len() != header.content_len as usize || xxh3_64(&content) != header.content_hash {
        return Err("what it decodes to does not match its checksum");
    }
    Ok(content)
}

/// What stands before the exceptions of a modelled payload.
struct InnerSizes {
    crlf: u8,
    /// Modelled lines, and exceptions.
    lines: usize,
    count: usize,
    /// Bytes of the exceptions, unpacked and as they stand.
    plain_len: usize,
    section_len: usize,
}

/// The most bytes that inner sizes take: they and the varints are bounded.
pub(super) const MAX_INNER_SIZES: usize = 1 + 4 * 9;

impl InnerSizes {
    /// Takes them off the front of a payload.
    fn take(payload: &mut &[u8]) -> Option<Self> {
        let (&crlf, rest) = payload.split_first()?;
        *payload = rest;
        let mut number = || get_varint(payload).and_then(|n| usize::try_from(n).ok());
        Some(Self {
            crlf,
            lines: number()?,
            count: number()?,
            plain_len: number()?,
            section_len: number()?,
        })
    }
}

/// What a payload is made of, in bytes: what the range coder (or zstd, or nothing) wrote, and what
/// stands beside it; the rest is framing. `start` is the payload's first [`MAX_INNER_SIZES`] bytes,
/// or all of it. Where a modelled payload's sizes make no sense, which decoding would tell, both
/// are 0.
pub(super) fn payload_parts(kind: BlockKind, payload_len: u32, start: &[u8]) -> (u32, u32) {
    if !matches!(kind, BlockKind::Modelled | BlockKind::Learned) {
        return (payload_len, 0);
    }
    let mut rest = start;
    let parts = InnerSizes::take(&mut rest).and_then(|sizes| {
        let inner = (start.len() - rest.len()) as u32;
        let beside = u32::try_from(sizes.section_len).ok()?;
        Some((payload_len.checked_sub(inner)?.checked_sub(beside)?, beside))
    });
    parts.unwrap_or_default()
}

const BAD_SIZES: &str = "its inner sizes make no sense";

/// A modelled block that is being put together again.
pub(super) struct Joining {
    /// What its words decode to.
    pub text: TextLimits<'static>,
    exceptions: Exceptions,
    content: Vec<u8>,
    misplaced: bool,
}

impl Joining {
    /// Takes a payload apart: what is known before its words are decoded, and the words.
    ///
    /// # Errors
    /// What is wrong.
    pub fn new(mut payload: &[u8], limit: usize) -> Result<(Self, Vec<u32>), &'static str> {
        let InnerSizes {
            crlf,
            lines,
            count,
            plain_len,
            section_len,
        } = InnerSizes::take(&mut payload).ok_or(BAD_SIZES)?;
        // Every line takes at least its newline, every exception a byte and two varints of five.
        if crlf > 1 || lines > limit || count > limit || plain_len > limit + 10 * count {
            return Err(BAD_SIZES);
        }
        let (section, words) = payload.split_at_checked(section_len).ok_or(BAD_SIZES)?;
        let plain = match section_len < plain_len {
            true => zstd::bulk::decompress(section, plain_len).map_err(|_| BAD_SIZES)?,
            false => section.to_vec(),
        };
        let words = match words.as_chunks() {
            (words, []) => words.iter().map(|&word| u32::from_le_bytes(word)).collect(),
            _ => return Err(BAD_SIZES),
        };
        let mut joining = Self {
            text: TextLimits {
                lines,
                terminator: terminator(crlf == 1),
                bytes: limit,
            },
            exceptions: Exceptions::new(plain, count).ok_or(BAD_SIZES)?,
            content: Vec::new(),
            misplaced: false,
        };
        joining.exceptions.put(&mut joining.content)?;
        Ok((joining, words))
    }

    /// The next line, with what ends it.
    pub fn line(&mut self, line: &[u8]) {
        self.content.extend_from_slice(line);
        self.exceptions.since += 1;
        self.misplaced |= self.exceptions.put(&mut self.content).is_err();
    }

    /// The content, once all lines came.
    ///
    /// # Errors
    /// What is wrong.
    pub fn finish(mut self) -> Result<Vec<u8>, &'static str> {
        let is_whole = self.exceptions.places.next().is_none() && self.exceptions.bytes.is_empty();
        match is_whole && !self.misplaced {
            true => Ok(self.content),
            false => Err(BAD_SIZES),
        }
    }
}

/// What is wrong with words that do not decode.
pub(super) const BAD_WORDS: &str = "its coded lines do not decode";

/// Puts a modelled block together again. `decode` takes what text there is, its words, and whom to hand lines to.
pub(super) fn join(
    payload: &[u8],
    limit: usize,
    decode: impl FnOnce(TextLimits, &[u32], &mut dyn FnMut(&[u8])) -> Result<(), Undecodable>,
) -> Result<Vec<u8>, &'static str> {
    let (mut joining, words) = Joining::new(payload, limit)?;
    let decoded = decode(joining.text, &words, &mut |line| joining.line(line));
    decoded.map_err(|_| BAD_WORDS)?;
    joining.finish()
}

/// The exceptions that are still to come.
struct Exceptions {
    places: std::iter::Peekable<std::vec::IntoIter<(usize, usize)>>,
    bytes: Bytes,
    /// Modelled lines since the last one.
    since: usize,
}

impl Exceptions {
    /// So many of them, unpacked.
    fn new(plain: Vec<u8>, count: usize) -> Option<Self> {
        let mut rest = &plain[..];
        let mut number = || get_varint(&mut rest).and_then(|n| usize::try_from(n).ok());
        let mut places = Vec::new();
        for _ in 0..count {
            places.push((number()?, number()?));
        }
        let read = plain.len() - rest.len();
        Some(Self {
            places: places.into_iter().peekable(),
            bytes: Bytes::from(plain).slice(read..),
            since: 0,
        })
    }

    /// Appends those that stand here.
    fn put(&mut self, content: &mut Vec<u8>) -> Result<(), &'static str> {
        while let Some((_, len)) = self.places.next_if(|&(since, _)| since == self.since) {
            if len > self.bytes.len() {
                return Err(BAD_SIZES);
            }
            content.extend_from_slice(&self.bytes.split_to(len));
            self.since = 0;
        }
        Ok(())
    }
}
