//! What can be had of a damaged archive: every block that is whole, and which lines are missing.
//!
//! Behind a frame that is damaged the next whole one is looked for: where the damaged block's payload ends, if its header is
//! right, else byte by byte. A header's checksum covers the block's number, which follows from it; a block counts as
//! found if its payload's checksum is right, too. An index, if it is found, tells how many lines the missing blocks had.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::ops::Range;

use super::format::{BLOCK_HEADER_LEN, BlockHeader, END, Header, MAGIC, header_number};
use super::frames::{Frame, Frames, Present};
use super::stats::BlockStats;
use super::trailer::find_end;
use crate::{Error, Result};

/// Bytes that can be read again, and the longest index that is looked for: of some 900,000 blocks.
pub(super) const KEPT: usize = 9 << 20;
/// Blocks in a row that may be missing.
const MOST_MISSING: u64 = 1 << 24;
/// Bytes that may be looked at in vain: so many, and so many for each byte of the input. It bounds the time.
const CREDIT: (u64, u64) = (64 << 20, 64);

/// A frame that is not whole.
pub(super) struct Damage {
    pub error: Error,
    /// The block that it is, if its header is right, with its number.
    pub block: Option<(u64, BlockHeader)>,
}

impl<R: Read> Frames<R> {
    /// As [`Frames::next`]; behind a damaged frame goes on with the next whole one.
    ///
    /// # Errors
    /// If reading fails.
    pub fn next_whole(&mut self) -> Result<Result<Option<Frame>, Damage>> {
        match self.next() {
            Ok(frame) => Ok(Ok(frame)),
            Err(error @ Error::Io(_)) => Err(error),
            Err(error) => {
                let block = self.recover()?;
                if self.input.peek(1)?.is_empty() {
                    self.archive = None;
                    self.archives = self.archives.max(1);
                }
                Ok(Err(Damage { error, block }))
            }
        }
    }

    /// Goes to the next whole frame behind the one that begins here, or to the end. Gives the damaged block's header, if that
    /// is right.
    fn recover(&mut self) -> Result<Option<(u64, BlockHeader)>> {
        self.go_to(self.offset());
        let start = self.offset();
        let mut damaged = None;
        let mut payload_end = start;
        if let Some(archive) = &mut self.archive
            && let Some(bytes) = self.input.peek(BLOCK_HEADER_LEN)?.first_chunk::<BLOCK_HEADER_LEN>()
            && let Ok(header) = BlockHeader::from_bytes(bytes, archive.number)
        {
            damaged = Some((archive.number, header));
            archive.number += 1;
            archive.is_whole = false;
            payload_end = start + (BLOCK_HEADER_LEN + header.payload_len as usize) as u64;
            self.input.peek((payload_end - start) as usize)?;
            self.go_to(payload_end);
            // What is cut short there holds no more of this archive.
            if self.input.peek(1)?.is_empty() || self.is_frame(start)? || self.is_end()? {
                return Ok(damaged);
            }
        }
        self.go_to(start);
        let was_between = self.archive.is_none();
        while let Some(&byte) = self.input.peek(1)?.first() {
            // Within a payload an archive that begins is a part of the content; one that begins at `start` is not whole.
            let here = self.offset();
            let may_begin = here >= payload_end && (here > start || !was_between);
            if (byte != MAGIC[0] || may_begin) && self.is_frame(start)? {
                return Ok(damaged);
            }
            self.go_to(self.offset() + 1);
        }
        Ok(damaged)
    }

    /// Whether a whole block, the header of an archive or the last bytes of one stand here. Then it is what comes next; of an
    /// end that begins behind `start` all.
    fn is_frame(&mut self, start: u64) -> Result<bool> {
        let Some(&first) = self.input.peek(1)?.first() else { return Ok(false) };
        match first {
            1..=5 => self.is_block(),
            byte if byte == MAGIC[0]
                && self.input.peek(MAGIC.len())? == MAGIC
                && self.affords(MAX_HEADER) =>
            {
                let bytes = self.input.peek(MAX_HEADER)?;
                let is_header = Header::read(&mut &bytes[MAGIC.len()..]).is_ok();
                if is_header {
                    self.archive = None;
                }
                Ok(is_header)
            }
            b'R' => self.is_trailer(start),
            _ => Ok(false),
        }
    }

