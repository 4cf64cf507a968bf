//! Which model codes: a bundled one by name, or one in a folder.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use surprisal::{Model, Models};

/// The option that names a model.
#[derive(clap::Args)]
pub struct ModelOption {
    /// Model: a bundled one's name, or a folder with config.json and model.safetensors
    #[arg(short, long, value_name = "NAME|FOLDER")]
    model: Option<String>,
}

impl ModelOption {
    /// Whether one was named.
    pub fn is_given(&self) -> bool {
        self.model.is_some()
    }

    /// The bundled models, the one that was asked for before all others.
    ///
    /// # Errors
    /// If there is none of that name and no such folder, or the folder's model is not usable.
    pub fn models(&self) -> Result<Models> {
        let mut models = Models::bundled();
        if let Some(wanted) = &self.model {
            let model = match models.by_name(wanted) {
                Some(bundled) => Arc::clone(bundled),
                None => Arc::new(load(wanted, &models)?),
            };
            models.add(model);
        }
        Ok(models)
    }
}

fn load(wanted: &str, bundled: &Models) -> Result<Model> {
    let folder = Path::new(wanted);
    if !folder.is_dir() {
        let names: Vec<&str> = bundled.iter().map(|model| model.name()).collect();
        bail!(
            "-m {wanted}: neither a bundled model ({}) nor a folder with config.json and model.safetensors",
            names.join(", ")
        );
    }
    Model::load(folder).with_context(|| format!("-m {wanted}"))
}
