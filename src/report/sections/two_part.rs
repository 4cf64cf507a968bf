//! The two-part code: weights and data a line, ever more lines, beside xz.

use crate::report::account::Account;
use crate::report::canvas::{Canvas, Figure, Scale};
use crate::report::modelled::ModelRun;
use crate::report::numbers::grouped;
use crate::report::section::{Brief, Section, Table};
use crate::report::two_part::TwoPart;

const WIDTH: f64 = 780.0;
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

fn figure(two_part: &TwoPart, lines: u64) -> Option<Figure> {
    let rate = two_part.bytes_per_line?;
    let first = two_part.xz.first()?;
    let meet = two_part.break_even_lines.map(|lines| lines as f64);
    let most = (20.0 * meet.unwrap_or(0.0) + lines as f64).max(1e4);
    let top = 2.2 * xz_at(two_part, first.lines as f64).max(rate);
    let plot = Plot {
        two_part,
        x: Scale::logarithmic((LEAST, most), (LEFT, RIGHT)),
        y: Scale::linear((0.0, top), (BOTTOM, TOP)),
        most,
        top,
        rate,
    };
    let mut canvas = Canvas::new();
    canvas.x_axis(&plot.x, (TOP, BOTTOM), "lines");
    canvas.y_axis(&plot.y, (LEFT, RIGHT), "bytes a line");
    plot.xz(&mut canvas);
    plot.own(&mut canvas);
    if let Some(meet) = meet.filter(|&meet| meet >= LEAST) {
        let at = plot.x.at(meet);
        canvas.line("dash", (at, TOP - 6.0), (at, BOTTOM));
        canvas.text("middle", (at, TOP - 12.0), &format!("from {} lines on", grouped(meet as u64)));
    }
    Some(canvas.figure((WIDTH, BOTTOM + 46.0), describe(two_part)))
}

/// The fewest lines that are shown.
const LEAST: f64 = 100.0;

/// Both curves, over the number of lines up to `most`, in bytes a line up to `top`.
struct Plot<'a> {
    two_part: &'a TwoPart,
    x: Scale,
    y: Scale,
    most: f64,
    top: f64,
    /// Bytes of data a line.
    rate: f64,
}

fn xz_at(two_part: &TwoPart, lines: f64) -> f64 {
    two_part.xz_bytes(lines).map_or(f64::NAN, |bytes| bytes / lines)
}

impl Plot<'_> {
    fn curve(&self, at: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..=80)
            .map(|i| LEAST * (self.most / LEAST).powf(f64::from(i) / 80.0))
            .filter(|&lines| at(lines) <= self.top)
            .map(|lines| (self.x.at(lines), self.y.at(at(lines))))
            .collect()
    }

    fn xz(&self, canvas: &mut Canvas) {
        let at = |lines| xz_at(self.two_part, lines);
        canvas.path("line grey-line", self.curve(at));
        for point in &self.two_part.xz {
            let lines = point.lines as f64;
            if lines >= LEAST {
                canvas.dot("grey", (self.x.at(lines), self.y.at(at(lines))));
            }
        }
        let end = at(self.most);
        let label = format!("xz -9e: {end:.3}");
        let (y, own) = (self.y.at(end), self.y.at(self.own_at(self.most)));
        // Not on the other curve's two lines of text.
        let y = if (own - 18.0..own + 36.0).contains(&y) { own - 18.0 } else { y };
        canvas.text("", (RIGHT + 8.0, y + 4.0), &label);
    }

    /// Weights and data.
    fn own_at(&self, lines: f64) -> f64 {
        self.two_part.model_bytes as f64 / lines + self.rate
    }

    fn own(&self, canvas: &mut Canvas) {
        let rate = self.rate;
        canvas.path("line blue", self.curve(|lines| self.own_at(lines)));
        let y = self.y.at(self.own_at(self.most));
        canvas.text("", (RIGHT + 8.0, y + 4.0), &format!("surprisal: {rate:.3}"));
        canvas.text("muted", (RIGHT + 8.0, y + 20.0), "weights and data");
    }
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
    let rows = counts.into_iter().map(|lines| {
        let own = two_part.model_bytes as f64 + rate * lines as f64;
        let xz = two_part.xz_bytes(lines as f64).unwrap_or(0.0);
        let whole = |bytes: f64| grouped(bytes.round() as u64);
        vec![grouped(lines), whole(own), whole(xz)]
    });
    Table::new(["lines", "weights and data, bytes", "xz -9e, bytes"], rows)
}