    fn is_block(&mut self) -> Result<bool> {
        let least = self.archive.as_ref().map_or(0, |archive| archive.number);
        let Ok(bytes) = <&[u8; BLOCK_HEADER_LEN]>::try_from(self.input.peek(BLOCK_HEADER_LEN)?) else {
            return Ok(false);
        };
        // Two sizes have a highest byte of 0; that is quickly seen.
        if bytes[4] != 0 || bytes[12] != 0 {
            return Ok(false);
        }
        let number = u64::from(header_number(bytes));
        let header = match BlockHeader::from_bytes(bytes, number) {
            Ok(header) if header.payload_len > 0 && header.content_len > 0 => header,
            _ => return Ok(false),
        };
        let len = header.payload_len as usize;
        if !(least..least + MOST_MISSING).contains(&number) || !self.affords(len) {
            return Ok(false);
        }
        let payload = &self.input.peek(BLOCK_HEADER_LEN + len)?[BLOCK_HEADER_LEN..];
        let is_whole = payload.len() == len && crc32fast::hash(payload) == header.payload_crc;
        if is_whole {
            self.present().number = number;
        }
        Ok(is_whole)
    }

    /// Whether here are the last bytes of an archive whose end begins behind `start`.
    fn is_trailer(&mut self, start: u64) -> Result<bool> {
        let here = self.offset();
        let behind = self.input.behind();
        let Some(lengths) = behind.len().checked_sub(16).and_then(|at| behind[at..].first_chunk()) else {
            return Ok(false);
        };
        let len = u64::from(u32::from_le_bytes(*lengths)) + 17;
        if len > here - start || len > KEPT as u64 {
            return Ok(false);
        }
        self.go_to(here - len);
        let is_end = self.is_end()?;
        if !is_end {
            self.go_to(here);
        }
        Ok(is_end)
    }

    /// Whether an archive's end stands here.
    fn is_end(&mut self) -> Result<bool> {
        let is_end = self.input.peek(1)? == [END] && self.peek_end()?.is_some();
        if is_end {
            self.present();
        }
        Ok(is_end)
    }

    /// The blocks of the end that stands here, and its length.
    pub(super) fn peek_end(&mut self) -> Result<Option<(Vec<BlockStats>, usize)>> {
        if !self.affords(0) {
            return Ok(None);
        }
        let (end, looked_at) = find_end(self.input.peek(KEPT)?);
        self.spent += looked_at as u64;
        Ok(end)
    }

    /// The archive that frames belong to, of which some are missing.
    fn present(&mut self) -> &mut Present {
        let offset = self.offset();
        self.archives += u64::from(self.archive.is_none());
        let archive = self.archive.get_or_insert_with(|| Present::new(offset));
        archive.is_whole = false;
        archive
    }

    /// Whether so many bytes may be looked at.
    fn affords(&mut self, len: usize) -> bool {
        let is_afforded = self.spent + len as u64 <= CREDIT.0 + CREDIT.1 * self.offset();
        self.spent += if is_afforded { len as u64 } else { 0 };
        is_afforded
    }
}

/// The longest header of an archive.
const MAX_HEADER: usize = 40 + 255 + 2 + 65_535 + 4;

/// Blocks of an archive that were not restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The number of the archive in the file, from 1.
    pub archive: usize,
    /// The blocks' numbers, from 0; the end is `u64::MAX` where nobody knows how many there were.
    pub blocks: Range<u64>,
    /// The first of their lines, counted from 1 in the whole content, and the last; none where nobody knows.
    pub lines: (Option<u64>, Option<u64>),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.archive > 1 {
            write!(f, "of archive {} ", self.archive)?;
        }
        match self.blocks {
            Range { start, end: u64::MAX } => write!(f, "whatever followed from block {start}")?,
            Range { start, end } if end == start + 1 => write!(f, "block {start}")?,
            Range { start, end } => write!(f, "blocks {start} to {}", end - 1)?,
        }
        match self.lines {
            (Some(from), Some(to)) => write!(f, " (lines {from} to {to})"),
            (Some(from), None) => write!(f, " (line {from}) on"),
            (None, _) => write!(f, " (lines unknown)"),
        }
    }
}

