//! How the loss fell while the model was trained, and when it began to add.

use crate::model::training_log::{EmergenceDetector, Evaluation, Event, TrainingLog};
use crate::report::canvas::{Canvas, Figure, Scale, groups};
use crate::report::modelled::ModelRun;
use crate::report::numbers::{decimal, grouped};
use crate::report::section::{Brief, Section, Table};

const WIDTH: f64 = 780.0;
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
        ..Section::new("training", format!("How {} learned", run.model.name), table(log))
    })
}

fn figure(log: &TrainingLog, last: &Evaluation) -> Figure {
    let floor = log.settings.distribution.map(|d| d.floor_nats_per_token());
    let x = Scale::linear((0.0, last.lines as f64), (LEFT, RIGHT));
    let mut canvas = Canvas::new();
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
    accuracy(&mut canvas, &x, &log.records);
    canvas.x_axis(&x, (bottom - 1.0, bottom), "lines seen");
    canvas.figure((WIDTH, bottom + 46.0), describe(log, floor, &marks))
}

const BEGINS: &str = "emergence begins";
const ENDS: &str = "emergence ends";

const PRUNED: &str = "hidden units pruned";

/// The two marks of emergence, found in the records of all runs together; and where hidden units were pruned.
fn marks(log: &TrainingLog) -> Vec<(&'static str, u64)> {
    let mut detector = EmergenceDetector::default();
    let found: Vec<Event> = log.records.iter().flat_map(|record| detector.observe(record)).collect();
    let pruned = log.earlier_records.checked_sub(1).zip(log.settings.keep_hidden);
    let pruned = pruned.map(|(last, _)| (PRUNED, log.records[last].lines));
    let mark = |event: &Event| match *event {
        Event::EmergenceBegins { lines, .. } => Some((BEGINS, lines)),
        Event::EmergenceEnds { lines, .. } => Some((ENDS, lines)),
        Event::TargetReached { .. } => None,
    };
    found.iter().filter_map(mark).chain(pruned).collect()
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
        let at = LOSS.0 + 16.0 + 18.0 * index as f64;
        canvas.rect(class, (RIGHT + 8.0, at - 9.0), (10.0, 10.0));
        canvas.text("", (RIGHT + 22.0, at), name);
    }
    if let Some(floor) = floor {
        canvas.line("dash", (LEFT, y.at(floor)), (RIGHT, y.at(floor)));
        canvas.text("", (RIGHT + 8.0, y.at(floor) + 4.0), &format!("floor {floor:.4}"));
    }
}

/// On a logarithmic scale, so that the long approach shows; what is within the noise is at the edge.
fn excess(canvas: &mut Canvas, x: &Scale, records: &[Evaluation]) {
    let values = records.iter().filter_map(|r| r.excess).filter(|&e| e > 0.0);
    let most = values.clone().fold(1e-5, f64::max);
    let least = values.fold(most, f64::min).clamp(1e-6, most / 10.0);
    let y = Scale::logarithmic((least, most), (EXCESS.1, EXCESS.0));
    for power in (least.log10().ceil() as i32)..=(most.log10().floor() as i32) {
        let at = y.at(10f64.powi(power));
        canvas.line("grid", (LEFT, at), (RIGHT, at));
        canvas.text("muted end", (LEFT - 7.0, at + 4.0), &decimal_power(power));
    }
    canvas.text("muted", (LEFT - 50.0, EXCESS.0 - 12.0), "validation loss above the floor, nats a token");
    canvas.path("line blue", points(records, x, &y, |r| r.excess));
    canvas.line("axis", (LEFT, EXCESS.1), (RIGHT, EXCESS.1));
}

/// 10 to an integer power, written out.
fn decimal_power(power: i32) -> String {
    match power {
        0.. => grouped(10u64.pow(power.min(18) as u32)),
        _ => format!("{:.*}", -power as usize, 10f64.powi(power)),
    }
}

fn accuracy(canvas: &mut Canvas, x: &Scale, records: &[Evaluation]) {
    if records.last().is_none_or(|r| r.sum_accuracy.is_none()) {
        return;
    }
    let y = Scale::linear((0.0, 100.0), (ACCURACY.1, ACCURACY.0));
    canvas.y_axis(&y, (LEFT, RIGHT), "sums right, % of the validation lines");
    let right = points(records, x, &y, |r| r.sum_accuracy.map(|a| 100.0 * a));
    canvas.path("line green", right);
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
    let rows = groups(&log.records, TABLE_ROWS).map(|records| {
        let r = &records[records.len() - 1];
        vec![
            grouped(r.lines),
            format!("{:.6}", r.train_loss),
            format!("{:.6}", r.validation_loss),
            decimal(r.excess, 6),
            decimal(r.sum_accuracy.map(|a| 100.0 * a), 2),
        ]
    });
    let head = ["lines seen", "training loss", "validation loss", "above the floor", "sums right, %"];
    Table::new(head, rows)
}
