//! Decoding with a GPU that runs the network.
//!
//! A thread holds many blocks, in two halves: while the device takes the next position of one half's groups, the thread
//! decodes the symbols of the other half's. Each block is at its own group and position, and leaves when it is done. If
//! the device fails, the CPU decodes what is left, to the same bytes.

use std::sync::Arc;

use super::block::{self, BAD_WORDS, BlockCoder};
use super::format::BlockKind;
use super::frames::{Content, Job, Piece, decode_blocks};
use super::payload::Joiner;
use super::pipeline::{Jobs, Pipeline};
use crate::coding::{GROUP, LineDecoder, SIDE_BY_SIDE, steps_on};
use crate::model::Model;
use crate::network::{Cdf, Device, Steps};
use crate::{Error, Result};

/// Blocks that all threads hold at a time. Launches of all threads go one after another, each some 16 microseconds when
/// 16 threads launch, so few large ones are faster than many small ones: 40,000,000 lines, which are 611 blocks, all run
/// at once.
const BLOCKS: usize = 1024;
/// Of them, the most in a half of a thread's.
const MOST_IN_HALF: usize = 64;

type Queue = Jobs<Job, Result<Content>>;

/// Threads that decode blocks on this device.
pub(super) fn pipeline(device: Device, threads: usize) -> Pipeline<Job, Result<Content>> {
    let half = (BLOCKS / 2 / threads.max(1)).clamp(1, MOST_IN_HALF);
    Pipeline::new(threads, 2 * half, move |jobs| decode_on_gpu(jobs, &device, half))
}

/// What a thread does, which has `half` blocks in each half.
fn decode_on_gpu(mut queue: Queue, device: &Device, half: usize) {
    let mut waiting = queue.next();
    while let Some((job, _)) = &waiting {
        let model = Arc::clone(&job.model);
        let Some(steps) = steps_on(device, model.exact(), half) else {
            return decode_blocks(waiting.into_iter().chain(queue), None);
        };
        let mut scheduler = Scheduler::new(&model, steps);
        if let Err(error) = scheduler.run(&mut queue, &mut waiting) {
            device.failed(&error);
            scheduler.finish_on_cpu();
        }
        waiting = waiting.or_else(|| queue.next());
    }
}

/// A thread's blocks while a GPU runs the network for them.
struct Scheduler<'m> {
    model: &'m Arc<Model>,
    /// For what the model did not code, and to try again what does not decode.
    cpu: BlockCoder<'m>,
    halves: [Half; 2],
}

/// Half of them, in places of their own.
struct Half {
    steps: Steps,
    held: Vec<Option<Held>>,
    /// Places that are taken.
    count: usize,
}

/// A block between two positions of one of its groups.
struct Held {
    piece: Piece,
    joiner: Joiner,
    lines: LineDecoder<'static, Vec<u32>>,
}

impl<'m> Scheduler<'m> {
    fn new(model: &'m Arc<Model>, steps: [Steps; 2]) -> Self {
        let halves =
            steps.map(|steps| Half { held: (0..steps.groups()).map(|_| None).collect(), count: 0, steps });
        Self { model, cpu: BlockCoder::Model(Box::new(model.exact().group(GROUP))), halves }
    }

    /// Decodes what waits and what the queue gives, until it gives no more or a block of another model, which then
    /// waits.
    ///
    /// # Errors
    /// [`Error::Device`]: the device failed, and blocks are still held.
    fn run(&mut self, queue: &mut Queue, waiting: &mut Option<Piece>) -> Result<()> {
        let mut now = 0;
        while !queue.is_abandoned() {
            self.halves[now].collect(&mut self.cpu)?;
            self.fill(now, queue, waiting);
            if self.count(0) + self.count(1) == 0 {
                return Ok(());
            }
            self.halves[now].launch()?;
            now = 1 - now;
        }
        Ok(())
    }

