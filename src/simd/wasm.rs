//! WebAssembly's SIMD: four registers of four lines, for one feature of 32 bits as for two of 16 bits.
//!
//! Products and roundings are those of [`plain`] or, in a module that is compiled for relaxed SIMD, of [`relaxed`]; the
//! rest is the same. A module has the one or the other, for its size.
//!
//! 16-bit values stand as `narrow` leaves them: four lines of one feature, then the same four of the other. Narrowing
//! once more gives four features of four lines, and one shuffle puts the bytes of a line side by side.

use std::arch::wasm32::*;
use std::arch::wasm32::{
    f32x4_abs as abs, f32x4_add as add, f32x4_convert_i32x4 as float, f32x4_div as div, f32x4_mul as mul,
    f32x4_splat as splat, f32x4_sqrt as sqrt, f32x4_sub as sub, i8x16_add as add_bytes, i16x8_add as add_h,
    i16x8_add_sat as add_saturating_h, i16x8_max as max_h, i16x8_narrow_i32x4 as pack,
    i16x8_splat as splat_h, i32x4_add as add_i, i32x4_extend_high_i16x8 as widen_second,
    i32x4_extend_low_i16x8 as widen_first, i32x4_shl as shift_left, i32x4_splat as splat_i,
    i32x4_sub as sub_i, v128_or as or_i,
};

#[cfg(not(target_feature = "relaxed-simd"))]
mod plain;
#[cfg(target_feature = "relaxed-simd")]
mod relaxed;

#[cfg(not(target_feature = "relaxed-simd"))]
pub(crate) use plain::Simd128;
#[cfg(target_feature = "relaxed-simd")]
pub(crate) use relaxed::RelaxedSimd;

use super::four_registers::{by_register, four_registers};
use super::registers::{each, functions};
use super::{LANES, Vector};

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
    fn scale_by_power(a: v128, n: v128) -> v128 {
        i32x4_add(a, shift_left(n, 23))
    }
    /// Engines make one instruction of a product, and several of a shift that they do not know.
    fn shift_left_h(a: v128, by: u32) -> v128 {
        i16x8_mul(a, splat_h(1 << by))
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
    fn pairs(a: v128) -> v128 {
        i16x8_shuffle::<0, 4, 1, 5, 2, 6, 3, 7>(a, a)
    }
    fn dot_pairs(sum: v128, a: v128, b: v128) -> v128 {
        i32x4_add(sum, i32x4_dot_i16x8(a, b))
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
