//! Sums of products of bytes as loops over plain arrays.

use super::arrays::{H, I, add_h, add_i, load_i, splat_h, splat_i};
use crate::simd::Vector;
use crate::simd::registers::{each, functions};

/// Two 16-bit sums of each line.
pub(super) type Mix = H;
pub(super) const MIX_ZERO: Mix = [0; 8];

same_bits! {
    halves(I) -> H;
    words(H) -> I;
}

elementwise! {
    low_byte(x: H) -> H = x & 0xff;
    high_byte(x: H) -> H = (x as u16 >> 8) as i16;
    signed_low_byte(x: H) -> H = x << 8 >> 8;
    signed_high_byte(x: H) -> H = x >> 8;
    mul_h(a: H, b: H) -> H = a.wrapping_mul(b);
    mul_i(a: I, b: I) -> I = a.wrapping_mul(b);
    low_half(x: I) -> I = x << 16 >> 16;
    high_half(x: I) -> I = x >> 16;
}

functions! {
    :
    /// Unsigned bytes of even and of odd places, and signed ones.
    fn unsigned_bytes(x: I) -> [H; 2] {
        [low_byte(halves(x)), high_byte(halves(x))]
    }
    fn signed_bytes(x: I) -> [H; 2] {
        [signed_low_byte(halves(x)), signed_high_byte(halves(x))]
    }
    /// Products of bytes, each with that of its neighbour at 16 bits. The sums fit: u ≤ 127 and |s| ≤ 127, or less.
    fn products_of_bytes(u: [H; 2], s: [H; 2]) -> H {
        add_h(mul_h(u[0], s[0]), mul_h(u[1], s[1]))
    }
    /// sum + both 16-bit sums of each line.
    fn add_halves(sum: I, halves: H) -> I {
        let halves = words(halves);
        add_i(sum, add_i(low_half(halves), high_half(halves)))
    }
    /// Two outputs of a product for all lines: their sums and what is multiplied fit sixteen registers. The four quads of
    /// a chain share 16-bit sums (`CHAIN_SUM_MAX`).
    fn two_outputs<const FIRST: usize>(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[I; 4]; 2] {
        let mut sums = [[splat_i(start[FIRST]); 4], [splat_i(start[FIRST + 1]); 4]];
        for (inputs, weights) in inputs.as_chunks::<4>().0.iter().zip(weights.as_chunks::<4>().0) {
            let mut short = [[splat_h(0); 4]; 2];
            for (input, weights) in inputs.iter().zip(weights) {
                let a = signed_bytes(splat_i(weights[FIRST]));
                let b = signed_bytes(splat_i(weights[FIRST + 1]));
                for (register, quarter) in input.quarters().into_iter().enumerate() {
                    let u = unsigned_bytes(load_i(quarter));
                    short[0][register] = add_h(short[0][register], products_of_bytes(u, a));
                    short[1][register] = add_h(short[1][register], products_of_bytes(u, b));
                }
            }
            for (sums, short) in sums.iter_mut().zip(short) {
                *sums = each!(4: add_halves(sums, short));
            }
        }
        sums
    }
    pub(super) fn dot_pairs(sum: I, a: I, b: I) -> I {
        let low = mul_i(low_half(a), low_half(b));
        add_i(sum, add_i(low, mul_i(high_half(a), high_half(b))))
    }
    pub(super) fn dot(sum: I, u: I, s: I) -> I {
        add_halves(sum, products_of_bytes(unsigned_bytes(u), signed_bytes(s)))
    }
    // Four products of at most 127 · 64 fit 16 bits.
    pub(super) fn dot_two(sum: I, u: I, s: I, v: I, t: I) -> I {
        let first = products_of_bytes(unsigned_bytes(u), signed_bytes(s));
        let second = products_of_bytes(unsigned_bytes(v), signed_bytes(t));
        add_halves(sum, add_h(first, second))
    }
    pub(super) fn products(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[I; 4]; 4] {
        let [a, b] = two_outputs::<0>(start, inputs, weights);
        let [c, d] = two_outputs::<2>(start, inputs, weights);
        [a, b, c, d]
    }
    // All sums stay within 255 · 127.
    pub(super) fn mix(sum: Mix, u: I, s: I) -> Mix {
        add_h(sum, products_of_bytes(unsigned_bytes(u), signed_bytes(s)))
    }
    pub(super) fn mixed(sum: Mix) -> I {
        add_halves(splat_i(0), sum)
    }
}
