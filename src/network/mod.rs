//! The exact network: the part that decides an archive's bytes.
//!
//! [`ExactModel::from_checkpoint`] is the wall between the two worlds: trained f32 weights go in, a
//! network of integers comes out. [`Group`] runs it: lines in lockstep, one token each a step, and
//! out come the probabilities of the next token as integers that add up to 2^20.
//!
//! The same token sequence gives the same integers on every machine, alone or beside other lines,
//! whether tokens were known ahead or come one by one. How: `docs/exactness.md`. What is computed:
//! the `scalar` module, which is the definition. How fast: the `lockstep` module, one kernel written
//! over the operations of `simd` and compiled for each instruction set.

mod cdf;
mod device;
mod lockstep;
pub(crate) mod math;
mod packed;
mod parameters;
mod quantize;
mod scalar;

#[cfg(test)]
mod tests;

pub use crate::simd::{ISA_VARIABLE, Isa};
pub use cdf::{Cdf, Cdfs, Slots};
#[cfg(all(test, feature = "gpu"))]
pub(crate) use device::tests::gpu;
pub use device::{Device, DeviceChoice};
pub use parameters::PRECISION;

use crate::Result;
use crate::model::{Checkpoint, Identity};
use crate::simd::LANES;
use crate::text::{Token, Vocabulary};
pub(crate) use device::{CodedLines, KnownLines, TILE_LINES};
use lockstep::{Lockstep, Prefixes, fill_prefixes, step};
use packed::Packed;
use parameters::Parameters;
pub(crate) use parameters::{ACTIVATION_MAX, HIDDEN_MAX, QUERY_MAX, SCALE_FLOOR, VALUE_MAX};
pub(crate) use quantize::weight_step;

/// A network in integers, ready to run.
pub struct ExactModel {
    parameters: Parameters,
    packed: Packed,
    prefixes: Prefixes,
    identity: Identity,
    isa: Isa,
}

impl ExactModel {
    /// Quantises a trained checkpoint. The kernel is the best that the processor has, or what the
    /// environment variable [`ISA_VARIABLE`] names.
    ///
    /// # Errors
    /// [`crate::Error::Model`] if the weights are too large for exact arithmetic.
    pub fn from_checkpoint(checkpoint: &Checkpoint) -> Result<Self> {
        Self::with_isa(checkpoint, Isa::default())
    }

    /// As [`ExactModel::from_checkpoint`] with a kernel of the caller's choice.
    ///
    /// # Errors
    /// [`crate::Error::Model`] if the weights are too large, [`crate::Error::Unavailable`] if the processor lacks the instruction set.
    pub fn with_isa(checkpoint: &Checkpoint, isa: Isa) -> Result<Self> {
        let isa = isa.available()?;
        let parameters = quantize::quantize(checkpoint)?;
        let (packed, identity) = (Packed::new(&parameters), Identity(parameters.identity()));
        let prefixes = fill_prefixes(isa, &packed, parameters.vocabulary.start());
        Ok(Self { parameters, packed, prefixes, identity, isa })
    }

    /// blake3 of all quantised parameters: models of the same identity give the same archives.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The kernel that runs it.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The symbols.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.parameters.vocabulary
    }

    /// The most characters of a line that it can code.
    pub fn max_line_len(&self) -> usize {
        self.parameters.shape.block_size - 1
    }

    /// What follows each of these tokens of one line, before it is rounded to integers: for each
    /// symbol a weight that its probability is proportional to. By the scalar definition, so slowly;
    /// for the account of bits, which asks what that rounding costs.
    ///
    /// # Panics
    /// If a token is outside the vocabulary or they are more than the model has positions.
    pub fn unrounded(&self, tokens: &[Token]) -> Vec<Vec<f32>> {
        let mut line = scalar::Line::new(&self.parameters);
        tokens.iter().map(|&token| line.weights(token)).collect()
    }

    /// Room for up to `lines` lines in lockstep.
    pub fn group(&self, lines: usize) -> Group<'_> {
        let padded = lines.next_multiple_of(LANES);
        let shape = &self.parameters.shape;
        let state = match self.isa {
            Isa::Scalar => GroupState::Scalar(Vec::new()),
            _ => GroupState::Lockstep(Box::new(Lockstep::new(shape, lines))),
        };
        let eights = shape.cdf_stride() / 8;
        Group { model: self, state, tokens: vec![0; padded], rows: vec![[0; 8]; padded * eights], lines: 0 }
    }
}

/// Lines in lockstep: each step takes one token of every line.
pub struct Group<'a> {
    model: &'a ExactModel,
    state: GroupState<'a>,
    tokens: Vec<Token>,
    rows: Vec<[u32; 8]>,
    lines: usize,
}

/// What is kept of the lines from step to step.
enum GroupState<'a> {
    Scalar(Vec<scalar::Line<'a>>),
    Lockstep(Box<Lockstep>),
}

impl Group<'_> {
    /// The network that it runs.
    pub fn model(&self) -> &ExactModel {
        self.model
    }

    /// Begins with `lines` new lines.
    ///
    /// # Panics
    /// If there is no room for them.
    pub fn start(&mut self, lines: usize) {
        assert!(lines <= self.tokens.len(), "the group has room for {} lines", self.tokens.len());
        self.lines = lines;
        match &mut self.state {
            GroupState::Scalar(all) => {
                *all = (0..lines).map(|_| scalar::Line::new(&self.model.parameters)).collect();
            }
            GroupState::Lockstep(state) => state.position = 0,
        }
    }

    /// Takes the next token of each line: the start symbol first, then the line's characters. Lines
    /// that have ended take any token. What comes back is what follows: see [`Cdfs`].
    ///
    /// # Panics
    /// If there is not one token for each line, a token is outside the vocabulary, or the lines
    /// have passed the model's last position.
    pub fn step(&mut self, tokens: &[Token]) -> Cdfs<'_> {
        let shape = &self.model.parameters.shape;
        assert_eq!(tokens.len(), self.lines, "one token for each line");
        assert!(tokens.iter().all(|&t| usize::from(t) < shape.vocab), "a token is outside the vocabulary");
        let eights = shape.cdf_stride() / 8;
        match &mut self.state {
            GroupState::Scalar(lines) => {
                for ((line, &token), row) in
                    lines.iter_mut().zip(tokens).zip(self.rows.chunks_exact_mut(eights))
                {
                    let row = row.as_flattened_mut();
                    row.fill(1 << PRECISION);
                    row[..shape.vocab].copy_from_slice(&line.step(token));
                }
            }
            GroupState::Lockstep(state) => {
                assert!(state.position < shape.block_size, "the lines have passed the last position");
                let padded = self.lines.next_multiple_of(LANES);
                self.tokens[..self.lines].copy_from_slice(tokens);
                // Lanes without a line take the first line's token, so that they are in the table of prefixes where it is.
                self.tokens[self.lines..padded].fill(tokens.first().copied().unwrap_or_default());
                let (tokens, rows) = (&self.tokens[..padded], &mut self.rows[..padded * eights]);
                step(self.model.isa, state, &self.model.packed, &self.model.prefixes, tokens, rows);
            }
        }
        Cdfs::new(&self.rows, eights)
    }
}
