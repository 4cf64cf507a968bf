//! The frames of archives, read one behind the other, and what threads make of blocks that a model coded.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use super::block::BlockCoder;
use super::embedded;
use super::format::{BLOCK_HEADER_LEN, BlockHeader, END, Header, MAGIC, take};
use super::lines::LineRange;
use super::observe::{Observer, observed};
use super::pipeline::Reply;
use super::rewind::Rewind;
use super::stats::BlockStats;
use super::trailer::end_to_bytes;
use crate::coding::GROUP;
use crate::model::Model;
use crate::{Error, Result};

/// A piece of an archive.
pub(super) enum Frame {
    /// An archive begins; the files of its model, packed, if it carries one.
    Header(Box<Header>, Option<Vec<u8>>),
    Block(Block),
    /// An archive ends; all of its blocks.
    End(Vec<BlockStats>),
}

/// A block as it stands in an archive.
pub(super) struct Block {
    /// Its number, from 0 in each archive.
    pub number: u64,
    pub header: BlockHeader,
    pub payload: Vec<u8>,
    pub stats: BlockStats,
}

impl Block {
    /// Its content.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it does not decode.
    pub fn decode(&self, coder: &mut BlockCoder) -> Result<Vec<u8>> {
        let decoded = coder.decode(&self.header, &self.payload);
        decoded.map_err(|what| self.undecodable(what))
    }

    /// The error of a block whose checksums were right but which does not decode.
    pub fn undecodable(&self, what: &str) -> Error {
        Error::damaged(format!("a block cannot be decoded: {what}"), format!("block {}", self.number))
    }
}

/// Reads the frames of one archive after another.
pub(super) struct Frames<R> {
    pub input: Rewind<R>,
    /// The present archive; none between archives.
    pub archive: Option<Present>,
    pub archives: u64,
    /// Bytes that were looked at in the search for whole frames.
    pub spent: u64,
    /// Bytes of whole frames so far.
    offset: u64,
}

/// An archive that is being read.
pub(super) struct Present {
    /// Where it began.
    start: u64,
    /// The number of its next block.
    pub number: u64,
    /// Its blocks so far.
    blocks: Vec<BlockStats>,
    /// Whether none was passed over.
    pub is_whole: bool,
}

impl Present {
    pub fn new(start: u64) -> Self {
        Self { start, number: 0, blocks: Vec::new(), is_whole: true }
    }
}

impl<R: Read> Frames<R> {
    pub fn new(input: R) -> Self {
        Self { input: Rewind::new(input), archive: None, archives: 0, spent: 0, offset: 0 }
    }

    /// Bytes read so far, of whole frames.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes to a place that the input has kept or looked at.
    pub fn go_to(&mut self, offset: u64) {
        self.input.go_to(offset);
        self.offset = self.input.position();
    }

    /// The next frame; none behind the last archive.
    pub fn next(&mut self) -> Result<Option<Frame>> {
        if self.archive.is_some() { self.proceed().map(Some) } else { self.begin() }
    }

    fn begin(&mut self) -> Result<Option<Frame>> {
        let mut magic = Vec::new();
        (&mut self.input).take(4).read_to_end(&mut magic)?;
        if magic.is_empty() && self.archives > 0 {
            return Ok(None);
        }
        if magic != MAGIC {
            let what = match (magic.is_empty(), self.archives) {
                (true, _) => "the input is empty".into(),
                (false, 0) => format!("it begins with {magic:02x?}, an archive with {MAGIC:02x?}"),
                (false, _) => {
                    format!("behind the end of an archive stands {magic:02x?}, neither end nor archive")
                }
            };
            return Err(Error::NotAnArchive { offset: self.offset, what });
        }
        let (header, len) = Header::read(&mut self.input)?;
        let start = self.offset;
        let model = if header.has_model { Some(embedded::read(&mut self.input)?) } else { None };
        self.offset += len + model.as_deref().map_or(0, embedded::framed_len);
        self.archive = Some(Present::new(start));
        self.archives += 1;
        Ok(Some(Frame::Header(Box::new(header), model)))
    }

