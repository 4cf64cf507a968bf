//! A run and its folder: from a start or a checkpoint to an end or an interruption.
//!
//! What is on disk is good at any moment. A record is logged before the checkpoint that follows it;
//! `model.safetensors` is replaced before the state, the state last: it names the length and hash of
//! the log. A run that is killed between two of them goes on from the older state, does the same steps
//! again with the same results, and writes the same again.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::STATE_FILE;
use super::data::Batch;
use super::log::LogFile;
use super::run::Run;
use super::state::State;
use crate::atomic_file::unfinished;
use crate::learner::{Loss, PartGradient};
use crate::model::training_log::{Evaluation, Event, TrainSettings};
use crate::model::{CONFIG_FILE, GptConfig, WEIGHTS_FILE};
use crate::{Error, Result};

/// What a run tells while it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// A session begins.
    Begins {
        /// What was asked for.
        settings: &'a TrainSettings,
        /// Steps taken in earlier sessions.
        step: u64,
        /// Lines seen in earlier sessions.
        lines: u64,
        /// Seconds of earlier sessions.
        seconds: f64,
    },
    /// A step was taken.
    Step {
        /// Its number, from 1.
        step: u64,
        /// Lines seen.
        lines: u64,
        /// Loss of its batch, nats a token.
        loss: f64,
    },
    /// The network was evaluated.
    Evaluation(&'a Evaluation),
    /// Something happened.
    Event(Event),
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The run is at its end.
    Finished,
    /// It already was.
    HadFinished,
    /// `watch` wanted it to stop; it can go on from here.
    Interrupted {
        /// Steps taken.
        step: u64,
    },
}

/// Begins a run in a folder, whose model and state it replaces, and leaves a model there. `watch`
/// hears of every step, record and event; when it breaks, the session ends with a checkpoint after
/// the step that is under way.
///
/// # Errors
/// [`Error::Setting`], [`Error::Conflict`] or [`Error::Corpus`] if there can be no such run, [`Error::Model`] if the
/// weights to start from are not of its network; [`Error::Training`] if the loss is not finite or the network fails;
/// [`Error::ModelFile`] if a file cannot be read or written. The last checkpoint stays intact.
pub fn train(
    settings: &TrainSettings,
    folder: &Path,
    watch: impl FnMut(Progress) -> ControlFlow<()>,
) -> Result<End> {
    Session::begin(settings, folder)?.go(watch)
}

/// Goes on with the run in a folder, from its last checkpoint, to the same bits in weights and log
/// (but for the seconds) as if it had never ended: on the same machine, with as many threads where
/// candle computes.
///
/// # Errors
/// [`Error::Training`] if there is no run in the folder, its state or log is damaged, or another
/// program is at it; and as [`train`].
pub fn resume(folder: &Path, watch: impl FnMut(Progress) -> ControlFlow<()>) -> Result<End> {
    match Session::resume(folder)? {
        Some(session) => session.go(watch),
        None => Ok(End::HadFinished),
    }
}

/// A run and its folder, for callers that go from step to step themselves, as [`train`] and [`resume`] do: those that have other
/// machines differentiate the batches.
///
/// ```
/// # use std::ops::ControlFlow;
/// use surprisal::Preset;
/// use surprisal::learner::{Backprop, lines_of_part};
/// use surprisal::model::training_log::TrainSettings;
/// use surprisal::train::Session;
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let settings = TrainSettings { preset: Preset::Pico, steps: 2, validation_lines: 8, ..TrainSettings::default() };
/// let mut session = Session::begin(&settings, folder)?;
/// let mut worker = Backprop::new(session.config())?;
/// while !session.is_finished() {
///     let batch = session.next_batch()?;
///     worker.load_parameters(session.parameters());
///     let parts = batch.lines.split(lines_of_part(batch.lines.lines(), 4));
///     let tokens = batch.lines.tokens();
///     let mut gradients: Vec<_> = parts.iter().map(|part| worker.differentiate_part(part, tokens)).collect();
///     session.step(&batch, &mut gradients, |_| ())?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session {
    folder: PathBuf,
    run: Run,
    log: LogFile,
}

impl Session {
    /// Begins a run in a folder, as [`train`] does.
    ///
    /// # Errors
    /// As [`train`].
    pub fn begin(settings: &TrainSettings, folder: &Path) -> Result<Self> {
        let run = Run::new(settings.clone())?;
        let named = |source| Error::ModelFile { path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(named)?;
        let mut log = LogFile::open(folder)?;
        remove_unfinished(folder).map_err(named)?;
        // State and weights of another run must not be taken for this one's.
        for file in [STATE_FILE, WEIGHTS_FILE, CONFIG_FILE] {
            match std::fs::remove_file(folder.join(file)) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(named(e)),
                _ => {}
            }
        }
        log.cut(0)?;
        if let Some(init) = &settings.init {
            log.begin_with_that_of(init)?;
        }
        log.begin_run(settings)?;
        let session = Self { folder: folder.to_owned(), run, log };
        session.save_state()?;
        Ok(session)
    }

