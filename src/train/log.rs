//! Writes `training.jsonl` ([`crate::model::training_log`]).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::LOG_FILE;
use crate::model::training_log::{Line, TrainSettings, TrainingLog};
use crate::{Error, Result};

/// How far a log was when a checkpoint was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogMark {
    bytes: u64,
    /// BLAKE3 of these bytes, hexadecimal.
    blake3: String,
}

/// The open log. It is locked: the folder is no other run's as long as it is open.
pub(super) struct LogFile {
    file: File,
    path: PathBuf,
    bytes: u64,
    hasher: blake3::Hasher,
    /// Runs that it tells of, by their settings.
    runs: u32,
}

impl LogFile {
    /// Opens a folder's log, which begins anew with [`LogFile::cut`] or goes on with [`LogFile::rewind`].
    ///
    /// # Errors
    /// [`Error::ModelFile`] if it cannot be opened, [`Error::Training`] if another run writes it.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(LOG_FILE);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = options.open(&path).map_err(|source| Error::ModelFile { path: path.clone(), source })?;
        // Some file systems have no locks: there a second run is not noticed.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::Training(format!("another run writes into {}", folder.display())));
        }
        Ok(Self { file, path, bytes: 0, hasher: blake3::Hasher::new(), runs: 0 })
    }

    /// Goes back to a mark: what a killed run wrote after it is written again.
    ///
    /// # Errors
    /// [`Error::Training`] if the log is not the one that the mark was made in.
    pub(super) fn rewind(&mut self, mark: &LogMark) -> Result<()> {
        let mut known = Vec::new();
        let read = (&self.file).take(mark.bytes).read_to_end(&mut known);
        self.or_name_file(read)?;
        self.hasher.update(&known);
        let is_settings = |line: &&[u8]| serde_json::from_slice::<TrainSettings>(line).is_ok();
        self.runs = known.split(|&byte| byte == b'\n').filter(is_settings).count() as u32;
        self.bytes = known.len() as u64;
        if self.mark() != *mark {
            return Err(Error::Training(format!(
                "{} is not as the run left it: it cannot go on; start it again",
                self.path.display()
            )));
        }
        self.cut(mark.bytes)
    }

    /// Keeps so many bytes of it.
    pub(super) fn cut(&mut self, bytes: u64) -> Result<()> {
        let cut = self.file.set_len(bytes).and_then(|()| self.file.seek(SeekFrom::Start(bytes)));
        self.or_name_file(cut).map(|_| ())
    }

    /// Begins a run's part of the log.
    pub(super) fn begin_run(&mut self, settings: &TrainSettings) -> Result<()> {
        self.runs += 1;
        self.append("settings", settings)
    }

    /// Tells something of the run that was begun last; `type` is what the line holds, as [`Line`] names it.
    pub(super) fn append(&mut self, r#type: &str, entry: &impl Serialize) -> Result<()> {
        #[derive(Serialize)]
        struct Typed<'a, T> {
            r#type: &'a str,
            run: u32,
            #[serde(flatten)]
            entry: &'a T,
        }
        let typed = Typed { r#type, run: self.runs, entry };
        let line = serde_json::to_string(&typed).expect("plain data") + "\n";
        let written = self.file.write_all(line.as_bytes());
        self.or_name_file(written)?;
        self.bytes += line.len() as u64;
        self.hasher.update(line.as_bytes());
        Ok(())
    }

    /// Begins with the log of the model that the run starts from, if it has one that can be read.
    pub(super) fn begin_with_that_of(&mut self, folder: &Path) -> Result<()> {
        let Ok(text) = std::fs::read_to_string(folder.join(LOG_FILE)) else {
            return Ok(());
        };
        if TrainingLog::parse(&text).is_err() {
            return Ok(());
        }
        text.lines().try_for_each(|line| match serde_json::from_str(line).expect("it was read") {
            Line::TrainSettings(settings) => self.begin_run(&settings),
            Line::Evaluation(evaluation) => self.append("evaluation", &evaluation),
            Line::Event(event) => self.append("event", &event),
        })
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.or_name_file(self.file.sync_data())
    }

    pub(super) fn mark(&self) -> LogMark {
        LogMark { bytes: self.bytes, blake3: self.hasher.finalize().to_hex().to_string() }
    }

    fn or_name_file<T>(&self, result: io::Result<T>) -> Result<T> {
        result.map_err(|source| Error::ModelFile { path: self.path.clone(), source })
    }
}
