//! The payload of a modelled block: content taken apart, and put together again.
//!
//! It is a byte that says how lines end (0: `\n`, 1: `\r\n`); then as varints the number of modelled lines, the number
//! of exceptions, the length of the exceptions once unpacked and as they stand; the exceptions; and the range coder's
//! words. An exception is a line that the model cannot code, its newline with it: for each, varints of the number of
//! modelled lines before it since the last one and of its length; then all of their bytes. They stand packed by zstd
//! where that makes them shorter.

use super::format::{BlockKind, get_varint, put_varint};
use crate::coding::TextLimits;
use crate::text::has_crlf;

/// The level of zstd for exceptions.
const ZSTD_LEVEL: i32 = 19;

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
        let crlf = has_crlf(content);
        let mut split = Self {
            crlf,
            len: content.len(),
            lines: Vec::new(),
            places: Vec::new(),
            count: 0,
            exceptions: Vec::new(),
        };
        let mut since = 0;
        for line in content.split_inclusive(|&b| b == b'\n') {
            let unterminated = if crlf { line.strip_suffix(b"\r\n") } else { line.strip_suffix(b"\n") };
            if let Some(line) = unterminated.filter(|line| fits(line)) {
                split.lines.push(line);
                since += 1;
            } else {
                put_varint(&mut split.places, since);
                put_varint(&mut split.places, line.len() as u64);
                split.exceptions.extend_from_slice(line);
                split.count += 1;
                since = 0;
            }
        }
        split
    }

    /// The tokens of the lines: their characters and their ends.
    pub fn tokens(&self) -> u64 {
        self.lines.iter().map(|line| line.len() as u64 + 1).sum()
    }

    /// Whether at least half of the bytes are in lines that fit.
    pub fn is_mostly_lines(&self) -> bool {
        2 * self.exceptions.len() < self.len
    }

    /// The payload of a modelled block whose lines were coded into these words.
    pub fn payload(&self, words: &[u32]) -> Vec<u8> {
        let plain = [&self.places[..], &self.exceptions].concat();
        let packed = zstd::bulk::compress(&plain, ZSTD_LEVEL).expect("memory does not fail");
        let section = if packed.len() < plain.len() { &packed } else { &plain };
        let mut out = vec![u8::from(self.crlf)];
        for number in [self.lines.len() as u64, self.count, plain.len() as u64, section.len() as u64] {
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
    /// Parses them off the front of a payload.
    fn parse(payload: &mut &[u8]) -> Option<Self> {
        let (&crlf, rest) = payload.split_first()?;
        *payload = rest;
        let mut number = || get_varint(payload).and_then(|n| usize::try_from(n).ok());
        Some(Self { crlf, lines: number()?, count: number()?, plain_len: number()?, section_len: number()? })
    }
}

/// Bytes of a payload that the range coder (or zstd, or nothing) wrote, and of the exceptions. `start` is the payload's
/// first [`MAX_INNER_SIZES`] bytes, or all of it. Where a modelled payload's sizes make no sense, both are 0.
pub(super) fn parts(kind: BlockKind, payload_len: u32, start: &[u8]) -> (u32, u32) {
    if !kind.is_modelled() {
        return (payload_len, 0);
    }
    let mut rest = start;
    let parts = InnerSizes::parse(&mut rest).and_then(|sizes| {
        let inner = (start.len() - rest.len()) as u32;
        let beside = u32::try_from(sizes.section_len).ok()?;
        Some((payload_len.checked_sub(inner)?.checked_sub(beside)?, beside))
    });
    parts.unwrap_or_default()
}

const BAD_SIZES: &str = "its inner sizes make no sense";

/// Puts a modelled block together again.
pub(super) struct Joiner {
    /// What its words decode to.
    pub text: TextLimits<'static>,
    exceptions: Exceptions,
    content: Vec<u8>,
    misplaced: bool,
}

impl Joiner {
    /// Takes a payload apart: what is known before its words are decoded, and the words. The content has at most
    /// `limit` bytes.
    ///
    /// # Errors
    /// What is wrong.
    pub fn new(mut payload: &[u8], limit: usize) -> Result<(Self, Vec<u32>), &'static str> {
        let InnerSizes { crlf, lines, count, plain_len, section_len } =
            InnerSizes::parse(&mut payload).ok_or(BAD_SIZES)?;
        // Every line takes at least its newline, every exception a byte and two varints of five.
        if crlf > 1 || lines > limit || count > limit || plain_len > limit + 10 * count {
            return Err(BAD_SIZES);
        }
        let (section, words) = payload.split_at_checked(section_len).ok_or(BAD_SIZES)?;
        let plain = if section_len < plain_len {
            zstd::bulk::decompress(section, plain_len).map_err(|_| BAD_SIZES)?
        } else {
            section.to_vec()
        };
        let (words, []) = words.as_chunks() else {
            return Err(BAD_SIZES);
        };
        let mut joiner = Self {
            text: TextLimits { lines, terminator: terminator(crlf == 1), bytes: limit },
            exceptions: Exceptions::new(plain, count).ok_or(BAD_SIZES)?,
            content: Vec::with_capacity(limit),
            misplaced: false,
        };
        joiner.exceptions.put(&mut joiner.content)?;
        Ok((joiner, words.iter().map(|&word| u32::from_le_bytes(word)).collect()))
    }

    /// Appends the next line, with what ends it, and the exceptions behind it.
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
        let is_whole =
            self.exceptions.places.next().is_none() && self.exceptions.read == self.exceptions.plain.len();
        if is_whole && !self.misplaced { Ok(self.content) } else { Err(BAD_SIZES) }
    }
}

/// The exceptions that are still to come.
struct Exceptions {
    places: std::iter::Peekable<std::vec::IntoIter<(usize, usize)>>,
    /// Their places, then their bytes, of which so many were read.
    plain: Vec<u8>,
    read: usize,
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
        Some(Self { places: places.into_iter().peekable(), read: plain.len() - rest.len(), plain, since: 0 })
    }

    /// Appends those that stand here.
    fn put(&mut self, content: &mut Vec<u8>) -> Result<(), &'static str> {
        while let Some((_, len)) = self.places.next_if(|&(since, _)| since == self.since) {
            let line = self.plain[self.read..].get(..len).ok_or(BAD_SIZES)?;
            content.extend_from_slice(line);
            self.read += len;
            self.since = 0;
        }
        Ok(())
    }
}
