//! The lanes as plain arrays: for processors without a kernel of their own, and to test the kernel
//! apart from any instruction set.

use super::{LANES, Lanes, PairVector, Vector};
use crate::network::math;

/// Arrays of sixteen.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// As the array's own `map`, which is not always inlined.
fn map<A: Copy, B, const N: usize>(a: [A; N], f: impl Fn(A) -> B) -> [B; N] {
    std::array::from_fn(|i| f(a[i]))
}

fn zip<A: Copy, B: Copy, C, const N: usize>(a: [A; N], b: [B; N], f: impl Fn(A, B) -> C) -> [C; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

/// Four features of a lane.
fn four(a: [i16; 2 * LANES], b: [i16; 2 * LANES], lane: usize) -> [i16; 4] {
    [a[lane], a[LANES + lane], b[lane], b[LANES + lane]]
}

fn products_of_bytes(u: i32, s: i32) -> i32 {
    let pairs = u.to_le_bytes().into_iter().zip(s.to_le_bytes());
    pairs.map(|(u, s)| i32::from(u) * i32::from(s as i8)).sum()
}

// No function of this implementation needs anything of the processor.
impl Lanes for Portable {
    type F = [f32; LANES];
    type I = [i32; LANES];
    /// The first feature's lines, then the second's.
    type H = [i16; 2 * LANES];
    type Mix = [i32; LANES];

    unsafe fn splat(x: f32) -> Self::F {
        [x; LANES]
    }
    unsafe fn load(from: &Vector) -> Self::F {
        map(from.0, f32::from_bits)
    }
    unsafe fn store(to: &mut Vector, x: Self::F) {
        to.0 = map(x, f32::to_bits);
    }
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a / b)
    }
    unsafe fn sqrt(a: Self::F) -> Self::F {
        map(a, f32::sqrt)
    }
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    unsafe fn abs(a: Self::F) -> Self::F {
        map(a, f32::abs)
    }
    unsafe fn round(a: Self::F) -> Self::I {
        map(a, math::round)
    }
    unsafe fn truncate(a: Self::F) -> Self::I {
        map(a, |a| a as i32)
    }
    unsafe fn float(a: Self::I) -> Self::F {
        map(a, |a| a as f32)
    }
    unsafe fn scale_by_power(a: Self::F, n: Self::F) -> Self::F {
        zip(a, n, |a, n| {
            f32::from_bits(a.to_bits().wrapping_add(n.to_bits() << 23))
        })
    }
    unsafe fn splat_i(x: i32) -> Self::I {
        [x; LANES]
    }
    unsafe fn load_i(from: &Vector) -> Self::I {
        map(from.0, |x| x as i32)
    }
    unsafe fn store_i(to: &mut Vector, x: Self::I) {
        to.0 = map(x, |x| x as u32);
    }
    unsafe fn add_i(a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, i32::wrapping_add)
    }
    unsafe fn sub_i(a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, i32::wrapping_sub)
    }
    unsafe fn or_i(a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, |a, b| a | b)
    }
    unsafe fn move_byte(a: Self::I, from: u32, to: u32) -> Self::I {
        map(a, |a| ((a >> from) & 0xff) << to)
    }
    unsafe fn add_bytes(a: Self::I, b: Self::I) -> Self::I {
        let add = |a: i32, b: i32| zip(a.to_le_bytes(), b.to_le_bytes(), u8::wrapping_add);
        zip(a, b, |a, b| i32::from_le_bytes(add(a, b)))
    }
    unsafe fn pack(a: Self::I, b: Self::I) -> Self::H {
        let saturated = |x: i32| x.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        std::array::from_fn(|i| saturated(if i < LANES { a[i] } else { b[i - LANES] }))
    }
    unsafe fn widen(a: Self::H) -> [Self::I; 2] {
        [0, LANES].map(|first| std::array::from_fn(|lane| i32::from(a[first + lane])))
    }
    unsafe fn splat_h(x: i16) -> Self::H {
        [x; 2 * LANES]
    }
    unsafe fn load_h(from: &PairVector) -> Self::H {
        from.0
    }
    unsafe fn store_h(to: &mut PairVector, x: Self::H) {
        to.0 = x;
    }
    unsafe fn add_h(a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, i16::wrapping_add)
    }
    unsafe fn add_saturating_h(a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, i16::saturating_add)
    }
    unsafe fn max_h(a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, i16::max)
    }
    unsafe fn abs_min_h(a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, |a, b| a.unsigned_abs().min(b as u16) as i16)
    }
    unsafe fn shift_left_h(a: Self::H, by: u32) -> Self::H {
        map(a, |a| a << by)
    }
    unsafe fn mul_q15(a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, math::mul_q15)
    }
    unsafe fn quads(a: Self::H, b: Self::H) -> Self::I {
        let saturated = |x: i16| x.clamp(-128, 127) as u8;
        std::array::from_fn(|lane| i32::from_le_bytes(four(a, b, lane).map(saturated)))
    }
    unsafe fn quads_unsigned(a: Self::H, b: Self::H) -> Self::I {
        let saturated = |x: i16| x.clamp(0, 255) as u8;
        std::array::from_fn(|lane| i32::from_le_bytes(four(a, b, lane).map(saturated)))
    }
    unsafe fn pairs(a: Self::H) -> Self::I {
        std::array::from_fn(|lane| i32::from(a[lane] as u16) | i32::from(a[LANES + lane]) << 16)
    }
    unsafe fn dot(sum: Self::I, u: Self::I, s: Self::I) -> Self::I {
        std::array::from_fn(|i| sum[i] + products_of_bytes(u[i], s[i]))
    }
    unsafe fn dot_two(sum: Self::I, u: [Self::I; 2], s: [Self::I; 2]) -> Self::I {
        // SAFETY: nothing is asked of the processor.
        unsafe { Self::dot(Self::dot(sum, u[0], s[0]), u[1], s[1]) }
    }
    unsafe fn dot_pairs(sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        let low = |x: i32| i32::from(x as i16);
        std::array::from_fn(|i| sum[i] + low(a[i]) * low(b[i]) + (a[i] >> 16) * (b[i] >> 16))
    }
    unsafe fn products(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [Self::I; 4] {
        let mut sums = start.map(|start| [start; LANES]);
        for (input, weights) in inputs.iter().zip(weights) {
            for (sum, &w) in sums.iter_mut().zip(weights) {
                for (sum, &u) in sum.iter_mut().zip(&input.0) {
                    *sum += products_of_bytes(u as i32, w);
                }
            }
        }
        sums
    }
    unsafe fn mix_zero() -> Self::Mix {
        [0; LANES]
    }
    unsafe fn mix(sum: Self::Mix, u: Self::I, s: &Vector) -> Self::Mix {
        std::array::from_fn(|i| sum[i] + products_of_bytes(u[i], s.0[i] as i32))
    }
    unsafe fn mixed(sum: Self::Mix) -> Self::I {
        sum
    }
    unsafe fn gather(lines: [&[u32; 8]; LANES]) -> [Self::I; 8] {
        std::array::from_fn(|word| std::array::from_fn(|lane| lines[lane][word] as i32))
    }
    unsafe fn scatter(words: [Self::I; 8], lines: [&mut [u32; 8]; LANES]) {
        for (lane, line) in lines.into_iter().enumerate() {
            *line = map(words, |word| word[lane] as u32);
        }
    }
}
