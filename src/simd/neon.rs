//! NEON on aarch64: four registers of four lines, for one feature of 32 bits as for two of 16 bits.
//!
//! With `dotprod` one instruction adds four products of signed bytes to each 32-bit lane. Unsigned activations have 7
//! bits, so they are signed bytes as well. Without it, `smlal` adds products to 16 bits, which hold them by the
//! quantiser's promise ([`super::x86`]).
//!
//! 16-bit values stand as `sqxtn` leaves them: four lines of one feature, then the same four of the other. Narrowing
//! once more gives four features of four lines, and one table lookup puts the bytes of a line side by side.

use std::arch::aarch64::*;
use std::arch::aarch64::{
    vabsq_f32 as abs, vaddq_f32 as add, vaddq_s16 as add_h, vaddq_s32 as add_i, vcvtnq_s32_f32 as round,
    vcvtq_f32_s32 as float, vcvtq_s32_f32 as truncate, vdivq_f32 as div, vdupq_n_f32 as splat,
    vdupq_n_s16 as splat_h, vdupq_n_s32 as splat_i, vmaxq_s16 as max_h, vmovl_high_s16 as widen_second,
    vmulq_f32 as mul, vorrq_s32 as or_i, vqaddq_s16 as add_saturating_h, vqrdmulhq_s16 as mul_q15,
    vsqrtq_f32 as sqrt, vsubq_f32 as sub, vsubq_s32 as sub_i,
};
use std::arch::is_aarch64_feature_detected;

use super::four_registers::{by_register, four_registers};
use super::registers::{each, functions};
use super::{LANES, Vector};

/// Four registers of four lanes. Exists only where the processor has NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

/// As [`Neon`] with `dotprod`.
#[derive(Clone, Copy)]
pub(crate) struct NeonDotprod(());

