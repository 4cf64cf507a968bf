//! The story of a training as plain data: `training.jsonl` of a model folder.
//!
//! One JSON object a line: the [`TrainSettings`] first, then an [`Evaluation`] now and then and,
//! between them, [`Event`]s; each says of what type it is and of which run, from 1 (older logs do not). `surprisal train` writes it (feature `train`); here it can be read without
//! that feature, too.
//!
//! A run that starts from the weights of a model with a log begins its own with that one. So a log may
//! tell of several runs, each from its settings on; [`TrainingLog`] counts on from one to the next.

mod emergence;
mod path;
mod settings;

pub use emergence::EmergenceDetector;
pub use path::LoggedPath;
pub use settings::{CorpusFile, TrainSettings};

pub use crate::schedule::{Schedule, ScheduleForm};

use serde::{Deserialize, Serialize};

use crate::model::LOG_FILE;
use crate::{Error, Result};

/// One evaluation. Losses are in nats.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Steps taken.
    pub step: u64,
    /// Lines seen, in later epochs of a text file again.
    pub lines: u64,
    /// Mean training loss since the last record, nats a token. In a line's first epoch this is a
    /// loss on data never seen before.
    pub train_loss: f64,
    /// Loss on the validation set, nats a token.
    pub validation_loss: f64,
    /// What the validation lines cost above the entropy of their distribution, nats a token; none
    /// where the entropy is not known.
    pub excess: Option<f64>,
    /// Share of validation lines with every answer token right, each predicted from the right ones
    /// before it; none where the lines are not sums.
    pub sum_accuracy: Option<f64>,
    /// Validation loss at each predicted position, nats.
    pub loss_by_position: Vec<f64>,
    /// Sum of the training losses of all lines so far in bits, each when it was first seen: what
    /// coding the run's data, each batch before it is learned from, would have cost.
    pub code_length_bits: f64,
    /// Global norm of the last gradient before clipping.
    pub gradient_norm: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Seconds that the run took so far, in all of its sessions; the time between an interruption
    /// and the resumption does not count. The one field that differs from run to run.
    pub seconds: f64,
}

/// Something that happened between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    #[serde(rename = "event")]
    pub kind: EventKind,
    /// Steps taken by then.
    pub step: u64,
    /// Lines seen by then.
    pub lines: u64,
}

/// What may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The network began to add: the first evaluation with more than 1 % of the sums right.
    EmergenceBegins,
    /// The network can add: the first of five evaluations in a row with at least 99 % of the sums
    /// right. Known, and logged, at the fifth; its step is the first one's.
    EmergenceEnds,
    /// The excess is down to [`TrainSettings::target_excess`], and the run ends here.
    TargetReached,
}

impl EventKind {
    /// The event in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EmergenceBegins => "emergence begins",
            Self::EmergenceEnds => "emergence ends",
            Self::TargetReached => "the target is reached",
        }
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at step {}, after {} lines", self.kind.name(), self.step, self.lines)
    }
}

/// A whole log. Where it tells of several runs, steps, lines, code lengths and seconds of each run are
/// counted on from the run before.
#[derive(Clone, Debug)]
pub struct TrainingLog {
    /// What was asked for in the last run, which made the weights.
    pub settings: TrainSettings,
    /// The evaluations in their order.
    pub records: Vec<Evaluation>,
    /// The events in the order in which they became known.
    pub events: Vec<Event>,
    /// The number of records that earlier runs made.
    pub earlier_records: usize,
}

/// A line that was read.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    Event(Event),
    Evaluation(Evaluation),
    TrainSettings(Box<TrainSettings>),
}

impl Evaluation {
    /// The record as one of a run that goes on where `before` was made.
    fn after(self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        Self {
            step: self.step + before.step,
            lines: self.lines + before.lines,
            code_length_bits: self.code_length_bits + before.code_length_bits,
            seconds: self.seconds + before.seconds,
            ..self
        }
    }
}

impl Event {
    /// The event as one of a run that goes on where `before` was made.
    fn after(self, before: Option<&Evaluation>) -> Self {
        let (step, lines) = before.map_or((0, 0), |before| (before.step, before.lines));
        Self { step: self.step + step, lines: self.lines + lines, ..self }
    }
}

