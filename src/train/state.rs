//! The state file: everything that a run needs to go on as if nothing had happened.
//!
//! It is a safetensors file. Its tensors are the parameters and AdamW's two moments, each one flat row in the
//! learner's layout; its metadata are the rest as JSON, and a checksum. It is replaced whole, so that a killed run has
//! the state of its last checkpoint, whatever it was doing.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::STATE_FILE;
use super::log::LogMark;
use crate::atomic_file::write_whole;
use crate::model::Shape;
use crate::model::training_log::{EmergenceDetector, TrainSettings};
use crate::model::{Checkpoint, GptConfig, Tensor, tensors};
use crate::{Error, Result};

/// The version of this layout. Another one is an error. (1 had a tensor for each of the model's.)
pub(super) const VERSION: u32 = 2;

/// Keys of the metadata.
const STATE: &str = "state";
const CHECKSUM: &str = "blake3";

/// Names of the tensors.
const PARAMETERS: &str = "parameters";
const FIRST_MOMENTS: &str = "first_moments";
const SECOND_MOMENTS: &str = "second_moments";

/// What a run counts and adds up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Steps taken.
    pub step: u64,
    /// Lines seen.
    pub lines: u64,
    /// Sum of the training losses since the last record, nats a token, and their number.
    pub recent_loss: f64,
    pub recent_steps: u64,
    /// Norm of the last gradient.
    pub gradient_norm: f64,
    /// First-seen losses so far.
    pub code_length_bits: f64,
    /// Seconds of all sessions.
    pub seconds: f64,
    /// What was found of the run's events.
    pub emergence: EmergenceDetector,
    /// Whether the run is at its end.
    pub finished: bool,
}

/// The state of a run at a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub version: u32,
    pub settings: TrainSettings,
    pub config: GptConfig,
    pub tally: Tally,
    /// Where the training lines are ([`super::data::TrainingLines::position`]).
    pub lines_position: u128,
    /// Where dropout's generator is, in words.
    pub dropout_position: u128,
    /// Steps that the optimiser has taken.
    pub optimiser_steps: i32,
    pub log: LogMark,
    #[serde(skip)]
    pub parameters: Vec<f32>,
    #[serde(skip)]
    pub first_moments: Vec<f32>,
    #[serde(skip)]
    pub second_moments: Vec<f32>,
}

impl State {
    /// Replaces a folder's state file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] if that fails; the old state is still there then.
    pub(super) fn save(self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string(&self).expect("plain data");
        let flat = [
            (PARAMETERS, self.parameters),
            (FIRST_MOMENTS, self.first_moments),
            (SECOND_MOMENTS, self.second_moments),
        ];
        let tensor = |(name, values): (&str, Vec<f32>)| {
            let shape = vec![values.len()];
            (name.to_owned(), Tensor { shape, values })
        };
        let tensors = BTreeMap::from(flat.map(tensor));
        let metadata =
            HashMap::from([(CHECKSUM.to_owned(), checksum(&json, &tensors)), (STATE.to_owned(), json)]);
        write_whole(&folder.join(STATE_FILE), &tensors::to_bytes(&tensors, Some(metadata)))
    }

    /// # Errors
    /// [`Error::Training`] if a folder has no state file.
    pub(super) fn require(folder: &Path) -> Result<()> {
        if folder.join(STATE_FILE).exists() {
            return Ok(());
        }
        Err(Error::Training(format!("{} has no {STATE_FILE}: there is no run to resume", folder.display())))
    }

