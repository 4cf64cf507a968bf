//! The loss of whole lines and its gradient at given weights: for training on the CPU, and for the report.
//!
//! The network, its gradient and the orders of their sums are the learner's, so the result is the same on
//! every machine and for any number of threads.

use rayon::prelude::*;

use super::engine::Engine;
use super::gradient_sum::{PartGradient, WAVE, add_in_pairs, add_parts, add_wave};
use super::rounding;
use crate::Result;
use crate::model::Shape;
use crate::model::{Checkpoint, GptConfig};
use crate::network::Isa;
use crate::simd::{LANES, Vector, floats, floats_mut};
use crate::text::{LineBatch, Token};

/// The loss and its gradient at weights that are the caller's.
pub struct Backprop {
    shape: Shape,
    rounded: bool,
    groups: Vec<LineGroup>,
    parameters: Vec<Vector>,
    gradient: Vec<Vector>,
}

/// What a batch of lines costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Surprisal of all targets, in nats.
    pub nats: f64,
    /// Targets.
    pub tokens: u64,
}

impl Loss {
    /// Nats a token.
    pub fn mean(&self) -> f64 {
        self.nats / self.tokens as f64
    }
}

/// What a network says of a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Its surprisal.
    pub nats: f64,
    /// Whether no other symbol is likelier.
    pub is_best: bool,
}

/// Sixteen lines of a batch.
struct LineGroup {
    engine: Engine,
    /// Slots of the next symbols: the engine writes them, a training does not need them.
    rows: Vec<[u32; 8]>,
    targets: Vec<[Option<Token>; LANES]>,
}

impl Backprop {
    /// Whether the kernel can compute networks of this config: their width must be a multiple of 16 and
    /// their heads' of 4.
    pub fn supports(config: &GptConfig) -> bool {
        Shape::supported(config).is_ok()
    }

    /// For networks of this config.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] if the kernel does not support the config.
    pub fn new(config: &GptConfig) -> Result<Self> {
        Self::with_isa(config, false, Isa::default())
    }

    /// For networks of this config whose weights and activations are rounded as the exact network of
    /// [`crate::network`] rounds them. The gradient is that of the network without rounding, at the rounded
    /// values (straight-through estimator, Bengio et al., 2013).
    ///
    /// # Errors
    /// As [`Backprop::new`].
    pub fn rounded(config: &GptConfig) -> Result<Self> {
        Self::with_isa(config, true, Isa::default())
    }

    /// With a kernel of the caller's choice.
    pub(super) fn with_isa(config: &GptConfig, rounded: bool, isa: Isa) -> Result<Self> {
        let isa = isa.available()?;
        let shape = Shape::supported(config)?;
        let group = |_| LineGroup {
            engine: Engine::new(shape, isa).rounding(rounded),
            rows: vec![[0; 8]; LANES * shape.vocab.div_ceil(8)],
            targets: Vec::new(),
        };
        let vectors = shape.places().len / LANES;
        Ok(Self {
            rounded,
            groups: (0..WAVE).map(group).collect(),
            parameters: vec![Vector::ZERO; vectors],
            gradient: vec![Vector::ZERO; vectors],
            shape,
        })
    }

    /// Takes over the weights of a checkpoint.
    ///
    /// # Panics
    /// If it is one of another config.
    pub fn load(&mut self, checkpoint: &Checkpoint) {
        self.load_parameters(&self.shape.flatten(checkpoint));
    }

    /// As [`Backprop::load`], of parameters in the order of the kernel (`src/learner/layout.rs`).
    ///
    /// # Panics
    /// If there are not as many as the network has.
    pub fn load_parameters(&mut self, values: &[f32]) {
        let parameters = floats_mut(&mut self.parameters);
        parameters.copy_from_slice(values);
        if self.rounded {
            rounding::round_weights(&self.shape.places(), self.shape.width, parameters);
        }
    }

    /// The mean surprisal of the targets and its gradient. Runs on the threads of the rayon pool that it
    /// is called in.
    ///
    /// # Panics
    /// If the lines are longer than the config's block, or a token is not in the vocabulary.
    pub fn differentiate(&mut self, batch: &LineBatch) -> Loss {
        let LineBatch { block, ref inputs, ref targets } = *batch;
        let tokens = batch.tokens();
        let mut loss = Loss { nats: 0.0, tokens };
        if tokens == 0 {
            self.gradient.fill(Vector::ZERO);
            return loss;
        }
        let wave = WAVE * LANES * block;
        for (number, lines) in inputs.chunks(wave).zip(targets.chunks(wave)).enumerate() {
            let nats = self.differentiate_groups(block, lines, tokens);
            let of_wave = floats(self.groups[0].engine.gradient());
            loss.nats += add_wave(number, &nats, of_wave, floats_mut(&mut self.gradient));
        }
        loss
    }

    /// The gradient of a part of a batch, as the batch's [`LineBatch::split`] by
    /// [`lines_of_part`](super::lines_of_part) gives it; `tokens` are the targets of the whole batch, over which its
    /// loss is a mean. Panics as [`Backprop::differentiate`], and if the part is empty or longer than a wave.
    pub fn differentiate_part(&mut self, part: &LineBatch, tokens: u64) -> PartGradient {
        assert!((1..=WAVE * LANES).contains(&part.lines()), "a part has 1 to {} lines", WAVE * LANES);
        let nats = self.differentiate_groups(part.block, (&part.inputs, &part.targets), tokens);
        PartGradient { nats, gradient: floats(self.groups[0].engine.gradient()).to_vec() }
    }

