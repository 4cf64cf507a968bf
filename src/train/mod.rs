//! Training: fresh lines at every step, AdamW under a warm-up and cosine schedule, validation,
//! checkpoints and a log.
//!
//! A run writes a model folder: `config.json`, `model.safetensors` (replaced whole at every
//! checkpoint) and `training.jsonl`, one JSON object a line: first the settings, then a record at
//! every evaluation.

mod adamw;
mod lines;
mod log;
mod schedule;

pub use adamw::AdamW;
pub use lines::LineSource;
pub use log::{Record, Settings};
pub use schedule::Schedule;

use std::path::Path;
use std::time::Instant;

use candle_core::Device;

use crate::corpus::Distribution;
use crate::gpt::{Batch, Gpt};
use crate::model::{GptConfig, LOG_FILE};
use crate::{Error, Result};

/// The ChaCha8 streams that lines are drawn from, apart from a corpus's stream 0.
const TRAINING_STREAM: u64 = 1;
const VALIDATION_STREAM: u64 = 2;

/// Runs a training to its end and leaves a model folder. `report` sees every record as it is
/// logged, and the settings once before.
///
/// # Errors
/// [`Error::Training`] if the network or the optimiser fails, [`Error::ModelFile`] if the folder
/// cannot be written.
pub fn train(settings: &Settings, folder: &Path, mut report: impl FnMut(&Record)) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| Error::ModelFile {
        path: folder.to_owned(),
        source,
    })?;
    let mut log = log::Log::create(&folder.join(LOG_FILE), settings)?;
    let mut run = Run::new(settings)?;
    for step in 1..=settings.steps {
        run.step(step)?;
        if step % settings.eval_every == 0 || step == settings.steps {
            let record = run.evaluate(step)?;
            log.append(&record)?;
            report(&record);
            run.gpt.to_checkpoint()?.save(folder)?;
        }
    }
    Ok(())
}

/// The state of a run.
struct Run<'a> {
    settings: &'a Settings,
    distribution: Distribution,
    schedule: Schedule,
    gpt: Gpt,
    adamw: AdamW,
    training: LineSource,
    validation: Vec<Batch>,
    /// Sum of the training losses since the last record, and their number.
    recent: (f64, u64),
    last_norm: f64,
    code_bits: f64,
    started: Instant,
}

/// Lines of one validation batch.
const VALIDATION_BATCH: usize = 512;

impl<'a> Run<'a> {
    fn new(settings: &'a Settings) -> Result<Self> {
        settings.check()?;
        let device = Device::Cpu;
        let distribution = Distribution::new(settings.digits, settings.operands)?;
        let config = GptConfig::addition(settings.preset, distribution.max_line_len() + 1);
        let source = |stream| LineSource::new(&config, distribution, settings.seed, stream);
        let (training, mut held_out) = (source(TRAINING_STREAM)?, source(VALIDATION_STREAM)?);
        let batches = settings.validation_lines.div_ceil(VALIDATION_BATCH);
        let validation = (0..batches)
            .map(|_| held_out.next_batch(VALIDATION_BATCH, &device))
            .collect::<candle_core::Result<_>>()
            .map_err(failed)?;
        let gpt = Gpt::init(&config, settings.seed, &device).map_err(failed)?;
        let adamw = AdamW::new(&gpt, settings.beta1, settings.beta2, settings.weight_decay);
        Ok(Self {
            settings,
            distribution,
            schedule: settings.schedule(),
            gpt,
            adamw,
            training,
            validation,
            recent: (0.0, 0),
            last_norm: 0.0,
            code_bits: 0.0,
            started: Instant::now(),
        })
    }

    fn step(&mut self, step: u64) -> Result<()> {
        let mut compute = || -> candle_core::Result<(f64, f64)> {
            let batch = self
                .training
                .next_batch(self.settings.batch_lines, self.gpt.device())?;
            let loss = self.gpt.loss(&batch)?;
            let grads = loss.backward()?;
            let rate = self.schedule.rate(step);
            let norm = self.adamw.step(&self.gpt, &grads, rate, self.settings.clip)?;
            let tokens = f64::from(batch.weights.sum_all()?.to_scalar::<f32>()?);
            let loss = f64::from(loss.to_scalar::<f32>()?);
            self.code_bits += loss * tokens / std::f64::consts::LN_2;
            Ok((loss, norm))
        };
        let (loss, norm) = compute().map_err(failed)?;
        if !loss.is_finite() {
            return Err(Error::Training(format!(
                "the loss is {loss} at step {step}: lower the learning rate"
            )));
        }
        self.recent = (self.recent.0 + loss, self.recent.1 + 1);
        self.last_norm = norm;
        Ok(())
    }

    fn evaluate(&mut self, step: u64) -> Result<Record> {
        let (loss, losses, accuracy) =
            validate(&self.gpt, &self.validation, self.distribution).map_err(failed)?;
        let (sum, count) = std::mem::take(&mut self.recent);
        Ok(Record {
            step,
            lines: step * self.settings.batch_lines as u64,
            train_loss: sum / count as f64,
            validation_loss: loss,
            excess: loss - self.distribution.floor_nats_per_token(),
            sum_accuracy: accuracy,
            loss_by_position: losses,
            code_length_bits: self.code_bits,
            gradient_norm: self.last_norm,
            learning_rate: self.schedule.rate(step),
            seconds: self.started.elapsed().as_secs_f64(),
        })
    }
}

fn failed(error: candle_core::Error) -> Error {
    Error::Training(error.to_string())
}

/// Mean loss in nats a token, its mean at each position in nats a line, and the share of lines
/// whose answer (all tokens behind `=`) is right at every token, each given the right ones before.
fn validate(
    gpt: &Gpt,
    batches: &[Batch],
    distribution: Distribution,
) -> candle_core::Result<(f64, Vec<f64>, f64)> {
    let length = gpt.config().block_size;
    let answer = 2 * distribution.digits() as usize + 2;
    let mut by_position = vec![0.0; length];
    let (mut tokens, mut lines, mut right) = (0.0, 0, 0);
    for batch in batches {
        let log_probs = candle_nn::ops::log_softmax(&gpt.forward(&batch.inputs)?.detach(), 1)?;
        let best: Vec<u32> = log_probs.argmax(1)?.to_vec1()?;
        let nats: Vec<f32> = log_probs
            .gather(&batch.targets.unsqueeze(1)?, 1)?
            .flatten_all()?
            .to_vec1()?;
        let targets: Vec<u32> = batch.targets.to_vec1()?;
        let weights: Vec<f32> = batch.weights.to_vec1()?;
        for start in (0..targets.len()).step_by(length) {
            let mut all_right = true;
            for (position, sum) in by_position.iter_mut().enumerate() {
                let i = start + position;
                *sum -= f64::from(nats[i] * weights[i]);
                tokens += f64::from(weights[i]);
                all_right &= position < answer || weights[i] == 0.0 || best[i] == targets[i];
            }
            right += usize::from(all_right);
            lines += 1;
        }
    }
    let loss = by_position.iter().sum::<f64>() / tokens;
    by_position.iter_mut().for_each(|l| *l /= lines as f64);
    Ok((loss, by_position, right as f64 / lines as f64))
}

#[cfg(test)]
mod tests;
