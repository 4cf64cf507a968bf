//! Coding while learning: the options that `compress` and `report` share, and what belongs to
//! `compress --learn` alone.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;
use surprisal::learner::{BatchRecord, Learner, LearnerSettings};
use surprisal::model::{GptConfig, Preset};
use surprisal::report::{LearningWindow, WINDOW};
use surprisal::text::Survey;
use surprisal::{CompressOptions, LearnOptions, Model, Observer};

use super::model::MODEL_FILES;
use super::output::{Content, Guard, Output, Target, folder_parser, write_folder};
use super::progress::Progress;

/// How a learner learns: with the same options `report --learn` tells of the archive that
/// `compress --learn` writes.
#[derive(clap::Args)]
pub struct LearnerOptions {
    /// Lines of a batch: what a step is taken on
    #[arg(long, value_name = "N", requires = "learn", value_parser = clap::value_parser!(u16).range(1..=4096))]
    batch_lines: Option<u16>,
    /// The highest learning rate
    #[arg(long, value_name = "RATE", requires = "learn")]
    lr: Option<f32>,
    /// What the first weights are drawn from
    #[arg(long, requires = "learn", default_value_t = 1)]
    seed: u64,
    /// Further steps for each batch, on lines drawn from those before: costs time, not bytes
    #[arg(long, value_name = "STEPS", requires = "learn", default_value_t = 0)]
    replay: u8,
    /// Where lines cost what they cost before and the gradient is noise, take a step on every second batch only, then on
    /// every fourth, up to every Nth; 1 takes one on each [default: 8]
    #[arg(long, value_name = "N", requires = "learn", hide_possible_values = true, value_parser = PossibleValuesParser::new(["1", "2", "4", "8", "16", "32", "64"]).map(|n| n.parse::<u8>().expect("a number")))]
    stride: Option<u8>,
}

impl LearnerOptions {
    /// The library's options.
    pub fn options(
        &self,
        preset: Preset,
        survey: Option<Survey>,
        substitute: Option<&Arc<Model>>,
        threads: usize,
        observer: Observer,
    ) -> CompressOptions {
        let learning = LearnOptions::default()
            .with_preset(preset)
            .with_batch_lines(self.batch_lines.map(usize::from))
            .with_rate(self.lr)
            .with_seed(self.seed)
            .with_replay(self.replay)
            .with_stride(self.stride)
            .with_survey(survey)
            .with_substitute(substitute.cloned());
        CompressOptions::default().with_coder(learning).with_threads(threads).with_observer(observer)
    }
}

/// Options of `compress --learn`.
#[derive(clap::Args)]
pub struct LearnArgs {
    /// Begin with a network that knows nothing and learn from every batch of lines behind it: the
    /// archive needs no model. Pays for many lines that share a rule and repeat little of each other.
    /// Presets: pico, tiny, nano, micro, mini
    #[arg(long, value_name = "PRESET", num_args = 0..=1, require_equals = true, default_missing_value = "nano", conflicts_with_all = ["model", "embed_model"])]
    pub learn: Option<Preset>,
    #[command(flatten)]
    learner: LearnerOptions,
    /// Keep what was learned as a model folder; with -f it replaces another model's
    #[arg(long, value_name = "FOLDER", requires = "learn", value_parser = folder_parser())]
    save_model: Option<PathBuf>,
    /// Write how the surprisal fell to this file (- is stdout), as JSON lines
    #[arg(long, value_name = "FILE", requires = "learn")]
    log: Option<PathBuf>,
}

/// A log that is being written, shared with the observer of batches.
pub type SharedLog = Arc<Mutex<Log>>;

