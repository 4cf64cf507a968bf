//! The lanes as plain arrays: for processors without a kernel of their own, and to test the kernels apart from any
//! instruction set. Arrays are as long as the commonest registers, and loops over them plain, so that compilers
//! make vector instructions of them. But for sums of products: compilers do not find the one instruction for them that
//! every x86-64 has.

#[macro_use]
mod arrays;

use self::arrays::*;
use super::four_registers::{by_register, four_registers};
use super::registers::{each, functions};
use super::{LANES, Vector, math};

/// Arrays of four lanes.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

same_bits! {
    load_h_bits([u32; 4]) -> H;
    store_h_bits(H) -> [u32; 4];
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod products;
#[cfg(target_arch = "x86_64")]
mod products_sse2;

#[cfg(not(target_arch = "x86_64"))]
use products as chosen;
#[cfg(target_arch = "x86_64")]
use products_sse2 as chosen;

use self::chosen::{Mix, dot, dot_pairs, dot_two, mix, mixed, products};

elementwise! {
    saturated(x: I) -> I = x.clamp(i16::MIN.into(), i16::MAX.into());
    signed_byte(x: H) -> H = x.clamp(-128, 127) & 0xff;
    // Behind ROUND the integer stands in the low bits. Conversions that saturate would not be vector instructions.
    round(x: F) -> I = (x.clamp(-math::ROUND_MAX, math::ROUND_MAX) + math::ROUND).to_bits().wrapping_sub(math::ROUND.to_bits()) as i32;
    less_if_greater(rounded: I, x: F) -> I = rounded - i32::from(rounded as f32 > x);
    with_sign(magnitude: I, x: F) -> I = if x < 0.0 { -magnitude } else { magnitude };
    shift_left(a: F; by: u32) -> I = (a.to_bits() << by) as i32;
    shift_left_i(a: I; by: u32) -> I = a << by;
    shift_left_h(a: H; by: u32) -> H = a << by;
    move_byte(a: I; from: u32; to: u32) -> I = ((a >> from) & 0xff) << to;
    low_half(a: I) -> I = a & 0xffff;
}

functions! {
    :
    fn splat(x: f32) -> F {
        [x; 4]
    }
    fn store(to: &mut [u32; 4], x: F) {
        *to = bits(x);
    }
    fn store_i(to: &mut [u32; 4], x: I) {
        *to = bits_i(x);
    }
    fn load_h(from: &[u32; 4]) -> H {
        load_h_bits(*from)
    }
    fn store_h(to: &mut [u32; 4], x: H) {
        *to = store_h_bits(x);
    }
    fn truncate(x: F) -> I {
        with_sign(less_if_greater(round(abs(x)), abs(x)), x)
    }
    fn pack(a: I, b: I) -> H {
        let ([a, b, c, d], [e, f, g, h]) = (saturated(a), saturated(b));
        [a as i16, b as i16, c as i16, d as i16, e as i16, f as i16, g as i16, h as i16]
    }
    fn widen_first(a: H) -> I {
        let [a, b, c, d, ..] = a;
        [a.into(), b.into(), c.into(), d.into()]
    }
    fn widen_second(a: H) -> I {
        let [.., e, f, g, h] = a;
        [e.into(), f.into(), g.into(), h.into()]
    }
    fn quads(a: H, b: H) -> I {
        let (a, b) = (signed_byte(a), signed_byte(b));
        let pairs = |x: H| or_i(widen_first(x), shift_left_i(widen_second(x), 8));
        or_i(pairs(a), shift_left_i(pairs(b), 16))
    }
    fn pairs(a: H) -> I {
        or_i(low_half(widen_first(a)), shift_left_i(widen_second(a), 16))
    }
    fn transpose(rows: [I; 4]) -> [I; 4] {
        let [a, b, c, d] = rows;
        [[a[0], b[0], c[0], d[0]], [a[1], b[1], c[1], d[1]], [a[2], b[2], c[2], d[2]], [a[3], b[3], c[3], d[3]]]
    }
}

four_registers!(
    Portable,
    F = F,
    I = I,
    H = H,
    Mix = Mix,
    dot,
    dot_two,
    products,
    chosen::MIX_ZERO,
    mix,
    mixed
);

/// The plain products where others were chosen.
#[cfg(all(test, target_arch = "x86_64"))]
pub(crate) mod plain {
    use super::products::{MIX_ZERO, Mix, dot, dot_pairs, dot_two, mix, mixed, products};
    use super::*;

    #[derive(Clone, Copy)]
    pub(crate) struct Plain;

    four_registers!(Plain, F = F, I = I, H = H, Mix = Mix, dot, dot_two, products, MIX_ZERO, mix, mixed);
}
