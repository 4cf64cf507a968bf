//! Models ready for use: those in the binary, those in folders, those in archives.
//!
//! The binary has two families of models, fast ones and small ones, and in each a model for every
//! distribution of addition lines. A [`Level`] chooses the family, [`Models::choose`] the model: the
//! one that codes the first lines in the fewest bits.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use crate::archive::hex;
use crate::coder::LineCoder;
use crate::exact::ExactModel;
use crate::model::{Checkpoint, GptConfig, LOG_FILE, read_folder};
use crate::{Error, Result};

/// A model with its name: the exact network that codes, and the files that it came from.
pub struct Model {
    name: String,
    config: GptConfig,
    exact: ExactModel,
    files: (Vec<u8>, Vec<u8>),
    log: String,
    /// The levels that may choose it.
    levels: Option<RangeInclusive<u8>>,
}

impl Model {
    /// Reads a model folder and quantises it. Its name is the folder's.
    ///
    /// # Errors
    /// [`Error::ModelFile`] if a file cannot be read, [`Error::Model`] if it makes no sense.
    pub fn load(folder: &Path) -> Result<Self> {
        let (config, weights) = read_folder(folder)?;
        let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = resolved
            .file_name()
            .map_or("model".into(), |name| name.to_string_lossy().into_owned());
        let mut model = Self::from_files(&name, config, weights)?;
        // A model needs none: one from elsewhere has no such file.
        model.log = std::fs::read_to_string(folder.join(LOG_FILE)).unwrap_or_default();
        Ok(model)
    }

    /// A model from the bytes of `config.json` and `model.safetensors`.
    ///
    /// # Errors
    /// [`Error::Model`] if they make no sense.
    pub fn from_files(name: &str, config: Vec<u8>, weights: Vec<u8>) -> Result<Self> {
        let checkpoint = Checkpoint::from_bytes(&config, &weights)?;
        let exact = ExactModel::from_checkpoint(&checkpoint)?;
        let mut name = name.to_owned();
        while name.len() > MAX_NAME {
            name.pop();
        }
        Ok(Self {
            name,
            config: checkpoint.config().clone(),
            exact,
            files: (config, weights),
            log: String::new(),
            levels: None,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network's shape.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// The network that codes.
    pub fn exact(&self) -> &ExactModel {
        &self.exact
    }

    /// The first 16 hexadecimal digits of its identity.
    pub fn identity(&self) -> String {
        hex(self.exact.identity())
    }

    /// The bytes of `config.json` and `model.safetensors`.
    pub fn files(&self) -> (&[u8], &[u8]) {
        (&self.files.0, &self.files.1)
    }

    /// Its training log, as JSON lines; empty if none came with it.
    pub fn log(&self) -> &str {
        &self.log
    }
}

/// The files of a model in the binary.
struct BundledFiles {
    name: &'static str,
    config: &'static [u8],
    weights: &'static [u8],
    log: &'static str,
    levels: RangeInclusive<u8>,
}

/// The files of a folder in `models/`.
macro_rules! bundled {
    ($name:literal, $levels:expr) => {
        BundledFiles {
            name: $name,
            config: include_bytes!(concat!("../models/", $name, "/config.json")),
            weights: include_bytes!(concat!("../models/", $name, "/model.safetensors")),
            log: include_str!(concat!("../models/", $name, "/training.jsonl")),
            levels: $levels,
        }
    };
}

/// The models in the binary, the default first. Where two are equally good the first is chosen.
static BUNDLED: [BundledFiles; 6] = [
    bundled!("tiny-uniform", 4..=9),
    bundled!("tiny-leading", 4..=9),
    bundled!("tiny-natural", 4..=9),
    bundled!("lite-uniform", 1..=3),
    bundled!("lite-leading", 1..=3),
    bundled!("lite-natural", 1..=3),
];

/// What compressing may take and give: 1 is the fastest, 9 the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u8);

impl Level {
    /// A level from 1 to 9.
    ///
    /// # Errors
    /// [`Error::Invalid`] for any other number.
    pub fn new(level: u8) -> Result<Self> {
        match level {
            1..=9 => Ok(Self(level)),
            _ => Err(Error::invalid(format!("there are levels 1 to 9, not {level}"))),
        }
    }

    /// Whether this model, a bundled one, is among those that it chooses from.
    pub fn may_choose(self, model: &Model) -> bool {
        model
            .levels
            .as_ref()
            .is_some_and(|levels| levels.contains(&self.0))
    }
}

impl Default for Level {
    fn default() -> Self {
        Self(6)
    }
}

/// Lines that a model is tried on.
const TRIED: usize = 128;

/// Bits that a model takes for the first lines of a content, those outside its grammar as they are.
fn bits(model: &Model, beginning: &[u8]) -> u64 {
    let mut coder = LineCoder::new(&model.exact);
    let lines = beginning.split_inclusive(|&c| c == b'\n').take(TRIED);
    let text = lines.map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    });
    let (fitting, others): (Vec<&[u8]>, Vec<&[u8]>) = text.partition(|line| coder.fits(line));
    let outside: u64 = others.iter().map(|line| 8 * line.len() as u64).sum();
    outside + 32 * coder.encode(&fitting).len() as u64
}

/// The longest name of a model in an archive, in bytes.
const MAX_NAME: usize = 255;

/// The models that an archive may have been made with.
#[derive(Clone)]
pub struct Models(Vec<Arc<Model>>);

impl Models {
    /// The models in the binary, the default first.
    pub fn bundled() -> Self {
        static MODELS: OnceLock<Vec<Arc<Model>>> = OnceLock::new();
        let load = |files: &BundledFiles| {
            let (config, weights) = (files.config.to_vec(), files.weights.to_vec());
            let mut model = Model::from_files(files.name, config, weights)
                .expect("a bundled model is whole, and SURPRISAL_ISA was checked before");
            model.log = files.log.to_owned();
            model.levels = Some(files.levels.clone());
            Arc::new(model)
        };
        let models = MODELS.get_or_init(|| BUNDLED.par_iter().map(load).collect());
        Self(models.clone())
    }

