//! The lanes as plain arrays: for processors without a kernel of their own, and to test the kernel
//! apart from any instruction set.

use super::{LANES, Lanes, Vector, math};

/// Arrays of sixteen.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

/// As the array's own `map`, which is not always inlined.
#[inline]
fn map<A: Copy, B, const N: usize>(a: [A; N], f: impl Fn(A) -> B) -> [B; N] {
    std::array::from_fn(|i| f(a[i]))
}

#[inline]
fn zip<A: Copy, B: Copy, C, const N: usize>(a: [A; N], b: [B; N], f: impl Fn(A, B) -> C) -> [C; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

/// Four features of a lane.
#[inline]
fn four(a: [i16; 2 * LANES], b: [i16; 2 * LANES], lane: usize) -> [i16; 4] {
    [a[lane], a[LANES + lane], b[lane], b[LANES + lane]]
}

#[inline]
fn products_of_bytes(u: i32, s: i32) -> i32 {
    let pairs = u.to_le_bytes().into_iter().zip(s.to_le_bytes());
    pairs.map(|(u, s)| i32::from(u) * i32::from(s as i8)).sum()
}

impl Lanes for Portable {
    type F = [f32; LANES];
    type I = [i32; LANES];
    /// The first feature's lines, then the second's.
    type H = [i16; 2 * LANES];
    type Mix = [i32; LANES];

    #[inline]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline]
    fn load(self, from: &Vector) -> Self::F {
        map(from.0, f32::from_bits)
    }
    #[inline]
    fn store(self, to: &mut Vector, x: Self::F) {
        to.0 = map(x, f32::to_bits);
    }
    #[inline]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a + b)
    }
    #[inline]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a - b)
    }
    #[inline]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a * b)
    }
    #[inline]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| a / b)
    }
    #[inline]
    fn sqrt(self, a: Self::F) -> Self::F {
        map(a, f32::sqrt)
    }
    #[inline]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline]
    fn abs(self, a: Self::F) -> Self::F {
        map(a, f32::abs)
    }
    #[inline]
    fn round(self, a: Self::F) -> Self::I {
        map(a, math::round)
    }
    #[inline]
    fn truncate(self, a: Self::F) -> Self::I {
        map(a, |a| a as i32)
    }
    #[inline]
    fn float(self, a: Self::I) -> Self::F {
        map(a, |a| a as f32)
    }
    #[inline]
    fn scale_by_power(self, a: Self::F, n: Self::F) -> Self::F {
        zip(a, n, |a, n| f32::from_bits(a.to_bits().wrapping_add(n.to_bits() << 23)))
    }
    #[inline]
    fn splat_i(self, x: i32) -> Self::I {
        [x; LANES]
    }
    #[inline]
    fn load_i(self, from: &Vector) -> Self::I {
        map(from.0, |x| x as i32)
    }
    #[inline]
    fn store_i(self, to: &mut Vector, x: Self::I) {
        to.0 = map(x, |x| x as u32);
    }
    #[inline]
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, i32::wrapping_add)
    }
    #[inline]
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, i32::wrapping_sub)
    }
    #[inline]
    fn or_i(self, a: Self::I, b: Self::I) -> Self::I {
        zip(a, b, |a, b| a | b)
    }
    #[inline]
    fn move_byte(self, a: Self::I, from: u32, to: u32) -> Self::I {
        map(a, |a| ((a >> from) & 0xff) << to)
    }
    #[inline]
    fn add_bytes(self, a: Self::I, b: Self::I) -> Self::I {
        let add = |a: i32, b: i32| zip(a.to_le_bytes(), b.to_le_bytes(), u8::wrapping_add);
        zip(a, b, |a, b| i32::from_le_bytes(add(a, b)))
    }
    #[inline]
    fn pack(self, a: Self::I, b: Self::I) -> Self::H {
        let saturated = |x: i32| x.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        std::array::from_fn(|i| saturated(if i < LANES { a[i] } else { b[i - LANES] }))
    }
    #[inline]
    fn widen(self, a: Self::H) -> [Self::I; 2] {
        [0, LANES].map(|first| std::array::from_fn(|lane| i32::from(a[first + lane])))
    }
    #[inline]
    fn splat_h(self, x: i16) -> Self::H {
        [x; 2 * LANES]
    }
    #[inline]
    fn load_h(self, from: &Vector) -> Self::H {
        std::array::from_fn(|i| (from.0[i / 2] >> (i % 2 * 16)) as i16)
    }
    #[inline]
    fn store_h(self, to: &mut Vector, x: Self::H) {
        let word = |i: usize| u32::from(x[2 * i] as u16) | u32::from(x[2 * i + 1] as u16) << 16;
        to.0 = std::array::from_fn(word);
    }
    #[inline]
    fn add_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, i16::wrapping_add)
    }
    #[inline]
    fn add_saturating_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, i16::saturating_add)
    }
    #[inline]
    fn max_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, i16::max)
    }
    #[inline]
    fn abs_min_h(self, a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, |a, b| a.unsigned_abs().min(b as u16) as i16)
    }
    #[inline]
    fn shift_left_h(self, a: Self::H, by: u32) -> Self::H {
        map(a, |a| a << by)
    }
    #[inline]
    fn mul_q15(self, a: Self::H, b: Self::H) -> Self::H {
        zip(a, b, math::mul_q15)
    }
    #[inline]
    fn quads(self, a: Self::H, b: Self::H) -> Self::I {
        let saturated = |x: i16| x.clamp(-128, 127) as u8;
        std::array::from_fn(|lane| i32::from_le_bytes(four(a, b, lane).map(saturated)))
    }
    #[inline]
    fn quads_unsigned(self, a: Self::H, b: Self::H) -> Self::I {
        let saturated = |x: i16| x.clamp(0, 255) as u8;
        std::array::from_fn(|lane| i32::from_le_bytes(four(a, b, lane).map(saturated)))
    }
    #[inline]
    fn pairs(self, a: Self::H) -> Self::I {
        std::array::from_fn(|lane| i32::from(a[lane] as u16) | i32::from(a[LANES + lane]) << 16)
    }
    #[inline]
    fn dot(self, sum: Self::I, u: Self::I, s: Self::I) -> Self::I {
        std::array::from_fn(|i| sum[i] + products_of_bytes(u[i], s[i]))
    }
    #[inline]
    fn dot_two(self, sum: Self::I, u: [Self::I; 2], s: [Self::I; 2]) -> Self::I {
        self.dot(self.dot(sum, u[0], s[0]), u[1], s[1])
    }
    #[inline]
    fn dot_pairs(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        let low = |x: i32| i32::from(x as i16);
        std::array::from_fn(|i| sum[i] + low(a[i]) * low(b[i]) + (a[i] >> 16) * (b[i] >> 16))
    }
    #[inline]
    fn products(self, start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [Self::I; 4] {
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
    #[inline]
    fn mix_zero(self) -> Self::Mix {
        [0; LANES]
    }
    #[inline]
    fn mix(self, sum: Self::Mix, u: Self::I, s: &Vector) -> Self::Mix {
        std::array::from_fn(|i| sum[i] + products_of_bytes(u[i], s.0[i] as i32))
    }
    #[inline]
    fn mixed(self, sum: Self::Mix) -> Self::I {
        sum
    }
    #[inline]
    fn gather(self, lines: [&[u32; 8]; LANES]) -> [Self::I; 8] {
        std::array::from_fn(|word| std::array::from_fn(|lane| lines[lane][word] as i32))
    }
    #[inline]
    fn scatter(self, words: [Self::I; 8], lines: [&mut [u32; 8]; LANES]) {
        for (lane, line) in lines.into_iter().enumerate() {
            *line = map(words, |word| word[lane] as u32);
        }
    }
}