    /// Reads a folder's state file.
    ///
    /// # Errors
    /// [`Error::Training`] if it is damaged, [`Error::ModelFile`] if it cannot be read.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(STATE_FILE);
        let file = std::fs::read(&path).map_err(|source| Error::ModelFile { path: path.clone(), source })?;
        Self::from_bytes(&file).and_then(Self::check).map_err(|what| {
            Error::Training(format!(
                "{} {what}; a new one can start from the folder's weights (init)",
                path.display()
            ))
        })
    }

    /// Refuses rows that are not as long as the network has parameters.
    fn check(self) -> Result<Self, String> {
        let count = Shape::supported(&self.config).map_err(|e| e.to_string())?.len();
        let rows = [&self.parameters, &self.first_moments, &self.second_moments];
        if rows.iter().all(|row| row.len() == count) {
            Ok(self)
        } else {
            Err(format!("is damaged (the network has {count} parameters): the run cannot go on"))
        }
    }

    /// The error says what is wrong with the file.
    fn from_bytes(file: &[u8]) -> Result<Self, String> {
        Self::parse(file).unwrap_or_else(|what| Err(format!("is damaged ({what}): the run cannot go on")))
    }

    /// A whole file's state, or that it is one of another version; the outer error is damage.
    fn parse(file: &[u8]) -> Result<Result<Self, String>, String> {
        /// What every version's JSON has.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let (_, header) = SafeTensors::read_metadata(file).map_err(|e| tensors::phrase(&e))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry = |key: &str| metadata.get(key).ok_or_else(|| format!("it has no {key}"));
        let json = entry(STATE)?;
        let mut tensors = tensors::from_bytes(file, |_| true)?;
        if checksum(json, &tensors) != *entry(CHECKSUM)? {
            return Err("its checksum does not match".into());
        }
        let Versioned { version } = serde_json::from_str(json).map_err(|e| e.to_string())?;
        if version != VERSION {
            return Ok(Err(format!(
                "has version {version}, this program reads version {VERSION}: the run can go on with the program that began it"
            )));
        }
        let mut state: Self = serde_json::from_str(json).map_err(|e| e.to_string())?;
        for (name, values) in [
            (PARAMETERS, &mut state.parameters),
            (FIRST_MOMENTS, &mut state.first_moments),
            (SECOND_MOMENTS, &mut state.second_moments),
        ] {
            let tensor = tensors.remove(name);
            *values = tensor.ok_or_else(|| format!("it has no {name}"))?.values;
        }
        Ok(Ok(state))
    }

    /// The weights as a checkpoint.
    ///
    /// # Errors
    /// [`Error::Model`] if they are not those of the config.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint> {
        Shape::supported(&self.config)?.checkpoint(self.config.clone(), &self.parameters)
    }
}

/// BLAKE3 of a state's JSON and of all tensors, with their names and shapes.
fn checksum(json: &str, tensors: &BTreeMap<String, Tensor>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(json.as_bytes());
    for (name, tensor) in tensors {
        hasher.update(format!("{name} {:?}", tensor.shape).as_bytes());
        let bytes: Vec<u8> = tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect();
        hasher.update(&bytes);
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Preset;
    use crate::train::log::LogFile;

    fn config() -> GptConfig {
        GptConfig::addition(Preset::Pico, 3)
    }

    fn state(folder: &Path, count: usize) -> State {
        let values = |shift: f32| (0..count).map(|i| (i as f32).sin() + shift).collect();
        State {
            version: VERSION,
            settings: TrainSettings::default(),
            config: config(),
            tally: Tally { step: 3, code_length_bits: 0.1 + 0.2, ..Tally::default() },
            lines_position: (1 << 67) + 5,
            dropout_position: 0,
            optimiser_steps: 3,
            log: LogFile::open(folder).unwrap().mark(),
            parameters: values(1.0),
            first_moments: values(2.0),
            second_moments: values(3.0),
        }
    }

    #[test]
    fn a_state_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let count = Shape::supported(&config()).unwrap().len();
        let state = state(folder.path(), count);
        state.clone().save(folder.path()).unwrap();
        assert_eq!(State::load(folder.path()).unwrap(), state);
    }

    #[test]
    fn another_version_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let old = State { version: 1, ..state(folder.path(), 2) };
        old.save(folder.path()).unwrap();
        let error = State::load(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("version 1") && error.contains("reads version 2") && error.contains("init"),
            "{error}"
        );
    }

    /// As when another build took the lines of a text file otherwise.
    #[test]
    fn a_network_that_is_not_that_of_the_lines_does_not_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let error = crate::train::run::Run::from_state(state(folder.path(), 2)).err().unwrap();
        assert!(error.to_string().contains("go on with that one"), "{error}");
    }

    /// Every byte counts: a flipped bit in any of them, and every shorter file, is an error.
    #[test]
    fn damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        state(folder.path(), 2).save(folder.path()).unwrap();
        let path = folder.path().join(STATE_FILE);
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            // A bit in the padding of the header may go unseen, and means nothing.
            if let Ok(found) = State::from_bytes(&bad) {
                assert_eq!(found, State::from_bytes(&good).unwrap(), "byte {at}");
            }
            assert!(State::from_bytes(&good[..at]).is_err(), "cut at {at}");
        }
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        let error = State::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains(STATE_FILE) && error.contains("init"), "{error}");
        std::fs::remove_file(&path).unwrap();
        let error = State::require(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no run to resume"), "{error}");
    }
}
