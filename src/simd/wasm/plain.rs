//! WebAssembly's SIMD as every engine has it: a product of bytes goes by `i32x4.dot_i16x8` of bytes that are widened.

use std::arch::wasm32::*;
use std::arch::wasm32::{i16x8_q15mulr_sat as mul_q15, i32x4_trunc_sat_f32x4 as truncate};

use super::*;
use crate::simd::math;

/// Four registers of four lanes. Exists only in a module that is compiled for `simd128`.
#[derive(Clone, Copy)]
pub(crate) struct Simd128(());

impl Simd128 {
    /// The instruction set, if the module is compiled for it.
    pub fn new() -> Option<Self> {
        cfg!(target_feature = "simd128").then_some(Self(()))
    }
}

functions! {
    "simd128":
    fn max(a: v128, b: v128) -> v128 {
        f32x4_pmax(b, a)
    }
    /// Behind ROUND the integer stands in the low bits. A conversion would be several instructions, since it must saturate.
    fn round(a: v128) -> v128 {
        let limited = f32x4_pmin(f32x4_pmax(a, splat(-math::ROUND_MAX)), splat(math::ROUND_MAX));
        sub_i(add(limited, splat(math::ROUND)), splat_i(math::ROUND.to_bits() as i32))
    }
    /// Sums of neighbours.
    fn pairwise(first: v128, second: v128) -> v128 {
        let even = i32x4_shuffle::<0, 2, 4, 6>(first, second);
        i32x4_add(even, i32x4_shuffle::<1, 3, 5, 7>(first, second))
    }
    /// sums + products of bytes, two to a sum: of lines 0 and 1, and of lines 2 and 3.
    fn multiply_add(sums: [v128; 2], u: [v128; 2], s: v128) -> [v128; 2] {
        [
            i32x4_add(sums[0], i32x4_dot_i16x8(u[0], i16x8_extend_low_i8x16(s))),
            i32x4_add(sums[1], i32x4_dot_i16x8(u[1], i16x8_extend_high_i8x16(s))),
        ]
    }
    fn widened(u: v128) -> [v128; 2] {
        [u16x8_extend_low_u8x16(u), u16x8_extend_high_u8x16(u)]
    }
    fn dot_two(sum: v128, u: v128, s: v128, v: v128, t: v128) -> v128 {
        let sums = multiply_add([i32x4_splat(0); 2], widened(u), s);
        let [first, second] = multiply_add(sums, widened(v), t);
        i32x4_add(sum, pairwise(first, second))
    }
    fn dot(sum: v128, u: v128, s: v128) -> v128 {
        let [first, second] = multiply_add([i32x4_splat(0); 2], widened(u), s);
        i32x4_add(sum, pairwise(first, second))
    }
    /// The weights of two outputs, four times 16 bits each, twice the one and twice the other.
    fn twice_each(two: v128) -> [v128; 2] {
        [i64x2_shuffle::<0, 0>(two, two), i64x2_shuffle::<1, 1>(two, two)]
    }
    /// Four outputs of a product for one register of lines.
    fn four_outputs<const REGISTER: usize>(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [v128; 4] {
        let mut sums = [[i32x4_splat(0); 2]; 4];
        for (input, weights) in inputs.iter().zip(weights) {
            let u = widened(load(input.quarters()[REGISTER]));
            let weights = load(&[weights[0] as u32, weights[1] as u32, weights[2] as u32, weights[3] as u32]);
            let [a, b] = twice_each(i16x8_extend_low_i8x16(weights));
            let [c, d] = twice_each(i16x8_extend_high_i8x16(weights));
            for (sums, weights) in sums.iter_mut().zip([a, b, c, d]) {
                sums[0] = i32x4_add(sums[0], i32x4_dot_i16x8(u[0], weights));
                sums[1] = i32x4_add(sums[1], i32x4_dot_i16x8(u[1], weights));
            }
        }
        let whole = |output: usize| i32x4_add(i32x4_splat(start[output]), pairwise(sums[output][0], sums[output][1]));
        [whole(0), whole(1), whole(2), whole(3)]
    }
    fn products(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[v128; 4]; 4] {
        by_register!(four_outputs(start, inputs, weights))
    }
    fn mix(sums: [v128; 2], u: v128, s: v128) -> [v128; 2] {
        multiply_add(sums, widened(u), s)
    }
    fn mixed(sums: [v128; 2]) -> v128 {
        pairwise(sums[0], sums[1])
    }
}

four_registers!(
    Simd128,
    ["simd128"],
    F = v128,
    I = v128,
    H = v128,
    Mix = [v128; 2],
    dot,
    dot_two,
    products,
    [splat_i(0); 2],
    mix,
    mixed
);