/// An archive, from 0, and the number of a block in it.
pub(super) type Place = (usize, u64);

/// What was found of the archives of a file.
#[derive(Default)]
pub(super) struct Salvage {
    archives: Vec<Found>,
    /// The first thing that was wrong.
    pub damage: Option<Error>,
}

/// What was found of an archive.
#[derive(Default)]
struct Found {
    /// Newlines of the blocks whose headers are right, by number, and whether the block was restored.
    blocks: BTreeMap<u64, (u32, bool)>,
    /// Newlines of all blocks, if its end was found.
    index: Option<Vec<u32>>,
}

impl Salvage {
    /// An archive begins.
    pub fn begin(&mut self) {
        self.archives.push(Found::default());
    }

    /// A block, whole so far. Gives its place, and whether blocks before it are missing.
    pub fn block(&mut self, number: u64, header: &BlockHeader) -> (Place, bool) {
        // Frames whose archive's header is lost belong to an archive nevertheless.
        if self.archives.last().is_none_or(|archive| archive.index.is_some()) {
            self.begin();
        }
        let place = (self.archives.len() - 1, number);
        let blocks = &mut self.archives[place.0].blocks;
        let next = blocks.last_key_value().map_or(0, |(last, _)| last + 1);
        blocks.insert(number, (header.newlines, true));
        (place, number != next)
    }

    /// A block was not restored.
    pub fn lose(&mut self, (archive, number): Place, error: Error) {
        if let Some((_, is_restored)) = self.archives[archive].blocks.get_mut(&number) {
            *is_restored = false;
        }
        self.damage.get_or_insert(error);
    }

    /// An archive ends, with this index.
    pub fn end(&mut self, blocks: &[BlockStats]) {
        if self.archives.last().is_none_or(|archive| archive.index.is_some()) {
            self.begin();
        }
        let archive = self.archives.last_mut().expect("one has begun");
        archive.index = Some(blocks.iter().map(|block| block.newlines).collect());
    }

    /// Whether nothing of an archive was found.
    pub fn is_empty(&self) -> bool {
        self.archives.is_empty()
    }

    /// What was not restored.
    pub fn missing(&self) -> Vec<Missing> {
        let mut missing = Vec::new();
        let mut before = Some(0);
        for (i, archive) in self.archives.iter().enumerate() {
            let count = archive.index.as_ref().map(|index| index.len() as u64);
            let mut add = |blocks: Range<u64>, before: Option<u64>, behind: Option<u64>| {
                let lines = (before.map(|n| n + 1), behind.map(|n| n.max(before.unwrap_or(0) + 1)));
                missing.push(Missing { archive: i + 1, blocks, lines });
            };
            // Runs of blocks that are not there, between those that are.
            let mut next = 0;
            let mut run: Option<(u64, Option<u64>)> = None;
            let restored = archive.blocks.iter().filter(|(_, (_, is_restored))| *is_restored);
            let ends = restored.map(|(&number, _)| number).chain(count);
            for number in ends {
                while next < number {
                    run.get_or_insert((next, before));
                    let Some(newlines) = archive.newlines(next) else {
                        (next, before) = (number, None);
                        break;
                    };
                    before = before.map(|n| n + u64::from(newlines));
                    next += 1;
                }
                if let Some((start, lines_before)) = run.take() {
                    add(start..number, lines_before, before);
                }
                if Some(number) != count {
                    before = before.zip(archive.newlines(number)).map(|(n, more)| n + u64::from(more));
                    next = number + 1;
                }
            }
            if count.is_none() {
                add(next..u64::MAX, before, None);
                before = None;
            }
        }
        missing
    }
}

impl Found {
    fn newlines(&self, number: u64) -> Option<u32> {
        let known = self.blocks.get(&number).map(|(newlines, _)| *newlines);
        known.or_else(|| self.index.as_ref()?.get(usize::try_from(number).ok()?).copied())
    }
}
