//! Numbers side by side as arrays, and their arithmetic.

use crate::simd::math;
use crate::simd::registers::functions;

pub(super) type F = [f32; 4];
pub(super) type I = [i32; 4];
/// The first feature's lines, then the second's.
pub(super) type H = [i16; 8];
/// A quarter of a vector, in memory.
pub(super) type W = [u32; 4];

/// Bytes 0 and 2 of a word.
const EVEN: i32 = 0x00ff_00ff;

/// Functions of each element; what stands behind a semicolon is the same for all. Written out: a loop over an array is unrolled in the end, but in kernels that are inlined whole
/// compilers take minutes for it.
macro_rules! elementwise {
    ($($name:ident($($argument:ident: $type:ty),* $(; $same:ident: $same_type:ty)*) -> $result:ident = $value:expr;)*) => {$(
        #[inline(always)]
        pub(super) fn $name($($argument: $type,)* $($same: $same_type),*) -> $result {
            elementwise!(@ $result [$($argument)*] $value)
        }
    )*};
    (@ H $arguments:tt $value:expr) => {
        elementwise!(@ [0 1 2 3 4 5 6 7] $arguments $value)
    };
    (@ $result:ident $arguments:tt $value:expr) => {
        elementwise!(@ [0 1 2 3] $arguments $value)
    };
    (@ [$($i:literal)*] $arguments:tt $value:expr) => {
        [$(elementwise!(@ $i $arguments $value)),*]
    };
    (@ $i:literal [$($argument:ident)*] $value:expr) => {{
        $(let $argument = $argument[$i];)*
        $value
    }};
}

elementwise! {
    load(from: &W) -> F = f32::from_bits(from);
    load_i(from: &W) -> I = from as i32;
    bits(x: F) -> W = x.to_bits();
    bits_i(x: I) -> W = x as u32;
    add(a: F, b: F) -> F = a + b;
    sub(a: F, b: F) -> F = a - b;
    mul(a: F, b: F) -> F = a * b;
    div(a: F, b: F) -> F = a / b;
    sqrt(a: F) -> F = a.sqrt();
    max(a: F, b: F) -> F = if a > b { a } else { b };
    abs(a: F) -> F = a.abs();
    float(a: I) -> F = a as f32;
    scale_by_power(a: F, n: F) -> F = f32::from_bits(a.to_bits().wrapping_add(n.to_bits() << 23));
    add_i(a: I, b: I) -> I = a.wrapping_add(b);
    sub_i(a: I, b: I) -> I = a.wrapping_sub(b);
    or_i(a: I, b: I) -> I = a | b;
    // Bytes 0 and 2, then 1 and 3: a carry out of a byte is dropped.
    add_bytes(a: I, b: I) -> I = (((a & EVEN).wrapping_add(b & EVEN)) & EVEN) | (((a & !EVEN).wrapping_add(b & !EVEN)) & !EVEN);
    add_h(a: H, b: H) -> H = a.wrapping_add(b);
    add_saturating_h(a: H, b: H) -> H = a.saturating_add(b);
    max_h(a: H, b: H) -> H = a.max(b);
    abs_min_h(a: H, b: H) -> H = a.unsigned_abs().min(b as u16) as i16;
    mul_q15(a: H, b: H) -> H = math::mul_q15(a, b);
}

/// The same bits as other numbers.
macro_rules! same_bits {
    ($($name:ident($from:ty) -> $to:ty;)*) => {$(
        #[inline(always)]
        #[allow(unsafe_code, reason = "another view of the same bits")]
        pub(super) fn $name(x: $from) -> $to {
            // SAFETY: both are sixteen bytes without padding, and any bits are a number.
            unsafe { std::mem::transmute(x) }
        }
    )*};
}

functions! {
    :
    pub(super) fn splat_i(x: i32) -> I {
        [x; 4]
    }
    pub(super) fn splat_h(x: i16) -> H {
        [x; 8]
    }
}
