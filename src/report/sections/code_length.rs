//! The code length as the corpus goes on, beside the straight line of its entropy.

use crate::report::account::{Account, Learners};
use crate::report::canvas::{Canvas, Figure, Scale, WIDTH, colour, groups, spread};
use crate::report::code_length::CodeLength;
use crate::report::learned::LearningRun;
use crate::report::modelled::ModelRun;
use crate::report::numbers::{DASH, grouped};
use crate::report::section::{Brief, Section, Table};

const LEFT: f64 = 66.0;
const TOP: f64 = 34.0;
/// The most points in the table, of each curve.
const TABLE_ROWS: usize = 20;

/// A code length, and the classes of its line and of its line above the floor.
struct Curve<'a> {
    name: &'a str,
    /// What stands before the number at its end.
    prefix: String,
    points: &'a [CodeLength],
    classes: [&'static str; 2],
}

/// Both plots: the code lengths, and what is above the floor.
struct Plot<'a> {
    curves: Vec<Curve<'a>>,
    /// Bits a line.
    floor: Option<f64>,
    x: Scale,
    right: f64,
    bottom: f64,
    /// Top and bottom of the second plot.
    rest: (f64, f64),
}

/// The section of a model; none if there are no lines.
pub fn of_model(account: &Account, run: &ModelRun) -> Option<Section> {
    let end = run.code_length.last();
    let end = end.filter(|end| end.lines > 0 && end.bits > 0.0)?;
    let plot = Plot {
        curves: vec![Curve {
            name: run.model.name(),
            prefix: String::new(),
            points: &run.code_length,
            classes: ["line blue", "line orange"],
        }],
        floor: account.floor.bits_per_line,
        x: Scale::linear((0.0, end.lines as f64), (LEFT, 640.0)),
        right: 640.0,
        bottom: 244.0,
        rest: (310.0, 420.0),
    };
    let (title, caption) = match plot.floor {
        Some(_) => (
            "The code length beside the floor's line",
            "Both lines of the upper plot are nearly one; the lower plot is the difference between them.",
        ),
        None => ("The code length, line by line", "The steeper, the more bits a line takes."),
    };
    Some(Section {
        caption: caption.into(),
        figure: Some(plot.of_model(end, account.floor_bytes)),
        brief: Brief::Nothing,
        ..Section::new("code-length", title, plot.table())
    })
}

/// The code length of a learner.
fn curve((index, run): (usize, &LearningRun)) -> Curve<'_> {
    Curve {
        name: &run.preset,
        prefix: format!("{}: ", run.preset),
        points: &run.code_length,
        classes: [colour(index).1; 2],
    }
}

/// The section of learners, with what others make of the whole; none without a line.
pub fn of_learners(account: &Account, learners: &Learners) -> Option<Section> {
    let lines = account.corpus.lines;
    if lines == 0 {
        return None;
    }
    let plot = Plot {
        curves: learners.runs.iter().enumerate().map(curve).collect(),
        floor: account.floor.bits_per_line,
        x: Scale::linear((0.0, lines as f64), (LEFT, 490.0)),
        right: 490.0,
        bottom: 304.0,
        rest: (370.0, 500.0),
    };
    let mut caption = "Lines: payloads so far. Dots: what others make of the whole corpus.".to_owned();
    if let Some(bundled) = &learners.bundled {
        caption += &format!(
            " The thin line is the two-part code: {} bytes of weights of {}, which was trained before, and the archive by it.",
            grouped(bundled.model_bytes),
            bundled.model
        );
    }
    Some(Section {
        caption,
        figure: Some(plot.of_learners(account, learners)),
        brief: Brief::Nothing,
        ..Section::new("learning-archive", "The archive as it grows", plot.table())
    })
}

