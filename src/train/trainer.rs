//! Weights that learn: one flat row of parameters, what gives their gradient, and AdamW.

use super::gradient::GradientSource;
use crate::Result;
use crate::learner::optim::{Arithmetic, Moments, Optimiser, OptimiserSettings};
use crate::learner::{Loss, PartGradient};
use crate::model::training_log::TrainSettings;
use crate::model::{Checkpoint, GptConfig, Shape};
use crate::network::Isa;
use crate::text::LineBatch;

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
    /// [`crate::Error::Conflict`] if the settings contradict each other, [`crate::Error::Setting`] if no kernel computes a
    /// network of this shape, [`crate::Error::Device`] if the device is missing.
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
            gradients: GradientSource::new(settings, start)?,
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
    /// [`crate::Error::Training`] if candle fails.
    pub fn differentiate(&mut self, batch: &LineBatch) -> Result<Loss> {
        self.gradients.differentiate(batch)
    }

    /// The loss of a batch of which others differentiated the parts; its gradient is kept for [`Trainer::step`] and has the bits of
    /// [`Trainer::differentiate`].
    ///
    /// # Errors
    /// [`crate::Error::Training`] if these are no gradients of the batch's parts, [`crate::Error::Conflict`] if the settings ask for
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
    /// [`crate::Error::Model`] if one is not finite.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint> {
        self.shape.checkpoint(self.config.clone(), &self.parameters)
    }
}
