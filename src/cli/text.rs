//! Numbers as people read them, and tables.

use surprisal::report::{Column, Table};
pub use surprisal::report::{count, decimal, grouped};

/// Text that comes from files, archives or arguments, as a terminal may get it: control characters,
/// which would move its cursor or forge lines, are shown as `\u{1b}`.
pub fn shown(text: &str) -> String {
    let show = |c: char| match c {
        c if c.is_control() || is_direction(c) => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(show).collect()
}

/// As [`shown`], of text that has lines of its own.
pub fn shown_lines(text: &str) -> String {
    text.lines().map(|line| shown(line) + "\n").collect()
}

/// Characters without a shape that turn around the order in which others are shown.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A quotient, or none if there is nothing to divide by.
pub fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

/// A row for each item, as [`Table::to_text`] lays them out. Control characters are shown.
pub fn table<T>(items: impl IntoIterator<Item = T>, columns: &[Column<T>]) -> String {
    let mut table = Table::of(items, columns);
    table.rows.iter_mut().flatten().for_each(|cell| *cell = shown(cell));
    table.to_text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_tables() {
        assert_eq!([0, 1, 2000].map(|n| count(n, "line")), ["0 lines", "1 line", "2,000 lines"]);
        assert_eq!((ratio(1, 2), ratio(1, 0)), (Some(0.5), None));
        assert_eq!(shown("a\u{1b}[31m\nü\u{202e}"), "a\\u{1b}[31m\\u{a}ü\\u{202e}");
    }
}
