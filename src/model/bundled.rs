//! Models ready for use: those in the binary, those in folders, those in archives.
//!
//! The binary has several models for every distribution of addition lines: tiny, and what is faster (lite,
//! pico) or codes in fewer bits (nano). A [`Level`] says which may be chosen, [`Models::choose`] takes the
//! one that codes the first lines in the fewest bits.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::folder::read_folder;
use super::{Checkpoint, GptConfig, Identity, LOG_FILE};
use crate::coding::{GROUP, Predictor, encode};
use crate::network::ExactModel;
use crate::text::lines_of;
use crate::{Error, Result};

/// A model with its name: the exact network that codes, and the files that it came from.
pub struct Model {
    name: String,
    config: GptConfig,
    /// Of a bundled model not before it is asked for: quantising takes time and memory.
    exact: OnceLock<ExactModel>,
    files: (Cow<'static, [u8]>, Cow<'static, [u8]>),
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
        let (checkpoint, files) = read_folder(folder)?;
        let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = resolved.file_name().map_or("model".into(), |name| name.to_string_lossy().into_owned());
        let mut model = Self::new(&name, &checkpoint, files)?;
        // A model needs none: one from elsewhere has no such file.
        model.log = std::fs::read_to_string(folder.join(LOG_FILE)).unwrap_or_default();
        Ok(model)
    }

    /// A model from the bytes of `config.json` and `model.safetensors` in the plain form, as an archive carries them.
    ///
    /// # Errors
    /// [`Error::Model`] if they make no sense.
    pub fn from_files(name: &str, config: Vec<u8>, weights: Vec<u8>) -> Result<Self> {
        let checkpoint = Checkpoint::from_bytes(&config, &weights)?;
        Self::new(name, &checkpoint, [config, weights])
    }

    fn new(name: &str, checkpoint: &Checkpoint, [config, weights]: [Vec<u8>; 2]) -> Result<Self> {
        let exact = ExactModel::from_checkpoint(checkpoint)?;
        let mut name = name.to_owned();
        while name.len() > MAX_NAME {
            name.pop();
        }
        Ok(Self {
            name,
            config: checkpoint.config().clone(),
            exact: exact.into(),
            files: (config.into(), weights.into()),
            log: String::new(),
            levels: None,
        })
    }

    fn bundled(files: &BundledFiles) -> Self {
        Self {
            name: files.name.into(),
            config: GptConfig::from_json(files.config).expect(WHOLE),
            exact: OnceLock::new(),
            files: (files.config.into(), files.weights.into()),
            log: String::new(),
            levels: Some(files.levels.clone()),
        }
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
        self.exact.get_or_init(|| {
            let (config, weights) = self.files();
            let checkpoint = Checkpoint::from_bytes(config, weights).expect(WHOLE);
            ExactModel::from_checkpoint(&checkpoint).expect(WHOLE)
        })
    }

    /// What tells it apart from other models.
    pub fn identity(&self) -> Identity {
        self.exact().identity()
    }

    /// The bytes of `config.json` and `model.safetensors`.
    pub fn files(&self) -> (&[u8], &[u8]) {
        (&self.files.0, &self.files.1)
    }

    /// Its training log, as JSON lines; empty if none came with it.
    pub fn log(&self) -> &str {
        if self.levels.is_some() { bundled_log(&self.name) } else { &self.log }
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Model").field(&self.name).finish()
    }
}

const WHOLE: &str = "a bundled model is whole";

/// The files of a model in the binary.
struct BundledFiles {
    name: &'static str,
    config: &'static [u8],
    weights: &'static [u8],
    levels: RangeInclusive<u8>,
}

/// The files of a folder in `models/`, or nothing where whoever loads the library gives them.
macro_rules! bundled {
    ($name:literal, $levels:expr) => {
        BundledFiles {
            name: $name,
            config: included!(concat!("../../models/", $name, "/config.json")),
            weights: included!(concat!("../../models/", $name, "/model.safetensors")),
            levels: $levels,
        }
    };
}

