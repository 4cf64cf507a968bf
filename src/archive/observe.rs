//! Looking on while an archive is written: how the report learns what each bit went to, in the same
//! pass that codes. Nothing of the bytes depends on it.

use super::block::{self, Modelled};
use super::format::{BlockHeader, BlockKind};
use crate::coding::TokenObserver;

/// Looks on while the blocks of an archive are made. `()` does not look.
pub trait Observer {
    /// Looks at one block, on the thread that codes it.
    type Block: BlockObserver;

    /// A block was written: they come in order.
    fn block(&mut self, block: Self::Block, parts: BlockParts);
}

/// Looks at one block; as a [`TokenObserver`] at what the model codes of it. The tokens count only
/// if the block turns out to be [`BlockKind::Modelled`].
pub trait BlockObserver: TokenObserver + Default + Send + 'static {
    /// Before anything is coded: the content, and those of its lines that the model may code (slices
    /// of the content, without what ends them).
    fn begin(&mut self, content: &[u8], lines: &[&[u8]]);

    /// It is coded, in this way.
    fn end(&mut self, content: &[u8], lines: &[&[u8]], kind: BlockKind);
}

impl Observer for () {
    type Block = ();

    fn block(&mut self, _block: (), _parts: BlockParts) {}
}

impl BlockObserver for () {
    fn begin(&mut self, _content: &[u8], _lines: &[&[u8]]) {}

    fn end(&mut self, _content: &[u8], _lines: &[&[u8]], _kind: BlockKind) {}
}

/// Is told of every block of an archive that is coded while learning, behind its batches.
pub type BlockWatch = Box<dyn FnMut(&BlockParts) + Send>;

/// What a block's payload is made of, in bytes. The rest of it is framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockParts {
    /// How it is stored.
    pub kind: BlockKind,
    /// Newlines in it.
    pub newlines: u64,
    /// Bytes of its content.
    pub content_len: u64,
    /// Bytes of its payload.
    pub payload_len: u64,
    /// Bytes of the range coder's words; of a block that is not modelled, of all its payload.
    pub coded_len: u64,
    /// Bytes of the exceptions' section.
    pub beside_len: u64,
    /// Lines and tokens that the model coded.
    pub modelled_lines: u64,
    /// Tokens of those lines: their characters and their ends.
    pub tokens: u64,
}

impl BlockParts {
    pub(super) fn new(header: &BlockHeader, payload: &[u8], modelled: Modelled) -> Self {
        let (coded, beside) = block::payload_parts(header.kind, header.payload_len, payload);
        Self {
            kind: header.kind,
            newlines: u64::from(header.newlines),
            content_len: u64::from(header.content_len),
            payload_len: u64::from(header.payload_len),
            coded_len: u64::from(coded),
            beside_len: u64::from(beside),
            modelled_lines: modelled.lines,
            tokens: modelled.tokens,
        }
    }
}
