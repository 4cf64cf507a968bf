//! Numbers as people read them, and tables.

pub use surprisal::report::grouped;

/// So many of something: `1 line`, `2 lines`.
pub fn count(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// A quotient, or none if there is nothing to divide by.
pub fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

/// A number with some decimals, or a dash where there is none.
pub fn decimal(x: Option<f64>, places: usize) -> String {
    x.map_or("-".into(), |x| format!("{x:.places$}"))
}

/// Rows under a head, columns as wide as they must be; all but the first are right-aligned.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let width = |i: usize| {
        rows.iter()
            .map(|row| row[i].chars().count())
            .chain([head[i].len()])
            .max()
    };
    let widths: Vec<usize> = (0..head.len()).map(|i| width(i).unwrap_or(0)).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells = cells.zip(&widths).enumerate().map(|(i, (cell, &width))| match i {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut out = line(&mut head.iter().copied());
    for row in rows {
        out += &line(&mut row.iter().map(String::as_str));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_tables() {
        assert_eq!(
            [0, 1, 2000].map(|n| count(n, "line")),
            ["0 lines", "1 line", "2,000 lines"]
        );
        assert_eq!((ratio(1, 2), ratio(1, 0)), (Some(0.5), None));
        let row = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(
            table(&["a", "bytes"], &[row("long", "1")]),
            "a     bytes\nlong      1\n"
        );
    }
}
