//! Weights that learn: one flat row of parameters, what gives their gradient, and AdamW.

use super::gradient::GradientSource;
use crate::learner::optim::{Arithmetic, Moments, Optimiser, OptimiserSettings};
use crate::learner::{Backprop, Loss, PartGradient};
use crate::model::training_log::TrainSettings;
use crate::model::{Checkpoint, GptConfig, Shape};
use crate::network::{DeviceChoice, Isa};
use crate::text::LineBatch;
use crate::{Error, Result};

/// A network in training.
pub struct Trainer {
    pub(super) config: GptConfig,
    shape: Shape,
    pub(super) parameters: Vec<f32>,
    pub(super) moments: Moments,
    optimiser: Optimiser,
    pub(super) gradients: Box<dyn GradientSource>,
}

impl Trainer {
    /// A trainer of these weights, before its first step.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the settings contradict each other, [`Error::Setting`] if no kernel computes a
    /// network of this shape, [`Error::Device`] if the device is missing.
    pub fn new(settings: &TrainSettings, start: &Checkpoint) -> Result<Self> {
        let shape = Shape::supported(start.config())?;
        let parameters = shape.flatten(start);
        let rule = OptimiserSettings {
            beta1: settings.beta1,
            beta2: settings.beta2,
            weight_decay: settings.weight_decay,
            clip: settings.clip,
            embedding_rate: 1.0,
            muon: None,
            arithmetic: Arithmetic::Training,
        };
        Ok(Self {
            config: start.config().clone(),
            moments: Moments::new(parameters.len()),
            optimiser: Optimiser::new(&shape, rule, Isa::default()),
            gradients: gradient_source(settings, start)?,
            parameters,
            shape,
        })
    }

    /// The loss of a batch; its gradient is kept for [`Trainer::step`].
    ///
    /// # Errors
    /// [`Error::Training`] if candle fails.
    pub fn differentiate(&mut self, batch: &LineBatch) -> Result<Loss> {
        self.gradients.differentiate(batch)
    }

    /// The loss of a batch of which others differentiated the parts; its gradient is kept for [`Trainer::step`] and has the bits of
    /// [`Trainer::differentiate`].
    ///
    /// # Errors
    /// [`Error::Training`] if these are no gradients of the batch's parts, [`Error::Conflict`] if the settings ask for
    /// what cannot be computed in parts: dropout, or another device than the CPU.
    pub fn add_parts(&mut self, batch: &LineBatch, parts: &mut [PartGradient]) -> Result<Loss> {
        self.gradients.add_parts(batch, parts)
    }

    /// Takes a step at a learning rate along the gradient and returns its norm before it was cut. None is
    /// taken where that is not finite.
    ///
    /// # Errors
    /// As [`Trainer::differentiate`].
    pub fn step(&mut self, rate: f64) -> Result<f64> {
        let gradient = self.gradients.gradient();
        let norm = self.optimiser.step(rate, &mut self.moments, &mut self.parameters, gradient);
        self.gradients.load(&self.parameters)?;
        Ok(norm)
    }

    /// The weights as they are now.
    ///
    /// # Errors
    /// [`Error::Model`] if one is not finite.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint> {
        self.shape.checkpoint(self.config.clone(), &self.parameters)
    }
}

/// What gives the gradients of a run that starts from these weights.
///
/// # Errors
/// [`Error::Conflict`] if the run is to be quantization-aware and the kernel cannot compute it, or to have dropout and
/// candle is not built in, [`Error::Setting`] if nothing computes a network of this shape, [`Error::Device`] if the device
/// is missing.
fn gradient_source(settings: &TrainSettings, start: &Checkpoint) -> Result<Box<dyn GradientSource>> {
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
        return Ok(Box::new(kernel));
    }
    #[cfg(feature = "candle")]
    {
        Ok(Box::new(super::candle::Autodiff::new(settings, start)?))
    }
    #[cfg(not(feature = "candle"))]
    Err(if is_on_cpu {
        Error::Conflict("this build trains without dropout: the feature candle has it")
    } else {
        super::no_cuda()
    })
}
