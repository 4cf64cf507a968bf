//! The archive as it grows, beside the floor and what others make of the whole corpus.

use super::super::canvas::Canvas;
use super::super::scale::Scale;
use super::super::{Figure, row};
use super::{colour, groups, spread};
use crate::report::learning::LearningAccount;
use crate::report::{CodeLength, grouped};

const WIDTH: f64 = 780.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 490.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 304.0;
/// The second plot: what is above the floor.
const REST: (f64, f64) = (370.0, 500.0);
/// The most points in the table, of each run.
const TABLE_ROWS: usize = 20;

/// The figure; none without a line.
pub fn figure(account: &LearningAccount) -> Option<Figure> {
    let lines = account.corpus.lines;
    if lines == 0 {
        return None;
    }
    let x = Scale::linear((0.0, lines as f64), (LEFT, RIGHT));
    let mut canvas = Canvas::new();
    let marks = marks(account);
    whole(&mut canvas, &x, account, &marks);
    let bottom = match account.floor.bits_per_line {
        Some(floor) => {
            rest(&mut canvas, &x, account, floor);
            REST.1
        }
        None => BOTTOM,
    };
    canvas.x_axis(&x, (bottom - 1.0, bottom), "lines");
    Some(Figure {
        name: "learning-archive",
        title: "The archive as it grows".into(),
        caption: caption(account),
        description: describe(&marks),
        table: table(account),
        size: (WIDTH, bottom + 46.0),
        body: canvas.finish(),
    })
}

/// Something whose size for the whole corpus is marked at the right end.
struct Mark {
    name: String,
    bytes: f64,
    /// A filled square's, of a run.
    class: Option<&'static str>,
}

fn marks(account: &LearningAccount) -> Vec<Mark> {
    let mark = |name: String, bytes: f64, class| Mark { name, bytes, class };
    let mut marks: Vec<Mark> = Vec::new();
    for (index, run) in account.runs.iter().enumerate() {
        marks.push(mark(
            run.preset.clone(),
            run.archive.bytes as f64,
            Some(colour(index).0),
        ));
    }
    marks.extend(account.floor_bytes.map(|bytes| mark("floor".into(), bytes, None)));
    if let Some(bundled) = &account.bundled {
        let bytes = (bundled.model_bytes + bundled.archive_bytes) as f64;
        marks.push(mark(format!("{} + weights", bundled.model), bytes, None));
    }
    for peer in account.peers.iter().flatten() {
        marks.push(mark(peer.name.into(), peer.bytes as f64, None));
    }
    if let Some(recorded) = account.recorded {
        marks.push(mark(
            format!("{}, recorded", recorded.name),
            recorded.scaled_bytes,
            None,
        ));
    }
    marks
}

fn whole(canvas: &mut Canvas, x: &Scale, account: &LearningAccount, marks: &[Mark]) {
    let most = marks.iter().map(|mark| mark.bytes).fold(1.0, f64::max);
    let y = Scale::linear((0.0, 1.04 * most), (BOTTOM, TOP));
    canvas.y_axis(&y, (LEFT, RIGHT), "bytes so far");
    canvas.line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    let origin = (x.at(0.0), y.at(0.0));
    if let Some(bundled) = &account.bundled {
        let (model, all) = (bundled.model_bytes, bundled.model_bytes + bundled.archive_bytes);
        canvas.line("axis", (origin.0, y.at(model as f64)), (RIGHT, y.at(all as f64)));
    }
    if let Some(floor) = account.floor_bytes {
        canvas.line("dash", origin, (RIGHT, y.at(floor)));
    }
    for (index, run) in account.runs.iter().enumerate() {
        let point = |p: &CodeLength| (x.at(p.lines as f64), y.at(p.bits / 8.0));
        canvas.path(
            colour(index).1,
            &run.code_length.iter().map(point).collect::<Vec<_>>(),
        );
    }
    let heights: Vec<f64> = marks.iter().map(|mark| y.at(mark.bytes)).collect();
    for (label, (at, mark)) in spread(&heights, (TOP, BOTTOM))
        .into_iter()
        .zip(heights.iter().zip(marks))
    {
        match mark.class {
            Some(class) => canvas.rect(class, (RIGHT + 8.0, label - 5.0), (10.0, 10.0)),
            None => canvas.dot("grey", (RIGHT, *at)),
        }
        let text = format!("{}: {} B", mark.name, grouped(mark.bytes.round() as u64));
        canvas.text("", (RIGHT + 22.0, label + 4.0), &text);
    }
}

