//! WebAssembly's SIMD: four registers of four lines, for one feature of 32 bits as for two of 16 bits.
//!
//! A product of bytes goes by `i32x4.dot_i16x8` of bytes that are widened. The relaxed form has one of bytes, whose
//! second factor must have 7 bits to be the same everywhere: activations have; attention weights, which have 8, go in
//! two parts.
//!
//! 16-bit values stand as `narrow` leaves them: four lines of one feature, then the same four of the other. Narrowing
//! once more gives four features of four lines, and one shuffle puts the bytes of a line side by side.

use std::arch::wasm32::*;
use std::arch::wasm32::{
    f32x4_abs as abs, f32x4_add as add, f32x4_convert_i32x4 as float, f32x4_div as div, f32x4_mul as mul,
    f32x4_splat as splat, f32x4_sqrt as sqrt, f32x4_sub as sub, i8x16_add as add_bytes, i16x8_add as add_h,
    i16x8_add_sat as add_saturating_h, i16x8_max as max_h, i16x8_narrow_i32x4 as pack,
    i16x8_q15mulr_sat as mul_q15, i16x8_shl as shift_left_h, i16x8_splat as splat_h, i32x4_add as add_i,
    i32x4_extend_high_i16x8 as widen_second, i32x4_extend_low_i16x8 as widen_first, i32x4_splat as splat_i,
    i32x4_sub as sub_i, i32x4_trunc_sat_f32x4 as truncate, v128_or as or_i,
};

use super::four_registers::{by_register, each, four_registers, functions};
use super::{LANES, Vector};

/// Four registers of four lanes. Exists only in a module that is compiled for `simd128`.
#[derive(Clone, Copy)]
pub(crate) struct Simd128(());

/// As [`Simd128`] with relaxed products. An engine was seen that computes them wrong: whoever loads such a module
/// compares it with the other first.
#[derive(Clone, Copy)]
pub(crate) struct RelaxedSimd(());

impl Simd128 {
    /// The instruction set, if the module is compiled for it.
    pub fn new() -> Option<Self> {
        cfg!(target_feature = "simd128").then_some(Self(()))
    }
}

impl RelaxedSimd {
    /// As [`Simd128::new`].
    pub fn new() -> Option<Self> {
        cfg!(target_feature = "relaxed-simd").then_some(Self(()))
    }
}

use {load as load_h, load as load_i, store as store_h, store as store_i};

