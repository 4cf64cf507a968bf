//! The network, and how it learns: batches of lines forward, their gradient, a step.

use std::sync::Arc;

use rayon::prelude::*;

use super::engine::Engine;
use super::gradient_sum::add_in_pairs;
use super::init;
use super::optim::{Moments, Optimiser};
use super::pace::{Agreement, Cost, Pace};
use super::replay::Reservoir;
use super::settings::LearnerSettings;
use crate::Result;
use crate::host::Threads;
use crate::model::Checkpoint;
use crate::model::Shape;
use crate::network::{Cdfs, Isa, Slots};
use crate::simd::{LANES, Vector, floats, floats_mut};
use crate::text::{Token, Vocabulary};

/// A network that learns.
pub struct Learner {
    settings: LearnerSettings,
    vocabulary: Vocabulary,
    shape: Shape,
    pub(super) state: State,
    optimiser: Optimiser,
    groups: Vec<Group>,
    /// Cumulative probabilities of the next symbol of each line.
    rows: Vec<[u32; 8]>,
    pub(super) observer: Option<BatchObserver>,
    lines: usize,
    threads: Arc<Threads>,
}

/// Is told of every batch as it was coded.
pub type BatchObserver = Box<dyn FnMut(&BatchRecord) + Send>;

/// What learning changes.
#[derive(Clone)]
pub(crate) struct State {
    parameters: Vec<Vector>,
    moments: Moments,
    /// Steps of the schedule, taken or not.
    steps: u64,
    pace: Pace,
    /// Lines to learn from once more, where the settings ask for that.
    pub(super) reservoir: Option<Reservoir>,
}

/// Sixteen lines of a batch.
struct Group {
    engine: Engine,
    /// What goes in next.
    next: [Token; LANES],
    /// Whether the tokens that followed the last position are still to come.
    is_open: bool,
    /// What followed each position so far; none in lines that have ended.
    targets: Vec<[Option<Token>; LANES]>,
    /// The slots of what followed.
    slots: Vec<[Slots; LANES]>,
    cost: Cost,
}

/// What a batch tells of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchRecord {
    /// Lines of the batch.
    pub lines: usize,
    /// Their surprisal in nats at each position, by the probabilities before rounding, and how
    /// many lines had that position.
    pub by_position: Vec<(f64, u32)>,
    /// Bits of the slots that were coded.
    pub slot_bits: f64,
    /// The step that was taken on it, if one was due.
    pub step: Option<StepRecord>,
}

/// What a step tells of itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRecord {
    /// The gradient's norm before clipping.
    pub gradient_norm: f32,
    /// The learning rate.
    pub rate: f64,
    /// The cosine of the gradients of the batch's two halves, where they were asked: every eighth batch.
    pub agreement: Option<f64>,
}

impl BatchRecord {
    /// Surprisal of all tokens, in nats.
    pub fn nats(&self) -> f64 {
        self.by_position.iter().map(|(nats, _)| nats).sum()
    }

    /// Tokens.
    pub fn tokens(&self) -> u64 {
        self.by_position.iter().map(|&(_, count)| u64::from(count)).sum()
    }
}

impl Learner {
    /// A learner that knows nothing, on `threads` threads. The kernel is the best that the
    /// processor has, or what SURPRISAL_ISA names.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] with what is out of range.
    pub fn new(settings: &LearnerSettings, threads: usize) -> Result<Self> {
        Self::with_isa(settings, threads, Isa::default())
    }

    /// As [`Learner::new`] with a kernel of the caller's choice.
    ///
    /// # Errors
    /// The same; [`crate::Error::Unavailable`] if the processor lacks the kernel.
    pub fn with_isa(settings: &LearnerSettings, threads: usize, isa: Isa) -> Result<Self> {
        settings.check()?;
        let isa = isa.available()?;
        let shape = settings.shape()?;
        let groups = settings.batch_lines.div_ceil(LANES);
        let group = |_| Group {
            engine: Engine::new(shape, isa),
            next: [0; LANES],
            is_open: false,
            targets: Vec::new(),
            slots: Vec::new(),
            cost: Cost::default(),
        };
        let threads = threads.clamp(1, groups);
        Ok(Self {
            vocabulary: settings.vocabulary()?,
            shape,
            state: State {
                parameters: init::parameters(settings, &shape),
                moments: Moments::new(shape.places().len),
                steps: 0,
                pace: Pace::new(),
                reservoir: (settings.replay > 0).then(|| Reservoir::new(settings.seed)),
            },
            optimiser: Optimiser::new(&shape, settings.optimiser(), isa),
            groups: (0..groups).map(group).collect(),
            rows: vec![[0; 8]; groups * LANES * shape.vocab.div_ceil(8)],
            observer: None,
            lines: 0,
            threads: Arc::new(Threads::new(threads)?),
            settings: settings.clone(),
        })
    }

    /// The settings.
    pub fn settings(&self) -> &LearnerSettings {
        &self.settings
    }

    /// The symbols.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The most characters of a line.
    pub fn max_line_len(&self) -> usize {
        self.shape.block_size - 1
    }

