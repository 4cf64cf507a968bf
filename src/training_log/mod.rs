//! The story of a training as plain data: `training.jsonl` of a model folder.
//!
//! One JSON object a line: the [`Settings`] first, then a [`Record`] at every evaluation and,
//! between them, [`Event`]s. `surprisal train` writes it (feature `train`); whoever wants to know
//! how a model came to be reads it here, with or without the training itself.

mod emergence;
mod schedule;
mod settings;

pub use emergence::EmergenceDetector;
pub use schedule::{Schedule, Shape};
pub use settings::{CorpusFile, DeviceChoice, Settings};

use serde::{Deserialize, Serialize};

use crate::model::LOG_FILE;
use crate::{Error, Result};

/// One evaluation. Losses are in nats.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Steps taken.
    pub step: u64,
    /// Lines seen, in later epochs of a text file again.
    pub lines: u64,
    /// Mean training loss since the last record, nats a token. In a line's first epoch this is a
    /// loss on data never seen before.
    pub train_loss: f64,
    /// Loss on the validation set, nats a token.
    pub validation_loss: f64,
    /// Validation loss above the entropy of the distribution, nats a token; none where the entropy
    /// is not known.
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
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The network began to add: the first evaluation with more than 1 % of the sums right.
    EmergenceBegins {
        /// Steps taken at that evaluation.
        step: u64,
        /// Lines seen by then.
        lines: u64,
    },
    /// The network can add: the first of five evaluations in a row with at least 99 % of the sums
    /// right. Known, and logged, at the fifth; `step` is the first one's.
    EmergenceEnds {
        /// Steps taken at the first of the five.
        step: u64,
        /// Lines seen by then.
        lines: u64,
    },
    /// The excess is down to [`Settings::target_excess`], and the run ends here.
    TargetReached {
        /// Steps taken.
        step: u64,
        /// Lines seen.
        lines: u64,
    },
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, step, lines) = match self {
            Self::EmergenceBegins { step, lines } => ("emergence begins", step, lines),
            Self::EmergenceEnds { step, lines } => ("emergence ends", step, lines),
            Self::TargetReached { step, lines } => ("the target is reached", step, lines),
        };
        write!(f, "{what} at step {step}, after {lines} lines")
    }
}

/// A whole log.
#[derive(Clone, Debug)]
pub struct TrainingLog {
    /// What was asked for.
    pub settings: Settings,
    /// The evaluations in their order.
    pub records: Vec<Record>,
    /// The events in the order in which they became known.
    pub events: Vec<Event>,
}

/// A line after the first.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Event(Event),
    Record(Record),
}

impl TrainingLog {
    /// Reads the text of `training.jsonl`.
    ///
    /// ```
    /// use surprisal::Models;
    /// use surprisal::training_log::TrainingLog;
    ///
    /// let log = TrainingLog::parse(Models::bundled().default_model().log())?;
    /// let end = log.records.last().unwrap();
    /// assert_eq!((log.settings.steps, end.step), (15_000, 15_000));
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
        };
        for (i, line) in lines.enumerate() {
            match serde_json::from_str(line) {
                Ok(Line::Event(event)) => log.events.push(event),
                Ok(Line::Record(record)) => log.records.push(record),
                Err(_) => return Err(bad(i + 2, "neither a record nor an event")),
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
        assert_eq!(
            log.settings.schedule,
            Shape::Cosine,
            "as logs before that choice meant"
        );
        assert_eq!((log.records.len(), log.records[0].excess), (2, None));
        let begins = Event::EmergenceBegins {
            step: 250,
            lines: 128_000,
        };
        assert_eq!(log.events, [begins]);
        assert_eq!(serde_json::to_string(&begins).unwrap(), EVENT);
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