    /// The bundled model that codes the beginning of a content in the fewest bits, of those that a
    /// level chooses among. It looks at some hundred lines; a content without a line that any of
    /// them knows gets the first.
    pub fn choose(&self, level: Level, beginning: &[u8]) -> &Arc<Model> {
        let candidates = self.iter().filter(|model| level.may_choose(model));
        let best = candidates.min_by_key(|model| bits(model, beginning));
        best.expect("every family has a model")
    }

    /// Adds a model, before all others.
    pub fn add(&mut self, model: Arc<Model>) {
        self.0.insert(0, model);
    }

    /// The model to compress with: the one that was added last, or the bundled default.
    pub fn default_model(&self) -> &Arc<Model> {
        &self.0[0]
    }

    /// The model of a name, if there is one.
    pub fn by_name(&self, name: &str) -> Option<&Arc<Model>> {
        self.0.iter().find(|model| model.name() == name)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Model>> {
        self.0.iter()
    }

    /// The model that an archive asks for: one of these, or the one that it carries.
    ///
    /// # Errors
    /// [`Error::WrongModel`] if there is none, [`Error::Damaged`] or [`Error::Model`] if the
    /// carried one is not whole.
    pub(crate) fn find(&self, identity: &[u8; 32], name: &str, carried: Option<&[u8]>) -> Result<Arc<Model>> {
        if let Some(model) = self.0.iter().find(|model| model.exact.identity() == identity) {
            return Ok(Arc::clone(model));
        }
        let wrong = |at_hand: String| Error::WrongModel {
            name: name.into(),
            wanted: hex(identity),
            at_hand,
        };
        let Some(carried) = carried else {
            let names = self
                .0
                .iter()
                .map(|model| format!("'{}' ({})", model.name, model.identity()));
            return Err(wrong(format!(
                "at hand: {}",
                names.collect::<Vec<_>>().join(", ")
            )));
        };
        let (config, weights) = crate::archive::model_from_bytes(carried)?;
        let model = Model::from_files(name, config, weights)?;
        match model.exact.identity() == identity {
            true => Ok(Arc::new(model)),
            false => Err(wrong(format!(
                "but it carries one of identity {}",
                model.identity()
            ))),
        }
    }
}
