//! The options that make a run's settings.

use std::path::{Path, PathBuf};

use anyhow::Result;
use surprisal::model::Preset;
use surprisal::model::training_log::{LoggedPath, ScheduleForm, TrainSettings};
use surprisal::network::DeviceChoice;
use surprisal::text::{Distribution, MAX_DIGITS, Operands};
use surprisal::train::learn_from_file;

use super::super::model::files_in;
use super::super::usage;

/// Everything that a run is made of. None of it goes with `--resume`.
///
/// What is not given comes from [`TrainSettings::default`] or [`TrainSettings::reference`]; the help texts
/// say the former.
#[derive(clap::Args)]
pub struct RunOptions {
    /// The settings of the demonstration that this project re-creates: mini, leading operands, a
    /// constant learning rate of 1e-3 after 10 steps, dropout 0.1, 10,000 validation lines. Other
    /// options override them
    #[arg(long)]
    reference: bool,
    /// Size of the network: pico, tiny, nano, micro or mini [default: tiny]
    #[arg(long)]
    preset: Option<Preset>,
    /// Digits of an operand [default: 8]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DIGITS)))]
    digits: Option<u32>,
    /// How operands are drawn: uniform, leading or natural [default: uniform]
    #[arg(long)]
    operands: Option<Operands>,
    /// Learn from the lines of a text file instead (- is stdin; what comes through a pipe is kept in the
    /// folder as corpus.txt), in its order, later epochs shuffled. With
    /// --digits or --operands all of them must be such lines: then their entropy, and the excess,
    /// are known
    #[arg(long, value_name = "FILE")]
    pub corpus: Option<PathBuf>,
    /// Times that the text file is gone through [default: 1]
    #[arg(long, value_name = "N", requires = "corpus", conflicts_with = "steps", value_parser = clap::value_parser!(u64).range(1..))]
    epochs: Option<u64>,
    /// Start from the weights of another model folder; preset and digits must be those it was made with
    #[arg(long, value_name = "FOLDER")]
    init: Option<PathBuf>,
    /// Keep this many hidden units of each layer, those that weigh most at the start; the others are
    /// zero and stay there, which makes the network compress faster [default: all]
    #[arg(long, value_name = "N")]
    keep_hidden: Option<usize>,
    /// Optimiser steps [default: 15000, with --corpus one epoch]
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// End early, at the first evaluation whose excess is no more than this (nats a token)
    #[arg(long, value_name = "NATS")]
    target_excess: Option<f64>,
    /// Lines of each step [default: 512]
    #[arg(long, value_name = "N")]
    batch_lines: Option<usize>,
    /// Seed of the initial weights, of all lines and of dropout [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Highest learning rate [default: 4e-3]
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// After the warm-up: cosine or linear, down to the final share, or constant [default: cosine]
    #[arg(long, value_name = "SHAPE")]
    schedule: Option<ScheduleForm>,
    /// Steps of linear warm-up [default: 100]
    #[arg(long, value_name = "N")]
    warmup: Option<u64>,
    /// Learning rate at the end, as a share of the highest; a constant one has no use for it
    /// [default: 0.02]
    #[arg(long, value_name = "SHARE")]
    final_share: Option<f64>,
    /// AdamW's beta 1 [default: 0.9]
    #[arg(long, value_name = "BETA")]
    beta1: Option<f64>,
    /// AdamW's beta 2 [default: 0.98]
    #[arg(long, value_name = "BETA")]
    beta2: Option<f64>,
    /// Weight decay of the linear layers' matrices [default: 0.01]
    #[arg(long, value_name = "DECAY")]
    weight_decay: Option<f64>,
    /// Largest global norm of the gradient [default: 1]
    #[arg(long, value_name = "NORM")]
    clip: Option<f64>,
    /// Probability with which features and attention weights are dropped [default: 0]
    #[arg(long, value_name = "P")]
    dropout: Option<f64>,
    /// Quantization-aware training: take the gradient of the network as compressing will round it, so
    /// that it learns to lose nothing by that. On the CPU and without dropout
    #[arg(long)]
    qat: bool,
    /// Steps between two evaluations [default: 250]
    #[arg(long, value_name = "N")]
    eval_every: Option<u64>,
    /// Steps between two checkpoints [default: one at every evaluation]
    #[arg(long, value_name = "N")]
    checkpoint_every: Option<u64>,
    /// Lines of the validation set, which training never sees: at most a quarter of all different
    /// lines, or the last tenth of a text file [default: 4096]
    #[arg(long, value_name = "N")]
    validation_lines: Option<usize>,
    /// Where to compute: auto (today the CPU), cpu, cuda or cuda:N [default: auto]
    #[arg(long)]
    device: Option<DeviceChoice>,
}

