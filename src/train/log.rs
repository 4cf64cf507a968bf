//! `training.jsonl`: the settings of a run, then a record at every evaluation.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Schedule;
use crate::corpus::Operands;
use crate::model::Preset;
use crate::{Error, Result};

/// All knobs of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Size of the network.
    pub preset: Preset,
    /// Digits of an operand.
    pub digits: u32,
    /// How operands are drawn.
    pub operands: Operands,
    /// Optimiser steps.
    pub steps: u64,
    /// Fresh lines of each step.
    pub batch_lines: usize,
    /// Seed of the initial weights and of all lines.
    pub seed: u64,
    /// Highest learning rate.
    pub learning_rate: f64,
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
            peak: self.learning_rate,
            warmup: self.warmup,
            steps: self.steps,
            final_share: self.final_share,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
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
        if ![self.beta1, self.beta2].iter().all(|b| (0.0..1.0).contains(b)) {
            return Err(Error::invalid("AdamW's betas must be at least 0 and below 1"));
        }
        Ok(())
    }
}

/// One evaluation. Losses are in nats.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Steps taken.
    pub step: u64,
    /// Lines seen.
    pub lines: u64,
    /// Mean training loss since the last record, nats a token. Every line is fresh, so this is
    /// a loss on data never seen before.
    pub train_loss: f64,
    /// Loss on the validation set, nats a token.
    pub validation_loss: f64,
    /// Validation loss above the entropy of the distribution, nats a token.
    pub excess: f64,
    /// Share of validation lines with every answer token right.
    pub sum_accuracy: f64,
    /// Validation loss at each predicted position, nats.
    pub loss_by_position: Vec<f64>,
    /// Sum of all training losses so far in bits: what coding the run's data, each batch before it
    /// is learned from, would have cost.
    pub code_length_bits: f64,
    /// Global norm of the last gradient before clipping.
    pub gradient_norm: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Seconds since the run began.
    pub seconds: f64,
}

/// The open log.
pub(super) struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    pub(super) fn create(path: &Path, settings: &Settings) -> Result<Self> {
        let file = File::create(path).map_err(|source| Error::ModelFile {
            path: path.into(),
            source,
        })?;
        let mut log = Self {
            file,
            path: path.into(),
        };
        log.append(settings)?;
        Ok(log)
    }

    pub(super) fn append(&mut self, record: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(record).expect("plain data") + "\n";
        self.file
            .write_all(line.as_bytes())
            .map_err(|source| Error::ModelFile {
                path: self.path.clone(),
                source,
            })
    }
}
