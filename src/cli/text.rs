//! Numbers as people read them, and tables.

use surprisal::report::Table;
pub use surprisal::report::{count, decimal, grouped};

/// A quotient, or none if there is nothing to divide by.
pub fn ratio(numerator: u64, denominator: u64) -> Option<f64> {
    (denominator > 0).then(|| numerator as f64 / denominator as f64)
}

/// Rows under a head, as [`Table::to_text`] lays them out.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head = head.iter().map(|&name| name.to_owned()).collect();
    let table = Table {
        head,
        rows: rows.to_vec(),
        ..Table::default()
    };
    table.to_text()
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
    }
}