impl TrainingLog {
    /// Reads the text of `training.jsonl`.
    ///
    /// ```
    /// use surprisal::Models;
    /// use surprisal::model::training_log::TrainingLog;
    ///
    /// let log = TrainingLog::parse(Models::bundled().default_model().log())?;
    /// let end = log.records.last().unwrap();
    /// assert!(log.earlier_records > 0 && end.step > log.settings.steps);
    /// assert!(end.excess.unwrap() < 1e-4);
    /// # Ok::<(), surprisal::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Model`] with the number of the line that makes no sense.
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |number: usize, what: &str| Error::model(format!("{LOG_FILE}, line {number}: {what}"));
        let mut lines = text.lines();
        let settings = serde_json::from_str(lines.next().unwrap_or_default());
        let mut log = Self {
            settings: settings.map_err(|e| bad(1, &e.to_string()))?,
            records: Vec::new(),
            events: Vec::new(),
            earlier_records: 0,
        };
        for (i, line) in lines.enumerate() {
            let before = log.earlier_records.checked_sub(1).map(|last| &log.records[last]);
            match serde_json::from_str(line) {
                Ok(Line::Event(event)) => log.events.push(event.after(before)),
                Ok(Line::Evaluation(record)) => log.records.push(record.after(before)),
                Ok(Line::TrainSettings(settings)) => {
                    log.settings = *settings;
                    log.earlier_records = log.records.len();
                }
                Err(_) => return Err(bad(i + 2, "neither a record, an event nor settings")),
            }
        }
        Ok(log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &str = r#"{"preset":"tiny","digits":8,"operands":"uniform","steps":15000,"batch_lines":512,"seed":1,"learning_rate":0.004,"warmup":100,"final_share":0.02,"beta1":0.9,"beta2":0.98,"weight_decay":0.01,"clip":1.0,"eval_every":250,"validation_lines":4096}"#;
    const RECORD: &str = r#"{"step":250,"lines":128000,"train_loss":2.0,"validation_loss":1.9,"excess":null,"sum_accuracy":0.0,"loss_by_position":[2.3],"code_length_bits":1e7,"gradient_norm":0.4,"learning_rate":0.004,"seconds":54.5}"#;
    const EVENT: &str = r#"{"event":"emergence_begins","step":250,"lines":128000}"#;

    #[test]
    fn records_and_events_are_told_apart() {
        let log = TrainingLog::parse(&format!("{SETTINGS}\n{RECORD}\n{EVENT}\n{RECORD}\n")).unwrap();
        assert_eq!(log.settings.schedule, ScheduleForm::Cosine, "as logs before that choice meant");
        assert_eq!((log.records.len(), log.records[0].excess), (2, None));
        let begins = Event { kind: EventKind::EmergenceBegins, step: 250, lines: 128_000 };
        assert_eq!(log.events, [begins]);
        assert_eq!(serde_json::to_string(&begins).unwrap(), EVENT);
    }

    #[test]
    fn runs_count_on() {
        let (first, second) = (format!("{SETTINGS}\n{RECORD}\n"), SETTINGS.replace("15000", "900"));
        let log = TrainingLog::parse(&format!("{first}{second}\n{EVENT}\n{RECORD}\n{RECORD}\n")).unwrap();
        assert_eq!((log.settings.steps, log.earlier_records), (900, 1));
        let told: Vec<_> = log.records.iter().map(|r| (r.step, r.lines, r.seconds)).collect();
        assert_eq!(told, [(250, 128_000, 54.5), (500, 256_000, 109.0), (500, 256_000, 109.0)]);
        assert_eq!(log.records[1].code_length_bits, 2e7);
        assert_eq!((log.events[0].step, log.events[0].lines), (500, 256_000));
    }

    #[test]
    fn nonsense_is_refused_with_its_line() {
        for (text, line) in [
            ("".to_owned(), "line 1"),
            ("{}".to_owned(), "line 1"),
            (format!("{SETTINGS}\n{RECORD}\n{{\"step\":1"), "line 3"),
        ] {
            let error = TrainingLog::parse(&text).unwrap_err().to_string();
            assert!(error.contains(line), "{error}");
        }
    }
}
