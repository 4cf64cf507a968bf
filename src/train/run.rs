//! The state of a run and its one step.

use std::path::Path;
use std::time::Instant;

use candle_core::Device;

use super::validation::validate;
use super::{AdamW, LineSource, failed};
use crate::corpus::Distribution;
use crate::gpt::{Batch, Gpt};
use crate::model::{Checkpoint, GptConfig};
use crate::training_log::{EmergenceDetector, Event, Record, Schedule, Settings};
use crate::{Error, Result};

/// The ChaCha8 streams that lines are drawn from, apart from a corpus's stream 0.
const TRAINING_STREAM: u64 = 1;
const VALIDATION_STREAM: u64 = 2;

/// Lines of one validation batch, but for the last.
const VALIDATION_BATCH: usize = 512;

/// The state of a run.
pub(super) struct Run<'a> {
    settings: &'a Settings,
    distribution: Distribution,
    schedule: Schedule,
    gpt: Gpt,
    adamw: AdamW,
    training: LineSource,
    validation: Vec<Batch>,
    emergence: EmergenceDetector,
    /// Sum of the training losses since the last record, and their number.
    recent: (f64, u64),
    last_norm: f64,
    code_bits: f64,
    started: Instant,
}

impl<'a> Run<'a> {
    pub(super) fn new(settings: &'a Settings) -> Result<Self> {
        settings.check()?;
        let device = Device::Cpu;
        let distribution = Distribution::new(settings.digits, settings.operands)?;
        let config = GptConfig::addition(settings.preset, distribution.max_line_len() + 1);
        let source = |stream| LineSource::new(&config, distribution, settings.seed, stream);
        let (training, mut held_out) = (source(TRAINING_STREAM)?, source(VALIDATION_STREAM)?);
        let validation = (0..settings.validation_lines)
            .step_by(VALIDATION_BATCH)
            .map(|done| VALIDATION_BATCH.min(settings.validation_lines - done))
            .map(|lines| held_out.next_batch(lines, &device))
            .collect::<candle_core::Result<_>>()
            .map_err(failed)?;
        let gpt = match &settings.init {
            Some(folder) => Gpt::from_checkpoint(&load_for(&config, Path::new(folder))?, &device),
            None => Gpt::init(&config, settings.seed, &device),
        };
        let gpt = gpt.map_err(failed)?;
        let adamw = AdamW::new(&gpt, settings.beta1, settings.beta2, settings.weight_decay);
        Ok(Self {
            settings,
            distribution,
            schedule: settings.schedule(),
            gpt,
            adamw,
            training,
            validation,
            emergence: EmergenceDetector::default(),
            recent: (0.0, 0),
            last_norm: 0.0,
            code_bits: 0.0,
            started: Instant::now(),
        })
    }

    /// Learns from the next batch.
    pub(super) fn step(&mut self, step: u64) -> Result<()> {
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

    /// Measures where the network is after a step.
    pub(super) fn evaluate(&mut self, step: u64) -> Result<Record> {
        let found = validate(&self.gpt, &self.validation, self.distribution).map_err(failed)?;
        let (sum, count) = std::mem::take(&mut self.recent);
        Ok(Record {
            step,
            lines: step * self.settings.batch_lines as u64,
            train_loss: sum / count as f64,
            validation_loss: found.loss,
            excess: Some(found.loss - self.distribution.floor_nats_per_token()),
            sum_accuracy: found.sum_accuracy,
            loss_by_position: found.loss_by_position,
            code_length_bits: self.code_bits,
            gradient_norm: self.last_norm,
            learning_rate: self.schedule.rate(step),
            seconds: self.started.elapsed().as_secs_f64(),
        })
    }

    /// What the record makes known, and whether the run is to end with it.
    pub(super) fn events(&mut self, record: &Record) -> (Vec<Event>, bool) {
        let mut events = self.emergence.observe(record);
        let reached = match (record.excess, self.settings.target_excess) {
            (Some(excess), Some(target)) => excess <= target,
            _ => false,
        };
        if reached {
            let (step, lines) = (record.step, record.lines);
            events.push(Event::TargetReached { step, lines });
        }
        (events, reached)
    }

    /// Replaces the folder's checkpoint.
    pub(super) fn save(&self, folder: &Path) -> Result<()> {
        self.gpt.to_checkpoint()?.save(folder)
    }
}

/// The weights in a model folder, if they are of a network of this config.
fn load_for(config: &GptConfig, folder: &Path) -> Result<Checkpoint> {
    let checkpoint = Checkpoint::load(folder)?;
    let found = checkpoint.config();
    if found != config {
        let shape = |c: &GptConfig| {
            format!(
                "{} layers, {} heads, width {}, block of {}, symbols '{}'",
                c.n_layer, c.n_head, c.n_embd, c.block_size, c.vocab
            )
        };
        return Err(Error::invalid(format!(
            "cannot start from {}: it has {}, the run asks for {}; choose the preset and digits it was made with",
            folder.display(),
            shape(found),
            shape(config)
        )));
    }
    Ok(checkpoint)
}
