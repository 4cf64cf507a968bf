//! All knobs of a run.

use serde::{Deserialize, Serialize};

use super::LoggedPath;
use crate::model::Preset;
use crate::network::DeviceChoice;
use crate::schedule::{Schedule, ScheduleForm, WarmupOrder};
use crate::text::{Distribution, Operands};
use crate::{Error, Result};

/// All knobs of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSettings {
    /// Size of the network.
    pub preset: Preset,
    /// What lines are drawn from or, with a text file, what its lines are known to be drawn from;
    /// none where that is not known. In the log: `digits` and `operands`.
    #[serde(flatten)]
    pub distribution: Option<Distribution>,
    /// The text file that lines are taken from, if they are not drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corpus: Option<CorpusFile>,
    /// The model folder whose weights the run starts from, as it was named; drawn from the seed if
    /// there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<LoggedPath>,
    /// Hidden units of each layer to keep of the weights that the run starts from, the heaviest: the
    /// others are set to zero and stay there (structured pruning).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_hidden: Option<usize>,
    /// Optimiser steps.
    pub steps: u64,
    /// The excess, nats a token, at which the run ends before its steps are done: it is looked at
    /// when the network is evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_excess: Option<f64>,
    /// Lines of each step. The last step of an epoch of a text file has fewer.
    pub batch_lines: usize,
    /// Seed of the initial weights, of all lines and of dropout.
    pub seed: u64,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// What the learning rate does after its warm-up.
    #[serde(default)]
    pub schedule: ScheduleForm,
    /// Steps of linear warm-up.
    pub warmup: u64,
    /// Learning rate at the end, as a share of the highest.
    pub final_share: f64,
    /// AdamW's β1.
    pub beta1: f64,
    /// AdamW's β2.
    pub beta2: f64,
    /// Weight decay of the linear layers' matrices.
    pub weight_decay: f64,
    /// Largest global norm of the gradient.
    pub clip: f64,
    /// Probability with which a feature or an attention weight is dropped in training.
    #[serde(default)]
    pub dropout: f64,
    /// Whether the network is rounded as the exact one is, for the gradient (straight-through
    /// estimator) as for the records.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quantization_aware: bool,
    /// Steps between two evaluations, each with a record.
    pub eval_every: u64,
    /// Steps between two checkpoints; as [`TrainSettings::eval_every`] if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<u64>,
    /// Lines of the validation set, which training never sees. Of drawn lines it holds at most a
    /// quarter of all different ones.
    pub validation_lines: usize,
    /// Where the network computes.
    #[serde(default)]
    pub device: DeviceChoice,
}

/// A text file that a run learns from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorpusFile {
    /// The file, as it was named.
    pub path: LoggedPath,
    /// Lines of an epoch: those of the file without the validation set.
    pub lines: u64,
    /// BLAKE3 of its bytes, hexadecimal: a run goes on with the same bytes only.
    pub blake3: String,
}

/// What `surprisal train` does unless told otherwise.
impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            preset: Preset::Tiny,
            distribution: Distribution::new(8, Operands::Uniform).ok(),
            corpus: None,
            init: None,
            keep_hidden: None,
            steps: 15_000,
            target_excess: None,
            batch_lines: 512,
            seed: 1,
            learning_rate: 4e-3,
            schedule: ScheduleForm::Cosine,
            warmup: 100,
            final_share: 0.02,
            beta1: 0.9,
            beta2: 0.98,
            weight_decay: 0.01,
            clip: 1.0,
            dropout: 0.0,
            quantization_aware: false,
            eval_every: 250,
            checkpoint_every: None,
            validation_lines: 4096,
            device: DeviceChoice::Auto,
        }
    }
}

impl TrainSettings {
    /// The run of the demonstration that this project re-creates: gpt-mini on `leading` lines at a
    /// constant learning rate, with dropout.
    pub fn reference() -> Self {
        Self {
            preset: Preset::Mini,
            distribution: Distribution::new(8, Operands::Leading).ok(),
            learning_rate: 1e-3,
            schedule: ScheduleForm::Constant,
            warmup: 10,
            dropout: 0.1,
            validation_lines: 10_000,
            ..Self::default()
        }
    }