/// Bytes above the floor at a point.
fn above(point: &CodeLength, floor: f64) -> f64 {
    (point.bits - floor * point.lines as f64) / 8.0
}

fn rest(canvas: &mut Canvas, x: &Scale, account: &LearningAccount, floor: f64) {
    let all = account.runs.iter().flat_map(|run| &run.code_length);
    let all = all.map(|point| above(point, floor));
    let (least, most) = all.fold((0.0f64, 0.0f64), |(l, m), a| (l.min(a), m.max(a)));
    let y = Scale::linear((least, most + 0.08 * (most - least)), (REST.1, REST.0));
    canvas.y_axis(
        &y,
        (LEFT, RIGHT),
        "bytes above the floor so far: what learning cost",
    );
    canvas.line("dash", (LEFT, y.at(0.0)), (RIGHT, y.at(0.0)));
    let mut ends = Vec::new();
    for (index, run) in account.runs.iter().enumerate() {
        let point = |p: &CodeLength| (x.at(p.lines as f64), y.at(above(p, floor)));
        let curve: Vec<_> = run.code_length.iter().map(point).collect();
        canvas.path(colour(index).1, &curve);
        let end = run.code_length.last().map_or(0.0, |point| above(point, floor));
        ends.push((y.at(end), format!("{}: {end:+.0} B", run.preset)));
    }
    let heights: Vec<f64> = ends.iter().map(|end| end.0).collect();
    for (y, (_, text)) in spread(&heights, REST).iter().zip(&ends) {
        canvas.text("", (RIGHT + 8.0, y + 4.0), text);
    }
}

fn caption(account: &LearningAccount) -> String {
    let mut text = "Lines: payloads so far. Dots: what others make of the whole corpus.".to_owned();
    if let Some(bundled) = &account.bundled {
        text += &format!(
            " The thin line is the two-part code: {} bytes of weights of {}, which was trained before, and the archive by it.",
            grouped(bundled.model_bytes),
            bundled.model
        );
    }
    if let Some(recorded) = account.recorded {
        text += &format!(
            " {} was not run: {} bytes were recorded for {} such lines, and are scaled to these.",
            recorded.name,
            grouped(recorded.bytes),
            grouped(recorded.lines)
        );
    }
    text
}

fn describe(marks: &[Mark]) -> String {
    let marks: Vec<String> = marks
        .iter()
        .map(|mark| format!("{} {}", mark.name, grouped(mark.bytes.round() as u64)))
        .collect();
    format!(
        "Lines over the number of lines: the bytes so far. At the end: {}.",
        marks.join("; ")
    )
}

fn table(account: &LearningAccount) -> Vec<Vec<String>> {
    let floor = account.floor.bits_per_line;
    let head = row(["preset", "lines", "bytes of payload", "bytes above the floor"]);
    let rows = account.runs.iter().flat_map(|run| {
        groups(&run.code_length, TABLE_ROWS).map(move |points| {
            let point = &points[points.len() - 1];
            vec![
                run.preset.clone(),
                grouped(point.lines),
                grouped((point.bits / 8.0).round() as u64),
                floor.map_or("–".into(), |floor| format!("{:+.1}", above(point, floor))),
            ]
        })
    });
    std::iter::once(head).chain(rows).collect()
}
