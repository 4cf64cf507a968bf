//! What both writers do with coded blocks: frame them, count them, end the archive.

use std::io::{self, Write};

use super::block::Coded;
use super::format::{self, BlockKind, BlockSizes, Header};
use super::writer::Summary;

/// An archive that is being written.
pub(super) struct Sink<W> {
    output: W,
    /// Bytes of the archive so far.
    written: u64,
    blocks: Vec<BlockSizes>,
    summary: Summary,
    ends_in_newline: bool,
}

impl<W: Write> Sink<W> {
    /// Before the header.
    pub fn new(output: W) -> Self {
        Self {
            output,
            written: 0,
            blocks: Vec::new(),
            summary: Summary::default(),
            ends_in_newline: true,
        }
    }

    /// Blocks so far.
    pub fn blocks(&self) -> &[BlockSizes] {
        &self.blocks
    }

    /// Counts what came in.
    pub fn count(&mut self, content: &[u8]) {
        if let Some(&last) = content.last() {
            self.ends_in_newline = last == b'\n';
        }
        self.summary.bytes_in += content.len() as u64;
    }

    /// Writes what stands before the first block.
    pub fn begin(&mut self, header: &Header, model: &[u8]) -> io::Result<()> {
        self.put(&header.to_bytes())?;
        self.put(model)
    }

    /// Writes a block.
    pub fn put_block<B>(&mut self, coded: &Coded<B>) -> io::Result<()> {
        let Coded {
            header,
            payload,
            modelled,
            ..
        } = coded;
        self.put(&header.to_bytes(self.blocks.len() as u64))?;
        self.put(payload)?;
        self.blocks.push(header.sizes());
        let is_modelled = matches!(header.kind, BlockKind::Modelled | BlockKind::Learned);
        self.summary.blocks += 1;
        self.summary.fallback_blocks += u64::from(!is_modelled);
        self.summary.modelled_lines += modelled.lines;
        self.summary.tokens += modelled.tokens;
        self.summary.lines += u64::from(header.newlines);
        Ok(())
    }

    /// Ends the archive and gives back what it was written to, and an account of it.
    pub fn end(mut self) -> io::Result<(W, Summary)> {
        let end = format::end_to_bytes(&self.blocks, self.written);
        self.put(&end)?;
        self.output.flush()?;
        self.summary.bytes_out = self.written;
        self.summary.lines += u64::from(!self.ends_in_newline);
        Ok((self.output, self.summary))
    }

    /// Flushes what was written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }
}
