//! Writes `training.jsonl` ([`crate::training_log`]).

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::training_log::Settings;
use crate::{Error, Result};

/// The open log.
pub(super) struct Log {
    file: File,
    path: PathBuf,
}

impl Log {
    /// A new log that holds the settings, instead of the one that may be there.
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

    /// Writes a record or an event.
    pub(super) fn append(&mut self, entry: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(entry).expect("plain data") + "\n";
        self.file
            .write_all(line.as_bytes())
            .map_err(|source| Error::ModelFile {
                path: self.path.clone(),
                source,
            })
    }
}