    /// The learning rate over the run.
    pub fn schedule(&self) -> Schedule {
        Schedule {
            form: self.schedule,
            peak: self.learning_rate,
            warmup: self.warmup,
            warmup_order: WarmupOrder::Product,
            steps: self.steps,
            final_share: self.final_share,
        }
    }

    /// What the run learns from, in a few words; a file by its name.
    pub fn trained_on(&self) -> String {
        match (&self.distribution, &self.corpus) {
            (Some(d), None) => format!("{} digits {}", d.digits(), d.operands()),
            (_, Some(corpus)) => corpus.path.display().to_string(),
            (None, None) => "nothing".into(),
        }
    }

    /// Whether the settings make sense.
    ///
    /// # Errors
    /// [`Error::Setting`] with the one that does not, [`Error::Conflict`] if they contradict each other.
    pub fn check(&self) -> Result<()> {
        match (self.distribution, &self.corpus) {
            (Some(d), _) => drop(Distribution::new(d.digits(), d.operands())?),
            (None, Some(_)) => (),
            (None, None) => return Err(Error::Conflict("a run needs lines: drawn ones or a text file")),
        }
        if self.target_excess.is_some() && self.distribution.is_none() {
            return Err(Error::Conflict(
                "there is no excess to aim at where the entropy of the lines is not known",
            ));
        }
        let counts = [
            ("number of steps", self.steps),
            ("number of batch lines", self.batch_lines as u64),
            ("number of steps between evaluations", self.eval_every),
            ("number of steps between checkpoints", self.checkpoint_every.unwrap_or(1)),
            ("number of validation lines", self.validation_lines as u64),
        ];
        for (what, count) in counts {
            Error::unless(count > 0, what, count, "at least 1")?;
        }
        let check = |numbers: &[(&'static str, f64)], wanted: &str, holds: fn(f64) -> bool| {
            let mut numbers = numbers.iter();
            numbers.try_for_each(|&(what, number)| Error::unless(holds(number), what, number, wanted))
        };
        let above_zero = [("learning rate", self.learning_rate), ("clip", self.clip)];
        check(&above_zero, "positive", |x| x > 0.0 && x.is_finite())?;
        let from_zero = [
            ("final share of the learning rate", self.final_share),
            ("weight decay", self.weight_decay),
            ("target excess", self.target_excess.unwrap_or(0.0)),
        ];
        check(&from_zero, "at least 0", |x| x >= 0.0 && x.is_finite())?;
        let shares = [("beta", self.beta1), ("beta", self.beta2), ("dropout", self.dropout)];
        check(&shares, "at least 0 and below 1", |x| (0.0..1.0).contains(&x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_and_back() {
        let corpus = CorpusFile { path: LoggedPath::new("a.txt"), lines: 900, blake3: "00".into() };
        let from_file = TrainSettings {
            distribution: None,
            corpus: Some(corpus),
            learning_rate: 0.1 + 0.2,
            ..TrainSettings::default()
        };
        for settings in [TrainSettings::default(), TrainSettings::reference(), from_file] {
            settings.check().unwrap();
            let text = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<TrainSettings>(&text).unwrap(), settings, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let bad: [fn(&mut TrainSettings); 9] = [
            |s| s.steps = 0,
            |s| s.batch_lines = 0,
            |s| s.checkpoint_every = Some(0),
            |s| s.learning_rate = f64::NAN,
            |s| s.clip = 0.0,
            |s| s.beta2 = 1.0,
            |s| s.dropout = 1.0,
            |s| s.target_excess = Some(-1.0),
            |s| s.distribution = None,
        ];
        for change in bad {
            let mut settings = TrainSettings::default();
            change(&mut settings);
            let refused = settings.check();
            assert!(matches!(refused, Err(Error::Setting { .. } | Error::Conflict(_))), "{settings:?}");
        }
    }
}
