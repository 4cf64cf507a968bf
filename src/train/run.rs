//! A run in memory: its parts, its one step, its evaluation, and its state for the disk.

use std::path::Path;
use std::time::Instant;

use candle_core::Device;

use super::data::Data;
use super::log::LogMark;
use super::state::{State, Tally};
use super::{AdamW, Engine, device, failed};
use crate::gpt::{Gpt, initial_weights};
use crate::model::training_log::{Event, Record, Settings};
use crate::model::{Checkpoint, GptConfig};
use crate::{Error, Result};

/// A run.
pub(super) struct Run {
    pub settings: Settings,
    pub tally: Tally,
    data: Data,
    gpt: Gpt,
    adamw: AdamW,
    engine: Engine,
    /// When this session began, and the seconds of those before it.
    started: Instant,
    seconds_before: f64,
}

impl Run {
    /// A run at its beginning.
    pub(super) fn new(settings: Settings) -> Result<Self> {
        settings.check()?;
        let device = device::open(settings.device)?;
        let data = Data::new(&settings)?;
        let mut start = match &settings.init {
            Some(folder) => load_for(&data.config, Path::new(folder))?,
            None => initial_weights(&data.config, settings.seed),
        };
        if let Some(units) = settings.keep_hidden {
            start.keep_hidden(units)?;
        }
        let gpt = Gpt::from_checkpoint(&start, &device).map_err(failed)?;
        Self::assemble(settings, data, gpt, &device)
    }

    /// A run at one of its checkpoints.
    pub(super) fn from_state(state: State) -> Result<Self> {
        state.settings.check()?;
        let device = device::open(state.settings.device)?;
        let mut data = Data::new(&state.settings)?;
        data.training.seek(state.lines_position);
        let gpt = Gpt::from_checkpoint(&state.checkpoint()?, &device).map_err(failed)?;
        let mut run = Self::assemble(state.settings, data, gpt, &device)?;
        run.engine.seek_dropout(state.dropout_position);
        run.adamw
            .restore(state.adamw_steps, &state.first_moments, &state.second_moments)?;
        run.seconds_before = state.tally.seconds;
        run.tally = state.tally;
        Ok(run)
    }

    fn assemble(settings: Settings, data: Data, gpt: Gpt, device: &Device) -> Result<Self> {
        let adamw = AdamW::new(&gpt, settings.beta1, settings.beta2, settings.weight_decay);
        let engine = Engine::new(&settings, gpt.config(), device)?;
        Ok(Self {
            settings,
            tally: Tally::default(),
            data,
            gpt,
            adamw,
            engine,
            started: Instant::now(),
            seconds_before: 0.0,
        })
    }

    /// Learns from the next batch and gives its loss, nats a token.
    ///
    /// # Errors
    /// [`Error::Training`] if the loss or its gradient is not finite; the weights are those from
    /// before the step then.
    pub(super) fn step(&mut self) -> Result<f64> {
        let step = self.tally.step + 1;
        let lines = self.settings.batch_lines;
        let (batch, first_seen) = self.data.training.next_batch(lines)?;
        let rate = self.settings.schedule().rate(step);
        let found = self.engine.differentiate(&self.gpt, &batch)?;
        let (loss, tokens) = (found.loss, found.tokens);
        let finite = |what: &str, value: f64| match value.is_finite() {
            true => Ok(value),
            false => Err(Error::Training(format!(
                "the {what} is {value} at step {step}: start again with a lower learning rate"
            ))),
        };
        finite("loss", loss)?;
        let norm = self
            .adamw
            .step(&self.gpt, &found.gradients, rate, self.settings.clip);
        let norm = finite("gradient's norm", norm.map_err(failed)?)?;
        if first_seen {
            self.tally.code_length_bits += loss * tokens / std::f64::consts::LN_2;
        }
        self.tally.step = step;
        self.tally.lines += batch.lines() as u64;
        self.tally.recent_loss += loss;
        self.tally.recent_steps += 1;
        self.tally.gradient_norm = norm;
        self.tally.finished = step >= self.settings.steps;
        Ok(loss)
    }

    /// Measures the network, and says what that makes known. A reached target finishes the run.
    pub(super) fn evaluate(&mut self) -> Result<(Record, Vec<Event>)> {
        let found = self.data.validation.evaluate(&mut self.engine, &self.gpt)?;
        let seconds = self.seconds();
        let tally = &mut self.tally;
        let (sum, count) = (
            std::mem::take(&mut tally.recent_loss),
            std::mem::take(&mut tally.recent_steps),
        );
        let record = Record {
            step: tally.step,
            lines: tally.lines,
            train_loss: sum / count as f64,
            validation_loss: found.loss,
            excess: found.excess,
            sum_accuracy: found.sum_accuracy,
            loss_by_position: found.loss_by_position,
            code_length_bits: tally.code_length_bits,
            gradient_norm: tally.gradient_norm,
            learning_rate: self.settings.schedule().rate(tally.step),
            seconds,
        };
        let mut events = tally.emergence.observe(&record);
        if let (Some(excess), Some(target)) = (record.excess, self.settings.target_excess)
            && excess <= target
        {
            let (step, lines) = (record.step, record.lines);
            events.push(Event::TargetReached { step, lines });
            tally.finished = true;
        }
        Ok((record, events))
    }

    /// Seconds of all sessions up to now.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// The weights as they are now.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint> {
        self.gpt.to_checkpoint()
    }

    /// Everything as it is now.
    pub(super) fn state(&self, log: LogMark) -> Result<State> {
        let checkpoint = self.checkpoint()?;
        let (adamw_steps, first_moments, second_moments) = self.adamw.state(&self.gpt);
        Ok(State {
            version: State::VERSION,
            settings: self.settings.clone(),
            config: checkpoint.config().clone(),
            tally: Tally {
                seconds: self.seconds(),
                ..self.tally.clone()
            },
            lines_position: self.data.training.position(),
            dropout_position: self.engine.dropout_position(),
            adamw_steps,
            log,
            weights: checkpoint.tensors().clone(),
            first_moments,
            second_moments,
        })
    }
}

/// The weights in a model folder, if they are of a network of this config.
fn load_for(config: &GptConfig, folder: &Path) -> Result<Checkpoint> {
    let checkpoint = Checkpoint::load(folder)?;
    let found = checkpoint.config();
    if found != config {
        let shape = |c: &GptConfig| {
            format!(
                "{} layers, {} heads, width {}, block of {}, symbols {:?}",
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
