//! The two-part code: weights and data a line, ever more lines, beside xz.

use super::canvas::Canvas;
use super::scale::Scale;
use super::{Figure, row};
use crate::report::{Account, TwoPart, grouped};

const WIDTH: f64 = 780.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 260.0;

/// The figure; none without a line, or without xz.
pub fn figure(account: &Account) -> Option<Figure> {
    let two_part = &account.two_part;
    let rate = two_part.bytes_per_line?;
    let xz_first = two_part.xz.first()?;
    let xz_at = |lines: f64| two_part.xz_bytes(lines).map(|bytes| bytes / lines);
    let meet = two_part.break_even_lines.map(|lines| lines as f64);
    let most = meet
        .unwrap_or(0.0)
        .mul_add(20.0, account.corpus.lines as f64)
        .max(1e4);
    let x = Scale::logarithmic((100.0, most), (LEFT, RIGHT));
    let xz_end = xz_at(most)?;
    let top = 2.2 * xz_at(xz_first.lines as f64)?.max(rate);
    let y = Scale::linear((0.0, top), (BOTTOM, TOP));
    let mut canvas = Canvas::new();
    canvas.x_axis(&x, (TOP, BOTTOM), "lines");
    canvas.y_axis(&y, (LEFT, RIGHT), "bytes a line");
    let own_at = |lines: f64| two_part.model_bytes as f64 / lines + rate;
    let curve = |at: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        (0..=80)
            .map(|i| 100.0 * (most / 100.0).powf(f64::from(i) / 80.0))
            .filter(|&lines| at(lines) <= top)
            .map(|lines| (x.at(lines), y.at(at(lines))))
            .collect()
    };
    canvas.path(
        "line grey-line",
        &curve(&|lines| xz_at(lines).unwrap_or(f64::NAN)),
    );
    canvas.path("line blue", &curve(&own_at));
    for point in &two_part.xz {
        if let Some(value) = xz_at(point.lines as f64).filter(|_| point.lines >= 100) {
            canvas.dot("grey", (x.at(point.lines as f64), y.at(value)));
        }
    }
    canvas.text(
        "",
        (RIGHT + 8.0, y.at(xz_end) + 4.0),
        &format!("xz -9e: {xz_end:.3}"),
    );
    canvas.text(
        "",
        (RIGHT + 8.0, y.at(own_at(most)) + 4.0),
        &format!("surprisal: {rate:.3}"),
    );
    canvas.text(
        "muted",
        (RIGHT + 8.0, y.at(own_at(most)) + 20.0),
        "weights and data",
    );
    if let Some(meet) = meet.filter(|&meet| meet >= 100.0) {
        let at = x.at(meet);
        canvas.line("dash", (at, TOP - 6.0), (at, BOTTOM));
        canvas.text(
            "middle",
            (at, TOP - 12.0),
            &format!("from {} lines on", grouped(meet as u64)),
        );
    }
    Some(Figure {
        name: "two-part",
        title: "Weights and data together: from how many lines on the model pays for itself".into(),
        caption: "Who has no model yet needs its weights, too. Dots: xz on ever more lines from the beginning of this corpus."
            .into(),
        description: describe(two_part),
        table: table(two_part, account.corpus.lines),
        size: (WIDTH, BOTTOM + 46.0),
        body: canvas.finish(),
    })
}

fn describe(two_part: &TwoPart) -> String {
    let meet = match two_part.break_even_lines {
        Some(lines) => format!("They meet at {} lines.", grouped(lines)),
        None => "They never meet.".into(),
    };
    format!(
        "Two lines over the number of lines, which grows by factors of ten: bytes a line of the model's {} bytes and the \
         data together, which falls to {:.3}, and of xz, measured at the dots. {meet}",
        grouped(two_part.model_bytes),
        two_part.bytes_per_line.unwrap_or(0.0)
    )
}

fn table(two_part: &TwoPart, all: u64) -> Vec<Vec<String>> {
    let rate = two_part.bytes_per_line.unwrap_or(0.0);
    let mut counts: Vec<u64> = two_part.xz.iter().map(|point| point.lines).collect();
    counts.extend(two_part.break_even_lines);
    counts.push(all);
    counts.sort_unstable();
    counts.dedup();
    let rows = counts.into_iter().map(|lines| {
        let own = two_part.model_bytes as f64 + rate * lines as f64;
        let xz = two_part.xz_bytes(lines as f64).unwrap_or(0.0);
        let whole = |bytes: f64| grouped(bytes.round() as u64);
        vec![grouped(lines), whole(own), whole(xz)]
    });
    let head = row(["lines", "weights and data, bytes", "xz -9e, bytes"]);
    std::iter::once(head).chain(rows).collect()
}
