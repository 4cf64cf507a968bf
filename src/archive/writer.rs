//! Writes an archive as its content comes.

use std::io::{self, Write};
use std::sync::Arc;

use super::block::{self, BLOCK_LINES, Coded, MAX_BLOCK_BYTES};
use super::embedded;
use super::format::Header;
use super::observe::{BlockObserver, BlockParts, Observer};
use super::pipeline::{Pipeline, Queue, Work};
use super::sink::Sink;
use crate::Result;
use crate::coding::predictor_on;
use crate::model::Model;
use crate::network::Device;

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
    sink: Sink<W>,
    pipeline: Pipeline<Vec<u8>, Coded<O::Block>>,
    /// Content that is not yet a block.
    waiting: Vec<u8>,
    observer: O,
}

struct Encoding(Arc<Model>, Device);

impl<B: BlockObserver> Work<Vec<u8>, Coded<B>> for Encoding {
    fn run(&self, queue: &Queue<Vec<u8>, Coded<B>>) {
        let Self(model, device) = self;
        let Some(mut piece) = queue.next() else {
            return;
        };
        let mut predictor = predictor_on(device, model.exact());
        loop {
            let (content, reply) = piece;
            reply.give(block::encode(&content, &mut *predictor));
            match queue.next() {
                Some(next) => piece = next,
                None => return,
            }
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
        let header = Header {
            identity: model.identity(),
            name: model.name().to_owned(),
            has_model: options.embed_model,
            learner: None,
        };
        let model_bytes = if options.embed_model {
            embedded::model_to_bytes(model)?
        } else {
            Vec::new()
        };
        let mut sink = Sink::new(output);
        sink.begin(&header, &model_bytes)?;
        Ok(Self {
            sink,
            pipeline: Pipeline::new(options.threads, 1, Encoding(Arc::clone(model), options.device)),
            waiting: Vec::new(),
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
        let (output, summary) = self.sink.end()?;
        Ok((output, summary, self.observer))
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
        let Some(coded) = self.pipeline.take() else {
            return Ok(false);
        };
        self.sink.put_block(&coded)?;
        let Coded {
            header,
            payload,
            modelled,
            observer,
        } = coded;
        let parts = BlockParts::new(&header, &payload, modelled);
        self.observer.block(observer, parts);
        Ok(true)
    }
}

impl<W: Write, O: Observer> Write for Compressor<W, O> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        // Not more at a time than a block: what waits stays small.
        let data = &data[..data.len().min(MAX_BLOCK_BYTES)];
        self.waiting.extend_from_slice(data);
        self.sink.count(data);
        self.hand_out_blocks()?;
        Ok(data.len())
    }

    /// Flushes what was coded; content that is not yet a whole block keeps waiting.
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
