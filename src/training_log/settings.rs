//! All knobs of a run.

use serde::{Deserialize, Serialize};

use super::{Schedule, Shape};
use crate::corpus::Operands;
use crate::model::Preset;
use crate::{Error, Result};

/// All knobs of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Size of the network.
    pub preset: Preset,
    /// Digits of an operand.
    pub digits: u32,
    /// How operands are drawn.
    pub operands: Operands,
    /// The model folder whose weights the run starts from, as it was named; drawn from the seed if
    /// there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// Optimiser steps.
    pub steps: u64,
    /// The excess, nats a token, at which the run ends before its steps are done: it is looked at
    /// when the network is evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_excess: Option<f64>,
    /// Fresh lines of each step.
    pub batch_lines: usize,
    /// Seed of the initial weights and of all lines.
    pub seed: u64,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// What the learning rate does after its warm-up.
    #[serde(default)]
    pub schedule: Shape,
    /// Steps of linear warm-up.
    pub warmup: u64,
    /// Learning rate at the end, as a share of the highest.
    pub final_share: f64,
    /// AdamW's β1.
    pub beta1: f64,
    /// AdamW's β2.
    pub beta2: f64,
    /// Weight decay of the linear layers' matrices.
    pub weight_decay: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    /// Steps between two evaluations, each with a record and a checkpoint.
    pub eval_every: u64,
    /// Lines of the validation set, which training never sees.
    pub validation_lines: usize,
}

impl Settings {
    /// The learning rate over the run.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            shape: self.schedule,
            peak: self.learning_rate,
            warmup: self.warmup,
            steps: self.steps,
            final_share: self.final_share,
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the one that does not.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("steps", self.steps),
            ("batch lines", self.batch_lines as u64),
            ("steps between evaluations", self.eval_every),
            ("validation lines", self.validation_lines as u64),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(Error::invalid(format!("the number of {name} must be at least 1")));
        }
        let rates = [("learning rate", self.learning_rate), ("clip", self.clip)];
        if let Some((name, rate)) = rates.iter().find(|(_, r)| !(*r > 0.0 && r.is_finite())) {
            return Err(Error::invalid(format!("the {name} must be positive, not {rate}")));
        }
        let others = [
            ("final share of the learning rate", self.final_share),
            ("weight decay", self.weight_decay),
            ("target excess", self.target_excess.unwrap_or(0.0)),
        ];
        if let Some((name, value)) = others.iter().find(|(_, v)| !(*v >= 0.0 && v.is_finite())) {
            return Err(Error::invalid(format!(
                "the {name} must be at least 0, not {value}"
            )));
        }
        if ![self.beta1, self.beta2].iter().all(|b| (0.0..1.0).contains(b)) {
            return Err(Error::invalid("AdamW's betas must be at least 0 and below 1"));
        }
        Ok(())
    }
}