    /// Blocks in a half.
    fn count(&self, half: usize) -> usize {
        self.halves[half].count
    }

    /// Takes blocks into a half, no more than keep both alike. Waits for one if there is nothing else to do.
    fn fill(&mut self, now: usize, queue: &mut Queue, waiting: &mut Option<Piece>) {
        while self.count(now) <= self.count(1 - now) && self.count(now) < self.halves[now].held.len() {
            if waiting.is_none() {
                *waiting = match self.count(0) + self.count(1) {
                    0 => queue.next(),
                    _ => queue.try_next(),
                };
            }
            let Some(piece) = waiting.take_if(|(job, _)| Arc::ptr_eq(&job.model, self.model)) else {
                return;
            };
            self.hold(now, piece);
        }
    }

    /// Begins with a block. What the model did not code is done at once.
    fn hold(&mut self, now: usize, piece: Piece) {
        let (job, reply) = piece;
        let header = &job.block.header;
        let begun = if header.kind == BlockKind::Modelled {
            Joiner::new(&job.block.payload, header.content_len as usize).ok()
        } else {
            None
        };
        let Some((joiner, words)) = begun else {
            return reply.give(job.decode(&mut self.cpu));
        };
        let lines = LineDecoder::new(words, self.cpu.predictor(), joiner.text);
        let held = Held { piece: (job, reply), joiner, lines };
        let half = &mut self.halves[now];
        let place = half.held.iter_mut().find(|place| place.is_none());
        *place.expect("there is room in the half") = Some(held);
        half.count += 1;
    }

    /// Decodes all blocks on the CPU instead, from their beginning.
    fn finish_on_cpu(mut self) {
        let held = self.halves.iter_mut().flat_map(|half| &mut half.held);
        for Held { piece, .. } in held.filter_map(Option::take) {
            let (job, reply) = piece;
            reply.give(job.decode(&mut self.cpu));
        }
    }
}

impl Half {
    /// Lets the device take the next position of all groups.
    fn launch(&mut self) -> Result<()> {
        for (place, held) in self.held.iter().enumerate() {
            match held.as_ref().and_then(|held| held.lines.position()) {
                Some((position, tokens)) => self.steps.set(place, position, tokens),
                None => self.steps.set(place, 0, &[]),
            }
        }
        Ok(self.steps.launch()?)
    }

    /// Waits for the device and decodes the symbols of the position that it took.
    fn collect(&mut self, cpu: &mut BlockCoder) -> Result<()> {
        self.steps.wait()?;
        for (number, places) in self.held.chunks_mut(SIDE_BY_SIDE).enumerate() {
            let places_of = places.iter_mut().zip(SIDE_BY_SIDE * number..);
            let held = places_of.filter_map(|(held, place)| Some((held.as_mut()?, self.steps.rows(place))));
            let mut positions: Vec<_> = held
                .map(|(held, rows)| (held.lines.begin_position(), rows.chunks_exact(rows.len() / GROUP)))
                .collect();
            for line in 0..GROUP {
                for (position, rows) in &mut positions {
                    if let Some(row) = rows.next() {
                        position.decode_line(line, Cdf(row));
                    }
                }
            }
            for slot in places {
                let Some(Held { joiner, lines, .. }) = slot else {
                    continue;
                };
                let mut taken = lines.end_position();
                if taken.is_ok() && lines.is_whole_group() {
                    taken = lines.next_group(|line| joiner.line(line));
                }
                if taken.is_ok() && lines.position().is_some() {
                    continue;
                }
                let held = slot.take().expect("it is here");
                self.count -= 1;
                if !held.finish(taken.is_ok(), cpu) {
                    let what = "the GPU decoded a block to other bytes than the CPU; please report this";
                    return Err(Error::Device(what.into()));
                }
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
        let whole =
            if is_decoded && self.lines.finish().is_ok() { self.joiner.finish() } else { Err(BAD_WORDS) };
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