    /// Goes on with the run in a folder, as [`resume`] does; none if it is at its end.
    ///
    /// # Errors
    /// As [`resume`].
    pub fn resume(folder: &Path) -> Result<Option<Self>> {
        State::require(folder)?;
        let mut log = LogFile::open(folder)?;
        remove_unfinished(folder).map_err(|source| Error::ModelFile { path: folder.to_owned(), source })?;
        let state = State::load(folder)?;
        log.rewind(&state.log)?;
        // It may be older than the state, if it was put back from a copy.
        state.checkpoint()?.save(folder)?;
        if state.tally.finished {
            return Ok(None);
        }
        let run = Run::from_state(state)?;
        Ok(Some(Self { folder: folder.to_owned(), run, log }))
    }

    fn go(mut self, mut watch: impl FnMut(Progress) -> ControlFlow<()>) -> Result<End> {
        let stop = Cell::new(false);
        let mut watch = |progress: Progress| stop.set(stop.get() | watch(progress).is_break());
        watch(Progress::Begins {
            settings: &self.run.settings,
            step: self.run.tally.step,
            lines: self.run.tally.lines,
            seconds: self.run.seconds(),
        });
        while !self.is_finished() {
            let batch = self.next_batch()?;
            let found = self.run.trainer.differentiate(&batch.lines)?;
            self.learn(&batch, found, &mut watch)?;
            if stop.get() || self.is_checkpoint_due() {
                self.checkpoint()?;
            }
            if stop.get() && !self.is_finished() {
                return Ok(End::Interrupted { step: self.steps() });
            }
        }
        Ok(End::Finished)
    }

    /// Takes the step on a batch of which others differentiated the parts at [`Session::parameters`]; evaluates and makes a
    /// checkpoint where that is due. The parts' own sums are worked in.
    ///
    /// # Errors
    /// As [`super::Trainer::add_parts`] and [`train`].
    pub fn step(
        &mut self,
        batch: &Batch,
        parts: &mut [PartGradient],
        mut watch: impl FnMut(Progress),
    ) -> Result<()> {
        let found = self.run.trainer.add_parts(&batch.lines, parts)?;
        self.learn(batch, found, &mut watch)?;
        if self.is_checkpoint_due() {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// The batch of the next step: each call takes the next one.
    ///
    /// # Errors
    /// As [`train`].
    pub fn next_batch(&mut self) -> Result<Batch> {
        self.run.data.training.next_batch(self.run.settings.batch_lines)
    }

    /// What is asked of the run.
    pub fn settings(&self) -> &TrainSettings {
        &self.run.settings
    }

    /// The network's shape and symbols.
    pub fn config(&self) -> &GptConfig {
        &self.run.trainer.config
    }

    /// The network's parameters as they are now, in the order of the kernel (`src/learner/layout.rs`).
    pub fn parameters(&self) -> &[f32] {
        &self.run.trainer.parameters
    }

    /// Steps taken.
    pub fn steps(&self) -> u64 {
        self.run.tally.step
    }

    /// Whether the run is at its end.
    pub fn is_finished(&self) -> bool {
        self.run.tally.finished
    }

    /// Takes the step on a batch that was differentiated, and evaluates where that is due.
    fn learn(&mut self, batch: &Batch, found: Loss, watch: &mut impl FnMut(Progress)) -> Result<()> {
        let loss = self.run.step(batch, found)?;
        let (step, lines) = (self.run.tally.step, self.run.tally.lines);
        watch(Progress::Step { step, lines, loss });
        if !step.is_multiple_of(self.run.settings.eval_every) && !self.is_finished() {
            return Ok(());
        }
        let (record, events) = self.run.evaluate()?;
        self.log.append("evaluation", &record)?;
        watch(Progress::Evaluation(&record));
        for event in events {
            self.log.append("event", &event)?;
            watch(Progress::Event(event));
        }
        Ok(())
    }

    fn is_checkpoint_due(&self) -> bool {
        let settings = &self.run.settings;
        let every = settings.checkpoint_every.unwrap_or(settings.eval_every);
        self.steps().is_multiple_of(every) || self.is_finished()
    }

    fn checkpoint(&self) -> Result<()> {
        self.run.trainer.checkpoint()?.save(&self.folder)?;
        self.save_state()
    }

    fn save_state(&self) -> Result<()> {
        self.log.sync()?;
        self.run.state(self.log.mark()).save(&self.folder)
    }
}

/// Removes what a run left that was killed: the open log keeps other runs out of the folder.
fn remove_unfinished(folder: &Path) -> std::io::Result<()> {
    unfinished(folder)?.iter().try_for_each(std::fs::remove_file)
}
