//! The lanes as plain arrays: for processors without a kernel of their own, and to test the kernels apart from any
//! instruction set. Arrays are as long as the commonest registers, and loops over them plain, so that compilers
//! make vector instructions of them.

use super::four_registers::{each, four_registers, functions};
use super::{LANES, Vector, math};

/// Arrays of four lanes.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

type F = [f32; 4];
type I = [i32; 4];
/// The first feature's lines, then the second's.
type H = [i16; 8];

/// Bytes 0 and 2 of a word.
const EVEN: i32 = 0x00ff_00ff;

/// Functions of each element.
macro_rules! elementwise {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty = $value:expr;)*) => {$(
        #[inline(always)]
        fn $name($($argument: $type),*) -> $result {
            let mut result: $result = Default::default();
            for (i, result) in result.iter_mut().enumerate() {
                $(let $argument = $argument[i];)*
                *result = $value;
            }
            result
        }
    )*};
}

elementwise! {
    load(from: &[u32; 4]) -> F = f32::from_bits(from);
    load_i(from: &[u32; 4]) -> I = from as i32;
    bits(x: F) -> [u32; 4] = x.to_bits();
    bits_i(x: I) -> [u32; 4] = x as u32;
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
    mul_i(a: I, b: I) -> I = a.wrapping_mul(b);
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
        fn $name(x: $from) -> $to {
            // SAFETY: both are sixteen bytes without padding, and any bits are a number.
            unsafe { std::mem::transmute(x) }
        }
    )*};
}

same_bits! {
    halves(I) -> H;
    words(H) -> I;
    load_h_bits([u32; 4]) -> H;
    store_h_bits(H) -> [u32; 4];
}

/// Unsigned bytes of even and of odd places, and signed ones.
#[inline(always)]
fn unsigned_bytes(x: I) -> [H; 2] {
    [low_byte(halves(x)), high_byte(halves(x))]
}

#[inline(always)]
fn signed_bytes(x: I) -> [H; 2] {
    [signed_low_byte(halves(x)), signed_high_byte(halves(x))]
}

elementwise! {
    low_byte(x: H) -> H = x & 0xff;
    high_byte(x: H) -> H = (x as u16 >> 8) as i16;
    signed_low_byte(x: H) -> H = x << 8 >> 8;
    signed_high_byte(x: H) -> H = x >> 8;
    mul_h(a: H, b: H) -> H = a.wrapping_mul(b);
    signed_byte(x: H) -> H = x.clamp(-128, 127) & 0xff;
    unsigned_byte(x: H) -> H = x.clamp(0, 255);
    low_half(x: I) -> I = x << 16 >> 16;
    high_half(x: I) -> I = x >> 16;
    // Behind ROUND the integer stands in the low bits. Conversions that saturate would not be vector instructions.
    round(x: F) -> I = (x.clamp(-LARGEST, LARGEST) + math::ROUND).to_bits().wrapping_sub(math::ROUND.to_bits()) as i32;
    less_if_greater(rounded: I, x: F) -> I = rounded - i32::from(rounded as f32 > x);
    with_sign(magnitude: I, x: F) -> I = if x < 0.0 { -magnitude } else { magnitude };
}

/// The largest number of which [`round`] knows.
const LARGEST: f32 = 4_194_303.0;

functions! {
    :
    fn splat(x: f32) -> F {
        [x; 4]
    }
    fn splat_i(x: i32) -> I {
        [x; 4]
    }
    fn splat_h(x: i16) -> H {
        [x; 8]
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
    fn move_byte(a: I, from: u32, to: u32) -> I {
        a.map(|a| ((a >> from) & 0xff) << to)
    }
    fn pack(a: I, b: I) -> H {
        let ([a, b, c, d], [e, f, g, h]) = (a, b);
        let saturated = |x: i32| x.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        [a, b, c, d, e, f, g, h].map(saturated)
    }
    fn widen_first(a: H) -> I {
        let [a, b, c, d, ..] = a;
        [a, b, c, d].map(i32::from)
    }
    fn widen_second(a: H) -> I {
        let [.., e, f, g, h] = a;
        [e, f, g, h].map(i32::from)
    }
    fn shift_left_h(a: H, by: u32) -> H {
        a.map(|a| a << by)
    }
    /// Four features, each a byte already, side by side.
    fn side_by_side(a: H, b: H) -> I {
        let pairs = |first: I, second: I| or_i(first, second.map(|x| x << 8));
        let low = pairs(widen_first(a), widen_second(a));
        or_i(low, pairs(widen_first(b), widen_second(b)).map(|x| x << 16))
    }
    fn quads(a: H, b: H) -> I {
        side_by_side(signed_byte(a), signed_byte(b))
    }
    fn quads_unsigned(a: H, b: H) -> I {
        side_by_side(unsigned_byte(a), unsigned_byte(b))
    }
    fn pairs(a: H) -> I {
        or_i(widen_first(a).map(|x| x & 0xffff), widen_second(a).map(|x| x << 16))
    }
    fn dot_pairs(sum: I, a: I, b: I) -> I {
        let low = mul_i(low_half(a), low_half(b));
        add_i(sum, add_i(low, mul_i(high_half(a), high_half(b))))
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
    fn dot(sum: I, u: I, s: I) -> I {
        add_halves(sum, products_of_bytes(unsigned_bytes(u), signed_bytes(s)))
    }
    // Four products of at most 127 · 64 fit 16 bits.
    fn dot_two(sum: I, u: [I; 2], s: [I; 2]) -> I {
        let first = products_of_bytes(unsigned_bytes(u[0]), signed_bytes(s[0]));
        let second = products_of_bytes(unsigned_bytes(u[1]), signed_bytes(s[1]));
        add_halves(sum, add_h(first, second))
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
                *sums = each!(add_halves(*sums, short));
            }
        }
        sums
    }
    fn products(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[I; 4]; 4] {
        let [a, b] = two_outputs::<0>(start, inputs, weights);
        let [c, d] = two_outputs::<2>(start, inputs, weights);
        [a, b, c, d]
    }
    // All sums stay within 255 · 127.
    fn mix(sum: H, u: I, s: I) -> H {
        add_h(sum, products_of_bytes(unsigned_bytes(u), signed_bytes(s)))
    }
    fn mixed(sum: H) -> I {
        add_halves(splat_i(0), sum)
    }
    fn transpose(rows: [I; 4]) -> [I; 4] {
        let [a, b, c, d] = rows;
        [[a[0], b[0], c[0], d[0]], [a[1], b[1], c[1], d[1]], [a[2], b[2], c[2], d[2]], [a[3], b[3], c[3], d[3]]]
    }
}

four_registers!(Portable, F = F, I = I, H = H, Mix = H, dot, dot_two, products, splat_h(0), mix, mixed);
