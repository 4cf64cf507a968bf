//! `surprisal train`: makes a model folder.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use surprisal::corpus::{MAX_DIGITS, Operands};
use surprisal::model::{CONFIG_FILE, Preset, WEIGHTS_FILE};
use surprisal::train::Progress;
use surprisal::training_log::{Record, Settings, Shape};

/// Train a model on addition lines.
///
/// Every step sees fresh lines. At every evaluation a line says how far it is, and the folder gets
/// a whole checkpoint: config.json, model.safetensors and training.jsonl. Losses are nats a token;
/// the excess is the validation loss above the entropy of the lines.
///
/// Emergence begins at the first evaluation with more than 1 % of the sums right, and ends at the
/// first of five in a row with at least 99 %.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  surprisal train -o runs/tiny
  surprisal train -o runs/nano --preset nano --operands natural --steps 20000
  surprisal train -o runs/natural --operands natural --init runs/tiny --lr 1e-3 --target-excess 5e-5
  surprisal compress -m runs/nano --embed-model sums.txt")]
pub struct Args {
    /// Folder for the model
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,
    /// Train into a folder that holds a model, which is overwritten
    #[arg(short, long)]
    force: bool,
    /// Size of the network: pico, tiny, nano, micro or mini
    #[arg(long, default_value = "tiny")]
    preset: Preset,
    /// Digits of an operand
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DIGITS)))]
    digits: u32,
    /// How operands are drawn: uniform, leading or natural
    #[arg(long, default_value_t = Operands::Uniform)]
    operands: Operands,
    /// Start from the weights of another model folder; preset and digits must be those it was made with
    #[arg(long, value_name = "FOLDER")]
    init: Option<String>,
    /// Optimiser steps
    #[arg(long, default_value_t = 15_000)]
    steps: u64,
    /// End early, at the first evaluation whose excess is no more than this (nats a token)
    #[arg(long, value_name = "NATS")]
    target_excess: Option<f64>,
    /// Fresh lines of each step
    #[arg(long, default_value_t = 512)]
    batch_lines: usize,
    /// Seed of the initial weights and of all lines
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Highest learning rate
    #[arg(long, default_value_t = 4e-3)]
    lr: f64,
    /// After the warm-up: cosine or linear, down to the final share, or constant
    #[arg(long, default_value_t = Shape::Cosine)]
    schedule: Shape,
    /// Steps of linear warm-up
    #[arg(long, default_value_t = 100)]
    warmup: u64,
    /// Learning rate at the end, as a share of the highest; a constant one has no use for it
    #[arg(long, default_value_t = 0.02)]
    final_share: f64,
    /// AdamW's beta 1
    #[arg(long, default_value_t = 0.9)]
    beta1: f64,
    /// AdamW's beta 2
    #[arg(long, default_value_t = 0.98)]
    beta2: f64,
    /// Weight decay of the linear layers' matrices
    #[arg(long, default_value_t = 0.01)]
    weight_decay: f64,
    /// Largest global norm of the gradient
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Steps between two evaluations
    #[arg(long, default_value_t = 250)]
    eval_every: u64,
    /// Lines of the validation set
    #[arg(long, default_value_t = 4096)]
    validation_lines: usize,
    /// Print no records
    #[arg(short, long)]
    quiet: bool,
}

impl Args {
    /// Trains to the end.
    pub fn run(&self) -> Result<()> {
        let folder = self.output.display();
        let holds_model = [CONFIG_FILE, WEIGHTS_FILE]
            .iter()
            .any(|name| self.output.join(name).exists());
        if holds_model && !self.force {
            bail!("{folder} holds a model already: use -f to overwrite it, or name another folder");
        }
        let settings = self.settings();
        let mut printed = Ok(());
        if !self.quiet {
            printed = writeln!(std::io::stdout(), "{HEAD}");
        }
        let mut last = (0, 0.0);
        let report = |progress: Progress| {
            let line = match progress {
                Progress::Record(record) => {
                    let line = row(record, last, &settings);
                    last = (record.lines, record.seconds);
                    line
                }
                Progress::Event(event) => format!("          {event}"),
            };
            // A reader that has gone does not end a long run.
            if !self.quiet && printed.is_ok() {
                printed = writeln!(std::io::stdout(), "{line}");
            }
        };
        surprisal::train::train(&settings, &self.output, report).with_context(|| folder.to_string())?;
        printed.context("trained, but cannot write to stdout")
    }

    fn settings(&self) -> Settings {
        Settings {
            preset: self.preset,
            digits: self.digits,
            operands: self.operands,
            init: self.init.clone(),
            steps: self.steps,
            target_excess: self.target_excess,
            batch_lines: self.batch_lines,
            seed: self.seed,
            learning_rate: self.lr,
            schedule: self.schedule,
            warmup: self.warmup,
            final_share: self.final_share,
            beta1: self.beta1,
            beta2: self.beta2,
            weight_decay: self.weight_decay,
            clip: self.clip,
            eval_every: self.eval_every,
            validation_lines: self.validation_lines,
        }
    }
}

const HEAD: &str =
    "    step       lines  train loss  validation     excess  sums right         lr  lines/s  time left";

/// A record as a line; `last` has the lines and seconds of the one before.
fn row(record: &Record, last: (u64, f64), settings: &Settings) -> String {
    let Record {
        step,
        lines,
        train_loss,
        validation_loss,
        excess,
        sum_accuracy,
        learning_rate,
        seconds,
        ..
    } = record;
    let rate = (lines - last.0) as f64 / (seconds - last.1).max(1e-9);
    let left = seconds / *step as f64 * settings.steps.saturating_sub(*step) as f64;
    let left = indicatif::HumanDuration(std::time::Duration::from_secs_f64(left));
    let excess = excess.map_or("-".into(), |nats| format!("{nats:.6}"));
    format!(
        "{step:8}  {lines:10}  {train_loss:10.6}  {validation_loss:10.6}  {excess:>9}  {:9.3}%  {learning_rate:9.3e}  \
         {rate:7.0}  {left:#}",
        100.0 * sum_accuracy
    )
}
