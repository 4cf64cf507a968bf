//! `surprisal models`: the models in the program, and models for other programs.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use surprisal::model::Checkpoint;
use surprisal::model::training_log::{TrainSettings, TrainingLog};
use surprisal::{Level, Model, Models};

use super::model::{files_in, named_or_in};
use super::output::{Guard, folder_parser, write_folder};
use super::streams::print;
use super::text::{grouped, table};

/// List the models in the program, or export one.
///
/// A model's excess is its loss above the entropy of what it was trained on: what a token costs
/// more than it must. Of a model from quantization-aware training both are those of the network as
/// it is rounded. `compress` takes, of the models of its level, the one that codes the first lines
/// best.
#[derive(clap::Args)]
#[command(after_help = "\
--json prints one object: models, for each of which there are name, identity, levels (of
compress), parameters, nonzero_parameters, weights_bytes (of model.safetensors), config (as config.json has it), trained_on, steps, lines,
validation_loss and excess (nats a token). What the model's log does not tell is null.")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand)]
enum Action {
    Export(Export),
}

/// Write a model's folder for another library
///
/// hf: config.json, model.safetensors and a tokenizer, which Hugging Face's AutoModelForCausalLM and AutoTokenizer
/// load. The weights are the same numbers; -m and --init take the folder back.
#[derive(clap::Args)]
struct Export {
    /// A bundled model's name, or a folder with config.json and model.safetensors
    #[arg(value_name = "NAME|FOLDER")]
    model: PathBuf,
    /// The library
    #[arg(long, value_name = "LIBRARY")]
    to: Library,
    /// Folder to write
    #[arg(short, long, value_name = "FOLDER", value_parser = folder_parser())]
    output: PathBuf,
    /// Replace an exported model that is there
    #[arg(short, long)]
    force: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Library {
    /// Hugging Face's transformers
    Hf,
}

impl Export {
    fn run(&self) -> Result<()> {
        let named = || self.model.display().to_string();
        let model = named_or_in(&self.model, &Models::bundled()).with_context(named)?;
        let (config, weights) = model.files();
        let checkpoint = Checkpoint::from_bytes(config, weights)?;
        let inputs: Vec<PathBuf> = files_in(&self.model).collect();
        Guard::new(&inputs, self.force, true).check_folder(&self.output, &Checkpoint::HUGGING_FACE_FILES)?;
        let Library::Hf = self.to;
        write_folder(&self.output, |path| checkpoint.save_hugging_face(path))
            .with_context(|| format!("cannot write {}", self.output.display()))
    }
}

impl Args {
    /// Prints the list, or writes a folder.
    pub fn run(&self) -> Result<()> {
        if let Some(Action::Export(export)) = &self.action {
            return export.run();
        }
        let models = Models::bundled();
        print(&if self.json {
            let models: Vec<Value> = models.iter().map(|model| to_json(model)).collect();
            json!({ "models": models }).to_string() + "\n"
        } else {
            to_text(&models)
        })
    }
}

fn to_json(model: &Model) -> Value {
    let log = TrainingLog::parse(model.log()).ok();
    let settings = log.as_ref().map(|log| &log.settings);
    let last = log.as_ref().and_then(|log| log.records.last());
    let (config, weights) = model.files();
    let checkpoint = Checkpoint::from_bytes(config, weights).expect("a model's own files");
    json!({
        "name": model.name(),
        "identity": model.identity(),
        "levels": levels(model),
        "parameters": model.config().parameters(),
        "nonzero_parameters": checkpoint.nonzero_parameters(),
        "weights_bytes": model.files().1.len(),
        "config": model.config(),
        "trained_on": settings.map(TrainSettings::trained_on),
        "steps": last.map(|r| r.step),
        "lines": last.map(|r| r.lines),
        "validation_loss": last.map(|r| r.validation_loss),
        "excess": last.and_then(|r| r.excess),
    })
}

/// The levels of `compress` that may choose it.
fn levels(model: &Model) -> Vec<u8> {
    let chooses = |&level: &u8| Level::new(level).is_ok_and(|level| level.may_choose(model));
    Level::ALL.filter(chooses).collect()
}

fn to_text(models: &Models) -> String {
    let number = |value: &Value| value.as_u64().map_or("-".into(), grouped);
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let nats = |value: &Value| value.as_f64().map_or("-".into(), |x| format!("{x:.6}"));
    let range = |levels: &Value| match levels.as_array().map(Vec::as_slice) {
        Some([first, .., last]) => format!("-{first} to -{last}"),
        Some([only]) => format!("-{only}"),
        _ => "-".into(),
    };
    table(
        models.iter().map(|model| to_json(model)),
        &[
            ("name", &|m| text(&m["name"])),
            ("levels", &|m| range(&m["levels"])),
            ("weights not 0", &|m| number(&m["nonzero_parameters"])),
            ("bytes of weights", &|m| number(&m["weights_bytes"])),
            ("trained on", &|m| text(&m["trained_on"])),
            ("lines seen", &|m| number(&m["lines"])),
            ("loss (nats/token)", &|m| nats(&m["validation_loss"])),
            ("excess", &|m| nats(&m["excess"])),
            ("identity", &|m| text(&m["identity"])),
        ],
    )
}