    /// Steps of the schedule so far: those taken, and those that would have been with a stride of 1.
    pub fn steps(&self) -> u64 {
        self.state.steps
    }

    /// Begins a batch of `lines` lines.
    ///
    /// # Panics
    /// If they are more than a batch has.
    pub(super) fn start(&mut self, lines: usize) {
        assert!(lines <= self.settings.batch_lines, "a batch has at most its lines");
        self.lines = lines;
        for group in &mut self.groups {
            group.engine.start();
            group.next = [self.vocabulary.start(); LANES];
            group.is_open = false;
            group.targets.clear();
            group.slots.clear();
            group.cost = Cost::default();
        }
    }

    /// Takes a whole batch of known lines forward.
    pub(super) fn read(&mut self, lines: &[&[u8]]) {
        self.start(lines.len());
        let (parameters, vocabulary) = (floats(&self.state.parameters), &self.vocabulary);
        let rows = self.rows.par_chunks_mut(LANES * self.shape.vocab.div_ceil(8));
        let groups = self.groups.par_iter_mut().zip(rows);
        self.threads.install(|| {
            let groups = groups.zip(lines.par_chunks(LANES));
            groups.for_each(|((group, rows), lines)| group.read(parameters, vocabulary, lines, rows));
        });
    }

    /// The threads that it computes on. A caller on one of them saves the handover of each call.
    pub(crate) fn threads(&self) -> Arc<Threads> {
        Arc::clone(&self.threads)
    }

    /// Takes the next token of each line, the start symbol first, and all lines that have not ended forward.
    pub(super) fn step(&mut self, tokens: &[Token]) -> Cdfs<'_> {
        let parameters = floats(&self.state.parameters);
        let end = self.vocabulary.end();
        let eights = self.shape.vocab.div_ceil(8);
        let rows = self.rows.par_chunks_mut(LANES * eights);
        let groups = self.groups.par_iter_mut().zip(rows);
        self.threads.install(|| {
            let groups = groups.zip(tokens.par_chunks(LANES));
            groups.for_each(|((group, rows), tokens)| {
                group.follow(tokens, end, rows);
                if group.is_going(end) {
                    group.forward(parameters, rows);
                    group.is_open = true;
                }
            });
        });
        Cdfs::new(&self.rows, eights)
    }

    /// The last position of lines that came token by token was their end.
    pub(super) fn close(&mut self) {
        let end = self.vocabulary.end();
        let rows = self.rows.chunks(LANES * self.shape.vocab.div_ceil(8));
        let mut left = self.lines;
        for (group, rows) in self.groups.iter_mut().zip(rows) {
            group.follow(&[end; LANES][..left.min(LANES)], end, rows);
            left = left.saturating_sub(LANES);
        }
    }

    /// The slots of the token at a position of a line.
    pub(super) fn slots(&self, position: usize, line: usize) -> Slots {
        self.groups[line / LANES].slots[position][line % LANES]
    }

    /// Positions of the batch's longest line.
    pub(super) fn positions(&self) -> usize {
        self.groups.iter().map(|group| group.targets.len()).max().unwrap_or(0)
    }

    /// Counts the batch that was coded last, and takes a step on it if one is due.
    pub(super) fn learn(&mut self) -> BatchRecord {
        let mut record = self.record();
        if record.tokens() == 0 {
            return record;
        }
        let mut agreement = None;
        if self.is_due() {
            agreement = self.differentiate(&self.scales(&record), self.state.pace.asks());
            record.step = Some(StepRecord {
                agreement: agreement.as_ref().map(Agreement::cosine),
                ..self.move_weights()
            });
        } else {
            self.state.steps += 1 + u64::from(self.settings.replay);
        }
        let mut cost = Cost::default();
        self.groups.iter().for_each(|group| cost.add(group.cost));
        self.state.pace.count(cost, agreement, self.settings.stride);
        record
    }

    /// Whether a step, and those that replay, are due on the batch that was coded last.
    pub(super) fn is_due(&self) -> bool {
        self.state.pace.is_due()
    }

    /// Takes a step on lines that were coded before.
    pub(super) fn replay(&mut self, lines: &[&[u8]]) {
        self.read(lines);
        self.differentiate(&self.scales(&self.record()), false);
        self.move_weights();
    }

    fn move_weights(&mut self) -> StepRecord {
        self.state.steps += 1;
        let rate = self.settings.schedule().rate(self.state.steps);
        let State { parameters, moments, .. } = &mut self.state;
        let gradient = floats(self.groups[0].engine.gradient());
        let optimiser = &mut self.optimiser;
        let step = || optimiser.step(rate, moments, floats_mut(parameters), gradient);
        StepRecord { gradient_norm: self.threads.install(step) as f32, rate, agreement: None }
    }

    /// What each position's surprisal counts in the gradient: its weight, over the sum of all tokens'
    /// weights, positions from first to last.
    fn scales(&self, record: &BatchRecord) -> Vec<f32> {
        let weights = (0..record.by_position.len()).map(|position| self.settings.weight_of(position));
        let counts = record.by_position.iter().map(|&(_, count)| count as f32);
        let total = weights.clone().zip(counts).fold(0.0, |sum, (w, n)| sum + w * n);
        weights.map(|weight| weight / total).collect()
    }

    /// The gradient of the batch's surprisal, at each position times its scale, into the first group's.
    /// If `asks`, also how far the matrices' gradients of the batch's two halves agree, if it has two.
    fn differentiate(&mut self, scales: &[f32], asks: bool) -> Option<Agreement> {
        let parameters = floats(&self.state.parameters);
        let groups = &mut self.groups[..self.lines.div_ceil(LANES)];
        self.threads.install(|| {
            groups.par_iter_mut().for_each(|group| group.engine.backward(parameters, &group.targets, scales));
        });
        // The halves are what the tree of sums adds last.
        let half = groups.len().next_power_of_two() / 2;
        let mut gradients: Vec<_> =
            groups.iter_mut().map(|group| floats_mut(group.engine.gradient())).collect();
        let (left, right) = gradients.split_at_mut(half);
        add_in_pairs(left);
        add_in_pairs(right);
        let (first, second) = (left.first_mut()?, right.first_mut()?);
        let matrices = self.shape.places().matrices();
        let agreement = asks.then(|| Agreement::of(&first[matrices.clone()], &second[matrices]));
        add_in_pairs(&mut [&mut first[..], &mut second[..]]);
        agreement
    }

    fn record(&self) -> BatchRecord {
        let mut record = BatchRecord {
            lines: self.lines,
            by_position: vec![(0.0, 0); self.positions()],
            ..BatchRecord::default()
        };
        for group in &self.groups[..self.lines.div_ceil(LANES)] {
            for (position, targets) in group.targets.iter().enumerate() {
                let (nats, count) = &mut record.by_position[position];
                for (line, token) in targets.iter().enumerate().filter_map(|(i, t)| Some((i, (*t)?))) {
                    *nats += group.engine.nats(position, line, token);
                    *count += 1;
                    record.slot_bits += group.slots[position][line].bits();
                }
            }
        }
        record
    }

    /// What was learned, as a trained model.
    ///
    /// # Errors
    /// [`crate::Error::Model`] if a parameter is not finite.
    pub fn checkpoint(&self) -> Result<Checkpoint> {
        let config = self.settings.config.clone();
        self.shape.checkpoint(config, floats(&self.state.parameters))
    }
}

