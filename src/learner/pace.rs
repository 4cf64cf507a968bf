//! How often a step is taken: on every batch while there is something to learn, on fewer where there is not.
//!
//! What costs time is the gradient, and near the end of what can be learned it is noise. That shows in
//! two ways, both of which encoder and decoder see alike: lines cost what they cost before, and the two
//! halves of a batch no longer agree on where the weights should go (the smaller their gradients' cosine
//! the larger the noise; McCandlish et al., 2018). On a plateau before something is learned, lines also
//! cost what they cost before, but the halves agree.

use crate::network::PRECISION;
use crate::simd::LANES;
use crate::simd::math::tree_sum;

/// Batches of a window, after each of which the stride is set again.
const WINDOW: u64 = 256;

/// The halves are asked on the first batch of so many.
const ASKED: u64 = 8;

/// A cosine of the halves' gradients that is smaller is noise.
const NOISE: f64 = 0.25;

/// The cost of a token that changes by a smaller part than this from window to window stays as it is.
const CHANGE: f64 = 1.0 / 512.0;

/// What decides on which batches a step is taken.
#[derive(Clone)]
pub(super) struct Pace {
    /// A step is taken on the first of so many batches.
    stride: u64,
    batches: u64,
    /// What its tokens cost, and how many they were.
    cost: Cost,
    /// What the halves' gradients said in this window.
    agreement: Agreement,
    /// What a token of the window before cost.
    before: Option<f64>,
}

/// The cost of tokens, by the slots they were coded with.
#[derive(Clone, Copy, Default)]
pub(super) struct Cost {
    /// In 65536ths of a bit, with straight lines between the powers of two for the logarithm.
    bits: u64,
    tokens: u64,
}

/// Sums over two gradients.
#[derive(Clone, Copy, Default)]
pub(super) struct Agreement {
    product: f64,
    squares: [f64; 2],
}

impl Pace {
    /// Before the first batch.
    pub fn new() -> Self {
        Self { stride: 1, batches: 0, cost: Cost::default(), agreement: Agreement::default(), before: None }
    }

    /// Whether a step is due on the batch that was coded last.
    pub fn is_due(&self) -> bool {
        self.batches.is_multiple_of(self.stride)
    }

    /// Whether the halves are asked on the batch that was coded last.
    pub fn asks(&self) -> bool {
        self.batches.is_multiple_of(ASKED)
    }

    /// Counts a batch: what it cost, and what its halves said if they were asked. `longest` is the longest stride.
    pub fn count(&mut self, cost: Cost, agreement: Option<Agreement>, longest: u8) {
        self.batches += 1;
        self.cost.add(cost);
        if let Some(Agreement { product, squares }) = agreement {
            self.agreement.product += product;
            let sums = self.agreement.squares.iter_mut().zip(squares);
            sums.for_each(|(sum, square)| *sum += square);
        }
        if self.batches == WINDOW {
            let now = self.cost.bits as f64 / self.cost.tokens as f64;
            let is_settled = self.before.is_some_and(|before| (now - before).abs() < CHANGE * before);
            self.stride = if is_settled && self.agreement.cosine() < NOISE {
                (2 * self.stride).min(longest.into())
            } else {
                1
            };
            *self = Self { stride: self.stride, before: Some(now), ..Self::new() };
        }
    }
}

impl Cost {
    /// Counts a token that was coded with a slot of this width.
    pub fn count(&mut self, width: u32) {
        let whole = width.ilog2();
        let log2 = (u64::from(whole) << 16) + ((u64::from(width) << 16) >> whole) - (1 << 16);
        self.bits += ((PRECISION as u64) << 16) - log2;
        self.tokens += 1;
    }

    /// Adds what others cost.
    pub fn add(&mut self, other: Self) {
        self.bits += other.bits;
        self.tokens += other.tokens;
    }
}

