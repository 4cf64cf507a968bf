//! What a step goes by, a batch's loss and its gradient, and what a network says of lines.
//!
//! On the CPU they come from the learner's kernel ([`Backprop`]), which is several times as fast as candle's
//! operations and gives the same bits on every machine. With dropout, and on other devices, they come from
//! candle's autodiff. Both read parameters, and give the gradient, in the learner's flat layout.

use crate::learner::{Backprop, Loss, PartGradient, Prediction};
use crate::text::LineBatch;
use crate::{Error, Result};

/// What computes loss, gradient and predictions, at parameters that it was given.
pub(super) trait GradientSource: Send + Sync {
    /// Takes over parameters, after each step.
    ///
    /// # Errors
    /// [`Error::Training`] if candle fails.
    fn load(&mut self, parameters: &[f32]) -> Result<()>;

    /// The loss of a batch, and its gradient, which need not be finite.
    ///
    /// # Errors
    /// [`Error::Training`] if candle fails.
    fn differentiate(&mut self, batch: &LineBatch) -> Result<Loss>;

    /// As [`GradientSource::differentiate`], of what other kernels found of the batch's parts.
    ///
    /// # Errors
    /// [`Error::Training`] if these are no gradients of the batch's parts, [`Error::Conflict`] if no kernel computes
    /// what the run asks for.
    fn add_parts(&mut self, _: &LineBatch, _: &mut [PartGradient]) -> Result<Loss> {
        Err(Error::Conflict(
            "only the kernel differentiates batches in parts: on the CPU and without dropout",
        ))
    }

    fn gradient(&self) -> &[f32];

    /// What the network says of each target, without dropout: line by line, a block of positions each.
    ///
    /// # Errors
    /// As [`GradientSource::differentiate`].
    fn predict(&mut self, batch: &LineBatch) -> Result<Vec<Option<Prediction>>>;

    /// Where dropout's generator is, in words.
    fn dropout_position(&self) -> u128 {
        0
    }

    fn seek_dropout(&mut self, _: u128) {}
}

impl GradientSource for Backprop {
    fn load(&mut self, parameters: &[f32]) -> Result<()> {
        self.load_parameters(parameters);
        Ok(())
    }

    fn differentiate(&mut self, batch: &LineBatch) -> Result<Loss> {
        Ok(Backprop::differentiate(self, batch))
    }

    fn add_parts(&mut self, batch: &LineBatch, parts: &mut [PartGradient]) -> Result<Loss> {
        Backprop::add_parts(self, batch, parts)
    }

    fn gradient(&self) -> &[f32] {
        Backprop::gradient(self)
    }

    fn predict(&mut self, batch: &LineBatch) -> Result<Vec<Option<Prediction>>> {
        Ok(Backprop::predict(self, batch))
    }
}