    /// Takes the gradients of a batch's parts, in their order, for that of the batch: as [`Backprop::differentiate`] gives it, bit
    /// for bit.
    ///
    /// # Errors
    /// [`crate::Error::Training`] if these are no gradients of the batch's parts.
    pub fn add_parts(&mut self, batch: &LineBatch, parts: &mut [PartGradient]) -> Result<Loss> {
        let nats = add_parts(batch.lines(), parts, floats_mut(&mut self.gradient))?;
        Ok(Loss { nats, tokens: batch.tokens() })
    }

    /// Differentiates at most a wave of a batch of so many targets, and adds its groups' gradients into the first group's; gives
    /// each group's nats.
    fn differentiate_groups(
        &mut self,
        block: usize,
        (inputs, targets): (&[Token], &[Option<Token>]),
        tokens: u64,
    ) -> Vec<f64> {
        let (parameters, scale) = (floats(&self.parameters), 1.0 / tokens as f32);
        let lines = inputs.par_chunks(LANES * block).zip(targets.par_chunks(LANES * block));
        let groups = self.groups.par_iter_mut();
        let nats: Vec<f64> = groups
            .zip(lines)
            .map(|(group, lines)| group.differentiate(parameters, block, lines, scale))
            .collect();
        let used = self.groups[..nats.len()].iter_mut();
        let mut gradients: Vec<_> = used.map(|group| floats_mut(group.engine.gradient())).collect();
        add_in_pairs(&mut gradients);
        nats
    }

    /// What the network says of each target; panics as [`Backprop::differentiate`].
    pub fn predict(&mut self, batch: &LineBatch) -> Vec<Option<Prediction>> {
        let LineBatch { block, ref inputs, ref targets } = *batch;
        let (vocab, parameters) = (self.shape.vocab, floats(&self.parameters));
        let mut predictions = Vec::with_capacity(targets.len());
        let wave = WAVE * LANES * block;
        for (inputs, targets) in inputs.chunks(wave).zip(targets.chunks(wave)) {
            let lines = inputs.par_chunks(LANES * block).zip(targets.par_chunks(LANES * block));
            self.groups
                .par_iter_mut()
                .zip(lines)
                .for_each(|(group, (inputs, targets))| group.forward(parameters, block, inputs, targets));
            for i in 0..targets.len() {
                let (line, position) = (i / block, i % block);
                let group = &self.groups[line / LANES];
                predictions.push(group.prediction(vocab, position, line % LANES));
            }
        }
        predictions
    }

    /// The gradient of the batch that [`Backprop::differentiate`] or [`Backprop::add_parts`] took last, in the learner's
    /// order of parameters (`src/learner/layout.rs`).
    pub fn gradient(&self) -> &[f32] {
        floats(&self.gradient)
    }
}

impl LineGroup {
    /// Takes its lines forward as far as anything counts.
    fn forward(&mut self, parameters: &[f32], block: usize, inputs: &[Token], targets: &[Option<Token>]) {
        let lines = inputs.len() / block;
        let counts = |position: &usize| (0..lines).any(|line| targets[line * block + position].is_some());
        let positions = (0..block).rev().find(counts).map_or(0, |last| last + 1);
        self.engine.start();
        self.targets.clear();
        for position in 0..positions {
            let at = |line: usize| (line < lines).then_some(line * block + position);
            let tokens = std::array::from_fn(|line| at(line).map_or(0, |i| inputs[i]));
            self.engine.forward(parameters, &tokens, &mut self.rows);
            self.targets.push(std::array::from_fn(|line| at(line).and_then(|i| targets[i])));
        }
    }

    /// Takes its lines forward and back; gives their surprisal in nats.
    fn differentiate(
        &mut self,
        parameters: &[f32],
        block: usize,
        (inputs, targets): (&[Token], &[Option<Token>]),
        scale: f32,
    ) -> f64 {
        self.forward(parameters, block, inputs, targets);
        let mut nats = 0.0;
        for (position, targets) in self.targets.iter().enumerate() {
            for (line, token) in targets.iter().enumerate().filter_map(|(i, t)| Some((i, (*t)?))) {
                nats += self.engine.nats(position, line, token);
            }
        }
        let scales = vec![scale; self.targets.len()];
        self.engine.backward(parameters, &self.targets, &scales);
        nats
    }

    fn prediction(&self, vocab: usize, position: usize, line: usize) -> Option<Prediction> {
        let target = (*self.targets.get(position)?)[line]?;
        let probability = |token: usize| self.engine.probability(position, line, token as Token);
        let found = probability(target.into());
        Some(Prediction {
            nats: self.engine.nats(position, line, target),
            is_best: (0..vocab).all(|token| probability(token) <= found),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Preset;

    /// What a rounded network computes with are rounded weights, all but those that the exact network has
    /// as a table.
    #[test]
    fn weights_are_rounded_as_they_are_loaded() {
        let config = GptConfig::addition(Preset::Pico, 6);
        let count = Shape::supported(&config).unwrap().len();
        let values: Vec<f32> = (0..count).map(|i| (i as f32 * 0.7).sin() + 0.1).collect();
        let [plain, rounded] = [Backprop::new, Backprop::rounded].map(|new| {
            let mut backprop = new(&config).unwrap();
            backprop.load_parameters(&values);
            backprop
        });
        let mut expected = floats(&plain.parameters).to_vec();
        rounding::round_weights(&plain.shape.places(), plain.shape.width, &mut expected);
        assert!(expected != floats(&plain.parameters));
        assert!(expected == floats(&rounded.parameters));
    }
}