impl LearnArgs {
    /// What can be said only of one input.
    pub fn of_one_input(&self) -> Option<&'static str> {
        let named = [(&self.save_model, "--save-model"), (&self.log, "--log")];
        named.iter().find(|(path, _)| path.is_some()).map(|(_, name)| *name)
    }

    /// Opens the log, if there is to be one, and makes sure that the model folder can be made.
    pub fn open(&self, guard: &mut Guard) -> Result<Option<SharedLog>> {
        let open = |path| guard.open(&Target::named(path), Content::Text);
        let log = self.log.as_deref().map(open).transpose().context("--log")?;
        if let Some(folder) = &self.save_model {
            let checked = guard.check_folder(folder, &MODEL_FILES);
            checked.context("--save-model")?;
        }
        Ok(log.map(|file| Arc::new(Mutex::new(Log { file: Some(file), ..Log::default() }))))
    }

    /// The library's options.
    pub fn options(
        &self,
        preset: Preset,
        survey: Option<Survey>,
        substitute: &Arc<Model>,
        threads: usize,
        progress: &Progress,
        log: Option<SharedLog>,
    ) -> CompressOptions {
        let mut shown = progress.learning();
        let observer = Observer::of_batches(move |record| {
            shown(record);
            if let Some(log) = &log {
                log.lock().expect("no observer panicked").batch(record);
            }
        });
        self.learner.options(preset, survey, Some(substitute), threads, observer)
    }

    /// Keeps what was learned, where that was asked for.
    pub fn save(&self, learner: &Learner) -> Result<()> {
        let Some(folder) = &self.save_model else {
            return Ok(());
        };
        let failed = || format!("--save-model {}", folder.display());
        let checkpoint = learner.checkpoint().with_context(failed)?;
        write_folder(folder, |path| checkpoint.save(path)).with_context(failed)
    }
}

/// How the surprisal falls, a record for every window of lines.
#[derive(Default)]
pub struct Log {
    /// None after the end.
    file: Option<Output>,
    /// What was not yet written, and what was.
    open: LearningWindow,
    written: LearningWindow,
    failed: Option<std::io::Error>,
}

impl Log {
    fn batch(&mut self, record: &BatchRecord) {
        if let Some(window) = self.open.add(&record.into(), WINDOW) {
            self.write(&window);
        }
    }

    fn write(&mut self, window: &LearningWindow) {
        self.written.merge(window);
        let LearningWindow { batches, steps, last_step, .. } = self.written;
        let mut record = serde_json::to_value(window).expect("plain data");
        // Those of the whole log stand in the place of the window's own.
        let fields = record.as_object_mut().expect("a struct");
        fields.retain(|name, _| name != "batches" && name != "steps");
        record["batch"] = batches.into();
        record["step"] = steps.into();
        record["gradient_norm"] = json!(last_step.map(|step| step.gradient_norm));
        record["learning_rate"] = json!(last_step.map(|step| step.rate));
        record["agreement"] = json!(window.agreement());
        if let Some(Err(error)) = self.file.as_mut().map(|file| writeln!(file, "{record}")) {
            self.failed.get_or_insert(error);
        }
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// If that, or something before, could not be written.
    pub fn finish(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.open);
        if rest.batches > 0 {
            self.write(&rest);
        }
        if let Some(error) = self.failed.take() {
            return Err(error).context("cannot write the log");
        }
        self.file.take().map_or(Ok(()), |file| file.finish(None))
    }
}

/// A learner and all of its settings, in one line.
pub fn learner_text(settings: &LearnerSettings) -> String {
    let LearnerSettings {
        batch_lines,
        rate,
        warmup,
        steps,
        final_share,
        matrix_rate,
        matrix_beta,
        beta1,
        beta2,
        weight_decay,
        clip,
        seed,
        replay,
        stride,
        ..
    } = settings;
    let falls = match steps {
        0 => "falling with the root of the steps".into(),
        steps => format!("falling over {steps} steps to {final_share} of it"),
    };
    // It is a quotient of rates in binary32: shown without what that left behind the fifth digit.
    let matrix_rate = (f64::from(*matrix_rate) * 1e5).round() / 1e5;
    format!(
        "{}; batches of {batch_lines} lines, rate {rate} after {warmup} steps, {falls}, matrices {matrix_rate} times that, \
         moments {matrix_beta} for matrices, {beta1} and {beta2} else, weight decay {weight_decay}, clip {clip}, seed {seed}, replay {replay}, stride up to {stride}",
        shape_text(&settings.config)
    )
}

/// The shape of a learner's network in a few words.
pub fn shape_text(config: &GptConfig) -> String {
    format!(
        "{} layers, {} heads, {} wide, {} symbols, lines up to {}",
        config.n_layer,
        config.n_head,
        config.n_embd,
        config.vocab_size - 2,
        config.max_line_len()
    )
}
