//! Numbers as people read them.

/// A number with commas between groups of three digits.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// So many of something: `1 line`, `2 lines`.
pub fn count(n: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// A number with some decimals, or a dash where there is none.
pub fn decimal(x: Option<f64>, places: usize) -> String {
    x.map_or(DASH.into(), |x| format!("{x:.places$}"))
}

/// Stands where a number is not known.
pub(super) const DASH: &str = "–";

/// A difference to the nearest integer, with its sign.
pub fn signed(x: f64) -> String {
    let sign = if x.round() < 0.0 { '-' } else { '+' };
    format!("{sign}{}", grouped(x.abs().round() as u64))
}

/// A difference in per cent, with as many places as it takes to see it: four up to 0.1 %, two from
/// 10 %.
pub fn signed_percent(x: f64) -> String {
    format!("{}{} %", if x < 0.0 { "-" } else { "+" }, percent(x.abs()))
}

/// A share in per cent without its sign, as [`signed_percent`].
pub fn percent(x: f64) -> String {
    let places = match x {
        x if x < 0.1 => 4,
        x if x < 10.0 => 3,
        _ => 2,
    };
    format!("{x:.places$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_people_read_them() {
        let numbers = [0, 999, 1000, 28_000_000].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "28,000,000"]);
        let differences = [1234.4, -1234.6, -0.2].map(signed);
        assert_eq!(differences, ["+1,234", "-1,235", "+0"]);
        let shares = [0.001_84, -0.5, 80.394].map(signed_percent);
        assert_eq!(shares, ["+0.0018 %", "-0.500 %", "+80.39 %"]);
    }
}