impl Neon {
    /// The instruction set, if this processor has it: the same answer for the program's whole life.
    pub fn new() -> Option<Self> {
        is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

impl NeonDotprod {
    /// As [`Neon::new`].
    pub fn new() -> Option<Self> {
        is_aarch64_feature_detected!("dotprod").then_some(Self(()))
    }
}

functions! {
    "neon":
    #[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
    fn load_i(from: &[u32; 4]) -> int32x4_t {
        // SAFETY: four words are readable.
        vreinterpretq_s32_u32(unsafe { vld1q_u32(from.as_ptr()) })
    }
    #[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
    fn store_i(to: &mut [u32; 4], x: int32x4_t) {
        // SAFETY: four words are writable.
        unsafe { vst1q_u32(to.as_mut_ptr(), vreinterpretq_u32_s32(x)) }
    }
    fn load(from: &[u32; 4]) -> float32x4_t {
        vreinterpretq_f32_s32(load_i(from))
    }
    fn store(to: &mut [u32; 4], x: float32x4_t) {
        store_i(to, vreinterpretq_s32_f32(x));
    }
    fn load_h(from: &[u32; 4]) -> int16x8_t {
        vreinterpretq_s16_s32(load_i(from))
    }
    fn store_h(to: &mut [u32; 4], x: int16x8_t) {
        store_i(to, vreinterpretq_s32_s16(x));
    }
    fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        vbslq_f32(vcgtq_f32(a, b), a, b)
    }
    fn scale_by_power(a: float32x4_t, n: float32x4_t) -> float32x4_t {
        vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), shift_left(n, 23)))
    }
    /// The bits, shifted.
    fn shift_left(a: float32x4_t, by: u32) -> int32x4_t {
        vshlq_s32(vreinterpretq_s32_f32(a), splat_i(by as i32))
    }
    fn move_byte(a: int32x4_t, from: u32, to: u32) -> int32x4_t {
        // What a right shift brings in from the sign is masked.
        let byte = vandq_s32(vshlq_s32(a, splat_i(-(from as i32))), splat_i(0xff));
        vshlq_s32(byte, splat_i(to as i32))
    }
    fn add_bytes(a: int32x4_t, b: int32x4_t) -> int32x4_t {
        vreinterpretq_s32_s8(vaddq_s8(vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)))
    }
    fn shift_left_h(a: int16x8_t, by: u32) -> int16x8_t {
        vshlq_s16(a, splat_h(by as i16))
    }
    /// The bytes of a register in another order.
    #[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
    fn reorder(bytes: int8x16_t, order: &[u8; 16]) -> int32x4_t {
        // SAFETY: sixteen bytes are readable.
        let order = unsafe { vld1q_u8(order.as_ptr()) };
        vreinterpretq_s32_s8(vqtbl1q_s8(bytes, order))
    }
    fn pack(a: int32x4_t, b: int32x4_t) -> int16x8_t {
        vqmovn_high_s32(vqmovn_s32(a), b)
    }
    fn widen_first(a: int16x8_t) -> int32x4_t {
        vmovl_s16(vget_low_s16(a))
    }
    fn abs_min_h(a: int16x8_t, b: int16x8_t) -> int16x8_t {
        let magnitude = vreinterpretq_u16_s16(vabsq_s16(a));
        vreinterpretq_s16_u16(vminq_u16(magnitude, vreinterpretq_u16_s16(b)))
    }
    fn quads(a: int16x8_t, b: int16x8_t) -> int32x4_t {
        reorder(vqmovn_high_s16(vqmovn_s16(a), b), &BY_LINE)
    }
    fn pairs(a: int16x8_t) -> int32x4_t {
        reorder(vreinterpretq_s8_s16(a), &PAIRS_BY_LINE)
    }
    fn dot_pairs(sum: int32x4_t, a: int32x4_t, b: int32x4_t) -> int32x4_t {
        let (a, b) = (vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b));
        let first = vmull_s16(vget_low_s16(a), vget_low_s16(b));
        vaddq_s32(sum, vpaddq_s32(first, vmull_high_s16(a, b)))
    }
    /// Products of bytes at 16 bits: of lines 0 and 1, and of lines 2 and 3.
    fn multiply(u: int32x4_t, s: int32x4_t) -> [int16x8_t; 2] {
        let (u, s) = (vreinterpretq_s8_s32(u), vreinterpretq_s8_s32(s));
        [vmull_s8(vget_low_s8(u), vget_low_s8(s)), vmull_high_s8(u, s)]
    }
    fn multiply_add(sum: [int16x8_t; 2], u: int32x4_t, s: int32x4_t) -> [int16x8_t; 2] {
        let (u, s) = (vreinterpretq_s8_s32(u), vreinterpretq_s8_s32(s));
        [vmlal_s8(sum[0], vget_low_s8(u), vget_low_s8(s)), vmlal_high_s8(sum[1], u, s)]
    }
    /// sum + each line's four products.
    fn add_by_line(sum: int32x4_t, products: [int16x8_t; 2]) -> int32x4_t {
        vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(products[0]), vpaddlq_s16(products[1])))
    }
    fn dot(sum: int32x4_t, u: int32x4_t, s: int32x4_t) -> int32x4_t {
        add_by_line(sum, multiply(u, s))
    }
    /// Four products of at most 127 · 64 fit 16 bits.
    fn dot_two(sum: int32x4_t, u: int32x4_t, s: int32x4_t, v: int32x4_t, t: int32x4_t) -> int32x4_t {
        add_by_line(sum, multiply_add(multiply(u, s), v, t))
    }
    /// Four outputs of a product for one register of lines; the four quads of a chain share 16-bit sums.
    fn four_outputs<const REGISTER: usize>(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [int32x4_t; 4] {
        let mut sums = [[vdupq_n_s32(0); 2]; 4];
        for (inputs, weights) in inputs.as_chunks::<4>().0.iter().zip(weights.as_chunks::<4>().0) {
            for output in 0..4 {
                let mut short = [vdupq_n_s16(0); 2];
                for quad in 0..4 {
                    let u = load_i(inputs[quad].quarters()[REGISTER]);
                    short = multiply_add(short, u, vdupq_n_s32(weights[quad][output]));
                }
                sums[output][0] = vpadalq_s16(sums[output][0], short[0]);
                sums[output][1] = vpadalq_s16(sums[output][1], short[1]);
            }
        }
        let mut outputs = [vdupq_n_s32(0); 4];
        for (output, sums) in outputs.iter_mut().zip(sums) {
            *output = vpaddq_s32(sums[0], sums[1]);
        }
        for (output, start) in outputs.iter_mut().zip(start) {
            *output = vaddq_s32(*output, vdupq_n_s32(*start));
        }
        outputs
    }
    fn products(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[int32x4_t; 4]; 4] {
        by_register!(four_outputs(start, inputs, weights))
    }
    /// sum + Σ u·s of neighbours at 16 bits, modulo 2¹⁶: u has eight bits, so it is (u − 128)·s + 128·s. The sum of all
    /// fits.
    fn mix(sum: int16x8_t, u: int32x4_t, s: int32x4_t) -> int16x8_t {
        let less_128 = veorq_s32(u, vdupq_n_s32(0x8080_8080_u32 as i32));
        let [first, second] = multiply(less_128, s);
        let sum = vaddq_s16(sum, vpaddq_s16(first, second));
        vmlaq_n_s16(sum, vpaddlq_s8(vreinterpretq_s8_s32(s)), 128)
    }
    fn mixed(sum: int16x8_t) -> int32x4_t {
        vpaddlq_s16(sum)
    }
    /// Columns of four rows of four.
    fn transpose(r: [int32x4_t; 4]) -> [int32x4_t; 4] {
        let (a, b) = (vtrn1q_s32(r[0], r[1]), vtrn2q_s32(r[0], r[1]));
        let (c, d) = (vtrn1q_s32(r[2], r[3]), vtrn2q_s32(r[2], r[3]));
        let (a, b) = (vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b));
        let (c, d) = (vreinterpretq_s64_s32(c), vreinterpretq_s64_s32(d));
        let columns = [vtrn1q_s64(a, c), vtrn1q_s64(b, d), vtrn2q_s64(a, c), vtrn2q_s64(b, d)];
        each!(4: vreinterpretq_s32_s64(columns))
    }
}

