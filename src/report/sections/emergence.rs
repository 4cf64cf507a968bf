//! The positions of a line as they are learned: a map of bits, lines to the right, positions
//! downwards.

use crate::report::account::Learners;
use crate::report::canvas::{Canvas, Figure, Scale, WIDTH, groups};
use crate::report::learned::{LearningPosition, LearningRun};
use crate::report::numbers::{DASH, decimal, grouped};
use crate::report::section::{Section, Table};
use crate::report::windows::{EMERGED_BITS, LearningWindow};

const LEFT: f64 = 62.0;
const RIGHT: f64 = 640.0;
/// The legend.
const TOP: f64 = 36.0;
/// Above a map, a position's row, and below a map.
const HEAD: f64 = 30.0;
const ROW: f64 = 14.0;
const FOOT: f64 = 52.0;
/// Columns of a map.
const COLUMNS: usize = 96;
/// The most positions that are shown.
const ROWS: usize = 64;
/// Shades; what costs this many bits has the darkest.
const SHADES: f64 = 10.0;
const DARKEST: f64 = 3.4;

/// The section; none if nothing was learned from.
pub fn section(learners: &Learners) -> Option<Section> {
    let runs = &learners.runs;
    let lines = runs.iter().map(|run| run.window_lines).max().unwrap_or(0);
    Some(Section {
        caption: "Shade: mean bits of a token above its aleatoric ones. A dot, and the number beside the row: the line at which the \
                  position emerges."
            .into(),
        note: format!(
            "A position emerges at the first line of the first window of {} lines from which on it costs less than \
             {EMERGED_BITS} bits above its aleatoric ones, to the end.",
            grouped(lines)
        ),
        figure: Some(figure(runs)?),
        ..Section::new("learning-positions", "When each position of a line emerges", table(runs))
    })
}

fn figure(runs: &[LearningRun]) -> Option<Figure> {
    let mut canvas = Canvas::default();
    legend(&mut canvas);
    let mut top = TOP;
    for run in runs.iter().filter(|run| !run.windows.is_empty()) {
        top += HEAD;
        let bottom = map(&mut canvas, run, top);
        top = bottom + FOOT;
    }
    (top > TOP).then(|| canvas.figure((WIDTH, top), describe(runs)))
}

/// The shade of so many bits, from 0 to [`SHADES`]: darker fast, so that a tenth of a bit is seen.
fn shade(bits: f64) -> u8 {
    ((bits.max(0.0) / DARKEST).sqrt().min(1.0) * SHADES).round() as u8
}

fn opacity(shade: u8) -> f64 {
    f64::from(shade) / SHADES
}

fn legend(canvas: &mut Canvas) {
    canvas.text("muted", (LEFT - 50.0, 16.0), "bits a token above its entropy:");
    for (index, bits) in [0.1, 0.5, 1.0, 2.0, 3.3].into_iter().enumerate() {
        let x = LEFT + 190.0 + 64.0 * index as f64;
        canvas.shade("orange", opacity(shade(bits)), (x, 5.0), (14.0, 14.0));
        canvas.text("", (x + 20.0, 16.0), &format!("{bits}"));
    }
}

/// Draws a run's map and gives its bottom.
fn map(canvas: &mut Canvas, run: &LearningRun, top: f64) -> f64 {
    let shown = &run.positions[..run.positions.len().min(ROWS)];
    let bottom = top + ROW * shown.len() as f64;
    let lines = run.windows.last().map_or(0, |window| window.lines);
    let x = Scale::linear((0.0, lines as f64), (LEFT, RIGHT));
    canvas.text("bold", (LEFT, top - 8.0), &run.preset);
    canvas.text("muted", (RIGHT + 12.0, top - 8.0), "emerges at line");
    canvas.x_axis(&x, (bottom - 1.0, bottom), "lines learned from");
    for (index, position) in shown.iter().enumerate() {
        let y = top + ROW * index as f64;
        canvas.text("muted end", (LEFT - 7.0, y + 11.0), &position.label);
        cells(canvas, &x, y, &shades(run, position));
        let text = match position.emerges_at {
            Some(line) => {
                canvas.dot("blue", (x.at(line as f64), y + ROW / 2.0));
                grouped(line)
            }
            None => DASH.into(),
        };
        canvas.text("", (RIGHT + 12.0, y + 11.0), &text);
    }
    canvas.line("axis", (LEFT, bottom), (RIGHT, bottom));
    bottom
}

/// The lines up to which a shade goes.
fn shades(run: &LearningRun, position: &LearningPosition) -> Vec<(u64, u8)> {
    let aleatoric = position.aleatoric_bits.unwrap_or(0.0);
    let shade_of = |windows: &[LearningWindow]| {
        let here = windows.iter().filter_map(|window| window.positions.get(position.position));
        let (bits, tokens) = here.fold((0.0, 0), |sum, more| (sum.0 + more.0, sum.1 + more.1));
        let above = if tokens > 0 { bits / tokens as f64 - aleatoric } else { 0.0 };
        (windows[windows.len() - 1].lines, shade(above))
    };
    groups(&run.windows, COLUMNS).map(shade_of).collect()
}

/// Draws a row; neighbours of one shade are one mark.
fn cells(canvas: &mut Canvas, x: &Scale, y: f64, shades: &[(u64, u8)]) {
    let mut from = 0;
    for same in shades.chunk_by(|a, b| a.1 == b.1) {
        let (to, shade) = same[same.len() - 1];
        if shade > 0 {
            let (left, right) = (x.at(from as f64), x.at(to as f64));
            canvas.shade("orange", opacity(shade), (left, y), (right - left, ROW - 1.0));
        }
        from = to;
    }
}

fn describe(runs: &[LearningRun]) -> String {
    let mut text = "A map for each run: positions of a line downwards, lines to the right.".to_owned();
    for run in runs {
        let emerged = run.positions.iter().filter(|p| p.emerges_at.is_some());
        text += &format!(" {}: {} of {} positions emerge", run.preset, emerged.count(), run.positions.len());
        let last = run.positions.iter().filter_map(|p| Some((p.emerges_at?, &p.label)));
        match last.max_by_key(|(line, _)| *line) {
            Some((line, label)) => {
                text += &format!(", the last of them, {label}, at line {}.", grouped(line));
            }
            None => text += ".",
        }
    }
    text
}

fn table(runs: &[LearningRun]) -> Table {
    let mut table =
        Table { head: ["position", "aleatoric bits"].map(str::to_owned).to_vec(), ..Table::default() };
    for run in runs {
        table.head.push(format!("{}: emerges at line", run.preset));
        table.head.push("last bits".into());
    }
    let longest = runs.iter().max_by_key(|run| run.positions.len());
    for position in longest.map_or(&[][..], |run| &run.positions) {
        let mut row = vec![position.label.clone(), decimal(position.aleatoric_bits, 3)];
        for run in runs {
            let here = run.positions.get(position.position);
            let line = here.and_then(|position| position.emerges_at);
            row.push(line.map_or(DASH.into(), grouped));
            row.push(decimal(here.map(|position| position.last_bits), 4));
        }
        table.rows.push(row);
    }
    table
}
