//! What figures are drawn with: marks and text, and scales from numbers to pixels.

use std::fmt::Write;

use super::numbers::grouped;

/// The width of most figures, in pixels.
pub const WIDTH: f64 = 780.0;

/// A picture without a script: hand-built SVG.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What is to be seen in it, in words, for those who do not see it.
    pub description: String,
    /// Its size in pixels, where nothing scales it.
    pub size: (f64, f64),
    /// What is in the `svg` element.
    pub body: String,
}

/// Text as it may stand in XML.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // XML has no other characters below a space.
            c if c < ' ' && !matches!(c, '\t' | '\n' | '\r') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A coordinate to a tenth of a pixel.
fn px(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// What is drawn so far. Every mark has a class, which says how it looks.
#[derive(Default)]
pub struct Canvas(String);

impl Canvas {
    pub fn rect(&mut self, class: &str, corner: (f64, f64), size: (f64, f64)) {
        self.rect_with(&format!("class=\"{class}\""), corner, size);
    }

    /// A rectangle through which the paper shows.
    pub fn shade(&mut self, class: &str, opacity: f64, corner: (f64, f64), size: (f64, f64)) {
        self.rect_with(&format!("class=\"{class}\" fill-opacity=\"{opacity:.2}\""), corner, size);
    }

    fn rect_with(&mut self, look: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let (x, y, width, height) = (px(x), px(y), px(width.max(0.0)), px(height.max(0.0)));
        self.put(&format!("<rect {look} x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"));
    }

    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.path(class, [from, to]);
    }

    /// A line through points.
    pub fn path(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let mut d = String::new();
        for (i, (x, y)) in points.into_iter().enumerate() {
            let command = if i == 0 { 'M' } else { 'L' };
            write!(d, "{command}{} {}", px(x), px(y)).expect("memory");
        }
        self.put(&format!("<path class=\"{class}\" d=\"{d}\"/>"));
    }

    pub fn dot(&mut self, class: &str, (x, y): (f64, f64)) {
        let (x, y) = (px(x), px(y));
        self.put(&format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"3.5\"/>"));
    }

    /// Text whose baseline begins, ends or has its middle at a point: class `end` or `middle`.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let (x, y, text) = (px(x), px(y), escape(text));
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        self.put(&format!("<text{class} x=\"{x}\" y=\"{y}\">{text}</text>"));
    }

    /// Text from a point on, its middle as high as that; with a square of a class before it.
    pub fn label(&mut self, class: Option<&str>, (x, y): (f64, f64), text: &str) {
        if let Some(class) = class {
            self.rect(class, (x - 14.0, y - 5.0), (10.0, 10.0));
        }
        self.text("", (x, y + 4.0), text);
    }

    /// Labels one below the other from `x` on, moved apart: each with its height and a class.
    pub fn labels(&mut self, x: f64, range: (f64, f64), labels: &[(f64, Option<&str>, String)]) {
        let heights: Vec<f64> = labels.iter().map(|label| label.0).collect();
        for (y, (_, class, text)) in spread(&heights, range).into_iter().zip(labels) {
            self.label(*class, (x, y), text);
        }
    }

    /// Markup as it is.
    pub fn put(&mut self, markup: &str) {
        self.0 += markup;
    }

    /// A horizontal axis under a plot from `top` to `bottom`, with ticks, their numbers and what is
    /// measured in which unit.
    pub fn x_axis(&mut self, scale: &Scale, (top, bottom): (f64, f64), what: &str) {
        for tick in scale.ticks() {
            let x = scale.at(tick);
            self.line("grid", (x, top), (x, bottom));
            self.text("muted middle", (x, bottom + 17.0), &scale.label(tick));
        }
        let (left, right) = scale.pixels;
        self.line("axis", (left, bottom), (right, bottom));
        self.text("muted middle", (f64::midpoint(left, right), bottom + 36.0), what);
    }

    /// A vertical axis left of a plot from `left` to `right`; what is measured stands above it.
    pub fn y_axis(&mut self, scale: &Scale, (left, right): (f64, f64), what: &str) {
        for tick in scale.ticks() {
            let y = scale.at(tick);
            self.line("grid", (left, y), (right, y));
            self.text("muted end", (left - 7.0, y + 4.0), &scale.label(tick));
        }
        let (_, top) = scale.pixels;
        self.text("muted", (left - 50.0, top - 12.0), what);
    }

    /// A figure of what was drawn.
    pub fn figure(self, size: (f64, f64), description: String) -> Figure {
        Figure { description, size, body: self.0 }
    }
}