#[cfg(not(surprisal_models = "given"))]
macro_rules! included {
    ($file:expr) => {
        include_bytes!($file)
    };
}
#[cfg(surprisal_models = "given")]
macro_rules! included {
    ($file:expr) => {
        b""
    };
}

/// The models in the binary, the default first. Where two are equally good the first is chosen.
static BUNDLED: [BundledFiles; 8] = [
    bundled!("tiny-uniform", 4..=8),
    bundled!("tiny-leading", 4..=9),
    // A quarter of the hidden units already; fewer are hardly faster, and pico is too narrow for such sums.
    bundled!("tiny-natural", 1..=9),
    bundled!("lite-uniform", 2..=3),
    bundled!("lite-leading", 2..=3),
    bundled!("pico-uniform", 1..=1),
    bundled!("pico-leading", 1..=1),
    bundled!("nano-uniform", 9..=9),
];

/// What models/pack-logs.sh packed. In WebAssembly, where size counts most, no report is made that reads it.
const PACKED_LOGS: &[u8] =
    if cfg!(target_family = "wasm") { b"" } else { include_bytes!("../../models/training-logs.zst") };

/// The log of a bundled model.
fn bundled_log(name: &str) -> &'static str {
    static LOGS: OnceLock<String> = OnceLock::new();
    let logs = LOGS.get_or_init(|| {
        if PACKED_LOGS.is_empty() {
            return String::new();
        }
        String::from_utf8(zstd::decode_all(PACKED_LOGS).expect(WHOLE)).expect(WHOLE)
    });
    let mut logs = logs.split("\n\n").filter_map(|log| log.split_once('\n'));
    logs.find_map(|(of, log)| (of == name).then_some(log)).unwrap_or_default()
}

/// Files of bundled models that were given at run time, the first of each name.
#[cfg(surprisal_models = "given")]
static GIVEN: std::sync::Mutex<Vec<BundledFiles>> = std::sync::Mutex::new(Vec::new());

/// Gives a library that was compiled without them (`--cfg surprisal_models="given"`) the `config.json` and
/// `model.safetensors` of a bundled model, before [`Models::bundled`] is first asked for; at least one must be given.
///
/// # Errors
/// [`Error::UnknownName`] if there is no bundled model of this name, [`Error::Model`] if the files make no sense.
#[cfg(surprisal_models = "given")]
pub fn give_bundled(name: &str, config: Vec<u8>, weights: Vec<u8>) -> Result<()> {
    Checkpoint::from_bytes(&config, &weights)?;
    let Some(known) = BUNDLED.iter().find(|files| files.name == name) else {
        let known = BUNDLED.iter().map(|files| files.name).collect::<Vec<_>>().join(", ");
        return Err(Error::UnknownName { what: "bundled model", name: name.to_owned(), known });
    };
    GIVEN.lock().expect("nothing panics under the lock").push(BundledFiles {
        name: known.name,
        config: config.leak(),
        weights: weights.leak(),
        levels: known.levels.clone(),
    });
    Ok(())
}

/// What compressing may take and give, from 1, the fastest, to 9, the smallest; 6 unless asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u8);

impl Level {
    /// All of them.
    pub const ALL: RangeInclusive<u8> = 1..=9;

    /// A level from 1 to 9.
    ///
    /// # Errors
    /// [`Error::Setting`] for any other number.
    pub fn new(level: u8) -> Result<Self> {
        Error::unless(Self::ALL.contains(&level), "level", level, "1 to 9").map(|()| Self(level))
    }

