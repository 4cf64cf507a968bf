//! Sixteen lines, by the scalar definition or by the kernel.

use super::kernel::{self, LaneBatch, Targets};
use super::scalar::Lines;
use crate::model::Shape;
use crate::network::Isa;
use crate::simd::{LANES, Vector};
use crate::text::Token;

/// Sixteen lines in lockstep and their gradient.
pub(super) enum Engine {
    /// By the definition.
    Scalar(Box<Lines>),
    /// By the kernel, compiled for an instruction set.
    Kernel(Isa, Box<LaneBatch>),
}

impl Engine {
    pub fn new(shape: Shape, isa: Isa) -> Self {
        match isa {
            Isa::Scalar => Self::Scalar(Box::new(Lines::new(shape))),
            isa => Self::Kernel(isa, Box::new(LaneBatch::new(shape))),
        }
    }

    /// The same engine with weights and activations rounded as the exact network's, or not.
    pub fn rounding(mut self, rounded: bool) -> Self {
        match &mut self {
            Self::Scalar(lines) => lines.rounded = rounded,
            Self::Kernel(_, lines) => lines.rounded = rounded,
        }
        self
    }

    /// Begins with new lines.
    pub fn start(&mut self) {
        match self {
            Self::Scalar(lines) => lines.start(),
            Self::Kernel(_, lines) => lines.start(),
        }
    }

    /// Takes a token of each line; `rows` gets the left ends of the next symbols' slots.
    pub fn forward(&mut self, parameters: &[f32], tokens: &[Token; LANES], rows: &mut [[u32; 8]]) {
        match self {
            Self::Scalar(lines) => lines.forward(parameters, tokens, rows),
            Self::Kernel(isa, lines) => kernel::forward(*isa, lines, parameters, tokens, rows),
        }
    }

    /// The gradient of the surprisal of the targets in nats, at each position times its scale.
    pub fn backward(&mut self, parameters: &[f32], targets: &Targets, scales: &[f32]) {
        match self {
            Self::Scalar(lines) => lines.backward(parameters, targets, scales),
            Self::Kernel(isa, lines) => kernel::backward(*isa, lines, parameters, targets, scales),
        }
    }

    /// The gradient that `backward` made.
    pub fn gradient(&mut self) -> &mut [Vector] {
        match self {
            Self::Scalar(lines) => &mut lines.gradient,
            Self::Kernel(_, lines) => &mut lines.gradient,
        }
    }

    /// A token's surprisal behind a position of a line. Only told, never computed with: the logarithm need not be exact.
    pub fn nats(&self, position: usize, line: usize, token: Token) -> f64 {
        -f64::from(self.probability(position, line, token)).ln()
    }

    /// The probability of a token behind a position of a line, before it is rounded.
    pub fn probability(&self, position: usize, line: usize, token: Token) -> f32 {
        match self {
            Self::Scalar(lines) => lines.probability(position, line, token),
            Self::Kernel(_, lines) => lines.probability(position, line, token),
        }
    }
}
