//! The code length as the corpus goes on, beside the straight line of its entropy.

use super::canvas::Canvas;
use super::scale::Scale;
use super::{Figure, row};
use crate::report::{Account, CodeLength, grouped};

const WIDTH: f64 = 780.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 244.0;
/// The second plot: what is above the floor.
const REST: (f64, f64) = (310.0, 420.0);
/// The most points in the table.
const TABLE_ROWS: usize = 20;

/// The figure; none if there are no lines.
pub fn figure(account: &Account) -> Option<Figure> {
    let points = &account.code_length;
    let end = points.last().filter(|end| end.lines > 0 && end.bits > 0.0)?;
    let floor = account.floor.bits_per_line;
    let x = Scale::linear((0.0, end.lines as f64), (LEFT, RIGHT));
    let mut canvas = Canvas::new();
    whole(&mut canvas, &x, points, floor);
    let bottom = match floor {
        Some(floor) => {
            rest(&mut canvas, &x, points, floor);
            REST.1
        }
        None => BOTTOM,
    };
    canvas.x_axis(&x, (bottom - 1.0, bottom), "lines");
    Some(Figure {
        name: "code-length",
        title: match floor {
            Some(_) => "The code length beside the floor's line",
            None => "The code length, line by line",
        }
        .into(),
        caption: match floor {
            Some(_) => {
                "Both lines of the upper plot are nearly one; the lower plot is the difference between them."
            }
            None => "The steeper, the more bits a line takes.",
        }
        .into(),
        description: describe(end, floor),
        table: table(points, floor),
        size: (WIDTH, bottom + 46.0),
        body: canvas.finish(),
    })
}

fn whole(canvas: &mut Canvas, x: &Scale, points: &[CodeLength], floor: Option<f64>) {
    let end = points[points.len() - 1];
    let floor_end = floor.map(|floor| floor * end.lines as f64 / 8.0);
    let most = (end.bits / 8.0).max(floor_end.unwrap_or(0.0));
    let y = Scale::linear((0.0, 1.08 * most), (BOTTOM, TOP));
    canvas.y_axis(&y, (LEFT, RIGHT), "bytes of payload so far");
    let line: Vec<_> = points
        .iter()
        .map(|p| (x.at(p.lines as f64), y.at(p.bits / 8.0)))
        .collect();
    canvas.path("line blue", &line);
    canvas.line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    let at = y.at(end.bits / 8.0);
    canvas.text("", (RIGHT + 8.0, at - 6.0), &format!("coded {}", bytes(end.bits)));
    if let Some(floor_end) = floor_end {
        canvas.line("dash", (x.at(0.0), y.at(0.0)), (RIGHT, y.at(floor_end)));
        canvas.text(
            "",
            (RIGHT + 8.0, at + 12.0),
            &format!("floor {}", bytes(8.0 * floor_end)),
        );
    }
}

fn bytes(bits: f64) -> String {
    format!("{} B", grouped((bits / 8.0).round() as u64))
}

/// Bytes above the floor at a point.
fn above(point: &CodeLength, floor: f64) -> f64 {
    (point.bits - floor * point.lines as f64) / 8.0
}

fn rest(canvas: &mut Canvas, x: &Scale, points: &[CodeLength], floor: f64) {
    let all = points.iter().map(|p| above(p, floor));
    let (least, most) = all.fold((0.0f64, 0.0f64), |(l, m), a| (l.min(a), m.max(a)));
    let y = Scale::linear((least, most + 0.08 * (most - least)), REST_PIXELS);
    canvas.y_axis(&y, (LEFT, RIGHT), "bytes above the floor");
    let line: Vec<_> = points
        .iter()
        .map(|p| (x.at(p.lines as f64), y.at(above(p, floor))))
        .collect();
    canvas.path("line orange", &line);
    canvas.line("dash", (LEFT, y.at(0.0)), (RIGHT, y.at(0.0)));
    let end = above(&points[points.len() - 1], floor);
    canvas.text("", (RIGHT + 8.0, y.at(end) + 4.0), &format!("{end:+.0} B"));
}

const REST_PIXELS: (f64, f64) = (REST.1, REST.0);

fn describe(end: &CodeLength, floor: Option<f64>) -> String {
    let mut text = format!(
        "A line over the number of lines: after {} of them the payload has {}",
        grouped(end.lines),
        bytes(end.bits)
    );
    if let Some(floor) = floor {
        text += &format!(
            ". A dashed straight line, their entropy, ends at {}: {:+.0} bytes below it",
            bytes(floor * end.lines as f64),
            above(end, floor)
        );
    }
    text + "."
}

fn table(points: &[CodeLength], floor: Option<f64>) -> Vec<Vec<String>> {
    let every = points.len().div_ceil(TABLE_ROWS);
    let last = points.len() - 1;
    let some = points.iter().enumerate();
    let some = some.filter(|(index, _)| *index == last || (index + 1) % every == 0);
    let rows = some.map(|(_, point)| {
        vec![
            grouped(point.lines),
            grouped((point.bits / 8.0).round() as u64),
            floor.map_or("–".into(), |floor| format!("{:+.1}", above(point, floor))),
        ]
    });
    let head = row(["lines", "bytes of payload", "bytes above the floor"]);
    std::iter::once(head).chain(rows).collect()
}