functions! {
    "neon,dotprod":
    /// sum + Σ u·s over the four signed bytes of each lane.
    #[allow(unsafe_code, reason = "the intrinsic is not stable")]
    fn sdot(sum: int32x4_t, u: int32x4_t, s: int32x4_t) -> int32x4_t {
        let mut sum = sum;
        // SAFETY: the instruction only computes, and it is enabled.
        unsafe {
            std::arch::asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) u, in(vreg) s,
                options(pure, nomem, nostack, preserves_flags));
        }
        sum
    }
    /// As [`sdot`] with the four bytes of one lane of `s` for all lines.
    #[allow(unsafe_code, reason = "the intrinsic is not stable")]
    fn sdot_lane<const LANE: usize>(sum: int32x4_t, u: int32x4_t, s: int32x4_t) -> int32x4_t {
        let mut sum = sum;
        // SAFETY: as in `sdot`.
        unsafe {
            std::arch::asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.4b[{3}]", inout(vreg) sum, in(vreg) u, in(vreg) s,
                const LANE, options(pure, nomem, nostack, preserves_flags));
        }
        sum
    }
    fn sdot_two(sum: int32x4_t, u: int32x4_t, s: int32x4_t, v: int32x4_t, t: int32x4_t) -> int32x4_t {
        sdot(sdot(sum, u, s), v, t)
    }
    /// Four outputs of a product for one register of lines.
    fn four_outputs_by_sdot<const REGISTER: usize>(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [int32x4_t; 4] {
        let [a, b, c, d] = *start;
        let (mut a, mut b, mut c, mut d) = (vdupq_n_s32(a), vdupq_n_s32(b), vdupq_n_s32(c), vdupq_n_s32(d));
        for (input, weights) in inputs.iter().zip(weights) {
            let u = load_i(input.quarters()[REGISTER]);
            let w = load_i(&[weights[0] as u32, weights[1] as u32, weights[2] as u32, weights[3] as u32]);
            a = sdot_lane::<0>(a, u, w);
            b = sdot_lane::<1>(b, u, w);
            c = sdot_lane::<2>(c, u, w);
            d = sdot_lane::<3>(d, u, w);
        }
        [a, b, c, d]
    }
    fn products_by_sdot(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[int32x4_t; 4]; 4] {
        by_register!(four_outputs_by_sdot(start, inputs, weights))
    }
    /// sum − Σ u·s: u has eight bits, so it is 127·s − (127 − u)·s, both factors signed bytes.
    fn unmix(sum: int32x4_t, u: int32x4_t, s: int32x4_t) -> int32x4_t {
        let less = veorq_s32(u, vdupq_n_s32(0x7f7f_7f7f));
        sdot(sdot(sum, less, s), vdupq_n_s32(0x8181_8181_u32 as i32), s)
    }
}

/// The order that makes four lines' bytes of four features, feature by feature, stand line by line.
const BY_LINE: [u8; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
/// As [`BY_LINE`] for two features of 16 bits.
const PAIRS_BY_LINE: [u8; 16] = [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15];

four_registers!(
    Neon,
    ["neon"],
    F = float32x4_t,
    I = int32x4_t,
    H = int16x8_t,
    Mix = int16x8_t,
    dot,
    dot_two,
    products,
    splat_h(0),
    mix,
    mixed
);
four_registers!(
    NeonDotprod,
    ["neon,dotprod"],
    F = float32x4_t,
    I = int32x4_t,
    H = int16x8_t,
    Mix = int32x4_t,
    sdot,
    sdot_two,
    products_by_sdot,
    splat_i(0),
    unmix,
    vnegq_s32
);
