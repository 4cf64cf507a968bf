//! The learning curve: bits a line against lines.

use crate::report::account::{Account, Learners};
use crate::report::canvas::{Canvas, Figure, Scale, WIDTH, colour, groups};
use crate::report::learned::LearningRun;
use crate::report::numbers::{DASH, grouped};
use crate::report::section::{Section, Table};
use crate::report::windows::LearningWindow;

const LEFT: f64 = 62.0;
const RIGHT: f64 = 640.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 284.0;
/// The most points of a curve, and rows of the table.
const POINTS: usize = 200;
const TABLE_ROWS: usize = 20;

/// The section; none if nothing was learned from.
pub fn section(account: &Account, learners: &Learners) -> Option<Section> {
    let (runs, floor) = (&learners.runs, account.floor.bits_per_line);
    Some(Section {
        caption: "Each line is coded before it is learned from: the curve is the loss on lines never seen before, and the \
                  area under it is the size of the archive."
            .into(),
        figure: Some(figure(runs, floor)?),
        ..Section::new("learning-curve", "How the surprisal falls while the corpus is learned", table(runs, floor))
    })
}

fn figure(runs: &[LearningRun], floor: Option<f64>) -> Option<Figure> {
    let curves: Vec<Vec<(f64, f64)>> = runs.iter().map(|run| points(run, POINTS)).collect();
    let last = curves.iter().filter_map(|curve| curve.last());
    let lines = last.map(|point| point.0).fold(0.0, f64::max);
    if lines == 0.0 {
        return None;
    }
    let all = curves.iter().flatten().map(|point| point.1).chain(floor);
    let (least, most) = all.fold((f64::INFINITY, 0.0f64), |(l, m), bits| (l.min(bits), m.max(bits)));
    let margin = 0.06 * (most - least).max(0.1);
    let x = Scale::linear((0.0, lines), (LEFT, RIGHT));
    let y = Scale::linear((least - margin, most + margin), (BOTTOM, TOP));
    let mut canvas = Canvas::default();
    canvas.y_axis(&y, (LEFT, RIGHT), "bits a line");
    canvas.x_axis(&x, (BOTTOM - 1.0, BOTTOM), "lines learned from");
    let mut labels = Vec::new();
    for (index, (run, curve)) in runs.iter().zip(&curves).enumerate() {
        let place = |&(lines, bits): &(f64, f64)| (x.at(lines), y.at(bits));
        canvas.path(colour(index).1, curve.iter().map(place));
        let Some(&(_, end)) = curve.last() else { continue };
        labels.push((y.at(end), Some(colour(index).0), format!("{} {end:.2}", run.preset)));
    }
    if let Some(floor) = floor {
        canvas.line("dash", (LEFT, y.at(floor)), (RIGHT, y.at(floor)));
        labels.push((y.at(floor), None, format!("floor {floor:.2}")));
    }
    canvas.labels(RIGHT + 22.0, (TOP, BOTTOM), &labels);
    Some(canvas.figure((WIDTH, BOTTOM + 46.0), describe(runs, floor)))
}

/// Lines so far and mean bits of a line, of neighbouring windows together.
fn points(run: &LearningRun, most: usize) -> Vec<(f64, f64)> {
    let point = |windows: &[LearningWindow]| {
        let lines = windows[windows.len() - 1].lines as f64;
        (lines, LearningWindow::mean_bits_per_line(windows))
    };
    groups(&run.windows, most).map(point).collect()
}

fn describe(runs: &[LearningRun], floor: Option<f64>) -> String {
    let mut text = "Lines over the number of lines.".to_owned();
    for run in runs {
        let (Some(first), Some(last)) = (run.windows.first(), run.windows.last()) else {
            continue;
        };
        text += &format!(
            " {}: from {:.3} bits a line in the first window to {:.3} in the last.",
            run.preset,
            first.bits_per_line(),
            last.bits_per_line()
        );
    }
    match floor {
        Some(floor) => text + &format!(" The floor is {floor:.4}."),
        None => text + " The floor is not known.",
    }
}

fn table(runs: &[LearningRun], floor: Option<f64>) -> Table {
    let points = runs
        .iter()
        .flat_map(|run| points(run, TABLE_ROWS).into_iter().map(|(lines, bits)| (&run.preset, lines, bits)));
    Table::of(
        points,
        &[
            ("preset", &|(preset, ..)| (*preset).clone()),
            ("to line", &|(_, lines, _)| grouped(*lines as u64)),
            ("bits/line", &|(.., bits)| format!("{bits:.4}")),
            ("above the floor", &|(.., bits)| {
                floor.map_or(DASH.into(), |floor| format!("{:+.4}", bits - floor))
            }),
        ],
    )
}
