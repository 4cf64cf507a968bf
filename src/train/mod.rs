//! Training: fresh lines at every step, AdamW under a schedule, validation, checkpoints and a log.
//!
//! A run writes a model folder: `config.json`, `model.safetensors` (replaced whole at every
//! checkpoint) and `training.jsonl` ([`crate::training_log`]).

mod adamw;
mod lines;
mod log;
mod run;
mod validation;

pub use adamw::AdamW;
pub use lines::LineSource;

use std::path::Path;

use crate::model::LOG_FILE;
use crate::training_log::{Event, Record, Settings};
use crate::{Error, Result};
use run::Run;

/// What a run tells while it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// The network was evaluated.
    Record(&'a Record),
    /// Something happened.
    Event(Event),
}

/// Runs a training to its end and leaves a model folder. `report` sees every record and event as
/// it is logged.
///
/// # Errors
/// [`Error::Invalid`] if the settings make no sense, [`Error::Model`] if the weights to start from
/// are not of this network, [`Error::Training`] if the network or the optimiser fails,
/// [`Error::ModelFile`] if the folder cannot be written.
pub fn train(settings: &Settings, folder: &Path, mut report: impl FnMut(Progress)) -> Result<()> {
    let mut run = Run::new(settings)?;
    std::fs::create_dir_all(folder).map_err(|source| Error::ModelFile {
        path: folder.to_owned(),
        source,
    })?;
    let mut log = log::Log::create(&folder.join(LOG_FILE), settings)?;
    for step in 1..=settings.steps {
        run.step(step)?;
        if step % settings.eval_every == 0 || step == settings.steps {
            let record = run.evaluate(step)?;
            log.append(&record)?;
            report(Progress::Record(&record));
            let (events, reached) = run.events(&record);
            for event in events {
                log.append(&event)?;
                report(Progress::Event(event));
            }
            run.save(folder)?;
            if reached {
                break;
            }
        }
    }
    Ok(())
}

fn failed(error: candle_core::Error) -> Error {
    Error::Training(error.to_string())
}

#[cfg(test)]
mod tests;
