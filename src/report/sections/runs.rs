//! The learners side by side: what their losses add up to, and what the archive has.

use crate::report::account::Learners;
use crate::report::numbers::{DASH, grouped, signed, signed_percent};
use crate::report::section::{Section, Table};

/// The section: a table without a figure.
pub fn section(learners: &Learners) -> Option<Section> {
    let table = Table::of(
        &learners.runs,
        &[
            ("preset", &|run| run.preset.clone()),
            ("parameters", &|run| grouped(run.parameters as u64)),
            ("bytes", &|run| grouped(run.archive.bytes_out)),
            ("above the floor", &|run| run.above_floor_bytes.map_or(DASH.into(), signed)),
            ("coded", &|run| grouped(run.archive.coded_len)),
            ("losses", &|run| grouped(run.loss_bytes.round() as u64)),
            ("coded above losses", &|run| run.coded_above_loss_percent.map_or(DASH.into(), signed_percent)),
            ("framing", &|run| grouped(run.archive.framing())),
            ("steps on batches", &|run| match (run.steps, run.batches) {
                (steps, batches) if steps == batches => grouped(steps),
                (steps, batches) => format!("{} on {}", grouped(steps), grouped(batches)),
            }),
            ("seconds", &|run| format!("{:.1}", run.seconds)),
            ("MB/s", &|run| format!("{:.3}", run.megabytes_per_second)),
        ],
    );
    Some(Section::new("learning-runs", "Losses, and what the archive has", table))
}
