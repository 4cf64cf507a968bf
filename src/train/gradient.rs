//! What a step goes by, a batch's loss and its gradient, and what a network says of lines.
//!
//! On the CPU they come from the learner's kernel ([`Backprop`]), which is several times as fast as candle's
//! operations and gives the same bits on every machine. With dropout, and on other devices, they come from
//! candle's autodiff. Both read parameters, and give the gradient, in the learner's flat layout.

use candle_core::{Device, Result, Tensor};

use super::failed;
use crate::Error;
use crate::gpt::{Dropout, Gpt};
use crate::learner::{Backprop, Loss, Prediction};
use crate::model::training_log::TrainSettings;
use crate::model::{Checkpoint, Shape};
use crate::text::{LineBatch, Token};

/// What computes loss, gradient and predictions, at parameters that it was given.
pub(super) enum GradientSource {
    Kernel(Box<Backprop>),
    Candle(Box<Autodiff>),
}

/// Candle's network in training.
pub(super) struct Autodiff {
    gpt: Gpt,
    dropout: Dropout,
    shape: Shape,
    gradient: Vec<f32>,
}

impl GradientSource {
    /// The source for a run that starts from these weights.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the run is to be quantization-aware and the kernel cannot compute it,
    /// [`Error::Setting`] if nothing computes a network of this shape.
    pub(super) fn new(settings: &TrainSettings, start: &Checkpoint, device: &Device) -> crate::Result<Self> {
        let rounded = settings.quantization_aware;
        if rounded && settings.dropout > 0.0 {
            return Err(Error::Conflict("quantization-aware training knows no dropout"));
        }
        if rounded && !device.is_cpu() {
            return Err(Error::Conflict("quantization-aware training is for the CPU: say --device cpu"));
        }
        if device.is_cpu() && settings.dropout == 0.0 {
            let new = if rounded { Backprop::rounded } else { Backprop::new };
            let mut kernel = new(start.config())?;
            kernel.load(start);
            return Ok(Self::Kernel(Box::new(kernel)));
        }
        Ok(Self::Candle(Box::new(Autodiff {
            gpt: Gpt::from_checkpoint(start, device).map_err(failed)?,
            dropout: Dropout::new(settings.dropout, settings.seed),
            shape: Shape::supported(start.config())?,
            gradient: Vec::new(),
        })))
    }

    /// Takes over parameters, after each step.
    ///
    /// # Errors
    /// [`Error::Training`] if candle fails.
    pub(super) fn load(&mut self, parameters: &[f32]) -> crate::Result<()> {
        match self {
            Self::Kernel(kernel) => kernel.load_parameters(parameters),
            Self::Candle(autodiff) => autodiff.load(parameters).map_err(failed)?,
        }
        Ok(())
    }

    /// The loss of a batch, and its gradient, which need not be finite.
    ///
    /// # Errors
    /// [`Error::Training`] if candle fails.
    pub(super) fn differentiate(&mut self, batch: &LineBatch) -> crate::Result<Loss> {
        match self {
            Self::Kernel(kernel) => Ok(kernel.differentiate(batch)),
            Self::Candle(autodiff) => autodiff.differentiate(batch).map_err(failed),
        }
    }

    pub(super) fn gradient(&self) -> &[f32] {
        match self {
            Self::Kernel(kernel) => kernel.gradient(),
            Self::Candle(autodiff) => &autodiff.gradient,
        }
    }

    /// What the network says of each target, without dropout; (B·T).
    ///
    /// # Errors
    /// As [`GradientSource::differentiate`].
    pub(super) fn predict(&mut self, batch: &LineBatch) -> crate::Result<Vec<Option<Prediction>>> {
        match self {
            Self::Kernel(kernel) => Ok(kernel.predict(batch)),
            Self::Candle(autodiff) => autodiff.predict(batch).map_err(failed),
        }
    }

    /// Where dropout's generator is, in words.
    pub(super) fn dropout_position(&self) -> u128 {
        match self {
            Self::Kernel(_) => 0,
            Self::Candle(autodiff) => autodiff.dropout.position(),
        }
    }

    pub(super) fn seek_dropout(&mut self, position: u128) {
        if let Self::Candle(autodiff) = self {
            autodiff.dropout.seek(position);
        }
    }
}

impl Autodiff {
    fn load(&self, parameters: &[f32]) -> Result<()> {
        for tensor in self.shape.tensors() {
            let var = &self.gpt.vars()[&tensor.name];
            let values = self.shape.in_model_order(&tensor, parameters);
            var.set(&Tensor::from_slice(&values, var.shape(), var.device())?)?;
        }
        Ok(())
    }

    /// Names the variable that has no gradient, if one has none: a part of the network that does not learn
    /// is a defect, never an option.
    fn differentiate(&mut self, batch: &LineBatch) -> Result<Loss> {
        let loss = self.gpt.loss(batch, &mut self.dropout)?;
        let gradients = loss.backward()?;
        self.gradient.resize(self.shape.len(), 0.0);
        for tensor in self.shape.tensors() {
            let Some(gradient) = gradients.get(&self.gpt.vars()[&tensor.name]) else {
                candle_core::bail!("variable '{}' has no gradient", tensor.name)
            };
            let values = gradient.flatten_all()?.to_vec1::<f32>()?;
            self.shape.put(&tensor, &values, &mut self.gradient);
        }
        let tokens = batch.tokens();
        let nats = f64::from(loss.to_scalar::<f32>()?) * tokens as f64;
        Ok(Loss { nats, tokens })
    }

    fn predict(&self, batch: &LineBatch) -> Result<Vec<Option<Prediction>>> {
        let log_probabilities = self.gpt.log_probabilities(batch, &mut Dropout::none())?.detach(); // (B·T, V)
        let best: Vec<u32> = log_probabilities.argmax(1)?.to_vec1()?;
        let rows: Vec<Vec<f32>> = log_probabilities.to_vec2()?;
        let prediction = |((row, best), target): ((Vec<f32>, u32), &Option<Token>)| {
            target.map(|target| Prediction {
                nats: -f64::from(row[usize::from(target)]),
                is_best: best == u32::from(target),
            })
        };
        Ok(rows.into_iter().zip(best).zip(&batch.targets).map(prediction).collect())
    }
}