impl Agreement {
    /// Of two gradients: sums in sixteen striped parts (element i goes to part i mod 16) whose halves
    /// are added.
    pub fn of(a: &[f32], b: &[f32]) -> Self {
        let mut parts = [[0.0f32; LANES]; 3];
        for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
            for i in 0..LANES {
                parts[0][i] += a[i] * b[i];
                parts[1][i] += a[i] * a[i];
                parts[2][i] += b[i] * b[i];
            }
        }
        let [product, a, b] = parts.map(|parts| f64::from(tree_sum(parts)));
        Self { product, squares: [a, b] }
    }

    /// The cosine of the two; no number where nothing was asked.
    pub fn cosine(&self) -> f64 {
        let [a, b] = self.squares;
        self.product / (a.sqrt() * b.sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: u8 = 4;

    /// Batches of a window, all at one cost, and what its halves say; the number of steps taken on it.
    fn window(pace: &mut Pace, width: u32, cosine: f64) -> usize {
        let (mut cost, agreement) = (Cost::default(), Agreement { product: cosine, squares: [1.0, 1.0] });
        (0..100).for_each(|_| cost.count(width));
        let mut steps = 0;
        for _ in 0..WINDOW {
            steps += usize::from(pace.is_due());
            let agreement = pace.asks().then_some(agreement);
            pace.count(cost, agreement, LONGEST);
        }
        steps
    }

    #[test]
    fn steps_become_fewer_where_nothing_is_learned() {
        let mut pace = Pace::new();
        let steps: Vec<usize> = (0..5).map(|_| window(&mut pace, 100_000, 0.1)).collect();
        assert_eq!(steps, [256, 256, 128, 64, 64]);
    }

    #[test]
    fn they_do_not_while_halves_agree_or_lines_cost_less_or_more() {
        let mut pace = Pace::new();
        assert!((0..5).all(|_| window(&mut pace, 100_000, 0.3) == 256), "a plateau");
        let mut pace = Pace::new();
        assert!((0..5).all(|i| window(&mut pace, 100_000 + 1000 * i, 0.1) == 256), "less");
        let mut pace = Pace::new();
        assert!((0..5).all(|i| window(&mut pace, 100_000 - 1000 * i, 0.1) == 256), "more");
    }

    #[test]
    fn they_are_taken_again_when_something_changes() {
        let mut pace = Pace::new();
        (0..4).for_each(|_| {
            window(&mut pace, 100_000, 0.1);
        });
        assert_eq!(window(&mut pace, 90_000, 0.1), 64, "the window that changes");
        assert_eq!(window(&mut pace, 90_000, 0.1), 256, "the window behind it");
        assert_eq!(window(&mut pace, 90_000, 0.1), 128);
        assert_eq!(window(&mut pace, 90_000, 0.5), 64, "the halves agree again");
        assert_eq!(window(&mut pace, 90_000, 0.1), 256);
    }

    /// Batches of one group have no halves, and a gradient that is not finite says nothing.
    #[test]
    fn they_do_not_where_the_halves_say_nothing() {
        let mut pace = Pace::new();
        assert!((0..5).all(|_| window(&mut pace, 100_000, f64::NAN) == 256));
        let (mut pace, mut cost) = (Pace::new(), Cost::default());
        cost.count(100_000);
        for _ in 0..5 * WINDOW {
            assert!(pace.is_due());
            pace.count(cost, None, LONGEST);
        }
    }

    #[test]
    fn halves_agree_by_their_cosine() {
        let a: Vec<f32> = (0..48).map(|i| (i * 7 % 11) as f32 - 5.0).collect();
        let along = |factor: f32| a.iter().map(|a| a * factor).collect::<Vec<_>>();
        let cosine = |b: &[f32]| Agreement::of(&a, b).cosine();
        assert!((cosine(&along(3.0)) - 1.0).abs() < 1e-6);
        assert!((cosine(&along(-0.5)) + 1.0).abs() < 1e-6);
        // Turned by a right angle: neighbours change places, one of them its sign.
        let turned: Vec<f32> = a.as_chunks::<2>().0.iter().flat_map(|&[x, y]| [-y, x]).collect();
        assert!(cosine(&turned).abs() < 1e-6);
    }

    #[test]
    fn the_cost_of_a_slot_follows_its_logarithm() {
        let bits = |width: u32| {
            let mut cost = Cost::default();
            cost.count(width);
            cost.bits as f64 / 65536.0
        };
        assert_eq!((bits(1 << PRECISION), bits(1 << 10), bits(1)), (0.0, 10.0, 20.0));
        for width in 1..1 << 12 {
            let exact = PRECISION as f64 - f64::from(width).log2();
            assert!((0.0..0.0861).contains(&(bits(width) - exact)), "{width}");
            assert!(bits(width) > bits(width + 1));
        }
    }
}
