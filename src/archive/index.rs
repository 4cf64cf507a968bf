//! Finds archives and their blocks in a file, from the index at each archive's end, and reads
//! single blocks: for listings and for ranges of lines.

use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::AddAssign;

use super::embedded;
use super::format::{BLOCK_HEADER_LEN, Header};
use super::frames::{Frame, Frames};
use super::lines::LineRange;
use super::options::DecompressOptions;
use super::payload::MAX_INNER_SIZES;
use super::reader::Decompressor;
use super::stats::{ArchiveStats, BlockStats};
use super::trailer::{self, TRAILER_LEN};
use crate::learner::LearnerSettings;
use crate::model::Identity;
use crate::{Error, Result};

/// An archive in a file.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ArchiveEntry {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    /// Version of the format.
    pub version: u16,
    /// Name of its model.
    pub model: String,
    /// The model's identity.
    pub identity: Identity,
    /// Bytes of the model that it carries; 0 if none.
    pub model_len: u64,
    /// How its learner learns; null where a model codes.
    pub learner: Option<LearnerSettings>,
    /// Its blocks.
    pub blocks: Vec<BlockStats>,
}

impl ArchiveEntry {
    /// What it holds and takes. `modelled_lines` and `tokens` are not known.
    pub fn stats(&self) -> ArchiveStats {
        let mut stats = ArchiveStats::default();
        stats += self;
        stats
    }

    /// An archive at `offset`. Where its blocks begin is found from their sizes.
    fn new(offset: u64, header: &Header, packed: Option<&[u8]>, mut blocks: Vec<BlockStats>) -> Self {
        let model_len = packed.map_or(0, embedded::framed_len);
        let mut at = offset + header.to_bytes().len() as u64 + model_len;
        for block in &mut blocks {
            block.offset = at;
            at += block.framed_len();
        }
        let end = trailer::end_to_bytes(&blocks, at - offset).len() as u64;
        Self {
            offset,
            len: at + end - offset,
            version: header.version(),
            model: header.name.clone(),
            identity: header.identity,
            model_len,
            learner: header.learner.clone(),
            blocks,
        }
    }
}

impl AddAssign<&ArchiveEntry> for ArchiveStats {
    fn add_assign(&mut self, archive: &ArchiveEntry) {
        self.archives += 1;
        self.bytes_out += archive.len;
        self.model_len += archive.model_len;
        archive.blocks.iter().for_each(|block| *self += block);
    }
}

/// What stands before a block.
#[derive(Clone, Copy, Default)]
struct Passed {
    newlines: u64,
    /// Of content.
    bytes: u64,
}

/// Where everything is in a file of one or more archives.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Index {
    /// The archives, first to last.
    pub archives: Vec<ArchiveEntry>,
}

impl Index {
    /// Reads the indexes from the end of a file; nothing else but each archive's header.
    ///
    /// # Errors
    /// [`Error::Damaged`] if an index is missing or wrong, [`Error::NotAnArchive`] if there is
    /// something else in the file, [`Error::Io`].
    pub fn read(file: &mut (impl Read + Seek)) -> Result<Self> {
        let mut end = file.seek(SeekFrom::End(0))?;
        let mut archives = Vec::new();
        // The first header tells what the file is, better than its end.
        file.rewind()?;
        Frames::new(&mut *file).next()?;
        while end > 0 {
            let entry = read_one(file, end)?;
            end = entry.offset;
            archives.push(entry);
        }
        archives.reverse();
        Ok(Self { archives })
    }

    /// As [`Index::read`], from a stream, front to back.
    ///
    /// # Errors
    /// The same as [`Index::read`].
    pub fn scan(input: impl Read) -> Result<Self> {
        let mut frames = Frames::new(input);
        let (mut archives, mut offset) = (Vec::new(), 0);
        let mut present = None;
        while let Some(frame) = frames.next()? {
            match frame {
                Frame::Header(header, packed) => present = Some((header, packed)),
                Frame::Block(_) => {}
                Frame::End(blocks) => {
                    let (header, packed) = present.take().expect("a header came first");
                    archives.push(ArchiveEntry::new(offset, &header, packed.as_deref(), blocks));
                    offset = frames.offset();
                }
            }
        }
        Ok(Self { archives })
    }

    /// Writes the lines that are wanted to `output`, reading only the blocks that hold some of them; in an archive that
    /// was coded while learning all before them, too.
    ///
    /// # Errors
    /// As [`super::Decompressor::new`]; nothing of a damaged block is written.
    pub fn write_lines(
        &self,
        file: &mut (impl Read + Seek),
        options: &DecompressOptions,
        output: &mut impl Write,
    ) -> Result<()> {
        if let Some(mut reader) = self.reader_of_lines(file, options)? {
            std::io::copy(&mut reader, output).map_err(Error::from_io)?;
        }
        Ok(())
    }

    /// Gives what reads the lines that are wanted, as [`Index::write_lines`] writes them; none if there are none.
    ///
    /// # Errors
    /// As [`Decompressor::new`].
    pub fn reader_of_lines<F: Read + Seek>(
        &self,
        file: F,
        options: &DecompressOptions,
    ) -> Result<Option<Decompressor<F>>> {
        let lines = options.lines;
        let found = self
            .reader_behind(file, options, |before, block| !lines.touches(before.newlines, block.newlines))?;
        Ok(found.map(|(reader, _)| reader))
    }

