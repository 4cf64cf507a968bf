//! A section of an account: a title, a caption, a table and often a figure. Text and page print them.

use super::canvas::{Figure, escape};

/// A part of an account.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name: the section's on a page, the figure's as a file.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// How to read the figure.
    pub caption: String,
    /// How to read the numbers; may be empty.
    pub note: String,
    /// The numbers.
    pub table: Table,
    /// The numbers as a picture.
    pub figure: Option<Figure>,
    /// What the text, which has no figures, shows of it.
    pub brief: Brief,
}

/// What the text shows of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Brief {
    /// Nothing.
    Nothing,
    /// The table.
    Table,
    /// These lines in place of the table.
    Lines(String),
}

/// Numbers under a head.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The names of the columns.
    pub head: Vec<String>,
    /// As many cells as the head has.
    pub rows: Vec<Vec<String>>,
    /// A sentence on each row, or nothing.
    pub remarks: Vec<String>,
}

/// The name of a column, and its cell in an item's row.
pub type Column<'a, T> = (&'a str, &'a dyn Fn(&T) -> String);

/// The widest cell of a table in text, in characters.
const WIDEST: usize = 48;

impl Section {
    /// A section without a figure, whose table the text shows.
    pub fn new(name: &'static str, title: impl Into<String>, table: Table) -> Self {
        Self {
            name,
            title: title.into(),
            caption: String::new(),
            note: String::new(),
            table,
            figure: None,
            brief: Brief::Table,
        }
    }

    /// The figure as an `svg` element for a page that has the style of the pages.
    pub fn to_svg(&self) -> Option<String> {
        Some(self.element(self.figure.as_ref()?, ""))
    }

    /// The figure as a file by itself.
    pub fn to_svg_file(&self) -> Option<String> {
        let figure = self.figure.as_ref()?;
        let (width, height) = figure.size;
        let paper = format!("<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>");
        Some(self.element(figure, &format!("<style>{STYLE}</style>{paper}")) + "\n")
    }

    fn element(&self, figure: &Figure, before: &str) -> String {
        let (name, (width, height), body) = (self.name, figure.size, &figure.body);
        let (title, description) = (escape(&self.title), escape(&figure.description));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-labelledby=\"{name}-title {name}-desc\">\
             <title id=\"{name}-title\">{title}</title><desc id=\"{name}-desc\">{description}</desc>\
             {before}{body}</svg>"
        )
    }
}

impl Table {
    /// A row for each item under columns, each of which is a name and what stands under it.
    pub fn of<T>(items: impl IntoIterator<Item = T>, columns: &[Column<T>]) -> Self {
        let row = |item| columns.iter().map(|(_, cell)| cell(&item)).collect();
        Self {
            head: columns.iter().map(|&(name, _)| name.to_owned()).collect(),
            rows: items.into_iter().map(row).collect(),
            remarks: Vec::new(),
        }
    }

    /// As text: columns as wide as they must be, all but the first right-aligned.
    pub fn to_text(&self) -> String {
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let short = |cell: &str| match cell.char_indices().nth(WIDEST) {
            Some(_) => cell.chars().take(WIDEST - 1).chain(['…']).collect(),
            None => cell.to_owned(),
        };
        let width = |i: usize| all().map(|row| row[i].chars().count().min(WIDEST)).max();
        let widths: Vec<usize> = (0..self.head.len()).filter_map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate();
            let cells = cells.map(|(i, (cell, &width))| match i {
                0 => format!("{:<width$}", short(cell)),
                _ => format!("{:>width$}", short(cell)),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        };
        all().map(line).collect()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let to_text = |row: [&'static str; 2]| {
            Table::of([row], &[("a", &|row| row[0].into()), ("bytes", &|row| row[1].into())]).to_text()
        };
        assert_eq!(to_text(["long", "1"]), "a     bytes\nlong      1\n");
        let wide = to_text(["x", "ééééééééééééééééééééééééééééééééééééééééééééééééééééééééé"]);
        assert_eq!(wide.lines().last().unwrap().chars().count(), 3 + WIDEST);
    }
}
