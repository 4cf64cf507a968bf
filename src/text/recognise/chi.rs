//! Pearson's χ² against equally likely cells.

/// How often each of `N` cells came up.
#[derive(Clone)]
pub(super) struct Table<const N: usize>([u32; N]);

impl<const N: usize> Table<N> {
    pub fn new() -> Self {
        Self([0; N])
    }

    pub fn add(&mut self, cell: usize) {
        self.0[cell] += 1;
    }

    pub fn append(&mut self, more: &Self) {
        self.0.iter_mut().zip(&more.0).for_each(|(a, b)| *a += b);
    }

    pub fn total(&self) -> u64 {
        self.0.iter().map(|&count| u64::from(count)).sum()
    }

    /// The cell that came up most often, and how often.
    pub fn most_frequent(&self) -> (usize, u32) {
        let all = self.0.iter().copied().enumerate();
        all.max_by_key(|&(_, count)| count).expect("there are cells")
    }

    /// χ² of `total` draws from the cells that `may` come up; the others have not.
    pub fn deviation(&self, total: u64, may: impl Fn(usize) -> bool) -> Deviation {
        let cells = (0..N).filter(|&cell| may(cell));
        let count = cells.clone().count();
        let expected = total as f64 / count as f64;
        let square = |cell: usize| (f64::from(self.0[cell]) - expected).powi(2);
        Deviation {
            chi_square: cells.map(square).sum::<f64>() / expected.max(f64::MIN_POSITIVE),
            freedom: (count - 1) as f64,
        }
    }
}

impl Table<100> {
    /// Of a table of pairs: of the first and of the second digit alone.
    pub fn margins(&self) -> [Table<10>; 2] {
        let mut margins = [Table::new(), Table::new()];
        for (cell, count) in self.0.iter().enumerate() {
            margins[0].0[cell / 10] += count;
            margins[1].0[cell % 10] += count;
        }
        margins
    }
}

/// A χ² and its degrees of freedom.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deviation {
    chi_square: f64,
    freedom: f64,
}

impl Deviation {
    /// Of independent tables together.
    pub fn sum(all: &[Self]) -> Self {
        all.iter().fold(Self::default(), |sum, d| Self {
            chi_square: sum.chi_square + d.chi_square,
            freedom: sum.freedom + d.freedom,
        })
    }

    /// What is left without a part. The χ² of a pair against equally likely pairs is that of its first
    /// digit, that of its second, and that of what they have to do with each other: three orthogonal
    /// parts, so each has the difference's degrees of freedom.
    pub fn without(&self, part: &Self) -> Self {
        Self { chi_square: self.chi_square - part.chi_square, freedom: self.freedom - part.freedom }
    }

    /// How far it is from what chance makes it, in standard deviations: by the cube root, which is
    /// close to normal even with few degrees of freedom (E. Wilson and M. Hilferty, 1931).
    pub fn sigmas(&self) -> f64 {
        if self.freedom <= 0.0 {
            return 0.0;
        }
        let variance = 2.0 / (9.0 * self.freedom);
        ((self.chi_square.max(0.0) / self.freedom).cbrt() - (1.0 - variance)) / variance.sqrt()
    }

    /// What a deviation of so many standard deviations is worth to a model that knows it: the
    /// information is about χ² / 2 nats in all lines together.
    pub fn bits_a_line(&self, sigmas: f64, lines: u64) -> f64 {
        sigmas * (2.0 * self.freedom).sqrt() / (2.0 * std::f64::consts::LN_2 * lines as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_chi_square() {
        let mut table = Table::<10>::new();
        (0..100).for_each(|i| table.add(i % 5));
        // Five cells with 20 instead of 10, five with none: 10 · 10² / 10.
        let all = table.deviation(100, |_| true);
        assert!((all.chi_square - 100.0).abs() < 1e-9 && all.freedom == 9.0);
        assert!(all.sigmas() > 6.0);
        let five = table.deviation(100, |cell| cell < 5);
        assert!(five.chi_square == 0.0 && five.sigmas() < -2.0);
        assert_eq!(table.most_frequent().1, 20);
    }

    /// P(χ² with 9 degrees of freedom > 21.666) = 0.01, and 2.326 standard deviations have as much
    /// above them.
    #[test]
    fn sigmas_are_those_of_a_normal_distribution() {
        let one_percent = Deviation { chi_square: 21.666, freedom: 9.0 };
        assert!((one_percent.sigmas() - 2.326).abs() < 0.03, "{}", one_percent.sigmas());
    }
}
