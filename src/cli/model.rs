//! Which model codes: a bundled one by name, or one in a folder.

use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use surprisal::bundle::Level;
use surprisal::{Model, Models};

/// The option that names a model.
#[derive(clap::Args)]
pub struct ModelOption {
    /// Model: a bundled one's name, a folder with config.json and model.safetensors, or auto
    #[arg(short, long, value_name = "NAME|FOLDER")]
    model: Option<String>,
}

impl ModelOption {
    /// The bundled models, the one that was asked for before all others.
    ///
    /// # Errors
    /// If there is none of that name and no such folder, or the folder's model is not usable.
    pub fn models(&self) -> Result<Models> {
        let mut models = Models::bundled();
        if let Some(wanted) = self.named() {
            let model = match models.by_name(wanted) {
                Some(bundled) => Arc::clone(bundled),
                None => Arc::new(load(wanted, &models)?),
            };
            models.add(model);
        }
        Ok(models)
    }

    fn named(&self) -> Option<&String> {
        self.model.as_ref().filter(|name| *name != "auto")
    }
}

/// The size of the network, which decides between speed and size.
#[derive(clap::Args)]
#[group(multiple = false)]
pub struct LevelOption {
    /// Fastest: the lite models (as -2 and -3)
    #[arg(short = '1', long = "fast", conflicts_with = "model")]
    l1: bool,
    #[arg(short = '2', hide = true, conflicts_with = "model")]
    l2: bool,
    #[arg(short = '3', hide = true, conflicts_with = "model")]
    l3: bool,
    #[arg(short = '4', hide = true, conflicts_with = "model")]
    l4: bool,
    #[arg(short = '5', hide = true, conflicts_with = "model")]
    l5: bool,
    /// The default: the tiny models (as -4 to -9)
    #[arg(short = '6', conflicts_with = "model")]
    l6: bool,
    #[arg(short = '7', hide = true, conflicts_with = "model")]
    l7: bool,
    #[arg(short = '8', hide = true, conflicts_with = "model")]
    l8: bool,
    /// Smallest: the tiny models too, as no larger one in the program compresses more
    #[arg(short = '9', long = "best", conflicts_with = "model")]
    l9: bool,
}

impl LevelOption {
    fn level(&self) -> Level {
        let all = [
            self.l1, self.l2, self.l3, self.l4, self.l5, self.l6, self.l7, self.l8, self.l9,
        ];
        let given = (1..).zip(all).find_map(|(n, given)| given.then_some(n));
        given.map_or_else(Level::default, |n| Level::new(n).expect("within 1 to 9"))
    }
}

/// Which model compresses: one for all files, or for each the one that suits it.
#[derive(clap::Args)]
pub struct ModelChoice {
    #[command(flatten)]
    option: ModelOption,
    #[command(flatten)]
    level: LevelOption,
}

/// Bytes of a content that the choice of its model looks at.
const LOOK_AT: u64 = 1 << 16;

impl ModelChoice {
    /// As [`ModelOption::models`].
    ///
    /// # Errors
    /// As there.
    pub fn models(&self) -> Result<Models> {
        self.option.models()
    }

    /// Whether a model was named.
    pub fn is_given(&self) -> bool {
        self.option.named().is_some()
    }

    /// The model for a content that begins so.
    pub fn choose(&self, models: &Models, beginning: &[u8]) -> Arc<Model> {
        Arc::clone(match self.is_given() {
            true => models.default_model(),
            false => models.choose(self.level.level(), beginning),
        })
    }

    /// The model for a content, and the content from its beginning.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn choose_and_read<R: Read>(
        &self,
        models: &Models,
        mut content: R,
    ) -> Result<(Arc<Model>, impl Read + use<R>)> {
        let mut beginning = Vec::new();
        if !self.is_given() {
            let mut start = content.by_ref().take(LOOK_AT);
            start.read_to_end(&mut beginning).context("cannot read it")?;
        }
        let model = self.choose(models, &beginning);
        Ok((model, Cursor::new(beginning).chain(content)))
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
