//! Texts as lines and tokens: vocabulary, batches and survey of any text; and addition corpora, lines `a+b=c` whose exact
//! entropy is known.
//!
//! The addition corpus is the project's measuring rod: operands are drawn from one of three distributions
//! ([`Operands`]), the sum follows from them, so the entropy of a line is that of its operands and
//! every bit a compressor spends above it is waste.

mod generate;
mod line;
mod line_batch;
mod recognise;
mod survey;
mod vocabulary;

pub use generate::Additions;
pub(crate) use line::has_crlf;
pub use line::is_sum;
pub use line_batch::LineBatch;
pub(crate) use line_batch::lines_of;
pub(crate) use recognise::Recogniser;
pub use survey::Survey;
pub use vocabulary::{Token, Vocabulary};

use crate::{Error, Result};

/// The largest number of digits of an operand: two of them still add up within a `u64`.
pub const MAX_DIGITS: u32 = 18;

/// How the operands of a line are drawn, and how its sum is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operands {
    /// Each digit uniform on 0–9; the sum zero-padded to one digit more.
    Uniform,
    /// No leading zero: uniform on 10^(d−1) … 10^d − 1; the sum zero-padded as above.
    Leading,
    /// Operands as [`Operands::Leading`]; the sum as one would write it, without padding.
    Natural,
}

crate::names::impl_names!(
    Operands,
    "operands",
    [Uniform = "uniform", Leading = "leading", Natural = "natural"]
);

impl Operands {
    /// Smallest operand and number of different operands.
    fn range(self, digits: u32) -> (u64, u64) {
        let all = 10u64.pow(digits);
        match self {
            Self::Uniform => (0, all),
            Self::Leading | Self::Natural => (all / 10, all - all / 10),
        }
    }
}

/// A distribution over lines: what [`Additions`] draws from and what the floor is computed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Distribution {
    digits: u32,
    operands: Operands,
}

impl Distribution {
    /// The distribution of lines with operands of `digits` digits.
    ///
    /// # Errors
    /// [`Error::Setting`] unless 1 ≤ `digits` ≤ [`MAX_DIGITS`].
    pub fn new(digits: u32, operands: Operands) -> Result<Self> {
        let known = 1..=MAX_DIGITS;
        Error::unless(known.contains(&digits), "number of digits", digits, format!("1 to {MAX_DIGITS}"))?;
        Ok(Self { digits, operands })
    }

    /// Digits of an operand.
    pub fn digits(self) -> u32 {
        self.digits
    }

    /// How operands are drawn.
    pub fn operands(self) -> Operands {
        self.operands
    }

    /// Exact entropy of a line in bits: twice log2 of the number of operands, since the two are
    /// independent and uniform and the rest of the line is a function of them.
    pub fn entropy_bits(self) -> f64 {
        let (_, count) = self.operands.range(self.digits);
        2.0 * (count as f64).log2()
    }

    /// Entropy of a line in nats.
    pub fn entropy_nats(self) -> f64 {
        self.entropy_bits() * std::f64::consts::LN_2
    }

    /// The aleatoric part of a line by its coded tokens, in bits: the entropy of each token given those
    /// before it, for as many tokens as the longest line has.
    ///
    /// An operand of d digits, uniform on its range, has independent digits: the first has ten
    /// values (nine without leading zeros), each other ten, all equally likely whatever came before.
    /// `+` and `=` stand at known places. Both operands together decide the sum, the number of its
    /// digits and the end, so that from `=` on nothing is left to chance, in lines of either length.
    /// By the chain rule the parts add up to [`Distribution::entropy_bits`].
    pub fn entropy_by_position(self) -> Vec<f64> {
        let d = self.digits as usize;
        let (_, operands) = self.operands.range(self.digits);
        let first = ((operands / 10u64.pow(self.digits - 1)) as f64).log2();
        let mut parts = vec![0.0; self.max_line_len() + 1];
        for operand in [0, d + 1] {
            parts[operand] = first;
            parts[operand + 1..operand + d].fill(10f64.log2());
        }
        parts
    }

    /// Length in bytes of the longest line, without its newline.
    pub fn max_line_len(self) -> usize {
        3 * self.digits as usize + 3
    }