/// A range of numbers over a range of pixels.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    numbers: (f64, f64),
    pixels: (f64, f64),
    kind: Kind,
    /// How many ticks it should have, more or less.
    ticks: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Linear,
    Logarithmic,
}

impl Scale {
    /// A linear one. Vertical pixels count downwards: give the bottom first.
    pub fn linear(numbers: (f64, f64), pixels: (f64, f64)) -> Self {
        Self::new(numbers, pixels, Kind::Linear)
    }

    /// A logarithmic one, for positive numbers.
    pub fn logarithmic(numbers: (f64, f64), pixels: (f64, f64)) -> Self {
        Self::new(numbers, pixels, Kind::Logarithmic)
    }

    fn new(numbers: (f64, f64), pixels: (f64, f64), kind: Kind) -> Self {
        // Something to divide by, whatever there is to show.
        let (from, to) = numbers;
        let to = if to > from { to } else { from + 1e-9_f64.max(from.abs() * 1e-6) };
        Self {
            numbers: (from, to),
            pixels,
            kind,
            ticks: ((pixels.1 - pixels.0).abs() / 80.0).clamp(2.0, 8.0),
        }
    }

    /// Where a number is; those outside are at the edge.
    pub fn at(&self, number: f64) -> f64 {
        let (from, to) = self.numbers;
        let share = match self.kind {
            Kind::Linear => (number - from) / (to - from),
            Kind::Logarithmic => (number.max(from) / from).ln() / (to / from).ln(),
        };
        self.pixels.0 + share.clamp(0.0, 1.0) * (self.pixels.1 - self.pixels.0)
    }

    /// Round numbers in the range.
    pub fn ticks(&self) -> Vec<f64> {
        let (from, to) = self.numbers;
        match self.kind {
            Kind::Linear => {
                let step = self.step();
                let first = (from / step - 1e-6).ceil() as i64;
                let last = (to / step + 1e-6).floor() as i64;
                (first..=last).map(|i| i as f64 * step).collect()
            }
            Kind::Logarithmic => {
                let (first, last) = (from.log10().ceil() as i32, to.log10().floor() as i32);
                (first..=last).map(|power| 10f64.powi(power)).collect()
            }
        }
    }

    /// 1, 2 or 5 times a power of ten.
    fn step(&self) -> f64 {
        let rough = (self.numbers.1 - self.numbers.0) / self.ticks;
        let power = 10f64.powf(rough.log10().floor());
        let times = [1.0, 2.0, 5.0, 10.0].into_iter().find(|t| t * power >= rough * 0.999);
        times.unwrap_or(10.0) * power
    }

    /// A tick's number, with the places that its neighbours need.
    pub fn label(&self, tick: f64) -> String {
        if self.kind == Kind::Logarithmic {
            let places = -tick.log10().round();
            return if places > 0.0 {
                format!("{tick:.*}", places as usize)
            } else {
                grouped(tick.round() as u64)
            };
        }
        let step = self.step();
        let (unit, suffix) = match self.numbers.0.abs().max(self.numbers.1.abs()) {
            m if m >= 1e6 => (1e6, " M"),
            m if m >= 1e4 => (1e3, " k"),
            _ => (1.0, ""),
        };
        let places = (-(step / unit).log10().floor()).max(0.0) as usize;
        let value = tick / unit;
        if value == 0.0 {
            return "0".into();
        }
        format!("{value:.places$}{suffix}")
    }
}

