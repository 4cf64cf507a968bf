//! Weights that learn: one flat row of parameters, what gives their gradient, and AdamW.

use candle_core::Device;
use candle_core::utils::cuda_is_available;

use super::gradient::GradientSource;
use crate::learner::Loss;
use crate::learner::optim::{Arithmetic, Moments, Optimiser, OptimiserSettings};
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
    pub(super) gradients: GradientSource,
}

impl Trainer {
    /// A trainer of these weights, before its first step.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the settings contradict each other, [`Error::Setting`] if no kernel computes a
    /// network of this shape, [`Error::Device`] if the device is missing.
    pub fn new(settings: &TrainSettings, start: &Checkpoint) -> Result<Self> {
        let device = open(settings.device)?;
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
            gradients: GradientSource::new(settings, start, &device)?,
            parameters,
            shape,
        })
    }

    /// Goes on from moments, and from where dropout's generator was.
    pub(super) fn resume(&mut self, moments: Moments, dropout_position: u128) {
        self.moments = moments;
        self.gradients.seek_dropout(dropout_position);
    }

    /// The loss of a batch; its gradient is kept for [`Trainer::step`].
    ///
    /// # Errors
    /// [`Error::Training`] if candle fails.
    pub fn differentiate(&mut self, batch: &LineBatch) -> Result<Loss> {
        self.gradients.differentiate(batch)
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

/// Opens the device of a choice.
///
/// # Errors
/// [`Error::Device`] if that is CUDA and this build or machine has none.
fn open(choice: DeviceChoice) -> Result<Device> {
    let cuda = |ordinal| {
        Device::new_cuda(ordinal).map_err(|e| Error::Device(format!("the CUDA device {ordinal}: {e}")))
    };
    match (choice, cuda_is_available()) {
        (DeviceChoice::Cpu | DeviceChoice::Auto, _) => Ok(Device::Cpu),
        (DeviceChoice::Cuda(ordinal), true) => cuda(ordinal),
        (DeviceChoice::Cuda(_), false) => Err(Error::Device(
            "this build of the program has no CUDA: train on the CPU, or build it with --features cuda (docs/gpu.md)"
                .into(),
        )),
    }
}
