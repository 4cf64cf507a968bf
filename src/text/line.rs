//! One line: how it is written, and whether some text is one.

use std::io::Write;

use super::{Distribution, Operands};

impl Distribution {
    /// Appends the line of two operands, with its newline.
    pub fn append_line(self, a: u64, b: u64, out: &mut Vec<u8>) {
        let d = self.digits as usize;
        let sum = a + b;
        match self.operands {
            Operands::Uniform | Operands::Leading => writeln!(out, "{a:0d$}+{b:0d$}={sum:0w$}", w = d + 1),
            Operands::Natural => writeln!(out, "{a}+{b}={sum}"),
        }
        .expect("writing to memory does not fail");
    }

    /// Whether a line, without its newline, may have been drawn from this distribution: operands
    /// in range, written as it writes them, and their right sum.
    pub fn admits(self, line: &[u8]) -> bool {
        let d = self.digits as usize;
        let operand = |at: usize| parse(line.get(at..at + d)?);
        let (Some(a), Some(b)) = (operand(0), operand(d + 1)) else {
            return false;
        };
        let (low, count) = self.operands.range(self.digits);
        if [a, b].iter().any(|x| !(low..low + count).contains(x)) {
            return false;
        }
        let mut right = Vec::with_capacity(self.max_line_len() + 1);
        self.append_line(a, b, &mut right);
        right.strip_suffix(b"\n") == Some(line)
    }
}

/// Whether the lines of a text end in `\r\n`: more than half of them do.
pub(crate) fn has_crlf(text: &[u8]) -> bool {
    let newlines = memchr::memchr_iter(b'\n', text).count();
    2 * memchr::memmem::find_iter(text, b"\r\n").count() > newlines
}

/// Whether a line, without its newline, has the form of an addition `a+b=c` of decimal numbers,
/// right or wrong.
pub fn is_sum(line: &[u8]) -> bool {
    let mut numbers = line.splitn(2, |&c| c == b'=');
    let (Some(operands), Some(sum)) = (numbers.next(), numbers.next()) else {
        return false;
    };
    let mut operands = operands.splitn(2, |&c| c == b'+');
    let number =
        |text: Option<&[u8]>| text.is_some_and(|t| !t.is_empty() && t.iter().all(u8::is_ascii_digit));
    number(operands.next()) && number(operands.next()) && number(Some(sum))
}

/// The value of decimal digits and nothing else.
fn parse(digits: &[u8]) -> Option<u64> {
    digits.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::{Additions, lines_of};

    #[test]
    fn a_distribution_admits_what_it_draws() {
        for operands in Operands::ALL {
            for digits in [1, 2, 8, 18] {
                let distribution = Distribution::new(digits, operands).unwrap();
                for line in lines_of(&Additions::new(distribution, 1).text(100)) {
                    assert!(distribution.admits(line) && is_sum(line), "{line:?}");
                }
            }
        }
    }

    #[test]
    fn and_nothing_else() {
        let admits = |operands, line: &str| Distribution::new(2, operands).unwrap().admits(line.as_bytes());
        assert!(admits(Operands::Uniform, "07+10=017"));
        for line in
            ["", "07+10", "07+10=17", "07+10=018", "07+10=017 ", "07-10=017", "+7+10=017", "007+10=017"]
        {
            assert!(!admits(Operands::Uniform, line), "{line}");
        }
        assert!(!admits(Operands::Leading, "07+10=017"));
        assert!(admits(Operands::Leading, "17+10=027") && !admits(Operands::Natural, "17+10=027"));
        assert!(admits(Operands::Natural, "17+10=27") && admits(Operands::Natural, "97+10=107"));
    }

    #[test]
    fn sums_may_be_wrong_but_must_be_sums() {
        assert!(is_sum(b"1+2=4") && is_sum(b"123456789012345678901234567890+2=0"));
        for line in ["", "1+2", "1+=3", "+2=3", "1+2=", "1+2=3=3", "1+2+3=6", "a+b=c", "1 + 2 = 3"] {
            assert!(!is_sum(line.as_bytes()), "{line}");
        }
    }
}
