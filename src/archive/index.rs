//! Finds archives and their blocks in a file, from the index at each archive's end, and reads
//! single blocks: for listings and for ranges of lines.

use std::io::{Read, Seek, SeekFrom, Write};

use super::block;
use super::embedded;
use super::format::{self, BLOCK_HEADER_LEN, BlockKind, BlockSizes, END_MAGIC, Header, TRAILER_LEN};
use super::frames::{self, Frame, Frames};
use super::learned;
use super::lines::LineRange;
use crate::coding::GROUP;
use crate::learner::{Learner, LearnerSettings};
use crate::model::{Identity, Models};
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
    pub blocks: Vec<BlockEntry>,
}

/// A block in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BlockEntry {
    /// Where its header begins, in bytes.
    pub offset: u64,
    /// How it is stored: the name of its [`BlockKind`].
    pub kind: &'static str,
    /// Bytes of its content.
    pub content_len: u32,
    /// Newlines in its content.
    pub newlines: u32,
    /// Bytes of its payload, without its header.
    pub payload_len: u32,
    /// Bytes of the payload that the range coder wrote; all of it if the block is not modelled.
    pub coded_len: u32,
    /// Bytes of the payload that hold lines which the model cannot code. What is left of a payload
    /// is inner sizes. Where those make no sense, which only decoding tells, both are 0.
    pub beside_len: u32,
}

impl ArchiveEntry {
    /// Bytes of the content.
    pub fn content_len(&self) -> u64 {
        self.blocks.iter().map(|b| u64::from(b.content_len)).sum()
    }

    /// Newlines in the content.
    pub fn newlines(&self) -> u64 {
        self.blocks.iter().map(|b| u64::from(b.newlines)).sum()
    }

    /// Bytes that are neither content in some form nor model: headers, inner sizes of payloads, index,
    /// trailer.
    pub fn framing(&self) -> u64 {
        let of_content = |b: &BlockEntry| u64::from(b.coded_len) + u64::from(b.beside_len);
        self.len - self.model_len - self.blocks.iter().map(of_content).sum::<u64>()
    }

