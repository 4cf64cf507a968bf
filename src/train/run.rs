//! A run in memory: its parts, its one step, its evaluation, and its state for the disk.

use std::path::Path;
use std::time::Instant;

use super::Trainer;
use super::data::{Batch, Data};
use super::initial::initial_weights;
use super::log::LogMark;
use super::state::{State, Tally, VERSION};
use crate::learner::Loss;
use crate::learner::optim::Moments;
use crate::model::training_log::{Evaluation, Event, EventKind, TrainSettings};
use crate::model::{Checkpoint, GptConfig};
use crate::{Error, Result};

pub(super) struct Run {
    pub settings: TrainSettings,
    pub tally: Tally,
    pub data: Data,
    pub trainer: Trainer,
    /// When this session began, and the seconds of those before it.
    started: Instant,
    seconds_before: f64,
}

impl Run {
    pub(super) fn new(settings: TrainSettings) -> Result<Self> {
        settings.check()?;
        let data = Data::new(&settings)?;
        let mut start = match &settings.init {
            Some(folder) => load_for(&data.config, folder)?,
            None => initial_weights(&data.config, settings.seed),
        };
        if let Some(units) = settings.keep_hidden {
            start.keep_hidden(units)?;
        }
        let trainer = Trainer::new(&settings, &start)?;
        Ok(Self::assemble(settings, data, trainer, Tally::default()))
    }

    /// A run at one of its checkpoints.
    pub(super) fn from_state(state: State) -> Result<Self> {
        state.settings.check()?;
        let mut data = Data::new(&state.settings)?;
        if data.config != state.config {
            return Err(Error::Training(
                "the program that began this run read other symbols or lengths from its lines: go on with that one".into(),
            ));
        }
        data.training.seek(state.lines_position);
        let mut trainer = Trainer::new(&state.settings, &state.checkpoint()?)?;
        trainer.moments = Moments::after(state.optimiser_steps, state.first_moments, state.second_moments);
        trainer.gradients.seek_dropout(state.dropout_position);
        Ok(Self::assemble(state.settings, data, trainer, state.tally))
    }

    fn assemble(settings: TrainSettings, data: Data, trainer: Trainer, tally: Tally) -> Self {
        let seconds_before = tally.seconds;
        Self { settings, tally, data, trainer, started: Instant::now(), seconds_before }
    }

    /// Takes a step on the batch that was differentiated and gives its loss, nats a token.
    ///
    /// # Errors
    /// [`Error::Training`] if the loss or its gradient is not finite; the weights are those from
    /// before the step then.
    pub(super) fn step(&mut self, batch: &Batch, found: Loss) -> Result<f64> {
        let step = self.tally.step + 1;
        let rate = self.settings.schedule().rate(step);
        let finite = |what: &str, value: f64| {
            if value.is_finite() {
                return Ok(value);
            }
            Err(Error::Training(format!(
                "the {what} is {value} at step {step}: start again with a lower learning rate"
            )))
        };
        let (loss, tokens) = (finite("loss", found.mean())?, found.tokens as f64);
        let norm = finite("gradient's norm", self.trainer.step(rate)?)?;
        if batch.first_seen {
            self.tally.code_length_bits += loss * tokens / std::f64::consts::LN_2;
        }
        self.tally.step = step;
        self.tally.lines += batch.lines.lines() as u64;
        self.tally.recent_loss += loss;
        self.tally.recent_steps += 1;
        self.tally.gradient_norm = norm;
        self.tally.finished = step >= self.settings.steps;
        Ok(loss)
    }

    /// Measures the network, and says what that makes known. A reached target finishes the run.
    pub(super) fn evaluate(&mut self) -> Result<(Evaluation, Vec<Event>)> {
        let found = self.data.validation.evaluate(&mut self.trainer)?;
        let seconds = self.seconds();
        let tally = &mut self.tally;
        let (sum, count) = (std::mem::take(&mut tally.recent_loss), std::mem::take(&mut tally.recent_steps));
        let record = Evaluation {
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
            events.push(Event { kind: EventKind::TargetReached, step: record.step, lines: record.lines });
            tally.finished = true;
        }
        Ok((record, events))
    }

    /// Seconds of all sessions up to now.
    pub(super) fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    pub(super) fn state(&self, log: LogMark) -> State {
        let Trainer { config, parameters, moments, gradients, .. } = &self.trainer;
        State {
            version: VERSION,
            settings: self.settings.clone(),
            config: config.clone(),
            tally: Tally { seconds: self.seconds(), ..self.tally.clone() },
            lines_position: self.data.training.position(),
            dropout_position: gradients.dropout_position(),
            optimiser_steps: moments.steps,
            log,
            parameters: parameters.clone(),
            first_moments: moments.first.clone(),
            second_moments: moments.second.clone(),
        }
    }
}

/// The weights in a model folder, if they are of a network of this config.
fn load_for(config: &GptConfig, folder: &Path) -> Result<Checkpoint> {
    let checkpoint = Checkpoint::load(folder).map_err(|error| match error {
        Error::Model(what) => Error::Model(format!("{}: {what}", folder.display())),
        error => error,
    })?;
    let found = checkpoint.config();
    if found != config {
        let shape = |c: &GptConfig| {
            format!(
                "{} layers, {} heads, width {}, block of {}, symbols {:?}",
                c.n_layer, c.n_head, c.n_embd, c.block_size, c.vocab
            )
        };
        return Err(Error::model(format!(
            "cannot start from {}: it has {}, the run asks for {}; choose the preset and digits it was made with",
            folder.display(),
            shape(found),
            shape(config)
        )));
    }
    Ok(checkpoint)
}
