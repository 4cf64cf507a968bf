//! What a step goes by, a batch's loss and its gradient, and what a network says of lines.
//!
//! On the CPU they come from the learner's kernel ([`crate::learner::Backprop`]), which takes half the time of
//! candle's operations and gives the same bits on every machine. With dropout, on other devices and for
//! shapes that the kernel has not, they come from candle's autodiff.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Device, Result, Var};

use super::failed;
use crate::Error;
use crate::gpt::{Dropout, Gpt};
use crate::learner::{Backprop, Prediction};
use crate::model::GptConfig;
use crate::model::training_log::Settings;
use crate::text::{LineBatch, Token};

/// Gradients by the names of their variables, in the shapes of these.
pub struct Gradients(BTreeMap<String, Vec<f32>>);

impl Gradients {
    /// What candle has found for every variable of a network.
    ///
    /// # Errors
    /// Names the variable if one has no gradient: a part of the network that does not learn is a
    /// defect, never an option.
    pub fn of(gpt: &Gpt, found: &GradStore) -> Result<Self> {
        let gradient = |(name, var): (&String, &Var)| match found.get(var) {
            Some(gradient) => Ok((name.clone(), gradient.flatten_all()?.to_vec1::<f32>()?)),
            None => candle_core::bail!("variable '{name}' has no gradient"),
        };
        Ok(Self(gpt.vars().iter().map(gradient).collect::<Result<_>>()?))
    }

    /// All of them, sorted by name.
    pub(super) fn values(&self) -> impl Iterator<Item = &Vec<f32>> {
        self.0.values()
    }
}

/// A batch's loss and where it leads.
pub struct LossGradient {
    /// Mean surprisal, nats a token.
    pub loss: f64,
    /// Tokens that count.
    pub tokens: f64,
    /// The loss's gradient.
    pub gradients: Gradients,
}

/// What computes it.
pub enum Engine {
    /// The kernel.
    Kernel(Box<Backprop>),
    /// Candle's autodiff.
    Candle(Box<Dropout>),
}

impl Engine {
    /// The engine for a run.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the run is to be quantization-aware and the kernel cannot compute it, or if
    /// SURPRISAL_ISA names what the processor lacks.
    pub(super) fn new(settings: &Settings, config: &GptConfig, device: &Device) -> crate::Result<Self> {
        let rounded = settings.quantization_aware;
        if rounded && settings.dropout > 0.0 {
            return Err(Error::invalid("quantization-aware training knows no dropout"));
        }
        if rounded && !device.is_cpu() {
            return Err(Error::invalid(
                "quantization-aware training is for the CPU: say --device cpu",
            ));
        }
        let candle = !device.is_cpu() || settings.dropout > 0.0 || !Backprop::supports(config);
        if candle && !rounded {
            let dropout = Dropout::new(settings.dropout, settings.seed);
            return Ok(Self::Candle(Box::new(dropout)));
        }
        Ok(Self::Kernel(Box::new(Backprop::new(config, rounded)?)))
    }

    /// The loss of a batch and its gradient. Gradients need not be finite.
    ///
    /// # Errors
    /// [`Error::Training`] if candle fails.
    pub fn differentiate(&mut self, gpt: &Gpt, batch: &LineBatch) -> crate::Result<LossGradient> {
        match self {
            Self::Kernel(kernel) => by_kernel(kernel, gpt, batch),
            Self::Candle(dropout) => by_candle(dropout, gpt, batch),
        }
        .map_err(failed)
    }

    /// What the network says of each target, those that do not count left out; (B·T).
    ///
    /// # Errors
    /// As [`Engine::differentiate`].
    pub(super) fn predict(&mut self, gpt: &Gpt, batch: &LineBatch) -> crate::Result<Vec<Option<Prediction>>> {
        match self {
            Self::Kernel(kernel) => predict_by_kernel(kernel, gpt, batch),
            Self::Candle(_) => predict_by_candle(gpt, batch),
        }
        .map_err(failed)
    }

    /// Where dropout's generator is, in words.
    pub(super) fn dropout_position(&self) -> u128 {
        match self {
            Self::Kernel(_) => 0,
            Self::Candle(dropout) => dropout.position(),
        }
    }

    /// Goes back to a position.
    pub(super) fn seek_dropout(&mut self, position: u128) {
        if let Self::Candle(dropout) = self {
            dropout.seek(position);
        }
    }
}

fn by_candle(dropout: &mut Dropout, gpt: &Gpt, batch: &LineBatch) -> Result<LossGradient> {
    let loss = gpt.loss(batch, dropout)?;
    Ok(LossGradient {
        loss: f64::from(loss.to_scalar::<f32>()?),
        tokens: batch.tokens() as f64,
        gradients: Gradients::of(gpt, &loss.backward()?)?,
    })
}

fn predict_by_candle(gpt: &Gpt, batch: &LineBatch) -> Result<Vec<Option<Prediction>>> {
    let log_probabilities = gpt.log_probabilities(batch, &mut Dropout::none())?.detach(); // (B·T, V)
    let best: Vec<u32> = log_probabilities.argmax(1)?.to_vec1()?;
    let rows: Vec<Vec<f32>> = log_probabilities.to_vec2()?;
    let prediction = |((row, best), target): ((Vec<f32>, u32), &Option<Token>)| {
        target.map(|target| Prediction {
            nats: -f64::from(row[usize::from(target)]),
            is_best: best == u32::from(target),
        })
    };
    Ok(rows
        .into_iter()
        .zip(best)
        .zip(&batch.targets)
        .map(prediction)
        .collect())
}

/// Loads the weights.
fn load(kernel: &mut Backprop, gpt: &Gpt) -> Result<()> {
    kernel.load(|name| gpt.vars()[name].flatten_all()?.to_vec1::<f32>())
}

fn predict_by_kernel(kernel: &mut Backprop, gpt: &Gpt, batch: &LineBatch) -> Result<Vec<Option<Prediction>>> {
    load(kernel, gpt)?;
    Ok(kernel.predict(batch))
}

fn by_kernel(kernel: &mut Backprop, gpt: &Gpt, batch: &LineBatch) -> Result<LossGradient> {
    load(kernel, gpt)?;
    let loss = kernel.differentiate(batch);
    let gradient = |name: &String| {
        let values = kernel.gradient(name).expect("a tensor of minGPT's");
        (name.clone(), values)
    };
    Ok(LossGradient {
        loss: loss.nats / loss.tokens as f64,
        tokens: loss.tokens as f64,
        gradients: Gradients(gpt.vars().keys().map(gradient).collect()),
    })
}
