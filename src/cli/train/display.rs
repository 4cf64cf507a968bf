//! What a training shows: rows on stdout, a bar on stderr between them.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use surprisal::model::training_log::Evaluation;
use surprisal::train::Progress;

use super::super::streams::print;
use super::super::text::grouped;

const HEAD: &str =
    "    step       lines  train loss  validation     excess  sums right         lr  lines/s  time left";

/// Where the rows' first column ends.
const INDENT: &str = "          ";

/// The rows and the bar of a run.
pub struct Display {
    bar: ProgressBar,
    rows_shown: bool,
    /// The first failure to write to stdout. A reader that has gone does not end a long run.
    printed: Result<()>,
    /// Steps that the run is to take.
    steps: u64,
    /// Lines and seconds of the last row.
    last_row: (u64, f64),
    /// Lines when the session began.
    first_lines: u64,
    started: Instant,
}

impl Display {
    /// `quiet` shows nothing, `no_progress` no bar.
    pub fn new(quiet: bool, no_progress: bool) -> Self {
        let bar = if quiet || no_progress || !io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}");
            ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr())
                .with_style(style.expect("a right template"))
        };
        Self {
            bar,
            rows_shown: !quiet,
            printed: Ok(()),
            steps: 0,
            last_row: (0, 0.0),
            first_lines: 0,
            started: Instant::now(),
        }
    }

    /// Shows what a run tells.
    pub fn show(&mut self, progress: Progress) {
        match progress {
            Progress::Begins { settings, step, lines, seconds } => {
                self.steps = settings.steps;
                self.last_row = (lines, seconds);
                self.first_lines = lines;
                self.started = Instant::now();
                self.bar.set_length(settings.steps);
                self.bar.set_position(step);
                // The steps of earlier sessions say nothing of this one's speed.
                self.bar.reset_eta();
                self.print(HEAD);
                if step > 0 {
                    self.print(&format!("{INDENT}goes on after step {step}"));
                }
            }
            Progress::Step { step, lines, loss } => self.advance(step, lines, loss),
            Progress::Evaluation(record) => {
                let row = row(record, self.last_row, self.steps);
                self.last_row = (record.lines, record.seconds);
                self.print(&row);
            }
            Progress::Event(event) => self.print(&format!("{INDENT}{event}")),
        }
    }

    /// Takes the bar away and says whether all rows could be written.
    ///
    /// # Errors
    /// The first failure.
    pub fn finish(self) -> Result<()> {
        self.bar.finish_and_clear();
        self.printed
    }

    fn advance(&self, step: u64, lines: u64, loss: f64) {
        if self.bar.is_hidden() {
            return;
        }
        let rate = (lines - self.first_lines) as f64 / self.started.elapsed().as_secs_f64();
        self.bar.set_position(step);
        let left = self.bar.eta();
        self.bar.set_message(format!(
            "loss {loss:.4}  {} lines/s  {:#} left",
            grouped(rate as u64),
            HumanDuration(left)
        ));
    }

    fn print(&mut self, line: &str) {
        if self.rows_shown && self.printed.is_ok() {
            self.printed = self.bar.suspend(|| print(&format!("{line}\n")));
        }
    }
}

/// A record as a row; `last` has the lines and seconds of the one before.
fn row(record: &Evaluation, last: (u64, f64), steps: u64) -> String {
    let Evaluation { step, lines, train_loss, validation_loss, learning_rate, seconds, .. } = record;
    let rate = (lines - last.0) as f64 / (seconds - last.1).max(1e-9);
    let left = seconds / *step as f64 * steps.saturating_sub(*step) as f64;
    let left = HumanDuration(Duration::from_secs_f64(left));
    let excess = record.excess.map_or("-".into(), |nats| format!("{nats:.6}"));
    let right = record.sum_accuracy.map_or("-".into(), |share| format!("{:.3}%", 100.0 * share));
    format!(
        "{step:8}  {lines:10}  {train_loss:10.6}  {validation_loss:10.6}  {excess:>9}  {right:>10}  \
         {learning_rate:9.3e}  {rate:7.0}  {left:#}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_under_their_heads() {
        let record = Evaluation {
            step: 250,
            lines: 128_000,
            train_loss: 2.0,
            validation_loss: 1.9,
            sum_accuracy: Some(0.5),
            learning_rate: 4e-3,
            seconds: 50.0,
            ..Evaluation::default()
        };
        let row = row(&record, (64_000, 30.0), 1000);
        let ends = |text: &str| text.find("1.900000").map(|at| at + 8);
        assert_eq!(ends(&row), HEAD.find("validation").map(|at| at + 10));
        assert!(row.contains("         -     50.000%   4.000e-3     3200  3m"), "{row}");
        assert_eq!(row.find("3200").map(|at| at + 4), HEAD.find("lines/s").map(|at| at + 7));
    }
}