/// Sets a setting if an option was given.
fn set<T: Clone>(setting: &mut T, option: &Option<T>) {
    if let Some(value) = option {
        setting.clone_from(value);
    }
}

impl RunOptions {
    /// The files that are read.
    pub fn inputs(&self) -> Vec<PathBuf> {
        let files = self.init.iter().flat_map(|folder| files_in(folder));
        files.chain(self.corpus.clone()).collect()
    }

    /// The settings that they ask for; the corpus is a file.
    ///
    /// # Errors
    /// If they make no sense, or the text file cannot be learned from.
    pub fn settings(&self, corpus: Option<&Path>) -> Result<TrainSettings> {
        let mut s = if self.reference { TrainSettings::reference() } else { TrainSettings::default() };
        set(&mut s.preset, &self.preset);
        set(&mut s.batch_lines, &self.batch_lines);
        set(&mut s.seed, &self.seed);
        set(&mut s.learning_rate, &self.lr);
        set(&mut s.schedule, &self.schedule);
        set(&mut s.warmup, &self.warmup);
        set(&mut s.final_share, &self.final_share);
        set(&mut s.beta1, &self.beta1);
        set(&mut s.beta2, &self.beta2);
        set(&mut s.weight_decay, &self.weight_decay);
        set(&mut s.clip, &self.clip);
        set(&mut s.dropout, &self.dropout);
        set(&mut s.eval_every, &self.eval_every);
        set(&mut s.validation_lines, &self.validation_lines);
        set(&mut s.device, &self.device);
        s.init = self.init.as_ref().map(LoggedPath::new);
        s.keep_hidden = self.keep_hidden;
        s.quantization_aware = self.qat;
        s.target_excess = self.target_excess;
        s.checkpoint_every = self.checkpoint_every;
        s.distribution = self.distribution(s.distribution)?;
        if let Some(file) = corpus {
            learn_from_file(&mut s, file, self.epochs.unwrap_or(1))?;
        }
        set(&mut s.steps, &self.steps);
        s.check().map_err(|error| usage(&error.to_string()))?;
        Ok(s)
    }

    /// What lines are drawn from; of a text file's lines, nothing is known unless it is said.
    fn distribution(&self, default: Option<Distribution>) -> Result<Option<Distribution>> {
        let is_known = self.corpus.is_none() || self.digits.is_some() || self.operands.is_some();
        let Some(default) = default.filter(|_| is_known) else {
            return Ok(None);
        };
        let digits = self.digits.unwrap_or(default.digits());
        let operands = self.operands.unwrap_or(default.operands());
        Ok(Some(Distribution::new(digits, operands)?))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        run: RunOptions,
    }

    fn settings(args: &str) -> TrainSettings {
        let line = Line::parse_from(["train"].into_iter().chain(args.split_whitespace()));
        line.run.settings(None).unwrap()
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        assert_eq!(settings(""), TrainSettings::default());
        assert_eq!(settings("--reference"), TrainSettings::reference());
        let quick = TrainSettings {
            steps: 20,
            preset: Preset::Pico,
            distribution: Distribution::new(3, Operands::Leading).ok(),
            ..TrainSettings::reference()
        };
        assert_eq!(settings("--reference --steps 20 --preset pico --digits 3"), quick);
    }

    /// The help says the defaults in its own words: they must be those of the library.
    #[test]
    fn the_help_tells_the_defaults() {
        let all = "--preset tiny --digits 8 --operands uniform --steps 15000 --batch-lines 512 --seed 1 --lr 4e-3 \
            --schedule cosine --warmup 100 --final-share 0.02 --beta1 0.9 --beta2 0.98 --weight-decay 0.01 --clip 1 \
            --dropout 0 --eval-every 250 --validation-lines 4096 --device auto";
        assert_eq!(settings(all), TrainSettings::default());
        let command = <Line as clap::CommandFactory>::command();
        let given: Vec<&str> = all.split_whitespace().collect();
        for pair in given.chunks(2) {
            let name = pair[0].trim_start_matches('-');
            let option = command.get_arguments().find(|a| a.get_long() == Some(name));
            let help = option.unwrap().get_help().unwrap().to_string();
            assert!(help.contains(&format!("[default: {}", pair[1])), "{name}: {help}");
        }
    }
}
