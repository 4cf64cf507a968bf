//! When a network begins to add, and from when on it can.

use serde::{Deserialize, Serialize};

use super::{Evaluation, Event, EventKind};

/// Share of right sums above which emergence has begun.
const BEGUN: f64 = 0.01;
/// Share of right sums that the network must keep up for emergence to have ended.
const ENDED: f64 = 0.99;
/// Evaluations in a row for which it must.
const IN_A_ROW: u64 = 5;

/// Finds the two events of emergence in a run's records, one after the other.
///
/// Emergence begins at the first evaluation with more than 1 % of the sums right, and ends at the
/// first of five evaluations in a row with at least 99 %: a single good evaluation may be a passing
/// one, for the loss has spikes long after the sums are first right.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EmergenceDetector {
    begun: bool,
    ended: bool,
    /// Evaluations at 99 % or more, in a row up to now.
    streak: u64,
    /// Step and lines of the first of them.
    streak_start: (u64, u64),
}

impl EmergenceDetector {
    /// The events that the next record makes known, at most two.
    pub fn observe(&mut self, record: &Evaluation) -> Vec<Event> {
        let (step, lines) = (record.step, record.lines);
        let mut events = Vec::new();
        let Some(accuracy) = record.sum_accuracy else {
            return events;
        };
        if !self.begun && accuracy > BEGUN {
            self.begun = true;
            events.push(Event { kind: EventKind::EmergenceBegins, step, lines });
        }
        if accuracy < ENDED {
            self.streak = 0;
        } else {
            if self.streak == 0 {
                self.streak_start = (step, lines);
            }
            self.streak += 1;
        }
        if !self.ended && self.streak == IN_A_ROW {
            self.ended = true;
            let (step, lines) = self.streak_start;
            events.push(Event { kind: EventKind::EmergenceEnds, step, lines });
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a run with these accuracies at steps 10, 20, …, each with the step that made
    /// it known.
    fn events(accuracies: &[f64]) -> Vec<(u64, Event)> {
        let mut detector = EmergenceDetector::default();
        let observe = |(i, &sum_accuracy): (usize, &f64)| {
            let step = 10 * (i as u64 + 1);
            let record = Evaluation {
                step,
                lines: 2 * step,
                sum_accuracy: Some(sum_accuracy),
                ..Evaluation::default()
            };
            detector.observe(&record).into_iter().map(move |e| (step, e))
        };
        accuracies.iter().enumerate().flat_map(observe).collect()
    }

    fn begins(step: u64) -> Event {
        Event { kind: EventKind::EmergenceBegins, step, lines: 2 * step }
    }

    fn ends(step: u64) -> Event {
        Event { kind: EventKind::EmergenceEnds, ..begins(step) }
    }

    #[test]
    fn begins_above_one_percent() {
        assert_eq!(events(&[0.0, 0.01, 0.0101, 0.5]), [(30, begins(30))]);
        assert_eq!(events(&[0.0, 0.01]), []);
    }

    #[test]
    fn ends_with_five_good_ones_and_names_the_first() {
        let run = [0.5, 0.99, 1.0, 0.98, 0.99, 0.99, 0.99, 0.99, 1.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0];
        assert_eq!(events(&run), [(10, begins(10)), (90, ends(50))]);
        assert_eq!(events(&run[..8]), [(10, begins(10))]);
    }

    #[test]
    fn both_at_once_from_trained_weights() {
        assert_eq!(events(&[1.0; 7]), [(10, begins(10)), (50, ends(10))]);
    }
}
