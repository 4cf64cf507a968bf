//! The learners side by side: what their losses add up to, and what the archive has.

use crate::report::account::Learners;
use crate::report::learned::LearningRun;
use crate::report::numbers::{DASH, grouped, signed, signed_percent};
use crate::report::section::{Section, Table};

/// The section: a table without a figure.
pub fn section(learners: &Learners) -> Option<Section> {
    let head = [
        "preset",
        "parameters",
        "bytes",
        "above the floor",
        "coded",
        "losses",
        "coded above losses",
        "framing",
        "steps on batches",
        "seconds",
        "MB/s",
    ];
    let row = |run: &LearningRun| {
        vec![
            run.preset.clone(),
            grouped(run.parameters as u64),
            grouped(run.archive.bytes),
            run.above_floor_bytes.map_or(DASH.into(), signed),
            grouped(run.archive.coded_bytes),
            grouped(run.loss_bytes.round() as u64),
            run.coded_above_loss_percent.map_or(DASH.into(), signed_percent),
            grouped(run.archive.framing_bytes),
            run.steps_text(),
            format!("{:.1}", run.seconds),
            format!("{:.3}", run.megabytes_per_second),
        ]
    };
    Some(Section::new(
        "learning-runs",
        "Losses, and what the archive has",
        Table::new(head, learners.runs.iter().map(row)),
    ))
}
