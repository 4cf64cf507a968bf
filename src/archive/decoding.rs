//! What a decoder's threads do: blocks to content, on the CPU or with a GPU that runs the network.
//!
//! On the CPU a thread takes a block after another. With a GPU it holds many blocks, in two halves: while the
//! device takes the next position of one half's groups, the thread decodes the symbols of the other half's. Each
//! block is at its own group and position, and leaves when it is done.

use std::ops::Range;
use std::sync::Arc;

use super::block::{self, BAD_WORDS, Joining};
use super::format::{BlockHeader, BlockKind};
use super::frames;
use super::lines::LineRange;
use super::pipeline::{Queue, Reply, Work};
use crate::coding::{GROUP, LineDecoder, steps_on};
use crate::model::Model;
use crate::network::{Cdf, Device, Group, Steps};
use crate::{Error, Result};

/// Blocks that all threads hold at a time with a GPU: 64 lines of each fill one.
const BLOCKS_ON_GPU: usize = 512;
/// Of them, the most in a half of a thread's.
const MOST_IN_HALF: usize = 32;

/// A block that is to be decoded.
pub(super) struct Job {
    pub model: Arc<Model>,
    pub number: u64,
    pub header: BlockHeader,
    pub payload: Vec<u8>,
    pub wanted: LineRange,
    /// Newlines before the block.
    pub before: u64,
}

/// A decoded block: all of it is checked, a part may be wanted.
#[derive(Default)]
pub(super) struct Content {
    pub whole: Vec<u8>,
    pub wanted: Range<usize>,
}

impl Job {
    /// What to hand on.
    fn content(&self, decoded: Result<Vec<u8>, &str>) -> Result<Content> {
        let whole = decoded.map_err(|what| frames::undecodable(self.number, what))?;
        Ok(Content {
            wanted: self.wanted.cut(&whole, self.before),
            whole,
        })
    }

    /// Decodes it on the CPU.
    fn decode(&self, coder: &mut Group) -> Result<Content> {
        self.content(block::decode(&self.header, &self.payload, coder))
    }
}

type Jobs = Queue<Job, Result<Content>>;
type Piece = (Job, Reply<Result<Content>>);

/// Decodes blocks on some threads.
pub(super) struct Decoding {
    device: Device,
    /// Blocks in each half of a thread's.
    half: usize,
}

impl Decoding {
    /// On this device, for one of so many threads.
    pub fn new(device: Device, threads: usize) -> Self {
        let half = (BLOCKS_ON_GPU / 2 / threads.max(1)).clamp(1, MOST_IN_HALF);
        Self { device, half }
    }

    /// Blocks that a thread holds at a time.
    pub fn held(&self) -> usize {
        match self.device.is_cpu() {
            true => 1,
            false => 2 * self.half,
        }
    }
}

impl Work<Job, Result<Content>> for Decoding {
    fn run(&self, queue: &Jobs) {
        let mut waiting = queue.next();
        // A coder lives as long as the model stays the same.
        while let Some(first) = waiting.take() {
            let model = Arc::clone(&first.0.model);
            let mut coder = model.exact().group(GROUP);
            let steps = steps_on(&self.device, model.exact(), self.half);
            waiting = Some(first);
            if let Some(steps) = steps {
                let mut on_gpu = OnGpu::new(&model, &mut coder, steps);
                let ended = on_gpu.run(queue, &mut waiting);
                if let Err(error) = ended {
                    self.device.failed(&error);
                    on_gpu.finish_on_cpu();
                }
                waiting = waiting.or_else(|| queue.next());
            }
            while let Some((job, reply)) = waiting.take_if(|(job, _)| Arc::ptr_eq(&job.model, &model)) {
                reply.give(job.decode(&mut coder));
                waiting = queue.next();
            }
        }
    }
}

/// A thread's blocks while a GPU runs the network for them.
struct OnGpu<'a, 'm> {
    model: &'a Arc<Model>,
    coder: &'a mut Group<'m>,
    halves: [Half; 2],
}