functions! {
    "simd128":
    #[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
    fn load(from: &[u32; 4]) -> v128 {
        // SAFETY: four words are readable.
        unsafe { v128_load(from.as_ptr().cast()) }
    }
    #[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
    fn store(to: &mut [u32; 4], x: v128) {
        // SAFETY: four words are writable.
        unsafe { v128_store(to.as_mut_ptr().cast(), x) }
    }
    fn max(a: v128, b: v128) -> v128 {
        f32x4_pmax(b, a)
    }
    fn round(a: v128) -> v128 {
        i32x4_trunc_sat_f32x4(f32x4_nearest(a))
    }
    fn scale_by_power(a: v128, n: v128) -> v128 {
        i32x4_add(a, i32x4_shl(n, 23))
    }
    fn abs_min_h(a: v128, b: v128) -> v128 {
        u16x8_min(i16x8_abs(a), b)
    }
    fn move_byte(a: v128, from: u32, to: u32) -> v128 {
        i32x4_shl(v128_and(u32x4_shr(a, from), splat_i(0xff)), to)
    }
    /// Four features' bytes of four lines, line by line.
    fn by_line(bytes: v128) -> v128 {
        i8x16_shuffle::<0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15>(bytes, bytes)
    }
    fn quads(a: v128, b: v128) -> v128 {
        by_line(i8x16_narrow_i16x8(a, b))
    }
    fn quads_unsigned(a: v128, b: v128) -> v128 {
        by_line(u8x16_narrow_i16x8(a, b))
    }
    fn pairs(a: v128) -> v128 {
        i16x8_shuffle::<0, 4, 1, 5, 2, 6, 3, 7>(a, a)
    }
    fn dot_pairs(sum: v128, a: v128, b: v128) -> v128 {
        i32x4_add(sum, i32x4_dot_i16x8(a, b))
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
    fn dot_two(sum: v128, u: [v128; 2], s: [v128; 2]) -> v128 {
        let sums = multiply_add([i32x4_splat(0); 2], widened(u[0]), s[0]);
        let [first, second] = multiply_add(sums, widened(u[1]), s[1]);
        i32x4_add(sum, pairwise(first, second))
    }
    fn dot(sum: v128, u: v128, s: v128) -> v128 {
        let [first, second] = multiply_add([i32x4_splat(0); 2], widened(u), s);
        i32x4_add(sum, pairwise(first, second))
    }
    /// Four outputs of a product for one register of lines.
    fn four_outputs<const REGISTER: usize>(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [v128; 4] {
        let mut sums = [[i32x4_splat(0); 2]; 4];
        for (input, weights) in inputs.iter().zip(weights) {
            let u = widened(load(input.quarters()[REGISTER]));
            for output in 0..4 {
                sums[output] = multiply_add(sums[output], u, i32x4_splat(weights[output]));
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
    /// Columns of four rows of four.
    fn transpose(r: [v128; 4]) -> [v128; 4] {
        let (a, b) = (i32x4_shuffle::<0, 4, 1, 5>(r[0], r[1]), i32x4_shuffle::<2, 6, 3, 7>(r[0], r[1]));
        let (c, d) = (i32x4_shuffle::<0, 4, 1, 5>(r[2], r[3]), i32x4_shuffle::<2, 6, 3, 7>(r[2], r[3]));
        [
            i64x2_shuffle::<0, 2>(a, c),
            i64x2_shuffle::<1, 3>(a, c),
            i64x2_shuffle::<0, 2>(b, d),
            i64x2_shuffle::<1, 3>(b, d),
        ]
    }
}

functions! {
    "simd128,relaxed-simd":
    /// sum + Σ u·s over the four bytes of each lane; u has seven bits.
    fn relaxed_dot(sum: v128, u: v128, s: v128) -> v128 {
        i32x4_relaxed_dot_i8x16_i7x16_add(s, u, sum)
    }
    fn relaxed_dot_two(sum: v128, u: [v128; 2], s: [v128; 2]) -> v128 {
        let short = i16x8_add(i16x8_relaxed_dot_i8x16_i7x16(s[0], u[0]), i16x8_relaxed_dot_i8x16_i7x16(s[1], u[1]));
        i32x4_add(sum, i32x4_extadd_pairwise_i16x8(short))
    }
    /// As [`four_outputs`]; the four quads of a chain share 16-bit sums ([`super::avx2`]).
    fn four_outputs_relaxed<const REGISTER: usize>(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [v128; 4] {
        let [a, b, c, d] = *start;
        let mut sums = [i32x4_splat(a), i32x4_splat(b), i32x4_splat(c), i32x4_splat(d)];
        for (inputs, weights) in inputs.as_chunks::<4>().0.iter().zip(weights.as_chunks::<4>().0) {
            let u = |quad: usize| load(inputs[quad].quarters()[REGISTER]);
            let u = [u(0), u(1), u(2), u(3)];
            for (output, sum) in sums.iter_mut().enumerate() {
                let mut short = i16x8_relaxed_dot_i8x16_i7x16(i32x4_splat(weights[0][output]), u[0]);
                for quad in 1..4 {
                    let products = i16x8_relaxed_dot_i8x16_i7x16(i32x4_splat(weights[quad][output]), u[quad]);
                    short = i16x8_add(short, products);
                }
                *sum = i32x4_add(*sum, i32x4_extadd_pairwise_i16x8(short));
            }
        }
        sums
    }
    fn products_relaxed(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[v128; 4]; 4] {
        by_register!(four_outputs_relaxed(start, inputs, weights))
    }
    /// sums + Σ u·s of neighbours at 16 bits: the low seven bits of u, and the eighth.
    fn relaxed_mix(sums: [v128; 2], u: v128, s: v128) -> [v128; 2] {
        let (low, high) = (v128_and(u, u8x16_splat(0x7f)), u8x16_shr(u, 7));
        [
            i16x8_add(sums[0], i16x8_relaxed_dot_i8x16_i7x16(s, low)),
            i16x8_add(sums[1], i16x8_relaxed_dot_i8x16_i7x16(s, high)),
        ]
    }
    fn relaxed_mixed(sums: [v128; 2]) -> v128 {
        i32x4_extadd_pairwise_i16x8(i16x8_add(sums[0], i16x8_shl(sums[1], 7)))
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
four_registers!(
    RelaxedSimd,
    ["simd128,relaxed-simd"],
    F = v128,
    I = v128,
    H = v128,
    Mix = [v128; 2],
    relaxed_dot,
    relaxed_dot_two,
    products_relaxed,
    [splat_i(0); 2],
    relaxed_mix,
    relaxed_mixed
);