    fn proceed(&mut self) -> Result<Frame> {
        let archive = self.archive.as_mut().expect("an archive has begun");
        let number = archive.number;
        let what = format!("the header of block {number}");
        let mut bytes = Vec::new();
        take(&mut self.input, &mut bytes, 1, &what)?;
        if bytes[0] == END {
            return self.end().map(Frame::End);
        }
        take(&mut self.input, &mut bytes, BLOCK_HEADER_LEN - 1, &what)?;
        let header = BlockHeader::from_bytes(&bytes, number)?;
        let place = format!("block {number}");
        let mut payload = Vec::new();
        take(&mut self.input, &mut payload, header.payload_len as usize, &place)?;
        if crc32fast::hash(&payload) != header.payload_crc {
            return Err(Error::damaged("a block does not match its checksum", place));
        }
        let stats = BlockStats::new(self.offset, &header, &payload);
        self.offset += stats.framed_len();
        archive.blocks.push(stats);
        archive.number += 1;
        Ok(Frame::Block(Block { number, header, payload, stats }))
    }

    /// The end must be, bit for bit, what this archive's blocks make it; where some are missing it has to be whole. Gives all
    /// blocks.
    fn end(&mut self) -> Result<Vec<BlockStats>> {
        let wrong = || Error::damaged("the index does not match the blocks before it", "index");
        let archive = self.archive.as_ref().expect("an archive has begun");
        if !archive.is_whole {
            self.go_to(self.offset);
            let (blocks, len) = self.peek_end()?.ok_or_else(wrong)?;
            self.go_to(self.offset + len as u64);
            self.archive = None;
            return Ok(blocks);
        }
        let expected = end_to_bytes(&archive.blocks, self.offset - archive.start);
        let mut found = vec![END];
        take(&mut self.input, &mut found, expected.len() - 1, "the index")?;
        if found != expected {
            return Err(wrong());
        }
        self.offset += expected.len() as u64;
        Ok(self.archive.take().map_or_else(Vec::new, |archive| archive.blocks))
    }
}

impl<R: Read + Seek> Frames<R> {
    /// Passes over the first blocks of an archive whose header was read.
    pub fn skip(&mut self, blocks: &[BlockStats]) -> Result<()> {
        let len: u64 = blocks.iter().map(BlockStats::framed_len).sum();
        self.input.input.seek(SeekFrom::Current(len as i64))?;
        self.offset += len;
        if let Some(archive) = &mut self.archive {
            archive.blocks.extend_from_slice(blocks);
            archive.number += blocks.len() as u64;
        }
        Ok(())
    }
}

/// A block that a model is to decode.
pub(super) struct Job {
    pub model: Arc<Model>,
    pub block: Block,
    pub wanted: LineRange,
    /// Newlines before the block.
    pub before: u64,
}

/// A decoded block: all of it is checked, a part may be wanted.
#[derive(Default)]
pub(super) struct Content {
    pub stats: Option<BlockStats>,
    pub whole: Vec<u8>,
    pub wanted: Range<usize>,
}

impl Job {
    /// What to hand on of the block's content.
    pub fn content(&self, whole: Vec<u8>) -> Content {
        Content { stats: Some(self.block.stats), wanted: self.wanted.cut(&whole, self.before), whole }
    }

    /// Decodes it.
    pub fn decode(&self, coder: &mut BlockCoder) -> Result<Content> {
        Ok(self.content(self.block.decode(coder)?))
    }
}

/// A job, and where its result goes.
pub(super) type Piece = (Job, Reply<Result<Content>>);

/// What a thread does without a GPU.
pub(super) fn decode_blocks(jobs: impl Iterator<Item = Piece>, observer: Option<&Observer>) {
    let mut jobs = jobs.peekable();
    // A coder lives as long as the model stays the same.
    while let Some((first, _)) = jobs.peek() {
        let model = Arc::clone(&first.model);
        let mut coder = BlockCoder::Model(observed(Box::new(model.exact().group(GROUP)), observer));
        while let Some((job, reply)) = jobs.next_if(|(job, _)| Arc::ptr_eq(&job.model, &model)) {
            reply.give(job.decode(&mut coder));
        }
    }
}
