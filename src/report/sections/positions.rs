//! The positions of a line: what chance takes and what is left to learn.

use crate::report::canvas::{Canvas, Figure, Scale, WIDTH};
use crate::report::modelled::{ModelRun, Position};
use crate::report::numbers::{decimal, grouped};
use crate::report::section::{Section, Table};

const LEFT: f64 = 62.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 230.0;
/// The second plot: the rest, at a scale of its own.
const REST_TOP: f64 = 310.0;
const REST_BOTTOM: f64 = 410.0;

/// The section; none if the model coded nothing.
pub fn section(run: &ModelRun) -> Option<Section> {
    let positions = &run.positions;
    let split = positions.first()?.aleatoric_bits.is_some();
    let (title, caption) = if split {
        (
            "Where in the line the bits are: chance, and what was left to learn",
            "Mean surprisal over all lines. Aleatoric is the entropy of the token given those before it.",
        )
    } else {
        (
            "Where in the line the bits are",
            "Mean surprisal over all lines; what part of it is chance is not known.",
        )
    };
    Some(Section {
        caption: caption.into(),
        figure: Some(figure(positions, split)),
        ..Section::new("positions", title, table(positions))
    })
}

fn figure(positions: &[Position], split: bool) -> Figure {
    let mut canvas = Canvas::default();
    stacked(&mut canvas, positions, split);
    if split {
        rest(&mut canvas, positions);
    }
    let bottom = if split { REST_BOTTOM } else { BOTTOM };
    canvas.figure((WIDTH, bottom + 50.0), describe(positions))
}

/// Where the bar of a position begins, and how wide it is.
fn slot(index: usize, count: usize) -> (f64, f64) {
    let step = (WIDTH - LEFT - 8.0) / count as f64;
    (LEFT + step * index as f64 + 0.1 * step, 0.8 * step)
}

fn stacked(canvas: &mut Canvas, positions: &[Position], split: bool) {
    let most = positions.iter().map(|p| p.bits).fold(0.1, f64::max);
    let scale = Scale::linear((0.0, 1.12 * most), (BOTTOM, TOP));
    canvas.y_axis(&scale, (LEFT, WIDTH - 8.0), "bits a token");
    for (index, p) in positions.iter().enumerate() {
        let (x, width) = slot(index, positions.len());
        let aleatoric = p.aleatoric_bits.unwrap_or(0.0).min(p.bits);
        let (base, top) = (scale.at(aleatoric), scale.at(p.bits));
        canvas.rect("blue", (x, base), (width, BOTTOM - base));
        canvas.rect("orange", (x, top), (width, base - top));
    }
    canvas.line("axis", (LEFT, BOTTOM), (WIDTH - 8.0, BOTTOM));
    labels(canvas, positions, BOTTOM);
    if split {
        canvas.rect("blue", (LEFT + 150.0, TOP - 44.0), (12.0, 12.0));
        canvas.text("", (LEFT + 168.0, TOP - 33.0), "aleatoric: entropy, which stays");
        canvas.rect("orange", (LEFT + 400.0, TOP - 44.0), (12.0, 12.0));
        canvas.text("", (LEFT + 418.0, TOP - 33.0), "epistemic: the rest (below, larger)");
    }
}

fn rest(canvas: &mut Canvas, positions: &[Position]) {
    let rests: Vec<f64> = positions.iter().filter_map(|p| p.epistemic_bits).collect();
    let most = rests.iter().copied().fold(0.0, f64::max);
    let least = rests.iter().copied().fold(0.0, f64::min);
    let margin = 0.1 * (most - least).max(1e-6);
    let bits = most.max(-least) >= 0.5;
    let (unit, what) = if bits {
        (1.0, "epistemic bits a token")
    } else {
        (1000.0, "epistemic, thousandths of a bit a token")
    };
    let range = (unit * (least - if least < 0.0 { margin } else { 0.0 }), unit * (most + margin));
    let scale = Scale::linear(range, (REST_BOTTOM, REST_TOP));
    canvas.y_axis(&scale, (LEFT, WIDTH - 8.0), what);
    let zero = scale.at(0.0);
    for (index, rest) in rests.iter().enumerate() {
        let (x, width) = slot(index, positions.len());
        let at = scale.at(unit * rest);
        canvas.rect("orange", (x, at.min(zero)), (width, (at - zero).abs().max(0.6)));
    }
    canvas.line("axis", (LEFT, zero), (WIDTH - 8.0, zero));
    labels(canvas, positions, REST_BOTTOM);
}

fn labels(canvas: &mut Canvas, positions: &[Position], bottom: f64) {
    let every = positions.len().div_ceil(34);
    for (index, p) in positions.iter().enumerate().step_by(every) {
        let (x, width) = slot(index, positions.len());
        canvas.text("muted middle", (x + width / 2.0, bottom + 17.0), &p.label);
    }
    let what = "position: a and b are the operands' digits, c those of the sum, first to last";
    let what = match positions[0].label.as_str() {
        "a1" => what,
        _ => "position in the line",
    };
    canvas.text("muted middle", (f64::midpoint(LEFT, WIDTH), bottom + 36.0), what);
}

fn describe(positions: &[Position]) -> String {
    let sum = |of: fn(&Position) -> Option<f64>| positions.iter().map(of).sum::<Option<f64>>();
    let worst = positions
        .iter()
        .max_by(|a, b| a.epistemic_bits.unwrap_or(a.bits).total_cmp(&b.epistemic_bits.unwrap_or(b.bits)));
    let parts = match (sum(|p| p.aleatoric_bits), sum(|p| p.epistemic_bits)) {
        (Some(chance), Some(rest)) => format!(
            "Over all positions {chance:.4} bits are chance and {rest:.5} could still be learned, most of them at {}.",
            worst.map_or("no position", |p| &p.label)
        ),
        _ => "What part of them is chance is not known.".into(),
    };
    format!("Bars: the mean surprisal of the tokens at each of {} positions. {parts}", positions.len())
}

fn table(positions: &[Position]) -> Table {
    let mut table = Table::of(
        positions,
        &[
            ("position", &|p| p.label.clone()),
            ("tokens", &|p| grouped(p.tokens)),
            ("bits", &|p| format!("{:.6}", p.bits)),
            ("aleatoric", &|p| decimal(p.aleatoric_bits, 6)),
            ("epistemic", &|p| decimal(p.epistemic_bits, 6)),
            ("worst", &|p| format!("{:.3}", p.worst_bits)),
            ("in line", &|p| grouped(p.worst_line)),
            ("which is", &|p| p.worst_text.escape_debug().to_string()),
        ],
    );
    // Of all lines, so that parts of lines that only some have count as often as they come.
    let lines = positions.iter().map(|p| p.tokens).max().unwrap_or(1) as f64;
    let mean = |of: fn(&Position) -> Option<f64>| {
        let parts = positions.iter().map(|p| Some(of(p)? * p.tokens as f64));
        decimal(parts.sum::<Option<f64>>().map(|sum| sum / lines), 6)
    };
    let mut line = vec!["a line".to_owned(), String::new()];
    line.extend([mean(|p| Some(p.bits)), mean(|p| p.aleatoric_bits), mean(|p| p.epistemic_bits)]);
    line.resize(table.head.len(), String::new());
    table.rows.push(line);
    table
}
