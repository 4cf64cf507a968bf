//! A run and its folder: from a start or a checkpoint to an end or an interruption.
//!
//! What is on disk is good at any moment. A record is logged before the checkpoint that follows it;
//! `model.safetensors` is replaced before the state, the state last: it names the length and hash of
//! the log. A run that is killed between two of them goes on from the older state, does the same steps
//! again with the same results, and writes the same again.

use std::ops::ControlFlow;
use std::path::Path;

use super::STATE_FILE;
use super::log::LogFile;
use super::run::Run;
use super::state::State;
use crate::atomic_file::unfinished;
use crate::model::training_log::{Evaluation, Event, TrainSettings};
use crate::model::{CONFIG_FILE, WEIGHTS_FILE};
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
    let session = Session { folder, run, log };
    session.save_state()?;
    session.go(watch)
}

/// Goes on with the run in a folder, from its last checkpoint, to the same bits in weights and log
/// (but for the seconds) as if it had never ended: on the same machine, with as many threads where
/// candle computes.
///
/// # Errors
/// [`Error::Training`] if there is no run in the folder, its state or log is damaged, or another
/// program is at it; and as [`train`].
pub fn resume(folder: &Path, watch: impl FnMut(Progress) -> ControlFlow<()>) -> Result<End> {
    State::require(folder)?;
    let mut log = LogFile::open(folder)?;
    remove_unfinished(folder).map_err(|source| Error::ModelFile { path: folder.to_owned(), source })?;
    let state = State::load(folder)?;
    log.rewind(&state.log)?;
    // It may be older than the state, if it was put back from a copy.
    state.checkpoint()?.save(folder)?;
    if state.tally.finished {
        return Ok(End::HadFinished);
    }
    let run = Run::from_state(state)?;
    Session { folder, run, log }.go(watch)
}

/// Removes what a run left that was killed: the open log keeps other runs out of the folder.
fn remove_unfinished(folder: &Path) -> std::io::Result<()> {
    unfinished(folder)?.iter().try_for_each(std::fs::remove_file)
}

struct Session<'a> {
    folder: &'a Path,
    run: Run,
    log: LogFile,
}

impl Session<'_> {
    fn go(mut self, mut watch: impl FnMut(Progress) -> ControlFlow<()>) -> Result<End> {
        let mut stop = watch(Progress::Begins {
            settings: &self.run.settings,
            step: self.run.tally.step,
            lines: self.run.tally.lines,
            seconds: self.run.seconds(),
        })
        .is_break();
        let eval_every = self.run.settings.eval_every;
        let checkpoint_every = self.run.settings.checkpoint_every.unwrap_or(eval_every);
        while !self.run.tally.finished {
            let loss = self.run.step()?;
            let (step, lines) = (self.run.tally.step, self.run.tally.lines);
            stop |= watch(Progress::Step { step, lines, loss }).is_break();
            if step.is_multiple_of(eval_every) || self.run.tally.finished {
                stop |= self.evaluate(&mut watch)?.is_break();
            }
            let finished = self.run.tally.finished;
            if step.is_multiple_of(checkpoint_every) || finished || stop {
                self.checkpoint()?;
            }
            if stop && !finished {
                return Ok(End::Interrupted { step });
            }
        }
        Ok(End::Finished)
    }

    fn evaluate(&mut self, watch: &mut impl FnMut(Progress) -> ControlFlow<()>) -> Result<ControlFlow<()>> {
        let (record, events) = self.run.evaluate()?;
        self.log.append(&record)?;
        let mut flow = watch(Progress::Evaluation(&record));
        for event in events {
            self.log.append(&event)?;
            if watch(Progress::Event(event)).is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    }

    fn checkpoint(&self) -> Result<()> {
        self.run.checkpoint()?.save(self.folder)?;
        self.save_state()
    }

    fn save_state(&self) -> Result<()> {
        self.log.sync()?;
        self.run.state(self.log.mark()).save(self.folder)
    }
}
