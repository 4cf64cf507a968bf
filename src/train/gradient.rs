//! What a step goes by, a batch's loss and its gradient, and what a network says of lines.
//!
//! On the CPU they come from the learner's kernel ([`Backprop`]), which is several times as fast as candle's
//! operations and gives the same bits on every machine. With dropout, and on other devices, they come from
//! candle's autodiff. Both read parameters, and give the gradient, in the learner's flat layout.

#[cfg(feature = "candle")]
use super::candle::Autodiff;
#[cfg(not(feature = "candle"))]
use super::no_candle::Autodiff;
use crate::learner::{Backprop, Loss, PartGradient, Prediction};
use crate::model::Checkpoint;
use crate::model::training_log::TrainSettings;
use crate::network::DeviceChoice;
use crate::text::LineBatch;
use crate::{Error, Result};

/// What computes loss, gradient and predictions, at parameters that it was given.
pub(super) enum GradientSource {
    Kernel(Box<Backprop>),
    Candle(Box<Autodiff>),
}

impl GradientSource {
    /// The source for a run that starts from these weights.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the run is to be quantization-aware and the kernel cannot compute it,
    /// [`Error::Setting`] if nothing computes a network of this shape, [`Error::Device`] if the device is missing.
    pub(super) fn new(settings: &TrainSettings, start: &Checkpoint) -> Result<Self> {
        let rounded = settings.quantization_aware;
        let is_on_cpu = !matches!(settings.device, DeviceChoice::Cuda(_));
        if rounded && settings.dropout > 0.0 {
            return Err(Error::Conflict("quantization-aware training knows no dropout"));
        }
        if rounded && !is_on_cpu {
            return Err(Error::Conflict("quantization-aware training is for the CPU: say --device cpu"));
        }
        if is_on_cpu && settings.dropout == 0.0 {
            let new = if rounded { Backprop::rounded } else { Backprop::new };
            let mut kernel = new(start.config())?;
            kernel.load(start);
            return Ok(Self::Kernel(Box::new(kernel)));
        }
        Ok(Self::Candle(Box::new(Autodiff::new(settings, start)?)))
    }

    /// Takes over parameters, after each step.
    ///
    /// # Errors
    /// [`Error::Training`] if candle fails.
    pub(super) fn load(&mut self, parameters: &[f32]) -> Result<()> {
        match self {
            Self::Kernel(kernel) => kernel.load_parameters(parameters),
            Self::Candle(autodiff) => autodiff.load(parameters)?,
        }
        Ok(())
    }

    /// The loss of a batch, and its gradient, which need not be finite.
    ///
    /// # Errors
    /// [`Error::Training`] if candle fails.
    pub(super) fn differentiate(&mut self, batch: &LineBatch) -> Result<Loss> {
        match self {
            Self::Kernel(kernel) => Ok(kernel.differentiate(batch)),
            Self::Candle(autodiff) => autodiff.differentiate(batch),
        }
    }

    /// As [`GradientSource::differentiate`], of what other kernels found of the batch's parts.
    ///
    /// # Errors
    /// [`Error::Training`] if these are no gradients of the batch's parts, [`Error::Conflict`] if no kernel computes
    /// what the run asks for.
    pub(super) fn add_parts(&mut self, batch: &LineBatch, parts: &mut [PartGradient]) -> Result<Loss> {
        match self {
            Self::Kernel(kernel) => kernel.add_parts(batch, parts),
            Self::Candle(_) => Err(Error::Conflict(
                "only the kernel differentiates batches in parts: on the CPU and without dropout",
            )),
        }
    }

    pub(super) fn gradient(&self) -> &[f32] {
        match self {
            Self::Kernel(kernel) => kernel.gradient(),
            Self::Candle(autodiff) => autodiff.gradient(),
        }
    }

    /// What the network says of each target, without dropout; (B·T).
    ///
    /// # Errors
    /// As [`GradientSource::differentiate`].
    pub(super) fn predict(&mut self, batch: &LineBatch) -> Result<Vec<Option<Prediction>>> {
        match self {
            Self::Kernel(kernel) => Ok(kernel.predict(batch)),
            Self::Candle(autodiff) => autodiff.predict(batch),
        }
    }

    /// Where dropout's generator is, in words.
    pub(super) fn dropout_position(&self) -> u128 {
        match self {
            Self::Kernel(_) => 0,
            Self::Candle(autodiff) => autodiff.dropout_position(),
        }
    }

    pub(super) fn seek_dropout(&mut self, position: u128) {
        if let Self::Candle(autodiff) = self {
            autodiff.seek_dropout(position);
        }
    }
}
