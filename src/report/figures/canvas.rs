//! Marks and text.

use std::fmt::Write;

use super::scale::Scale;

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
    pub fn new() -> Self {
        Self::default()
    }

    pub fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let (x, y, width, height) = (px(x), px(y), px(width.max(0.0)), px(height.max(0.0)));
        self.put(&format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        ));
    }

    /// A rectangle through which the paper shows.
    pub fn shade(&mut self, class: &str, opacity: f64, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let (x, y, width, height) = (px(x), px(y), px(width.max(0.0)), px(height.max(0.0)));
        self.put(&format!(
            "<rect class=\"{class}\" fill-opacity=\"{opacity:.2}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
        ));
    }

    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.path(class, &[from, to]);
    }

    /// A line through points.
    pub fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut d = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            let command = if i == 0 { 'M' } else { 'L' };
            write!(d, "{command}{} {}", px(*x), px(*y)).expect("memory");
        }
        self.put(&format!("<path class=\"{class}\" d=\"{d}\"/>"));
    }

    pub fn dot(&mut self, class: &str, (x, y): (f64, f64)) {
        let (x, y) = (px(x), px(y));
        self.put(&format!(
            "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"3.5\"/>"
        ));
    }

    /// Text whose baseline begins, ends or has its middle at a point: class `end` or `middle`.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let (x, y, text) = (px(x), px(y), escape(text));
        let class = if class.is_empty() {
            String::new()
        } else {
            format!(" class=\"{class}\"")
        };
        self.put(&format!("<text{class} x=\"{x}\" y=\"{y}\">{text}</text>"));
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
        let (left, right) = scale.range();
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
        let (_, top) = scale.range();
        self.text("muted", (left - 50.0, top - 12.0), what);
    }

    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_end_its_element() {
        let mut canvas = Canvas::new();
        canvas.text("", (1.0, 2.25), "a<b & \"c\"\u{1}");
        assert_eq!(
            canvas.finish(),
            "<text x=\"1\" y=\"2.2\">a&lt;b &amp; &quot;c&quot;\u{fffd}</text>"
        );
    }
}
