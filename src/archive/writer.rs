//! Writes an archive as its content comes.

use std::io::{self, Write};
use std::sync::Arc;

use super::block::{self, BLOCK_LINES, Coded, MAX_BLOCK_BYTES, Modelled};
use super::embedded;
use super::format::{self, BlockKind, BlockSizes, Counted, Header};
use super::observe::{BlockObserver, BlockParts, Observer};
use super::pipeline::{Pipeline, Work};
use crate::Result;
use crate::bundle::Model;
use crate::coder::LineCoder;
use crate::exact::Device;

/// How to compress. The archive's bytes do not depend on the number of threads.
#[derive(Clone, Debug)]
pub struct CompressOptions {
    /// Threads that code blocks; at least one.
    pub threads: usize,
    /// Whether the archive carries its model.
    pub embed_model: bool,
    /// Where the network runs; the bytes do not depend on it either.
    pub device: Device,
}

impl Default for CompressOptions {
    fn default() -> Self {
        Self {
            threads: 1,
            embed_model: false,
            device: Device::CPU,
        }
    }
}

/// What an archive holds and what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of the content.
    pub bytes_in: u64,
    /// Bytes of the archive, all framing counted.
    pub bytes_out: u64,
    /// Lines of the content; a last one without a newline counts.
    pub lines: u64,
    /// Lines that the model coded.
    pub modelled_lines: u64,
    /// Tokens that the model coded: characters of those lines and their ends.
    pub tokens: u64,
    /// Blocks.
    pub blocks: u64,
    /// Blocks that zstd or nothing served better than the model.
    pub fallback_blocks: u64,
}

/// Compresses what is written to it into `W`, on as many threads as asked for.
///
/// ```
/// use std::io::Write;
/// use surprisal::{CompressOptions, Compressor, Models};
///
/// let models = Models::bundled();
/// let mut compressor = Compressor::new(Vec::new(), models.default_model(), CompressOptions::default())?;
/// compressor.write_all(b"17282456+79546852=096829308\n")?;
/// let (archive, summary) = compressor.finish()?;
/// assert_eq!(summary.lines, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Compressor<W: Write, O: Observer = ()> {
    output: Counted<W>,
    pipeline: Pipeline<Vec<u8>, Coded<O::Block>>,
    /// Content that is not yet a block.
    waiting: Vec<u8>,
    blocks: Vec<BlockSizes>,
    summary: Summary,
    ends_in_newline: bool,
    observer: O,
}

struct Encoding(Arc<Model>, Device);

impl<B: BlockObserver> Work<Vec<u8>, Coded<B>> for Encoding {
    fn run(&self, next: &mut dyn FnMut() -> Option<Vec<u8>>, done: &mut dyn FnMut(Coded<B>)) {
        let model = self.0.exact();
        let mut coder = LineCoder::on(&self.1, model).unwrap_or_else(|error| {
            self.1.failed(&error);
            LineCoder::new(model)
        });
        while let Some(content) = next() {
            done(block::encode(&content, &mut coder));
        }
    }
}

impl<W: Write> Compressor<W> {
    /// Begins an archive: its header is written at once.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if that fails.
    pub fn new(output: W, model: &Arc<Model>, options: CompressOptions) -> Result<Self> {
        Self::observed(output, model, options, ())
    }

    /// Ends the archive and gives back what it was written to, with an account of it.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if writing fails.
    pub fn finish(self) -> Result<(W, Summary)> {
        let (output, summary, ()) = self.finish_observed()?;
        Ok((output, summary))
    }
}

impl<W: Write, O: Observer> Compressor<W, O> {
    /// As [`Compressor::new`], with somebody who looks on.
    ///
    /// # Errors
    /// As there.
    pub fn observed(output: W, model: &Arc<Model>, options: CompressOptions, observer: O) -> Result<Self> {
        let mut output = Counted {
            inner: output,
            written: 0,
        };
        let header = Header {
            identity: *model.exact().identity(),
            name: model.name().to_owned(),
            has_model: options.embed_model,
            learner: None,
        };
        output.put(&header.to_bytes())?;
        if options.embed_model {
            let (config, weights) = model.files();
            output.put(&embedded::model_to_bytes(config, weights)?)?;
        }
        let pipeline = Pipeline::new(options.threads, Encoding(Arc::clone(model), options.device));
        let summary = Summary::default();
        Ok(Self {
            output,
            pipeline,
            waiting: Vec::new(),
            blocks: Vec::new(),
            summary,
            ends_in_newline: true,
            observer,
        })
    }

    /// As [`Compressor::finish`], and gives back who looked on.
    ///
    /// # Errors
    /// As there.
    pub fn finish_observed(mut self) -> Result<(W, Summary, O)> {
        self.hand_out_blocks()?;
        if !self.waiting.is_empty() {
            let last = std::mem::take(&mut self.waiting);
            self.pipeline.give(last);
        }
        while self.put_oldest()? {}
        let end = format::end_to_bytes(&self.blocks, self.output.written);
        self.output.put(&end)?;
        self.output.inner.flush()?;
        self.summary.bytes_out = self.output.written;
        self.summary.lines += u64::from(!self.ends_in_newline);
        Ok((self.output.inner, self.summary, self.observer))
    }

    /// Hands whole blocks to the threads.
    fn hand_out_blocks(&mut self) -> io::Result<()> {
        let mut from = 0;
        while let Some(len) = block::next_block(&self.waiting[from..], BLOCK_LINES) {
            while self.pipeline.is_full() {
                self.put_oldest()?;
            }
            self.pipeline.give(self.waiting[from..from + len].to_vec());
            from += len;
        }
        self.waiting.drain(..from);
        Ok(())
    }

    /// Waits for the oldest block and writes it; false if there is none.
    fn put_oldest(&mut self) -> io::Result<bool> {
        let Some(Coded {
            header,
            payload,
            modelled,
            observer,
        }) = self.pipeline.take()
        else {
            return Ok(false);
        };
        self.output.put(&header.to_bytes(self.blocks.len() as u64))?;
        self.output.put(&payload)?;
        self.blocks.push(header.sizes());
        let Modelled { lines, tokens } = modelled;
        self.summary.blocks += 1;
        self.summary.fallback_blocks += u64::from(header.kind != BlockKind::Modelled);
        self.summary.modelled_lines += lines;
        self.summary.tokens += tokens;
        self.summary.lines += u64::from(header.newlines);
        let (coded, beside) = block::payload_parts(header.kind, header.payload_len, &payload);
        let parts = BlockParts {
            kind: header.kind,
            newlines: u64::from(header.newlines),
            content_len: u64::from(header.content_len),
            payload_len: u64::from(header.payload_len),
            coded_len: u64::from(coded),
            beside_len: u64::from(beside),
            modelled_lines: lines,
            tokens,
        };
        self.observer.block(observer, parts);
        Ok(true)
    }
}

impl<W: Write, O: Observer> Write for Compressor<W, O> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Not more at a time than a block: what waits stays small.
        let data = &data[..data.len().min(MAX_BLOCK_BYTES)];
        self.waiting.extend_from_slice(data);
        if let Some(&last) = data.last() {
            self.ends_in_newline = last == b'\n';
        }
        self.summary.bytes_in += data.len() as u64;
        self.hand_out_blocks()?;
        Ok(data.len())
    }

    /// Flushes what was coded; content that is not yet a whole block keeps waiting.
    fn flush(&mut self) -> io::Result<()> {
        self.output.inner.flush()
    }
}
