//! `surprisal train`: makes a model folder.

mod display;
mod options;

use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use surprisal::model::training_log::TrainSettings;
use surprisal::model::{CONFIG_FILE, LOG_FILE, WEIGHTS_FILE};
use surprisal::train::{End, EventFile, Progress, STATE_FILE};

use super::input::{self, Source, for_each_chunk};
use super::model::MODEL_FILES;
use super::output::{Content, Guard, Target, folder_parser};
use super::{in_pool, interrupt, say};
use display::Display;
use options::RunOptions;

/// What a corpus is kept as that does not come from a file.
const CORPUS_FILE: &str = "corpus.txt";

/// Train a model on addition lines, or on the lines of a text file.
///
/// Every step sees lines that were never seen before. At every evaluation a row says how far the
/// run is, and the folder gets a whole checkpoint: config.json, model.safetensors, training.jsonl,
/// and training-state.safetensors, from which --resume goes on. Losses are nats a token; the excess
/// is the validation loss above the entropy of the lines.
///
/// Emergence begins at the first evaluation with more than 1 % of the sums right, and ends at the
/// first of five in a row with at least 99 %.
///
/// Ctrl-C ends a run after its step, with a checkpoint; a second one ends it at once. A run that was
/// killed goes on from its last checkpoint. Either way it ends with the weights and the log of a run
/// that was never stopped, but for the log's seconds.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  surprisal train -o runs/tiny
  surprisal train --resume runs/tiny
  surprisal train -o runs/nano --preset nano --operands natural --steps 20000
  surprisal train -o runs/natural --operands natural --init runs/tiny --lr 1e-3 --target-excess 5e-5
  surprisal train -o runs/text --corpus book.txt --epochs 3
  surprisal train -o runs/reference --reference
  surprisal compress -m runs/nano --embed-model sums.txt")]
pub struct Args {
    /// Folder for the model
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "resume", conflicts_with = "resume", value_parser = folder_parser())]
    output: Option<PathBuf>,
    /// Go on with the run in this folder, with its own settings
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["RunOptions", "force"])]
    resume: Option<PathBuf>,
    /// Train into a folder that holds a model or a run, which is overwritten
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    run: RunOptions,
    /// Threads; 0 is one for every core
    #[arg(short = 'T', long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    threads: u16,
    /// Write what TensorBoard shows into this folder, too, as the run goes on: each evaluation's losses, rates and norms
    #[arg(long, value_name = "FOLDER", value_parser = folder_parser())]
    tensorboard: Option<PathBuf>,
    /// Print no records
    #[arg(short, long)]
    quiet: bool,
    /// Show no progress bar
    #[arg(long)]
    no_progress: bool,
}

impl Args {
    /// Trains to the end, or to the first Ctrl-C.
    pub fn run(&self) -> Result<ExitCode> {
        let mut display = Display::new(self.quiet, self.no_progress);
        let (folder, settings) = match (&self.resume, &self.output) {
            (Some(folder), _) => (folder, None),
            (None, Some(folder)) => (folder, Some(self.begin(folder)?)),
            (None, None) => unreachable!("clap asks for one of them"),
        };
        let events = self.tensorboard.as_deref().map(EventFile::create).transpose();
        let mut events = events.context("--tensorboard")?;
        let watch = |progress: Progress| {
            // Before the run begins, whatever it waits for, an interrupt ends the program.
            interrupt::note_the_first();
            display.show(progress);
            if let Some(events) = &mut events {
                events.show(progress);
            }
            if interrupt::was_interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let end = in_pool(super::threads(self.threads), || match &settings {
            Some(settings) => surprisal::train::train(settings, folder, watch),
            None => surprisal::train::resume(folder, watch),
        })??;
        let printed = display.finish().and(events.map_or(Ok(()), |events| Ok(events.finish()?)));
        let folder = folder.display();
        match end {
            End::Finished => {}
            End::HadFinished => say(&format!("{folder}: this run is at its end already")),
            End::Interrupted { step } => {
                say(&format!("interrupted after step {step}; to go on: surprisal train --resume {folder}"));
                return Ok(ExitCode::from(interrupt::EXIT_CODE));
            }
        }
        printed.context("trained, but not all was told")?;
        Ok(ExitCode::SUCCESS)
    }

    /// Makes candle, which computes with dropout, take the threads of `-T`: it asks the environment alone. To be
    /// called before any thread is started.
    #[allow(unsafe_code, reason = "the environment is candle's only option for this")]
    pub fn limit_candle(&self) {
        for name in ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"] {
            // SAFETY: the program has one thread only.
            unsafe {
                match self.threads {
                    0 => std::env::remove_var(name),
                    threads => std::env::set_var(name, threads.to_string()),
                }
            }
        }
    }

    /// The settings of a new run in a folder.
    fn begin(&self, folder: &Path) -> Result<TrainSettings> {
        self.refuse_to_overwrite(folder)?;
        let corpus = self.keep_corpus(folder)?;
        let settings = self.run.settings(corpus.as_deref());
        match (&corpus, &self.run.corpus) {
            (Some(kept), Some(named)) if kept != named => {
                settings.with_context(|| input::name(named)).inspect_err(|_| {
                    // The settings' error is the one to tell.
                    let _ = std::fs::remove_file(kept).and_then(|()| std::fs::remove_dir(folder));
                })
            }
            _ => settings,
        }
    }

    fn refuse_to_overwrite(&self, folder: &Path) -> Result<()> {
        let holds = |name: &str| folder.join(name).exists();
        let shown = folder.display();
        if !self.force && holds(STATE_FILE) {
            bail!(
                "{shown} holds a run already: use --resume to go on with it, -f to overwrite it, or name another folder"
            );
        }
        if !self.force && [CONFIG_FILE, WEIGHTS_FILE, LOG_FILE].into_iter().any(holds) {
            bail!("{shown} holds a model already: use -f to overwrite it, or name another folder");
        }
        Guard::new(&self.run.inputs(), self.force, self.quiet).refuse_files(folder, &MODEL_FILES)
    }

    /// The text to learn from: a file, or what a pipe gave, kept in the folder to be read again.
    fn keep_corpus(&self, folder: &Path) -> Result<Option<PathBuf>> {
        let Some(corpus) = &self.run.corpus else {
            return Ok(None);
        };
        let source = Source::open(corpus).with_context(|| input::name(corpus))?;
        if source.original().is_some() {
            return Ok(Some(corpus.to_owned()));
        }
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let kept = folder.join(CORPUS_FILE);
        let mut output =
            Guard::new(&[], self.force, self.quiet).open(&Target::File(kept.clone()), Content::Text)?;
        for_each_chunk(source, "cannot read the corpus", |data| {
            output.write_all(data).context("cannot keep the corpus")
        })?;
        output.finish(None)?;
        Ok(Some(kept))
    }
}
