//! The two-part code: weights and data a line, ever more lines, beside xz.

use crate::report::account::Account;
use crate::report::canvas::{Canvas, Figure, Scale, WIDTH};
use crate::report::modelled::ModelRun;
use crate::report::numbers::grouped;
use crate::report::section::{Brief, Section, Table};
use crate::report::two_part::TwoPart;

const LEFT: f64 = 62.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 260.0;

/// The section; none without a line, or without xz.
pub fn section(account: &Account, run: &ModelRun) -> Option<Section> {
    let (two_part, lines) = (&run.two_part, account.corpus.lines);
    Some(Section {
        caption: "Who has no model yet needs its weights, too. Dots: xz on ever more lines from the beginning of this \
                  corpus."
            .into(),
        figure: Some(figure(two_part, lines)?),
        brief: Brief::Nothing,
        ..Section::new("two-part", "Weights and data together: from how many lines on the model pays for itself", table(two_part, lines))
    })
}

/// The fewest lines that are shown.
const LEAST: f64 = 100.0;

fn figure(two_part: &TwoPart, lines: u64) -> Option<Figure> {
    let rate = two_part.bytes_per_line?;
    let first = two_part.xz.first()?;
    // Bytes a line, of so many lines.
    let own = |lines: f64| two_part.model_bytes as f64 / lines + rate;
    let xz = |lines: f64| two_part.xz_bytes(lines).map_or(f64::NAN, |bytes| bytes / lines);
    let meet = two_part.break_even_lines.map(|lines| lines as f64);
    let most = (20.0 * meet.unwrap_or(0.0) + lines as f64).max(1e4);
    let top = 2.2 * xz(first.lines as f64).max(rate);
    let x = Scale::logarithmic((LEAST, most), (LEFT, RIGHT));
    let y = Scale::linear((0.0, top), (BOTTOM, TOP));
    let mut canvas = Canvas::default();
    canvas.x_axis(&x, (TOP, BOTTOM), "lines");
    canvas.y_axis(&y, (LEFT, RIGHT), "bytes a line");
    let curve = |bytes: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        let lines = (0..=80).map(|i| LEAST * (most / LEAST).powf(f64::from(i) / 80.0));
        let points = lines.map(|lines| (lines, bytes(lines))).filter(|&(_, bytes)| bytes <= top);
        points.map(|(lines, bytes)| (x.at(lines), y.at(bytes))).collect()
    };
    canvas.path("line grey-line", curve(&xz));
    for lines in two_part.xz.iter().map(|point| point.lines as f64).filter(|&lines| lines >= LEAST) {
        canvas.dot("grey", (x.at(lines), y.at(xz(lines))));
    }
    let (own_end, xz_end) = (y.at(own(most)), y.at(xz(most)));
    // Not on the other curve's two lines of text.
    let is_covered = (own_end - 18.0..own_end + 36.0).contains(&xz_end);
    let xz_end = if is_covered { own_end - 18.0 } else { xz_end };
    canvas.label(None, (RIGHT + 8.0, xz_end), &format!("xz -9e: {:.3}", xz(most)));
    canvas.path("line blue", curve(&own));
    canvas.label(None, (RIGHT + 8.0, own_end), &format!("surprisal: {rate:.3}"));
    canvas.text("muted", (RIGHT + 8.0, own_end + 20.0), "weights and data");
    if let Some(meet) = meet.filter(|&meet| meet >= LEAST) {
        let at = x.at(meet);
        canvas.line("dash", (at, TOP - 6.0), (at, BOTTOM));
        canvas.text("middle", (at, TOP - 12.0), &format!("from {} lines on", grouped(meet as u64)));
    }
    Some(canvas.figure((WIDTH, BOTTOM + 46.0), describe(two_part)))
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

fn table(two_part: &TwoPart, all: u64) -> Table {
    let rate = two_part.bytes_per_line.unwrap_or(0.0);
    let mut counts: Vec<u64> = two_part.xz.iter().map(|point| point.lines).collect();
    counts.extend(two_part.break_even_lines);
    counts.push(all);
    counts.sort_unstable();
    counts.dedup();
    let whole = |bytes: f64| grouped(bytes.round() as u64);
    Table::of(
        counts,
        &[
            ("lines", &|&lines| grouped(lines)),
            ("weights and data, bytes", &|&lines| whole(two_part.model_bytes as f64 + rate * lines as f64)),
            ("xz -9e, bytes", &|&lines| whole(two_part.xz_bytes(lines as f64).unwrap_or(0.0))),
        ],
    )
}
