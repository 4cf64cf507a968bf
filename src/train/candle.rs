//! Loss and gradient by candle's autodiff of [`crate::gpt`]: with dropout, and on a GPU.

use candle_core::utils::cuda_is_available;
use candle_core::{Device, Result, Tensor};

use super::gradient::GradientSource;
use crate::Error;
use crate::gpt::{Dropout, Gpt};
use crate::learner::{Loss, Prediction};
use crate::model::training_log::TrainSettings;
use crate::model::{Checkpoint, Shape};
use crate::network::DeviceChoice;
use crate::text::{LineBatch, Token};

/// Candle's network in training.
pub struct Autodiff {
    gpt: Gpt,
    dropout: Dropout,
    shape: Shape,
    gradient: Vec<f32>,
}

impl Autodiff {
    /// For a run that starts from these weights.
    ///
    /// # Errors
    /// [`Error::Device`] if the device is missing, [`Error::Setting`] if the flat layout has no networks of this shape.
    pub fn new(settings: &TrainSettings, start: &Checkpoint) -> crate::Result<Self> {
        let device = open(settings.device)?;
        Ok(Self {
            gpt: Gpt::from_checkpoint(start, &device).map_err(failed)?,
            dropout: Dropout::new(settings.dropout, settings.seed),
            shape: Shape::supported(start.config())?,
            gradient: Vec::new(),
        })
    }

    fn set(&self, parameters: &[f32]) -> Result<()> {
        for tensor in self.shape.tensors() {
            let var = &self.gpt.vars()[&tensor.name];
            let values = self.shape.in_model_order(&tensor, parameters);
            var.set(&Tensor::from_slice(&values, var.shape(), var.device())?)?;
        }
        Ok(())
    }

    /// Names the variable that has no gradient, if one has none: a part of the network that does not learn
    /// is a defect, never an option.
    fn backward(&mut self, batch: &LineBatch) -> Result<Loss> {
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

    fn forward(&self, batch: &LineBatch) -> Result<Vec<Option<Prediction>>> {
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

impl GradientSource for Autodiff {
    fn load(&mut self, parameters: &[f32]) -> crate::Result<()> {
        self.set(parameters).map_err(failed)
    }

    fn differentiate(&mut self, batch: &LineBatch) -> crate::Result<Loss> {
        self.backward(batch).map_err(failed)
    }

    fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    fn predict(&mut self, batch: &LineBatch) -> crate::Result<Vec<Option<Prediction>>> {
        self.forward(batch).map_err(failed)
    }

    fn dropout_position(&self) -> u128 {
        self.dropout.position()
    }

    fn seek_dropout(&mut self, position: u128) {
        self.dropout.seek(position);
    }
}

fn failed(error: candle_core::Error) -> Error {
    Error::Training(error.to_string())
}

/// Opens the device of a choice.
///
/// # Errors
/// [`Error::Device`] if that is CUDA and this build or machine has none.
fn open(choice: DeviceChoice) -> crate::Result<Device> {
    let cuda = |ordinal| {
        Device::new_cuda(ordinal).map_err(|e| Error::Device(format!("the CUDA device {ordinal}: {e}")))
    };
    match (choice, cuda_is_available()) {
        (DeviceChoice::Cpu | DeviceChoice::Auto, _) => Ok(Device::Cpu),
        (DeviceChoice::Cuda(ordinal), true) => cuda(ordinal),
        (DeviceChoice::Cuda(_), false) => Err(super::no_cuda()),
    }
}
