//! What blocks and archives hold and what they take.

use std::ops::AddAssign;

use super::format::{BLOCK_HEADER_LEN, BlockHeader, BlockKind};
use super::payload;

/// What a block holds and takes; sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BlockStats {
    /// Where its header begins, in the file or stream.
    pub offset: u64,
    /// How it is stored.
    pub kind: BlockKind,
    /// Its content.
    pub content_len: u32,
    /// Newlines in its content.
    pub newlines: u32,
    /// Its payload, without its header.
    pub payload_len: u32,
    /// What the range coder wrote of the payload; all of it if the block is not modelled.
    pub coded_len: u32,
    /// The exceptions' bytes in the payload: lines that the model cannot code. What is left of a payload is inner sizes.
    /// Where those make no sense, which only decoding tells, both are 0.
    pub beside_len: u32,
}

impl BlockStats {
    /// Of a block whose header begins at `offset`; `start` is all of its payload, or the first
    /// [`payload::MAX_INNER_SIZES`] bytes.
    pub(super) fn new(offset: u64, header: &BlockHeader, start: &[u8]) -> Self {
        let BlockHeader { kind, content_len, newlines, payload_len, .. } = *header;
        let stats = Self { offset, kind, content_len, newlines, payload_len, coded_len: 0, beside_len: 0 };
        stats.with_parts(start)
    }

    /// Its header and its payload.
    pub(super) fn framed_len(&self) -> u64 {
        BLOCK_HEADER_LEN as u64 + u64::from(self.payload_len)
    }

    /// With the parts of its payload, which begins so.
    pub(super) fn with_parts(self, start: &[u8]) -> Self {
        let (coded_len, beside_len) = payload::parts(self.kind, self.payload_len, start);
        Self { coded_len, beside_len, ..self }
    }
}

/// What archives hold and take: sums over their blocks. Bytes, unless another unit is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchiveStats {
    /// Archives that are whole.
    pub archives: u64,
    /// Blocks that a model or a learner coded.
    pub modelled_blocks: u64,
    /// Blocks by zstd.
    pub zstd_blocks: u64,
    /// Blocks that are stored as they are.
    pub raw_blocks: u64,
    /// The content.
    pub bytes_in: u64,
    /// The archives, all framing counted.
    pub bytes_out: u64,
    /// Newlines; of what is compressed lines, a last one without a newline counted.
    pub lines: u64,
    /// Lines that the model coded, where the content was at hand.
    pub modelled_lines: u64,
    /// Tokens of those lines: their characters and their ends.
    pub tokens: u64,
    /// The payloads of all blocks.
    pub payload_len: u64,
    /// What the range coder wrote.
    pub coded_len: u64,
    /// The exceptions' bytes: lines that the model cannot code, beside those that it coded.
    pub beside_len: u64,
    /// The payloads of zstd and raw blocks.
    pub fallback_len: u64,
    /// The models that the archives carry.
    pub model_len: u64,
}

impl ArchiveStats {
    /// Blocks of all kinds.
    pub fn blocks(&self) -> u64 {
        self.modelled_blocks + self.fallback_blocks()
    }

    /// Blocks that zstd or nothing served better than the model.
    pub fn fallback_blocks(&self) -> u64 {
        self.zstd_blocks + self.raw_blocks
    }

    /// What is neither content in some form nor model: headers, inner sizes of payloads, index, trailer.
    pub fn framing(&self) -> u64 {
        self.bytes_out - self.model_len - self.coded_len - self.beside_len - self.fallback_len
    }
}

impl AddAssign<&BlockStats> for ArchiveStats {
    fn add_assign(&mut self, block: &BlockStats) {
        self.bytes_in += u64::from(block.content_len);
        self.lines += u64::from(block.newlines);
        self.payload_len += u64::from(block.payload_len);
        self.beside_len += u64::from(block.beside_len);
        let (count, len) = match block.kind {
            BlockKind::Modelled | BlockKind::Learned => (&mut self.modelled_blocks, &mut self.coded_len),
            BlockKind::Zstd | BlockKind::ZstdLearned => (&mut self.zstd_blocks, &mut self.fallback_len),
            BlockKind::Raw => (&mut self.raw_blocks, &mut self.fallback_len),
        };
        *count += 1;
        *len += u64::from(block.coded_len);
    }
}
