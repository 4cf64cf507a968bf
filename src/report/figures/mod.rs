//! The figures: an account as pictures, hand-built SVG without a script. Each has a title, a
//! description for those who do not see it, and its numbers as a table.

mod canvas;
mod chain;
mod code_length;
mod learning;
mod lines;
mod peers;
mod positions;
mod scale;
mod training;
mod two_part;

use super::Account;
pub(super) use canvas::escape;
pub use learning::all as of_learning;

/// The names of all figures, in their order; not every account has them all.
pub const NAMES: [&str; 7] = [
    "chain",
    "lines",
    "positions",
    "training",
    "code-length",
    "peers",
    "two-part",
];

/// The names of all figures of an account of learning, in their order; not every one has them all.
pub const LEARNING_NAMES: [&str; 4] = [
    "learning-curve",
    "learning-archive",
    "learning-positions",
    "learning-sizes",
];

/// A picture.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its name: one of [`NAMES`] or of [`LEARNING_NAMES`].
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// What is to be seen in it, in words.
    pub description: String,
    /// Its numbers: a head, then rows.
    pub table: Vec<Vec<String>>,
    /// Its size in pixels, where nothing scales it.
    size: (f64, f64),
    /// What is in the `svg` element.
    body: String,
}

/// All figures that there is something to show in.
pub fn all(account: &Account) -> Vec<Figure> {
    let figures = [
        chain::figure(account),
        lines::figure(account),
        positions::figure(account),
        training::figure(account),
        code_length::figure(account),
        peers::figure(account),
        two_part::figure(account),
    ];
    figures.into_iter().flatten().collect()
}

/// Colours, fonts and strokes of all figures. Okabe and Ito's palette: it can be told apart with any
/// kind of colour vision; lighter hues of it on dark paper.
pub const STYLE: &str = "\
:root{--paper:#fff;--ink:#1a1a1a;--muted:#595959;--grid:#dcdcdc;--blue:#0072b2;--orange:#d55e00;--green:#009e73;\
--purple:#a8508a}
@media (prefers-color-scheme:dark){:root{--paper:#15181c;--ink:#ececec;--muted:#a9adb3;--grid:#383d44;--blue:#56b4e9;\
--orange:#f0924a;--green:#2fc49a;--purple:#d99bc0}}
@media print{:root{--paper:#fff;--ink:#000;--muted:#444;--grid:#ccc;--blue:#0072b2;--orange:#d55e00;--green:#009e73;\
--purple:#a8508a}}
svg text{font:13px system-ui,sans-serif;fill:var(--ink)}
svg .muted{fill:var(--muted)}
svg .bold{font-weight:600}
svg .mono{font-family:ui-monospace,monospace}
svg .middle{text-anchor:middle}
svg .end{text-anchor:end}
svg .paper{fill:var(--paper)}
svg .grid{stroke:var(--grid);stroke-width:1;fill:none}
svg .axis{stroke:var(--muted);stroke-width:1;fill:none}
svg .dash{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:5 4;fill:none}
svg .blue{fill:var(--blue)}svg .orange{fill:var(--orange)}svg .green{fill:var(--green)}svg .grey{fill:var(--muted)}
svg .purple{fill:var(--purple)}
svg .line{fill:none;stroke-width:2;stroke-linejoin:round}
svg .line.blue{stroke:var(--blue);fill:none}svg .line.orange{stroke:var(--orange);fill:none}
svg .line.grey-line{stroke:var(--muted)}
svg .line.green{stroke:var(--green);fill:none}svg .line.purple{stroke:var(--purple);fill:none}
svg .tip{visibility:hidden}
svg .cell:hover .tip{visibility:visible}
svg .cell:hover>rect:first-of-type{stroke:var(--ink);stroke-width:1.5}
";

impl Figure {
    /// The `svg` element for a page that has the [`STYLE`].
    pub fn to_svg(&self) -> String {
        self.element("")
    }

    /// A file by itself.
    pub fn to_svg_file(&self) -> String {
        let (width, height) = self.size;
        let paper = format!("<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>");
        self.element(&format!("<style>{STYLE}</style>{paper}")) + "\n"
    }

    fn element(&self, before: &str) -> String {
        let Self {
            name,
            size: (width, height),
            body,
            ..
        } = self;
        let (title, description) = (escape(&self.title), escape(&self.description));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"{name}-title {name}-desc\">\
             <title id=\"{name}-title\">{title}</title><desc id=\"{name}-desc\">{description}</desc>\
             {before}{body}</svg>"
        )
    }
}

/// A row of a table.
fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|&cell| cell.to_owned()).collect()
}