#[cfg(test)]
impl Learner {
    /// The gradient of `scale` times the surprisal of the batch that went forward last.
    pub(super) fn gradient_now(&mut self, scale: f32) -> Vec<f32> {
        self.differentiate(&vec![scale; self.positions()], false);
        floats(self.groups[0].engine.gradient()).to_vec()
    }

    pub(super) fn parameters(&self) -> &[f32] {
        floats(&self.state.parameters)
    }
}

impl Group {
    /// Takes the next token of each line forward; `rows` get what follows.
    fn forward(&mut self, parameters: &[f32], rows: &mut [[u32; 8]]) {
        self.engine.forward(parameters, &self.next, rows);
        self.targets.push([None; LANES]);
        self.slots.push([Slots::ALL; LANES]);
    }

    /// Takes the tokens that followed the last position, if it is still open, in lines that had not ended before it.
    fn follow(&mut self, tokens: &[Token], end: Token, rows: &[[u32; 8]]) {
        let Some(last) = self.targets.len().checked_sub(1).filter(|_| self.is_open) else {
            return;
        };
        for (line, &token) in tokens.iter().enumerate() {
            let is_going = last == 0 || self.targets[last - 1][line].is_some_and(|token| token != end);
            if is_going {
                self.follow_in(line, token, rows);
            }
        }
        self.is_open = false;
    }

    /// Takes the token that followed the last position of a line.
    fn follow_in(&mut self, line: usize, token: Token, rows: &[[u32; 8]]) {
        let slots = Cdfs::new(rows, rows.len() / LANES).row(line).slots(token);
        let position = self.targets.len() - 1;
        self.targets[position][line] = Some(token);
        self.slots[position][line] = slots;
        self.cost.count(slots.width.get());
        self.next[line] = token;
    }

    /// Whether some line has not ended.
    fn is_going(&self, end: Token) -> bool {
        match self.targets.last() {
            None => true,
            Some(last) => last.iter().any(|target| target.is_some_and(|token| token != end)),
        }
    }

    /// Takes known lines forward as far as their ends.
    fn read(&mut self, parameters: &[f32], vocabulary: &Vocabulary, lines: &[&[u8]], rows: &mut [[u32; 8]]) {
        let longest = lines.iter().map(|line| line.len()).max().unwrap_or(0);
        for position in 0..=longest {
            self.forward(parameters, rows);
            for (i, line) in lines.iter().enumerate() {
                if let Some(token) = vocabulary.token_at(line, position) {
                    self.follow_in(i, token, rows);
                }
            }
        }
    }
}
