//! The frames of archives, read one behind the other.

use std::io::Read;

use super::block;
use super::embedded;
use super::format::{BLOCK_HEADER_LEN, BlockHeader, BlockSizes, END, Header, MAGIC, end_to_bytes, take};
use crate::coding::Predictor;
use crate::{Error, Result};

/// A piece of an archive.
pub(super) enum Frame {
    /// An archive begins; the bytes of its model, compressed, if it carries one.
    Header(Box<Header>, Option<Vec<u8>>),
    Block(BlockHeader),
    /// An archive ends.
    End,
}

/// Reads the frames of one archive after another. After a [`Frame::Block`] the caller reads the
/// payload by [`Frames::payload`] or passes over it.
pub(super) struct Frames<R> {
    input: R,
    /// Bytes read so far.
    offset: u64,
    /// Where the present archive began, its blocks so far; none between archives.
    archive: Option<(u64, Vec<BlockSizes>)>,
    archives: u64,
}

impl<R: Read> Frames<R> {
    pub fn new(input: R) -> Self {
        Self {
            input,
            offset: 0,
            archive: None,
            archives: 0,
        }
    }

    /// Bytes read so far, a payload that is still to be read or passed over among them.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Number of the block that the last header belongs to, from 0 in each archive.
    pub fn block_number(&self) -> u64 {
        self.archive
            .as_ref()
            .map_or(0, |(_, blocks)| blocks.len() as u64 - 1)
    }

    /// The next frame; none behind the last archive.
    pub fn next(&mut self) -> Result<Option<Frame>> {
        match self.archive.take() {
            None => self.begin(),
            Some((start, blocks)) => self.proceed(start, blocks).map(Some),
        }
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
            return Err(Error::NotAnArchive {
                offset: self.offset,
                what,
            });
        }
        let (header, len) = Header::read(&mut self.input)?;
        let start = self.offset;
        self.offset += len;
        let mut model = None;
        if header.has_model {
            let packed = embedded::read(&mut self.input)?;
            self.offset += packed.len() as u64 + embedded::FRAMING;
            model = Some(packed);
        }
        self.archive = Some((start, Vec::new()));
        self.archives += 1;
        Ok(Some(Frame::Header(Box::new(header), model)))
    }

    fn proceed(&mut self, start: u64, mut blocks: Vec<BlockSizes>) -> Result<Frame> {
        let number = blocks.len() as u64;
        let what = format!("the header of block {number}");
        let mut bytes = Vec::new();
        take(&mut self.input, &mut bytes, 1, &what)?;
        if bytes[0] == END {
            self.end(start, &blocks)?;
            return Ok(Frame::End);
        }
        take(&mut self.input, &mut bytes, BLOCK_HEADER_LEN - 1, &what)?;
        let header = BlockHeader::from_bytes(&bytes, number)?;
        blocks.push(header.sizes());
        self.offset += BLOCK_HEADER_LEN as u64 + u64::from(header.payload_len);
        self.archive = Some((start, blocks));
        Ok(Frame::Block(header))
    }

    /// The payload of the block whose header came last.
    pub fn payload(&mut self, header: &BlockHeader) -> Result<Vec<u8>> {
        let number = self.block_number();
        read_payload(&mut self.input, header, number)
    }

    /// The end must be, bit for bit, what this archive's blocks make it.
    fn end(&mut self, start: u64, blocks: &[BlockSizes]) -> Result<()> {
        let expected = end_to_bytes(blocks, self.offset - start);
        let mut found = vec![END];
        take(&mut self.input, &mut found, expected.len() - 1, "the index")?;
        if found != expected {
            return Err(Error::damaged(
                "the index does not match the blocks before it",
                "index",
            ));
        }
        self.offset += expected.len() as u64;
        Ok(())
    }
}

/// Reads and decodes one block from its header on.
pub(super) fn read_block(
    input: &mut impl Read,
    number: u64,
    predictor: &mut dyn Predictor,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    take(
        input,
        &mut bytes,
        BLOCK_HEADER_LEN,
        &format!("the header of block {number}"),
    )?;
    let header = BlockHeader::from_bytes(&bytes, number)?;
    let payload = read_payload(input, &header, number)?;
    block::decode(&header, &payload, predictor).map_err(|what| undecodable(number, what))
}

/// The error of a block whose checksums were right but which does not decode.
pub(super) fn undecodable(number: u64, what: &str) -> Error {
    Error::damaged(
        format!("a block cannot be decoded: {what}"),
        format!("block {number}"),
    )
}

fn read_payload(input: &mut impl Read, header: &BlockHeader, number: u64) -> Result<Vec<u8>> {
    let mut payload = Vec::new();
    take(
        input,
        &mut payload,
        header.payload_len as usize,
        &format!("block {number}"),
    )?;
    if crc32fast::hash(&payload) != header.payload_crc {
        return Err(Error::damaged(
            "a block does not match its checksum",
            format!("block {number}"),
        ));
    }
    Ok(payload)
}