    fn new(offset: u64, header: &Header, model_len: u64, sizes: &[BlockSizes]) -> Self {
        let blocks_at = offset + header.to_bytes().len() as u64 + model_len;
        let mut at = blocks_at;
        let blocks = sizes.iter().map(|size| {
            let BlockSizes {
                kind,
                content_len,
                newlines,
                payload_len,
            } = *size;
            let entry = BlockEntry {
                offset: at,
                kind: kind.name(),
                content_len,
                newlines,
                payload_len,
                coded_len: 0,
                beside_len: 0,
            }
            .with_parts(kind, &[]);
            at += BLOCK_HEADER_LEN as u64 + u64::from(payload_len);
            entry
        });
        let blocks = blocks.collect();
        let end = format::end_to_bytes(sizes, at - offset).len() as u64;
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
    /// As there.
    pub fn scan(input: impl Read) -> Result<Self> {
        let mut frames = Frames::new(input);
        let (mut archives, mut offset) = (Vec::new(), 0);
        let mut present = None;
        while let Some(frame) = frames.next()? {
            match frame {
                Frame::Header(header, packed) => {
                    let model_len = packed.map_or(0, |packed| packed.len() as u64 + embedded::FRAMING);
                    present = Some((header, model_len, Vec::new(), Vec::new()));
                }
                Frame::Block(header) => {
                    let mut payload = frames.payload(&header)?;
                    payload.truncate(block::MAX_INNER_SIZES);
                    let (_, _, sizes, starts) = present.as_mut().expect("a header came first");
                    sizes.push(header.sizes());
                    starts.push((header.kind, payload));
                }
                Frame::End => {
                    let (header, model_len, sizes, starts) = present.take().expect("a header came first");
                    let mut entry = ArchiveEntry::new(offset, &header, model_len, &sizes);
                    for (block, (kind, start)) in entry.blocks.iter_mut().zip(starts) {
                        *block = block.with_parts(kind, &start);
                    }
                    offset += entry.len;
                    archives.push(entry);
                }
            }
        }
        Ok(Self { archives })
    }

    /// Writes a range of lines to `output`, reading only the blocks that hold some of them; in an
    /// archive that was coded while learning all before them, too, on `threads` threads.
    ///
    /// # Errors
    /// As [`super::Decompressor::new`]; nothing of a damaged block is written.
    pub fn write_lines(
        &self,
        file: &mut (impl Read + Seek),
        models: &Models,
        range: LineRange,
        threads: usize,
        output: &mut impl Write,
    ) -> Result<()> {
        let mut newlines = 0;
        for archive in &self.archives {
            let first = newlines;
            let mut touched = Vec::new();
            for (number, block) in (0u64..).zip(&archive.blocks) {
                if range.touches(newlines, block.newlines) {
                    touched.push((number, block.offset, newlines));
                }
                newlines += u64::from(block.newlines);
            }
            if touched.is_empty() {
                continue;
            }
            file.seek(SeekFrom::Start(archive.offset))?;
            let mut frames = Frames::new(&mut *file);
            let Some(Frame::Header(header, packed)) = frames.next()? else {
                return Err(Error::damaged(
                    "an archive's header is not where the index has it",
                    "header",
                ));
            };
            if let Some(settings) = &header.learner {
                let mut coder = Learner::new(settings, threads)?;
                write_learned(&mut frames, &mut coder, range, first, output)?;
                continue;
            }
            let model = embedded::model_of(&header, packed.as_deref(), models)?;
            let mut group = model.exact().group(GROUP);
            for (number, offset, before) in touched {
                file.seek(SeekFrom::Start(offset))?;
                let content = frames::read_block(file, number, &mut group)?;
                output.write_all(&content[range.cut(&content, before)])?;
            }
        }
        Ok(())
    }
}

/// The part of a range of lines that is in a learner's archive, whose frames behind the header are
/// to come; `before` newlines stand before it.
fn write_learned(
    frames: &mut Frames<impl Read>,
    coder: &mut Learner,
    range: LineRange,
    mut before: u64,
    output: &mut impl Write,
) -> Result<()> {
    while let Some(Frame::Block(header)) = frames.next()? {
        let payload = frames.payload(&header)?;
        let content = learned::decode(&header, &payload, coder)
            .map_err(|what| frames::undecodable(frames.block_number(), what))?;
        output.write_all(&content[range.cut(&content, before)])?;
        before += u64::from(header.newlines);
        if range.ends_by(before) {
            break;
        }
    }
    Ok(())
}

/// The archive that ends at `end`.
fn read_one(file: &mut (impl Read + Seek), end: u64) -> Result<ArchiveEntry> {
    let wrong = |what: &str| Error::damaged(format!("the index at the end {what}"), format!("byte {end}"));
    let trailer_at = end
        .checked_sub(TRAILER_LEN as u64)
        .ok_or_else(|| wrong("is missing"))?;
    file.seek(SeekFrom::Start(trailer_at))?;
    let mut trailer = [0; TRAILER_LEN];
    file.read_exact(&mut trailer)?;
    if trailer[16..] != END_MAGIC {
        return Err(wrong(
            "is missing: the archive is cut short, or something follows it",
        ));
    }
    let index_len = u64::from(u32::from_le_bytes(trailer[..4].try_into().expect("4 bytes")));
    let archive_len = u64::from_le_bytes(trailer[4..12].try_into().expect("8 bytes"));
    let index_at = trailer_at
        .checked_sub(index_len)
        .ok_or_else(|| wrong("is longer than the file"))?;
    let offset = end
        .checked_sub(archive_len)
        .ok_or_else(|| wrong("tells of more bytes than there are"))?;
    file.seek(SeekFrom::Start(index_at))?;
    let mut index = Vec::new();
    file.take(index_len).read_to_end(&mut index)?;
    let sizes = format::index_from_bytes(&index).ok_or_else(|| wrong("makes no sense"))?;

    file.seek(SeekFrom::Start(offset))?;
    let Some(Frame::Header(header, packed)) = Frames::new(&mut *file).next()? else {
        return Err(wrong("tells of an archive where there is none"));
    };
    let model_len = packed.map_or(0, |packed| packed.len() as u64 + embedded::FRAMING);
    let mut entry = ArchiveEntry::new(offset, &header, model_len, &sizes);
    let before = entry.len - format::end_to_bytes(&sizes, 0).len() as u64;
    let expected = format::end_to_bytes(&sizes, before);
    if entry.len != archive_len || expected[expected.len() - TRAILER_LEN..] != trailer {
        return Err(wrong("does not match the archive"));
    }
    for block in entry.blocks.iter_mut().filter(|block| block.is_modelled()) {
        file.seek(SeekFrom::Start(block.offset + BLOCK_HEADER_LEN as u64))?;
        let mut start = Vec::new();
        let len = block.payload_len.min(block::MAX_INNER_SIZES as u32);
        file.take(len.into()).read_to_end(&mut start)?;
        *block = block.with_parts(BlockKind::Modelled, &start);
    }
    Ok(entry)
}

impl BlockEntry {
    /// Whether the model coded it.
    pub fn is_modelled(&self) -> bool {
        self.kind == BlockKind::Modelled.name() || self.kind == BlockKind::Learned.name()
    }

    /// With the parts of its payload, of which `start` is the first bytes.
    fn with_parts(self, kind: BlockKind, start: &[u8]) -> Self {
        let (coded_len, beside_len) = block::payload_parts(kind, self.payload_len, start);
        Self {
            coded_len,
            beside_len,
            ..self
        }
    }
}