    /// How many different lines there are; 2^64 − 1 if that is not enough for them.
    pub fn distinct_lines(self) -> u64 {
        let (_, count) = self.operands.range(self.digits);
        count.saturating_mul(count)
    }

    /// Expected number of coded tokens a line: its characters and its end.
    ///
    /// For `natural` lines the sum has d + 1 digits exactly when a + b ≥ 10^d. With m = 10^(d−1),
    /// a and b are uniform on m … 10m − 1; of the (9m)² pairs, 1 + 2 + … + (8m) − … fall short of
    /// 10m: those with (a − m) + (b − m) < 8m, which are 8m(8m + 1)/2.
    pub fn mean_tokens(self) -> f64 {
        let longest = (self.max_line_len() + 1) as f64;
        match self.operands {
            Operands::Uniform | Operands::Leading => longest,
            Operands::Natural => {
                let m = 10f64.powi(self.digits as i32 - 1);
                longest - (8.0 * m) * (8.0 * m + 1.0) / 2.0 / (81.0 * m * m)
            }
        }
    }

    /// Entropy in nats a coded token: the loss that a perfect model reaches.
    pub fn floor_nats_per_token(self) -> f64 {
        self.entropy_nats() / self.mean_tokens()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entropies_of_eight_digits() {
        let bits = |o| Distribution::new(8, o).unwrap().entropy_bits();
        assert!((bits(Operands::Uniform) - 16.0 * 10f64.log2()).abs() < 1e-12);
        let leading = 2.0 * 9f64.log2() + 14.0 * 10f64.log2();
        assert!((bits(Operands::Leading) - leading).abs() < 1e-12);
        assert_eq!(bits(Operands::Leading), bits(Operands::Natural));
        let floor = Distribution::new(8, Operands::Uniform).unwrap().floor_nats_per_token();
        assert!((floor - 1.315_763).abs() < 1e-6, "{floor}");
    }

    #[test]
    fn parts_add_up_to_the_entropy() {
        for operands in Operands::ALL {
            for digits in 1..=MAX_DIGITS {
                let d = Distribution::new(digits, operands).unwrap();
                let sum: f64 = d.entropy_by_position().iter().sum();
                assert!((sum - d.entropy_bits()).abs() < 1e-9, "{digits} {operands}: {sum}");
            }
        }
    }

    /// All lines of one and of two digits, each as likely as any other: H(token | tokens before) by
    /// counting prefixes.
    #[test]
    fn parts_are_conditional_entropies() {
        for operands in Operands::ALL {
            for digits in [1, 2] {
                let d = Distribution::new(digits, operands).unwrap();
                let (low, count) = operands.range(digits);
                let mut prefixes = std::collections::HashMap::<Vec<u8>, u32>::new();
                for a in low..low + count {
                    for b in low..low + count {
                        let mut line = Vec::new();
                        d.append_line(a, b, &mut line);
                        (0..=line.len()).for_each(|n| *prefixes.entry(line[..n].to_vec()).or_default() += 1);
                    }
                }
                let mut found = vec![0.0; d.max_line_len() + 1];
                for (prefix, &n) in prefixes.iter().filter(|(prefix, _)| !prefix.is_empty()) {
                    let before = f64::from(prefixes[&prefix[..prefix.len() - 1]]);
                    let joint = f64::from(n) / (count * count) as f64;
                    found[prefix.len() - 1] -= joint * (f64::from(n) / before).log2();
                }
                let expected = d.entropy_by_position();
                assert_eq!(found.len(), expected.len());
                for (found, expected) in found.iter().zip(expected) {
                    assert!((found - expected).abs() < 1e-9, "{operands}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn natural_token_count_is_exact() {
        let d = Distribution::new(1, Operands::Natural).unwrap();
        let lengths = (1..10).flat_map(|a| (1..10).map(move |b| format!("{a}+{b}={}", a + b).len() + 1));
        let mean = lengths.sum::<usize>() as f64 / 81.0;
        assert!((d.mean_tokens() - mean).abs() < 1e-12);
    }

    #[test]
    fn digits_out_of_range_are_refused() {
        for digits in [0, 19, u32::MAX] {
            let refused = Distribution::new(digits, Operands::Uniform);
            assert!(matches!(refused, Err(Error::Setting { .. })));
        }
    }
}
