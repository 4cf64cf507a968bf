//! `surprisal models`: the models in the program.

use anyhow::Result;
use serde_json::{Value, json};
use surprisal::model::Checkpoint;
use surprisal::model::training_log::{TrainSettings, TrainingLog};
use surprisal::{Level, Model, Models};

use super::streams::print;
use super::text::{grouped, table};

/// List the models in the program.
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
pub struct Args {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

impl Args {
    /// Prints the list.
    pub fn run(&self) -> Result<()> {
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
