//! How the loss fell while the model was trained, and when it began to add.

use crate::model::training_log::{EmergenceDetector, Evaluation, EventKind, TrainingLog};
use crate::report::canvas::{Canvas, Figure, Scale, WIDTH, groups};
use crate::report::modelled::ModelRun;
use crate::report::numbers::{decimal, grouped};
use crate::report::section::{Brief, Section, Table};

const LEFT: f64 = 62.0;
const RIGHT: f64 = 690.0;
/// Labels of marks are on this side of them, as seen from there.
const MIDDLE: f64 = 450.0;
/// Top and bottom of the three plots: loss, excess, accuracy.
const LOSS: (f64, f64) = (56.0, 226.0);
const EXCESS: (f64, f64) = (276.0, 406.0);
const ACCURACY: (f64, f64) = (456.0, 536.0);
/// The most records in the table.
const TABLE_ROWS: usize = 24;

/// The section; none if the model brought no log.
pub fn section(run: &ModelRun) -> Option<Section> {
    let log = run.training.as_ref()?;
    Some(Section {
        caption: "Training loss is taken before each step learns from its lines. Emergence begins at the first evaluation with more \
                  than 1 % of the sums right, and ends at the first of five in a row with at least 99 %."
            .into(),
        figure: Some(figure(log, log.records.last()?)),
        brief: Brief::Nothing,
        ..Section::new("training", format!("How {} learned", run.model.name()), table(log))
    })
}

fn figure(log: &TrainingLog, last: &Evaluation) -> Figure {
    let floor = log.settings.distribution.map(|d| d.floor_nats_per_token());
    let x = Scale::linear((0.0, last.lines as f64), (LEFT, RIGHT));
    let mut canvas = Canvas::default();
    let bottom = match last.sum_accuracy {
        Some(_) => ACCURACY.1,
        None if floor.is_some() => EXCESS.1,
        None => LOSS.1,
    };
    let marks = marks(log);
    for &(what, lines) in &marks {
        let at = x.at(lines as f64);
        // Each kind on a line of its own.
        let y = match what {
            BEGINS => 12.0,
            ENDS => 27.0,
            _ => 42.0,
        };
        canvas.line("dash", (at, y + 4.0), (at, bottom));
        let (class, x) = if at < MIDDLE { ("", at + 5.0) } else { ("end", at - 5.0) };
        let label = format!("{what}: {} lines", grouped(lines));
        canvas.text(class, (x, y), &label);
    }
    loss(&mut canvas, &x, &log.records, floor);
    if floor.is_some() {
        excess(&mut canvas, &x, &log.records);
    }
    if last.sum_accuracy.is_some() {
        let y = Scale::linear((0.0, 100.0), (ACCURACY.1, ACCURACY.0));
        canvas.y_axis(&y, (LEFT, RIGHT), "sums right, % of the validation lines");
        let percent = |record: &Evaluation| record.sum_accuracy.map(|share| 100.0 * share);
        canvas.path("line green", points(&log.records, &x, &y, percent));
    }
    canvas.x_axis(&x, (bottom - 1.0, bottom), "lines seen");
    canvas.figure((WIDTH, bottom + 46.0), describe(log, floor, &marks))
}

const BEGINS: &str = EventKind::EmergenceBegins.name();
const ENDS: &str = EventKind::EmergenceEnds.name();
const PRUNED: &str = "hidden units pruned";

/// The two marks of emergence, found in the records of all runs together; and where hidden units were pruned.
fn marks(log: &TrainingLog) -> Vec<(&'static str, u64)> {
    let mut detector = EmergenceDetector::default();
    let found = log.records.iter().flat_map(|record| detector.observe(record));
    let pruned = log.earlier_records.checked_sub(1).zip(log.settings.keep_hidden);
    let pruned = pruned.map(|(last, _)| (PRUNED, log.records[last].lines));
    found.map(|event| (event.kind.name(), event.lines)).chain(pruned).collect()
}

fn points(
    records: &[Evaluation],
    x: &Scale,
    y: &Scale,
    of: impl Fn(&Evaluation) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let point = |record: &Evaluation| Some((x.at(record.lines as f64), y.at(of(record)?)));
    records.iter().filter_map(point).collect()
}

fn loss(canvas: &mut Canvas, x: &Scale, records: &[Evaluation], floor: Option<f64>) {
    let all = records.iter().flat_map(|r| [r.train_loss, r.validation_loss]).chain(floor);
    let least = all.clone().fold(f64::INFINITY, f64::min);
    let most = all.fold(0.0, f64::max);
    let margin = 0.08 * (most - least);
    let y = Scale::linear((least - margin, most + margin), (LOSS.1, LOSS.0));
    canvas.y_axis(&y, (LEFT, RIGHT), "loss, nats a token");
    let lines = [
        ("orange", "training", points(records, x, &y, |r| Some(r.train_loss))),
        ("blue", "validation", points(records, x, &y, |r| Some(r.validation_loss))),
    ];
    for (index, (class, name, points)) in lines.iter().enumerate() {
        canvas.path(&format!("line {class}"), points.iter().copied());
        let at = LOSS.0 + 12.0 + 18.0 * index as f64;
        canvas.label(Some(class), (RIGHT + 22.0, at), name);
    }
    if let Some(floor) = floor {
        canvas.line("dash", (LEFT, y.at(floor)), (RIGHT, y.at(floor)));
        canvas.label(None, (RIGHT + 8.0, y.at(floor)), &format!("floor {floor:.4}"));
    }
}

/// On a logarithmic scale, so that the long approach shows; what is within the noise is at the edge.
fn excess(canvas: &mut Canvas, x: &Scale, records: &[Evaluation]) {
    let values = records.iter().filter_map(|r| r.excess).filter(|&e| e > 0.0);
    let most = values.clone().fold(1e-5, f64::max);
    let least = values.fold(most, f64::min).clamp(1e-6, most / 10.0);
    let y = Scale::logarithmic((least, most), (EXCESS.1, EXCESS.0));
    canvas.y_axis(&y, (LEFT, RIGHT), "validation loss above the floor, nats a token");
    canvas.path("line blue", points(records, x, &y, |r| r.excess));
    canvas.line("axis", (LEFT, EXCESS.1), (RIGHT, EXCESS.1));
}

fn describe(log: &TrainingLog, floor: Option<f64>, marks: &[(&str, u64)]) -> String {
    let (first, last) = (&log.records[0], &log.records[log.records.len() - 1]);
    let mut text = format!(
        "Lines over the number of lines seen. The validation loss falls from {:.4} to {:.6} nats a token",
        first.validation_loss, last.validation_loss
    );
    if let Some(floor) = floor {
        text += &format!("; the floor is {floor:.6}");
    }
    if let Some(accuracy) = last.sum_accuracy {
        text += &format!("; in the end {:.2} % of the sums are right", 100.0 * accuracy);
    }
    for (what, lines) in marks {
        text += &format!("; {what} at {} lines", grouped(*lines));
    }
    text + "."
}

fn table(log: &TrainingLog) -> Table {
    Table::of(
        groups(&log.records, TABLE_ROWS).filter_map(|records| records.last()),
        &[
            ("lines seen", &|record| grouped(record.lines)),
            ("training loss", &|record| format!("{:.6}", record.train_loss)),
            ("validation loss", &|record| format!("{:.6}", record.validation_loss)),
            ("above the floor", &|record| decimal(record.excess, 6)),
            ("sums right, %", &|record| decimal(record.sum_accuracy.map(|a| 100.0 * a), 2)),
        ],
    )
}
