//! The state file: everything that a run needs to go on as if nothing had happened.
//!
//! It is a safetensors file. Its tensors are the weights and AdamW's two moments of each; its
//! metadata are the rest as JSON, and a checksum. It is replaced whole, so that a killed run has
//! the state of its last checkpoint, whatever it was doing.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::STATE_FILE;
use super::log::LogMark;
use crate::atomic_file::write_whole;
use crate::model::training_log::{EmergenceDetector, Settings};
use crate::model::{Checkpoint, GptConfig, Tensor, tensors};
use crate::{Error, Result};

/// The version of this layout. Another one is an error.
const VERSION: u32 = 1;

/// Keys of the metadata.
const STATE: &str = "state";
const CHECKSUM: &str = "blake3";

/// Prefixes of the tensors' names.
const WEIGHTS: &str = "weights.";
const FIRST_MOMENTS: &str = "first_moments.";
const SECOND_MOMENTS: &str = "second_moments.";

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
    pub settings: Settings,
    pub config: GptConfig,
    pub tally: Tally,
    /// Where the training lines are ([`super::data::TrainingLines::position`]).
    pub lines_position: u128,
    /// Where dropout's generator is, in words.
    pub dropout_position: u128,
    /// Steps that AdamW has taken.
    pub adamw_steps: i32,
    pub log: LogMark,
    #[serde(skip)]
    pub weights: BTreeMap<String, Tensor>,
    #[serde(skip)]
    pub first_moments: BTreeMap<String, Tensor>,
    #[serde(skip)]
    pub second_moments: BTreeMap<String, Tensor>,
}

impl State {
    pub(super) const VERSION: u32 = VERSION;

    /// Replaces a folder's state file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] if that fails; the old state is still there then.
    pub(super) fn save(self, folder: &Path) -> Result<()> {
        let json = serde_json::to_string(&self).expect("plain data");
        let groups = [
            (WEIGHTS, self.weights),
            (FIRST_MOMENTS, self.first_moments),
            (SECOND_MOMENTS, self.second_moments),
        ];
        let tensors = groups.into_iter().flat_map(|(prefix, group)| {
            group
                .into_iter()
                .map(move |(name, tensor)| (format!("{prefix}{name}"), tensor))
        });
        let tensors: BTreeMap<String, Tensor> = tensors.collect();
        let metadata = HashMap::from([
            (CHECKSUM.to_owned(), checksum(&json, &tensors)),
            (STATE.to_owned(), json),
        ]);
        write_whole(
            &folder.join(STATE_FILE),
            &tensors::to_bytes(&tensors, Some(metadata)),
        )
    }

    /// # Errors
    /// [`Error::Training`] if a folder has no state file.
    pub(super) fn require(folder: &Path) -> Result<()> {
        match folder.join(STATE_FILE).exists() {
            true => Ok(()),
            false => Err(Error::Training(format!(
                "{} has no {STATE_FILE}: there is no run to resume",
                folder.display()
            ))),
        }
    }

    /// Reads a folder's state file.
    ///
    /// # Errors
    /// [`Error::Training`] if it is damaged, [`Error::ModelFile`] if it cannot be read.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(STATE_FILE);
        let file = std::fs::read(&path).map_err(|source| Error::ModelFile {
            path: path.clone(),
            source,
        })?;
        Self::from_bytes(&file).map_err(|what| {
            Error::Training(format!(
                "{} is damaged ({what}): the run cannot go on; a new one can start from the folder's weights (init)",
                path.display()
            ))
        })
    }

    fn from_bytes(file: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(file).map_err(|e| e.to_string())?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let entry = |key: &str| metadata.get(key).ok_or_else(|| format!("it has no {key}"));
        let json = entry(STATE)?;
        let tensors = tensors::from_bytes(file, |_| true)?;
        if checksum(json, &tensors) != *entry(CHECKSUM)? {
            return Err("its checksum does not match".into());
        }
        let mut state: Self = serde_json::from_str(json).map_err(|e| e.to_string())?;
        if state.version != VERSION {
            return Err(format!("it has version {}, not {VERSION}", state.version));
        }
        for (name, tensor) in tensors {
            let groups = [
                (WEIGHTS, &mut state.weights),
                (FIRST_MOMENTS, &mut state.first_moments),
                (SECOND_MOMENTS, &mut state.second_moments),
            ];
            for (prefix, group) in groups {
                if let Some(name) = name.strip_prefix(prefix) {
                    group.insert(name.to_owned(), tensor.clone());
                }
            }
        }
        Ok(state)
    }

    /// The weights as a checkpoint.
    ///
    /// # Errors
    /// [`Error::Model`] if they are not those of the config.
    pub(super) fn checkpoint(&self) -> Result<Checkpoint> {
        Checkpoint::new(self.config.clone(), self.weights.clone())
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
    use crate::train::log::Log;

    fn state(folder: &Path) -> State {
        let group = |shift: f32| {
            let tensor = Tensor {
                shape: vec![2],
                values: vec![shift, 0.1 + shift],
            };
            BTreeMap::from([("a.weight".to_owned(), tensor)])
        };
        State {
            version: VERSION,
            settings: Settings::default(),
            config: GptConfig::addition(crate::model::Preset::Pico, 28),
            tally: Tally {
                step: 3,
                code_length_bits: 0.1 + 0.2,
                ..Tally::default()
            },
            lines_position: (1 << 67) + 5,
            dropout_position: 0,
            adamw_steps: 3,
            log: Log::open(folder).unwrap().mark(),
            weights: group(1.0),
            first_moments: group(2.0),
            second_moments: group(3.0),
        }
    }

    #[test]
    fn a_state_comes_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let state = state(folder.path());
        state.clone().save(folder.path()).unwrap();
        assert_eq!(State::load(folder.path()).unwrap(), state);
    }

    /// Every byte counts: a flipped bit in any of them, and every shorter file, is an error.
    #[test]
    fn damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        state(folder.path()).save(folder.path()).unwrap();
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