    /// Gives what reads the content from byte `position` (from 0) on; none if there is none. Only the blocks from there on
    /// are read; in an archive that was coded while learning all before them, too.
    ///
    /// ```
    /// use std::io::{Cursor, Read};
    /// use surprisal::{DecompressOptions, Index, Models};
    ///
    /// let mut file = Cursor::new(surprisal::compress(b"1+1=2\n", Models::bundled().default_model())?);
    /// let index = Index::read(&mut file)?;
    /// let mut rest = String::new();
    /// index.reader_at(file, 4, &DecompressOptions::default())?.unwrap().read_to_string(&mut rest)?;
    /// assert_eq!(rest, "2\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Decompressor::new`], and those of reading.
    pub fn reader_at<F: Read + Seek>(
        &self,
        file: F,
        position: u64,
        options: &DecompressOptions,
    ) -> Result<Option<Decompressor<F>>> {
        let options = options.clone().with_lines(LineRange::ALL);
        let found = self.reader_behind(file, &options, |before, block| {
            before.bytes + u64::from(block.content_len) <= position
        })?;
        let Some((mut reader, before)) = found else {
            return Ok(None);
        };
        let unwanted = (&mut reader).take(position - before.bytes);
        std::io::copy(&mut { unwanted }, &mut std::io::sink()).map_err(Error::from_io)?;
        Ok(Some(reader))
    }

    /// Gives what reads from the first block on that does not stand before what is wanted, and what it has passed over;
    /// none if all do.
    fn reader_behind<F: Read + Seek>(
        &self,
        mut file: F,
        options: &DecompressOptions,
        is_before: impl Fn(Passed, &BlockStats) -> bool,
    ) -> Result<Option<(Decompressor<F>, Passed)>> {
        let mut passed = Passed::default();
        for archive in &self.archives {
            let (start, mut unwanted) = (passed, 0);
            while let Some(block) = archive.blocks.get(unwanted)
                && is_before(passed, block)
            {
                passed.newlines += u64::from(block.newlines);
                passed.bytes += u64::from(block.content_len);
                unwanted += 1;
            }
            if unwanted < archive.blocks.len() {
                file.seek(SeekFrom::Start(archive.offset))?;
                let mut reader = Decompressor::with_options(file, options.clone())?;
                let is_passed = reader.skip(start.newlines, &archive.blocks[..unwanted])?;
                return Ok(Some((reader, if is_passed { passed } else { start })));
            }
        }
        Ok(None)
    }

    /// Bytes of the content of all archives.
    pub fn content_len(&self) -> u64 {
        self.archives
            .iter()
            .flat_map(|archive| &archive.blocks)
            .map(|block| u64::from(block.content_len))
            .sum()
    }
}

/// The archive that ends at `end`.
fn read_one(file: &mut (impl Read + Seek), end: u64) -> Result<ArchiveEntry> {
    let wrong = |what: &str| Error::damaged(format!("the index at the end {what}"), format!("byte {end}"));
    let trailer_at = end.checked_sub(TRAILER_LEN as u64).ok_or_else(|| wrong("is missing"))?;
    file.seek(SeekFrom::Start(trailer_at))?;
    let mut found = [0; TRAILER_LEN];
    file.read_exact(&mut found)?;
    let (index_len, archive_len) = trailer::lengths(&found)
        .ok_or_else(|| wrong("is missing: the archive is cut short, or something follows it"))?;
    let index_at = trailer_at.checked_sub(index_len).ok_or_else(|| wrong("is longer than the file"))?;
    let offset = end.checked_sub(archive_len).ok_or_else(|| wrong("tells of more bytes than there are"))?;
    file.seek(SeekFrom::Start(index_at))?;
    let mut index = Vec::new();
    file.take(index_len).read_to_end(&mut index)?;
    let blocks = trailer::index_from_bytes(&mut &index[..]).ok_or_else(|| wrong("makes no sense"))?;

    file.seek(SeekFrom::Start(offset))?;
    let Some(Frame::Header(header, packed)) = Frames::new(&mut *file).next()? else {
        return Err(wrong("tells of an archive where there is none"));
    };
    let mut entry = ArchiveEntry::new(offset, &header, packed.as_deref(), blocks);
    let before = entry.len - trailer::end_to_bytes(&entry.blocks, 0).len() as u64;
    let expected = trailer::end_to_bytes(&entry.blocks, before);
    if entry.len != archive_len || expected[expected.len() - TRAILER_LEN..] != found {
        return Err(wrong("does not match the archive"));
    }
    for block in &mut entry.blocks {
        let mut start = Vec::new();
        if block.kind.is_modelled() {
            file.seek(SeekFrom::Start(block.offset + BLOCK_HEADER_LEN as u64))?;
            let len = block.payload_len.min(MAX_INNER_SIZES as u32);
            file.take(len.into()).read_to_end(&mut start)?;
        }
        *block = block.with_parts(&start);
    }
    Ok(entry)
}
