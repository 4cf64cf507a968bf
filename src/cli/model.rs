//! Which model codes: a bundled one by name or by level, or one in a folder.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use surprisal::model::{CONFIG_FILE, LOG_FILE, WEIGHTS_FILE};
use surprisal::{Level, Model, Models};

use super::in_pool;

/// The files of a model folder; the last one is a training's.
pub const MODEL_FILES: [&str; 4] = [CONFIG_FILE, WEIGHTS_FILE, LOG_FILE, "training-state.safetensors"];

/// The option that names a model.
#[derive(clap::Args)]
pub struct ModelOption {
    /// Model: a bundled one's name, a folder with config.json and model.safetensors, or auto
    #[arg(short, long, value_name = "NAME|FOLDER")]
    model: Option<PathBuf>,
}

impl ModelOption {
    /// The bundled models, the one that was asked for before all others.
    ///
    /// # Errors
    /// If there is none of that name and no such folder, or the folder's model is not usable.
    pub fn models(&self) -> Result<Models> {
        let mut models = Models::bundled();
        if let Some(wanted) = self.named() {
            let model = named_or_in(wanted, &models).with_context(|| format!("-m {}", wanted.display()))?;
            models.add(model);
        }
        Ok(models)
    }

    /// Whether a model was named.
    pub fn is_given(&self) -> bool {
        self.named().is_some()
    }

    /// The model for a content that begins so: the one that was named, or the level's best for it.
    ///
    /// # Errors
    /// If the threads that try the models cannot be started.
    pub fn choose(
        &self,
        models: &Models,
        level: Level,
        beginning: &[u8],
        threads: usize,
    ) -> Result<Arc<Model>> {
        if self.is_given() {
            return Ok(Arc::clone(models.default_model()));
        }
        in_pool(threads, || Arc::clone(models.choose(level, beginning)))
    }

    /// As [`ModelOption::choose`], and the content from its beginning.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn choose_and_read<R: Read>(
        &self,
        models: &Models,
        level: Level,
        mut content: R,
        threads: usize,
    ) -> Result<(Arc<Model>, impl Read + use<R>)> {
        let mut beginning = Vec::new();
        if !self.is_given() {
            let mut start = content.by_ref().take(Models::LOOK_AT);
            start.read_to_end(&mut beginning).context("cannot read it")?;
        }
        let model = self.choose(models, level, &beginning, threads)?;
        Ok((model, Cursor::new(beginning).chain(content)))
    }

    /// The folder of the model, if it is not a bundled one.
    pub fn folder(&self) -> Option<&Path> {
        self.named().filter(|path| path.is_dir())
    }

    /// The files that are read: these and those of the model's folder.
    pub fn inputs(&self, files: &[PathBuf]) -> Vec<PathBuf> {
        files.iter().cloned().chain(self.folder().into_iter().flat_map(files_in)).collect()
    }

    fn named(&self) -> Option<&Path> {
        self.model.as_deref().filter(|name| name.as_os_str() != "auto")
    }
}

/// The files of a model folder.
pub fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    MODEL_FILES.iter().map(|file| folder.join(file))
}

/// The bundled model of a name, or the model in a folder.
///
/// # Errors
/// If there is neither, or the folder's model is not usable.
pub fn named_or_in(wanted: &Path, bundled: &Models) -> Result<Arc<Model>> {
    if let Some(model) = wanted.to_str().and_then(|name| bundled.by_name(name)) {
        return Ok(Arc::clone(model));
    }
    if !wanted.exists() {
        let names: Vec<&str> = bundled.iter().map(|model| model.name()).collect();
        bail!(
            "neither a bundled model ({}) nor a folder with config.json and model.safetensors",
            names.join(", ")
        );
    }
    Ok(Arc::new(Model::load(wanted)?))
}
