//! WebAssembly's relaxed SIMD, which has products of bytes, whose second factor must have 7 bits to be the
//! same everywhere: activations have; attention weights, which have 8, go in two parts.
//!
//! A module is compiled for it as a whole (`-Ctarget-feature=+simd128,+relaxed-simd`), and an engine that lacks it takes
//! none of the module: whoever loads it has the engine validate it first.

use std::arch::wasm32::*;
use std::arch::wasm32::{i16x8_relaxed_q15mulr as mul_q15, i32x4_relaxed_trunc_f32x4 as truncate};

use super::*;

/// Four registers of four lanes, with relaxed products. An engine was seen that computes them wrong: whoever loads such
/// a module has it code something whose bytes are known first.
#[derive(Clone, Copy)]
pub(crate) struct RelaxedSimd(());

impl RelaxedSimd {
    /// The instruction set, if the module is compiled for it.
    pub fn new() -> Option<Self> {
        cfg!(target_feature = "relaxed-simd").then_some(Self(()))
    }
}

functions! {
    "simd128,relaxed-simd":
    fn round(a: v128) -> v128 {
        truncate(f32x4_nearest(a))
    }
    /// A comparison gives all ones or all zeros, of which the selection is everywhere the same.
    fn max(a: v128, b: v128) -> v128 {
        i32x4_relaxed_laneselect(a, b, f32x4_gt(a, b))
    }
    /// sum + Σ u·s over the four bytes of each lane; u has seven bits.
    fn relaxed_dot(sum: v128, u: v128, s: v128) -> v128 {
        i32x4_relaxed_dot_i8x16_i7x16_add(s, u, sum)
    }
    fn relaxed_dot_two(sum: v128, u: v128, s: v128, v: v128, t: v128) -> v128 {
        let short = i16x8_add(i16x8_relaxed_dot_i8x16_i7x16(s, u), i16x8_relaxed_dot_i8x16_i7x16(t, v));
        i32x4_add(sum, i32x4_extadd_pairwise_i16x8(short))
    }
    /// Four outputs of a product for one register of lines; the four quads of a chain share 16-bit sums, as in AVX2.
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