/// Half of them, in places of their own.
struct Half {
    steps: Steps,
    held: Vec<Option<Held>>,
}

/// A block between two positions of one of its groups.
struct Held {
    piece: Piece,
    joining: Joining,
    lines: LineDecoder<'static, Vec<u32>>,
}

impl<'a, 'm> OnGpu<'a, 'm> {
    fn new(model: &'a Arc<Model>, coder: &'a mut Group<'m>, steps: [Steps; 2]) -> Self {
        let halves = steps.map(|steps| Half {
            held: (0..steps.groups()).map(|_| None).collect(),
            steps,
        });
        Self { model, coder, halves }
    }

    /// Decodes what waits and what the queue gives, until it gives no more or a block of another model, which then
    /// waits.
    ///
    /// # Errors
    /// [`Error::Device`]: the device failed, and blocks are still held.
    fn run(&mut self, queue: &Jobs, waiting: &mut Option<Piece>) -> Result<()> {
        let mut now = 0;
        while !queue.is_abandoned() {
            self.halves[now].take(self.coder)?;
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
        self.halves[half].held.iter().flatten().count()
    }

    /// Takes blocks into a half, no more than keep both alike. Waits for one if there is nothing else to do.
    fn fill(&mut self, now: usize, queue: &Jobs, waiting: &mut Option<Piece>) {
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
        let (job, _) = &piece;
        let begun = match job.header.kind {
            BlockKind::Modelled => Joining::new(&job.payload, job.header.content_len as usize),
            _ => Err(""),
        };
        let Ok((joining, words)) = begun else {
            let (job, reply) = piece;
            return reply.give(job.decode(self.coder));
        };
        let lines = LineDecoder::new(words, &*self.coder, joining.text);
        let held = Held {
            piece,
            joining,
            lines,
        };
        let mut places = self.halves[now].held.iter_mut();
        let place = places.find(|place| place.is_none());
        *place.expect("there is room in the half") = Some(held);
    }

    /// Decodes all blocks on the CPU instead, from their beginning.
    fn finish_on_cpu(&mut self) {
        let held = self.halves.iter_mut().flat_map(|half| &mut half.held);
        for Held { piece, .. } in held.filter_map(Option::take) {
            let (job, reply) = piece;
            reply.give(job.decode(self.coder));
        }
    }
}

impl Half {
    /// Lets the device take the next position of all groups.
    fn launch(&mut self) -> Result<()> {
        for (place, held) in self.held.iter().enumerate() {
            match held.as_ref().and_then(|held| held.lines.position()) {
                Some((position, tokens)) => self.steps.set(place, position, tokens),
                None => self.steps.clear(place),
            }
        }
        Ok(self.steps.launch()?)
    }

    /// Waits for the device and decodes the symbols of the position that it took.
    fn take(&mut self, coder: &mut Group) -> Result<()> {
        self.steps.wait()?;
        for (place, slot) in self.held.iter_mut().enumerate() {
            let Some(Held { joining, lines, .. }) = slot else {
                continue;
            };
            let row = |line| Cdf(self.steps.row(place, line));
            let mut taken = Ok(());
            if lines.position().is_some() {
                taken = lines.decode_position(row);
                if taken.is_ok() && lines.whole_group().is_some() {
                    taken = lines.next_group(|line| joining.line(line));
                }
            }
            if taken.is_ok() && lines.position().is_some() {
                continue;
            }
            let held = slot.take().expect("it is here");
            if !held.finish(taken.is_ok(), coder) {
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
    fn finish(self, is_decoded: bool, coder: &mut Group) -> bool {
        let (job, reply) = self.piece;
        let whole = match is_decoded && self.lines.finish().is_ok() {
            true => self.joining.finish(),
            false => Err(BAD_WORDS),
        };
        match whole.and_then(|whole| block::check(&job.header, whole)) {
            Ok(whole) => {
                reply.give(job.content(Ok(whole)));
                true
            }
            Err(_) => {
                let again = job.decode(coder);
                let is_damaged = again.is_err();
                reply.give(again);
                is_damaged
            }
        }
    }
}