impl Plot<'_> {
    fn of_model(&self, end: &CodeLength, floor_bytes: Option<f64>) -> Figure {
        let mut canvas = Canvas::default();
        let coded = end.bits / 8.0;
        let most = coded.max(floor_bytes.unwrap_or(0.0));
        let y = Scale::linear((0.0, 1.08 * most), (self.bottom, TOP));
        self.whole(&mut canvas, &y, "bytes of payload so far", floor_bytes);
        let (at, label) = (y.at(coded), self.right + 8.0);
        let bytes = |bytes: f64| format!("{} B", grouped(bytes.round() as u64));
        canvas.text("", (label, at - 6.0), &format!("coded {}", bytes(coded)));
        let mut description = format!(
            "A line over the number of lines: after {} of them the payload has {}",
            grouped(end.lines),
            bytes(coded)
        );
        if let (Some(floor), Some(floor_bytes)) = (self.floor, floor_bytes) {
            let floor_bytes = bytes(floor_bytes);
            canvas.text("", (label, at + 12.0), &format!("floor {floor_bytes}"));
            description += &format!(
                ". A dashed straight line, their entropy, ends at {floor_bytes}: {:+.0} bytes below it",
                end.above(floor)
            );
        }
        self.figure(canvas, "bytes above the floor", description + ".")
    }

    fn of_learners(&self, account: &Account, learners: &Learners) -> Figure {
        let marks = marks(account, learners);
        let most = marks.iter().map(|&(_, bytes, _)| bytes).fold(1.0, f64::max);
        let y = Scale::linear((0.0, 1.04 * most), (self.bottom, TOP));
        let mut canvas = Canvas::default();
        self.whole(&mut canvas, &y, "bytes so far", account.floor_bytes);
        if let Some(bundled) = &learners.bundled {
            let (model, all) = (bundled.model_bytes, bundled.model_bytes + bundled.archive_bytes);
            let from = (self.x.at(0.0), y.at(model as f64));
            canvas.line("axis", from, (self.right, y.at(all as f64)));
        }
        let heights: Vec<f64> = marks.iter().map(|&(_, bytes, _)| y.at(bytes)).collect();
        let labels = spread(&heights, (TOP, self.bottom));
        let mut texts = Vec::new();
        for ((label, at), (name, bytes, class)) in labels.into_iter().zip(heights).zip(marks) {
            if class.is_none() {
                canvas.dot("grey", (self.right, at));
            }
            let bytes = grouped(bytes.round() as u64);
            canvas.label(class, (self.right + 22.0, label), &format!("{name}: {bytes} B"));
            texts.push(format!("{name} {bytes}"));
        }
        let description =
            format!("Lines over the number of lines: the bytes so far. At the end: {}.", texts.join("; "));
        let what = "bytes above the floor so far: what learning cost";
        self.figure(canvas, what, description)
    }

    /// The code lengths and the straight line of the floor.
    fn whole(&self, canvas: &mut Canvas, y: &Scale, what: &str, floor_bytes: Option<f64>) {
        canvas.y_axis(y, (LEFT, self.right), what);
        for curve in &self.curves {
            let point = |p: &CodeLength| (self.x.at(p.lines as f64), y.at(p.bits / 8.0));
            canvas.path(curve.classes[0], curve.points.iter().map(point));
        }
        canvas.line("axis", (LEFT, self.bottom), (self.right, self.bottom));
        if let Some(floor) = floor_bytes {
            let origin = (self.x.at(0.0), y.at(0.0));
            canvas.line("dash", origin, (self.right, y.at(floor)));
        }
    }

    /// Adds the second plot, if the floor is known, and the axis.
    fn figure(&self, mut canvas: Canvas, what: &str, description: String) -> Figure {
        let bottom = match self.floor {
            Some(floor) => {
                self.above(&mut canvas, floor, what);
                self.rest.1
            }
            None => self.bottom,
        };
        canvas.x_axis(&self.x, (bottom - 1.0, bottom), "lines");
        canvas.figure((WIDTH, bottom + 46.0), description)
    }

    /// What is above the floor.
    fn above(&self, canvas: &mut Canvas, floor: f64, what: &str) {
        let all = self.curves.iter().flat_map(|curve| curve.points);
        let all = all.map(|point| point.above(floor));
        let (least, most) = all.fold((0.0f64, 0.0f64), |(l, m), a| (l.min(a), m.max(a)));
        let pixels = (self.rest.1, self.rest.0);
        let y = Scale::linear((least, most + 0.08 * (most - least)), pixels);
        canvas.y_axis(&y, (LEFT, self.right), what);
        let mut ends = Vec::new();
        for curve in &self.curves {
            let point = |p: &CodeLength| (self.x.at(p.lines as f64), y.at(p.above(floor)));
            canvas.path(curve.classes[1], curve.points.iter().map(point));
            let end = curve.points.last().map_or(0.0, |point| point.above(floor));
            ends.push((y.at(end), None, format!("{}{end:+.0} B", curve.prefix)));
        }
        canvas.line("dash", (LEFT, y.at(0.0)), (self.right, y.at(0.0)));
        canvas.labels(self.right + 8.0, self.rest, &ends);
    }

    fn table(&self) -> Table {
        let points = self.curves.iter().flat_map(|curve| {
            let last = groups(curve.points, TABLE_ROWS).filter_map(|points| points.last());
            last.map(|point| (curve.name, point))
        });
        let above = |point: &CodeLength| self.floor.map(|floor| format!("{:+.1}", point.above(floor)));
        Table::of(
            points,
            &[
                ("coded by", &|(name, _)| (*name).to_owned()),
                ("lines", &|(_, point)| grouped(point.lines)),
                ("bytes of payload", &|(_, point)| grouped((point.bits / 8.0).round() as u64)),
                ("bytes above the floor", &|(_, point)| above(point).unwrap_or(DASH.into())),
            ],
        )
    }
}

/// What has a mark at the right end, its bytes for the whole corpus, and a learner's colour.
fn marks(account: &Account, learners: &Learners) -> Vec<(String, f64, Option<&'static str>)> {
    let runs = learners.runs.iter().enumerate();
    let runs =
        runs.map(|(index, run)| (run.preset.clone(), run.archive.bytes_out as f64, Some(colour(index).0)));
    let floor = account.floor_bytes.map(|bytes| ("floor".to_owned(), bytes, None));
    let bundled = learners.bundled.as_ref().map(|bundled| {
        let bytes = bundled.model_bytes + bundled.archive_bytes;
        (format!("{} + weights", bundled.model), bytes as f64, None)
    });
    let peers = account.peers.iter().flatten();
    let peers = peers.map(|peer| (peer.name.to_owned(), peer.bytes as f64, None));
    runs.chain(floor).chain(bundled).chain(peers).collect()
}