    /// Whether this model, a bundled one, is among those that it chooses from.
    pub fn may_choose(self, model: &Model) -> bool {
        model.levels.as_ref().is_some_and(|levels| levels.contains(&self.0))
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
    let mut group = model.exact().group(GROUP);
    let lines = lines_of(beginning).take(TRIED).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let (fitting, others): (Vec<&[u8]>, Vec<&[u8]>) = lines.partition(|line| group.fits(line));
    let outside: u64 = others.iter().map(|line| 8 * line.len() as u64).sum();
    outside + 32 * encode(&mut group, &fitting, |_, _, _| {}).len() as u64
}

/// The longest name of a model in an archive, in bytes.
const MAX_NAME: usize = 255;

/// The models that an archive may have been made with.
#[derive(Clone, Debug)]
pub struct Models(Vec<Arc<Model>>);

impl Models {
    /// Bytes of a content that the program gives to [`Models::choose`]: whoever gives as many writes the same archives.
    pub const LOOK_AT: u64 = 1 << 16;

    /// The models in the binary whose files are there, the default first.
    pub fn bundled() -> Self {
        static MODELS: OnceLock<Models> = OnceLock::new();
        MODELS.get_or_init(Self::unshared).clone()
    }

    /// As [`Models::bundled`], quantised anew, for the kernel that is the default then.
    pub(crate) fn unshared() -> Self {
        #[cfg(not(surprisal_models = "given"))]
        let files = BUNDLED.iter();
        #[cfg(surprisal_models = "given")]
        let given = GIVEN.lock().expect("nothing panics under the lock");
        #[cfg(surprisal_models = "given")]
        let files = BUNDLED.iter().filter_map(|known| given.iter().find(|files| files.name == known.name));
        Self(files.map(|files| Arc::new(Model::bundled(files))).collect())
    }

    /// The bundled model that codes the beginning of a content in the fewest bits, of those that a
    /// level chooses among. It looks at some hundred lines; a content without a line that any of
    /// them knows gets the first.
    pub fn choose(&self, level: Level, beginning: &[u8]) -> &Arc<Model> {
        let candidates: Vec<_> = self.iter().filter(|model| level.may_choose(model)).collect();
        let costs: Vec<u64> = candidates.par_iter().map(|model| bits(model, beginning)).collect();
        let cheapest = candidates.into_iter().zip(costs).min_by_key(|&(_, cost)| cost);
        cheapest.expect("every family has a model").0
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

    /// The model of an identity; one of this name is looked at first, so that no other need be quantised.
    pub(crate) fn find(&self, identity: Identity, name: &str) -> Option<&Arc<Model>> {
        let (named, others): (Vec<_>, Vec<_>) = self.iter().partition(|model| model.name() == name);
        let mut all = named.into_iter().chain(others);
        all.find(|model| model.identity() == identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_is_quantised() {
        let models = Models::unshared();
        let quantised = || -> Vec<String> {
            let done = models.iter().filter(|model| model.exact.get().is_some());
            done.map(|model| model.name().to_owned()).collect()
        };
        let wanted = Models::unshared().by_name("tiny-leading").unwrap().identity();
        models.find(wanted, "tiny-leading").unwrap();
        assert_eq!(quantised(), ["tiny-leading"]);
        let level = Level::new(3).unwrap();
        assert!(level.may_choose(models.choose(level, b"1+1=2\n")));
        let tried = ["tiny-leading", "tiny-natural", "lite-uniform", "lite-leading"];
        assert_eq!(quantised(), tried);
    }

    #[test]
    fn the_packed_logs_are_those_of_the_folders() {
        for model in Models::unshared().iter() {
            let path = format!("{}/models/{}/{LOG_FILE}", env!("CARGO_MANIFEST_DIR"), model.name());
            let log = std::fs::read_to_string(path).unwrap();
            assert!(log.trim_end() == model.log(), "{}: run models/pack-logs.sh", model.name());
        }
    }

    #[test]
    fn there_are_nine_levels_and_each_has_a_model() {
        for level in [0, 10] {
            assert!(matches!(Level::new(level), Err(Error::Setting { .. })));
        }
        let models = Models::unshared();
        for level in Level::ALL.map(|level| Level::new(level).unwrap()) {
            assert_eq!(models.iter().filter(|model| level.may_choose(model)).count(), 3);
        }
        assert!(Level::default().may_choose(models.default_model()));
    }
}
