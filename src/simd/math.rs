//! What both networks' arithmetic has in common, for one number and for sixteen lines: it is made of integer
//! operations and of +, −, ×, ÷, √, comparison and conversion on IEEE-754 binary32, each of which is correctly
//! rounded everywhere.

use super::{LANES, Lanes, Vector};

/// Adding and subtracting 1.5·2²³ rounds a float below 2²² in magnitude to an integer, ties to even.
pub(crate) const ROUND: f32 = 12_582_912.0;
/// The largest number that [`ROUND`] rounds.
pub(crate) const ROUND_MAX: f32 = 4_194_303.0;

/// Coefficients, lowest first, of the minimax polynomials of 2^f on [−½, ½] by relative error:
/// 1.8e-3, enough for attention weights that are rounded to 8 bits.
pub(crate) const EXP2_COARSE: [f32; 3] = [1.000_443_1, 0.703_448, 0.238_428_94];
/// As above with relative error 2.4e-7, for the probabilities that are coded.
pub(crate) const EXP2_FINE: [f32; 6] =
    [1.000_000_1, 0.693_146_94, 0.240_221_2, 0.055_507_13, 0.009_675_541, 0.001_327_647_2];

/// 2^x for least ≤ x ≤ 126, and 2^least below, by a polynomial of the fractional part: x = n + f with |f| ≤ ½, and n
/// is added to the exponent's bits. `least` is at least −126.
pub(crate) fn exp2<const N: usize>(x: f32, coefficients: &[f32; N], least: f32) -> f32 {
    let x = if x > least { x } else { least };
    let shifted = x + ROUND;
    let f = x - (shifted - ROUND);
    let mut p = coefficients[N - 1];
    for &c in coefficients[..N - 1].iter().rev() {
        p = p * f + c;
    }
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// [`exp2`] of sixteen lines.
#[inline(always)]
pub(crate) fn exp2_of_lanes<L: Lanes, const N: usize>(
    l: L,
    x: L::F,
    coefficients: &[f32; N],
    least: f32,
) -> L::F {
    let round = l.splat(ROUND);
    let x = l.max(x, l.splat(least));
    let shifted = l.add(x, round);
    let f = l.sub(x, l.sub(shifted, round));
    let mut p = l.splat(coefficients[N - 1]);
    for &c in coefficients[..N - 1].iter().rev() {
        p = l.add(l.mul(p, f), l.splat(c));
    }
    l.scale_by_power(p, shifted)
}

/// x to the nearest integer, ties to even; for |x| < 2³¹.
#[inline]
pub(crate) fn round(x: f32) -> i32 {
    x.round_ties_even() as i32
}

/// (a·b + 2¹⁴) >> 15: the rounded high product of two Q15 numbers (`pmulhrsw`).
#[inline]
pub(crate) fn mul_q15(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b) + (1 << 14)) >> 15) as i16
}

/// The sum of sixteen parts as a tree: i and i + 8 are added, then i + 4, i + 2, i + 1.
#[inline(always)]
pub(crate) fn tree_sum(mut parts: [f32; LANES]) -> f32 {
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            parts[i] += parts[i + half];
        }
    }
    parts[0]
}

/// From each symbol's logit in bits, b_s, to e_s = 2^(b_s − greatest), in place, and to the left end of its slots of
/// 2^precision: lefts_s = ⌊(e_0 + … + e_(s−1))·((2^precision − symbols)/total)⌋ + s, and 2^precision in what
/// `lefts` has more than there are symbols. Gives the total Σ e.
#[inline(always)]
pub(crate) fn cumulative<L: Lanes>(
    l: L,
    exps: &mut [Vector],
    least: f32,
    precision: usize,
    lefts: &mut [Vector],
) -> L::F {
    let symbols = exps.len();
    let mut max = l.splat(f32::MIN);
    for bits in &*exps {
        max = l.max(l.load(bits), max);
    }
    let mut total = l.splat(0.0);
    for (exp, left) in exps.iter_mut().zip(&mut *lefts) {
        let e = exp2_of_lanes(l, l.sub(l.load(exp), max), &EXP2_FINE, least);
        l.store(exp, e);
        l.store(left, total);
        total = l.add(total, e);
    }
    let factor = l.div(l.splat(((1 << precision) - symbols) as f32), total);
    let (used, padding) = lefts.split_at_mut(symbols);
    for (symbol, left) in used.iter_mut().enumerate() {
        let slots = l.truncate(l.mul(l.load(left), factor));
        l.store_i(left, l.add_i(slots, l.splat_i(symbol as i32)));
    }
    padding.fill(Vector([1 << precision; LANES]));
    total
}

/// Vectors, whole eights of them, as a row of words for each line.
#[inline(always)]
pub(crate) fn scatter_rows<L: Lanes>(l: L, vectors: &[Vector], rows: &mut [[u32; 8]]) {
    let eights = vectors.len() / 8;
    for (index, eight) in vectors.as_chunks::<8>().0.iter().enumerate() {
        l.scatter(eight, &mut rows[index..], eights);
    }
}
