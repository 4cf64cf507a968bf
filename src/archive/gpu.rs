//! Decoding with a GPU, which decodes the lines of many blocks at a time.
//!
//! A thread has two batches of blocks: while the device decodes one, the thread joins the lines of the other. If the device
//! fails, the CPU decodes what is left, to the same bytes.

use std::collections::VecDeque;
use std::sync::Arc;

use super::block::{self, BAD_WORDS, BLOCK_LINES, BlockCoder};
use super::format::BlockKind;
use super::frames::{Content, Job, Piece, decode_blocks};
use super::payload::Joiner;
use super::pipeline::{Jobs, Pipeline};
use crate::coding::{GROUP, GroupText, coded_lines_on};
use crate::model::Model;
use crate::network::{CodedLines, Device};
use crate::{Error, Result};

/// Blocks that all threads together hold: about as many as a large device decodes at once.
const BLOCKS: usize = 768;
/// The most that a thread has in a batch, so that it joins their lines as fast as the device decodes them.
const BATCH: usize = 48;

type Queue = Jobs<Job, Result<Content>>;

/// Threads that decode blocks on this device.
pub(super) fn pipeline(device: Device, threads: usize) -> Pipeline<Job, Result<Content>> {
    let batch = (BLOCKS / (2 * threads.max(1))).clamp(1, BATCH);
    Pipeline::new(threads, 2 * batch, move |jobs| decode_on_gpu(jobs, &device, batch))
}

/// What a thread does.
fn decode_on_gpu(queue: Queue, device: &Device, batch: usize) {
    let mut waiting = VecDeque::from(queue.next_few(batch, false));
    while let Some((job, _)) = waiting.front() {
        let model = Arc::clone(&job.model);
        let Some(gpus) = coded_lines_on(device, model.exact(), batch, BLOCK_LINES) else {
            return decode_blocks(waiting.into_iter().chain(queue), None);
        };
        let mut batches = Batches::new(&model, gpus, batch);
        if let Err(error) = batches.run(&queue, &mut waiting) {
            device.failed(&error);
            batches.finish_on_cpu();
        }
        if waiting.is_empty() {
            waiting.extend(queue.next_few(batch, false));
        }
    }
}

/// A thread's blocks while a GPU decodes them.
struct Batches<'m> {
    model: &'m Arc<Model>,
    /// For what the model did not code, and to try again what does not decode.
    cpu: BlockCoder<'m>,
    /// The one to fill, and the one that the device may have.
    batches: [Batch; 2],
    /// Blocks of each, at most.
    most: usize,
}

/// Blocks that a device decodes together.
struct Batch {
    gpu: CodedLines,
    held: VecDeque<Held>,
}

/// A block, what is beside its lines, and the words of these.
struct Held {
    piece: Piece,
    joiner: Joiner,
    words: Vec<u32>,
}

impl<'m> Batches<'m> {
    fn new(model: &'m Arc<Model>, gpus: [CodedLines; 2], most: usize) -> Self {
        let cpu = BlockCoder::Model(Box::new(model.exact().group(GROUP)));
        Self { model, cpu, batches: gpus.map(|gpu| Batch { gpu, held: VecDeque::new() }), most }
    }

    /// Decodes what waits and what the queue gives, until it gives no more or a block of another model, which then
    /// waits, with those behind it.
    ///
    /// # Errors
    /// [`Error::Device`]: the device failed, and blocks are still held.
    fn run(&mut self, queue: &Queue, waiting: &mut VecDeque<Piece>) -> Result<()> {
        while !queue.is_abandoned() {
            self.fill(queue, waiting);
            let [now, next] = &mut self.batches;
            if now.held.is_empty() && next.held.is_empty() {
                return Ok(());
            }
            now.launch()?;
            self.batches.swap(0, 1);
            self.batches[0].collect(self.model, &mut self.cpu)?;
        }
        Ok(())
    }

    /// Takes blocks, as many as come soon. Waits for the first if there is nothing else to do.
    fn fill(&mut self, queue: &Queue, waiting: &mut VecDeque<Piece>) {
        let [now, next] = &mut self.batches;
        let is_ours = |(job, _): &mut Piece| Arc::ptr_eq(&job.model, self.model);
        loop {
            while let Some(piece) = waiting.pop_front_if(is_ours) {
                now.hold(piece, &mut self.cpu);
            }
            if !(waiting.is_empty() && now.held.is_empty()) {
                return;
            }
            waiting.extend(queue.next_few(self.most, !next.held.is_empty()));
            if waiting.is_empty() {
                return;
            }
        }
    }

    /// Decodes all blocks on the CPU instead.
    fn finish_on_cpu(mut self) {
        for Held { piece: (job, reply), .. } in self.batches.iter_mut().flat_map(|batch| batch.held.drain(..))
        {
            reply.give(job.decode(&mut self.cpu));
        }
    }
}

impl Batch {
    /// Takes a block. What the model did not code, or has no room on the device, is done at once.
    fn hold(&mut self, (job, reply): Piece, cpu: &mut BlockCoder) {
        let header = &job.block.header;
        let begun = match header.kind {
            BlockKind::Modelled => Joiner::new(&job.block.payload, header.content_len as usize).ok(),
            _ => None,
        };
        match begun.filter(|(joiner, words)| self.gpu.takes(words.len(), joiner.text.lines)) {
            Some((joiner, words)) => self.held.push_back(Held { piece: (job, reply), joiner, words }),
            None => reply.give(job.decode(cpu)),
        }
    }

    /// Has the device decode them.
    fn launch(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        Ok(self.gpu.launch(self.held.iter().map(|held| (&held.words[..], held.joiner.text.lines)))?)
    }

    /// Waits for the device and hands the blocks on.
    fn collect(&mut self, model: &Model, cpu: &mut BlockCoder) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.gpu.wait()?;
        let mut text = GroupText::new(model.exact().vocabulary());
        for index in 0..self.held.len() {
            // If the device fails here, what is still held is what was not handed on.
            let tokens = self.gpu.decoded(index)?;
            let mut held = self.held.pop_front().expect("it is held");
            let (limits, joiner) = (held.joiner.text, &mut held.joiner);
            let is_decoded = tokens
                .is_some_and(|tokens| text.join_groups(tokens, limits, |line| joiner.line(line)).is_ok());
            if !held.finish(is_decoded, cpu) {
                let what = "the GPU decoded a block to other bytes than the CPU; please report this";
                return Err(Error::Device(what.into()));
            }
        }
        Ok(())
    }
}

impl Held {
    /// Hands on a block. What does not decode is tried again on the CPU, so that a device cannot make an archive
    /// look damaged; false if it had done that.
    fn finish(self, is_decoded: bool, cpu: &mut BlockCoder) -> bool {
        let (job, reply) = self.piece;
        let whole = if is_decoded { self.joiner.finish() } else { Err(BAD_WORDS) };
        if let Ok(whole) = whole.and_then(|whole| block::check(&job.block.header, whole)) {
            reply.give(Ok(job.content(whole)));
            return true;
        }
        let on_cpu = job.decode(cpu);
        let is_damaged = on_cpu.is_err();
        reply.give(on_cpu);
        is_damaged
    }
}
