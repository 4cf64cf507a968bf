//! A model folder: its files are read here, in whatever form they are.

use std::io::{self, ErrorKind};
use std::path::Path;

use super::{CONFIG_FILE, Checkpoint, WEIGHTS_FILE, foreign};
use crate::{Error, Result};

impl Checkpoint {
    /// Reads a model folder, in any of the forms of [`Checkpoint::from_foreign`].
    ///
    /// # Errors
    /// [`Error::ModelFile`] if a file cannot be read, [`Error::Model`] if it makes no sense.
    pub fn load(folder: &Path) -> Result<Self> {
        Ok(read_folder(folder)?.0)
    }
}

/// A model folder's checkpoint, and its `config.json` and `model.safetensors` in the plain form: as they are in
/// the folder if they have it, otherwise as [`Checkpoint::save`] would write them.
///
/// # Errors
/// As [`Checkpoint::load`].
pub(super) fn read_folder(folder: &Path) -> Result<(Checkpoint, [Vec<u8>; 2])> {
    if folder.is_file() {
        return Err(Error::model(foreign::about_file(folder)));
    }
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read(&path).map_err(|source| Error::ModelFile { path, source })
    };
    let weights = match read(WEIGHTS_FILE) {
        Err(Error::ModelFile { path, source }) if source.kind() == ErrorKind::NotFound => {
            let source = foreign::other_weights(folder).map_or(source, io::Error::other);
            return Err(Error::ModelFile { path, source });
        }
        weights => weights?,
    };
    let config = read(CONFIG_FILE)?;
    if let Ok(checkpoint) = Checkpoint::from_bytes(&config, &weights) {
        return Ok((checkpoint, [config, weights]));
    }
    let checkpoint = Checkpoint::from_foreign(&config, &weights)?;
    let files = [checkpoint.config().to_json().into_bytes(), checkpoint.weights_to_bytes()];
    Ok((checkpoint, files))
}
