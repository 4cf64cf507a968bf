//! Probabilities of the next token as the range coder takes them: integers that add up to 2^20.

use std::num::NonZeroU32;

use super::parameters::PRECISION;
use crate::text::Token;

/// Cumulative probabilities of the next token of each line, in 2^20ths.
#[derive(Clone, Copy)]
pub struct Cdfs<'a> {
    rows: &'a [[u32; 8]],
    eights: usize,
}

impl<'a> Cdfs<'a> {
    /// Rows of `eights` times eight numbers, one behind the other.
    pub(crate) fn new(rows: &'a [[u32; 8]], eights: usize) -> Self {
        Self { rows, eights }
    }

    /// The row of a line.
    #[inline]
    pub fn row(&self, line: usize) -> Cdf<'a> {
        Cdf(self.rows[line * self.eights..][..self.eights].as_flattened())
    }
}

/// Cumulative probabilities of a line's next token: for each symbol the left end of its slots, from 0 upwards, each at
/// least one above the last; then 2^20, up to a multiple of eight numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cdf<'a>(pub &'a [u32]);

impl Cdf<'_> {
    /// The slots of a symbol.
    ///
    /// # Panics
    /// If it has none, which no network makes.
    #[inline]
    pub fn slots(&self, token: Token) -> Slots {
        let left = self.0[usize::from(token)];
        let right = self.right_end(usize::from(token));
        Slots::new(left, right - left)
    }

    /// The symbol that has the slot `quantile`, and its slots. A row that is none, by a broken device, gives some symbol
    /// and slots around the quantile: checksums tell.
    #[inline]
    pub(crate) fn find(&self, quantile: u32) -> (Token, Slots) {
        // The last symbol whose slots begin at or before the quantile: as many as do, less one. Each of eight lanes of a
        // vector counts its own. Numbers up to 2^20 may be compared as signed, which is one instruction on any processor.
        let mut begun = [0_u32; 8];
        for eight in self.0.as_chunks::<8>().0 {
            for (count, &left) in begun.iter_mut().zip(eight) {
                *count += u32::from(left as i32 <= quantile as i32);
            }
        }
        let symbol = (begun.iter().sum::<u32>() as usize).saturating_sub(1);
        let (left, right) = (self.0[symbol].min(quantile), self.right_end(symbol).max(quantile + 1));
        (symbol as Token, Slots::new(left, right - left))
    }

    #[inline]
    fn right_end(&self, symbol: usize) -> u32 {
        self.0.get(symbol + 1).copied().unwrap_or(1 << PRECISION)
    }
}

/// The slots of a symbol among the 2^20: its probability is their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// The first.
    pub left: u32,
    /// How many.
    pub width: NonZeroU32,
}

impl Slots {
    /// Every slot: of a symbol that is certain.
    pub(crate) const ALL: Self = Self { left: 0, width: NonZeroU32::new(1 << PRECISION).expect("not 0") };

    /// # Panics
    /// If the width is 0.
    #[inline]
    pub(crate) fn new(left: u32, width: u32) -> Self {
        Self { left, width: NonZeroU32::new(width).expect("every symbol has a slot") }
    }

    /// The bits that the symbol costs.
    #[inline]
    pub fn bits(self) -> f64 {
        PRECISION as f64 - f64::from(self.width.get()).log2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every quantile finds the symbol whose slots it is in. What is no row gives slots around the quantile all the
    /// same, so a decoder goes on without a panic.
    #[test]
    fn every_quantile_finds_its_symbol() {
        let all = 1 << PRECISION;
        let row = [0, 1, 500, 501, all - 2, all, all, all];
        for (quantile, symbol) in [(0, 0), (1, 1), (499, 1), (500, 2), (501, 3), (all - 3, 3), (all - 1, 4)] {
            assert_eq!(Cdf(&row).find(quantile), (symbol, Cdf(&row).slots(symbol)), "{quantile}");
        }
        for bad in [[0; 8], [all; 8], [u32::MAX; 8], [7, 6, 5, 4, 3, 2, 1, 0]] {
            for quantile in [0, 3, 4, all - 1] {
                let (_, Slots { left, width }) = Cdf(&bad).find(quantile);
                assert!(left <= quantile && quantile - left < width.get(), "{bad:?}");
            }
        }
    }
}