/// The colours of the runs, as classes of what is filled and of lines.
const COLOURS: [(&str, &str); 5] = [
    ("blue", "line blue"),
    ("orange", "line orange"),
    ("green", "line green"),
    ("purple", "line purple"),
    ("grey", "line grey-line"),
];

/// The colour of a run.
pub fn colour(run: usize) -> (&'static str, &'static str) {
    COLOURS[run % COLOURS.len()]
}

/// Pixels between two labels, one below the other.
const GAP: f64 = 17.0;

/// Moves heights of labels apart, within `top` and `bottom` if there is room.
pub fn spread(heights: &[f64], (top, bottom): (f64, f64)) -> Vec<f64> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|&a, &b| heights[a].total_cmp(&heights[b]));
    let mut placed = heights.to_vec();
    let mut free = top;
    for &i in &order {
        placed[i] = placed[i].max(free);
        free = placed[i] + GAP;
    }
    // Those that went below the bottom push the others up again.
    let mut free = bottom;
    for &i in order.iter().rev() {
        placed[i] = placed[i].min(free);
        free = placed[i] - GAP;
    }
    placed
}

/// At most about `most` groups of neighbours.
pub fn groups<T>(items: &[T], most: usize) -> std::slice::Chunks<'_, T> {
    items.chunks(items.len().div_ceil(most).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_end_its_element() {
        let mut canvas = Canvas::default();
        canvas.text("", (1.0, 2.25), "a<b & \"c\"\u{1}");
        assert_eq!(canvas.0, "<text x=\"1\" y=\"2.2\">a&lt;b &amp; &quot;c&quot;\u{fffd}</text>");
    }

    #[test]
    fn ticks_are_round_and_in_range() {
        let labels =
            |scale: Scale| -> Vec<String> { scale.ticks().iter().map(|&tick| scale.label(tick)).collect() };
        let scale = Scale::linear((53.1508, 53.1683), (200.0, 600.0));
        assert_eq!(labels(scale), ["53.155", "53.160", "53.165"]);
        let scale = Scale::linear((0.0, 7_680_000.0), (0.0, 400.0));
        assert_eq!(labels(scale), ["0", "2 M", "4 M", "6 M"]);
        let scale = Scale::logarithmic((900.0, 2e6), (0.0, 400.0));
        assert_eq!(labels(scale), ["1,000", "10,000", "100,000", "1,000,000"]);
        let scale = Scale::logarithmic((9e-5, 12.0), (0.0, 400.0));
        assert_eq!(labels(scale), ["0.0001", "0.001", "0.01", "0.1", "1", "10"]);
    }

    #[test]
    fn nothing_to_show_is_no_division_by_zero() {
        for scale in [
            Scale::linear((5.0, 5.0), (0.0, 100.0)),
            Scale::linear((0.0, 0.0), (0.0, 100.0)),
            Scale::logarithmic((1.0, 1.0), (0.0, 100.0)),
        ] {
            assert!(scale.at(5.0).is_finite() && scale.ticks().len() < 20, "{scale:?}");
        }
        let upwards = Scale::linear((0.0, 10.0), (100.0, 0.0));
        assert_eq!((upwards.at(2.5), upwards.at(-1.0), upwards.at(11.0)), (75.0, 100.0, 0.0));
    }

    #[test]
    fn labels_do_not_touch() {
        let placed = spread(&[100.0, 101.0, 20.0, 99.0], (0.0, 110.0));
        let mut sorted = placed.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|w| w[1] - w[0] >= GAP - 1e-9), "{placed:?}");
        assert!(sorted[3] <= 110.0 && placed[2] == 20.0);
        assert!(placed[3] < placed[0] && placed[0] < placed[1]);
    }

    #[test]
    fn groups_are_few() {
        let items: Vec<u32> = (0..977).collect();
        let sizes: Vec<usize> = groups(&items, 100).map(<[u32]>::len).collect();
        assert!(sizes.len() <= 100 && sizes.iter().sum::<usize>() == 977);
        assert_eq!(groups(&items[..0], 100).count(), 0);
    }
}
