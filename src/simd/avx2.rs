//! AVX2: two registers of eight lines, for one feature of 32 bits as for two of 16 bits.
//!
//! Without VNNI a product of bytes is `vpmaddubsw`, which adds two products into 16 bits and
//! saturates. It never has to: activations are at most 127, and the quantiser keeps every sum that
//! shares a 16-bit lane within 258 · 127 ≤ 32,767. So four of them are added up before one
//! `vpmaddwd` widens the sum, and that costs little more than half of widening each.
//!
//! 16-bit values stand in the order in which `vpackssdw` leaves them: four lines of one feature, the
//! same four of the other, and so on. Packing once more gives four features of four lines in each
//! half of a register, and one shuffle within it puts the bytes of a line side by side.

use std::arch::x86_64::*;

use super::{LANES, Lanes, Vector};

/// Two registers of eight lanes. Exists only where the processor has AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

type F = [__m256; 2];
type I = [__m256i; 2];

/// The order that makes four lines' bytes of four features, feature by feature, stand line by line.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn by_line() -> __m128i {
    _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)
}

/// As [`by_line`] for two features of 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn pairs_by_line() -> __m128i {
    _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15)
}

/// Half of the lines of four features, rounded, as 16-bit integers, two features each.
#[inline]
#[target_feature(enable = "avx2")]
fn packed([a, b, c, d]: [F; 4], half: usize) -> [__m256i; 2] {
    let pair = |a: F, b: F| _mm256_packs_epi32(_mm256_cvtps_epi32(a[half]), _mm256_cvtps_epi32(b[half]));
    [pair(a, b), pair(c, d)]
}

#[inline]
#[target_feature(enable = "avx2")]
#[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
pub(super) fn load(from: &[u32; 8]) -> __m256i {
    // SAFETY: eight words are readable.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
#[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
pub(super) fn store(to: &mut [u32; 8], x: __m256i) {
    // SAFETY: eight words are writable.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), x) }
}

/// Eight lines of eight words, word by word.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_transposed(lines: &[&[u32; 8]; 8]) -> [__m256i; 8] {
    let [a, b, c, d, e, f, g, h] = *lines;
    transpose([load(a), load(b), load(c), load(d), load(e), load(f), load(g), load(h)])
}

/// [`Lanes::scatter`].
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn scatter(words: &[Vector; 8], rows: &mut [[u32; 8]], stride: usize) {
    for half in 0..2 {
        let word = |i: usize| load(words[i].halves()[half]);
        let lines = transpose([word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7)]);
        for (i, line) in lines.into_iter().enumerate() {
            store(&mut rows[(8 * half + i) * stride], line);
        }
    }
}

/// Eight rows of eight words to eight columns.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn transpose(r: [__m256i; 8]) -> [__m256i; 8] {
    let lo = |a, b| _mm256_unpacklo_epi32(a, b);
    let hi = |a, b| _mm256_unpackhi_epi32(a, b);
    let lo2 = |a, b| _mm256_unpacklo_epi64(a, b);
    let hi2 = |a, b| _mm256_unpackhi_epi64(a, b);
    let (t0, t1) = (lo(r[0], r[1]), hi(r[0], r[1]));
    let (t2, t3) = (lo(r[2], r[3]), hi(r[2], r[3]));
    let (t4, t5) = (lo(r[4], r[5]), hi(r[4], r[5]));
    let (t6, t7) = (lo(r[6], r[7]), hi(r[6], r[7]));
    let (u0, u1, u2, u3) = (lo2(t0, t2), hi2(t0, t2), lo2(t1, t3), hi2(t1, t3));
    let (u4, u5, u6, u7) = (lo2(t4, t6), hi2(t4, t6), lo2(t5, t7), hi2(t5, t7));
    let low = |a, b| _mm256_permute2x128_si256::<0x20>(a, b);
    let high = |a, b| _mm256_permute2x128_si256::<0x31>(a, b);
    [
        low(u0, u4),
        low(u1, u5),
        low(u2, u6),
        low(u3, u7),
        high(u0, u4),
        high(u1, u5),
        high(u2, u6),
        high(u3, u7),
    ]
}

/// Both halves through the same intrinsic.
macro_rules! both {
    ($f:ident($a:expr)) => {{
        let a = $a;
        [$f(a[0]), $f(a[1])]
    }};
    ($f:ident($a:expr, $b:expr)) => {{
        let (a, b) = ($a, $b);
        [$f(a[0], b[0]), $f(a[1], b[1])]
    }};
}

impl Avx2 {
    /// The instruction set, if this processor has it: the same answer for the program's whole life.
    pub fn new() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    operations! {
        "avx2":
        fn splat_bytes(x: i32) -> __m256i {
            _mm256_set1_epi32(x)
        }
        /// Two products of bytes each, added up into 16 bits.
        fn dot_bytes(u: __m256i, s: __m256i) -> __m256i {
            _mm256_maddubs_epi16(u, s)
        }
        fn add_16(a: __m256i, b: __m256i) -> __m256i {
            _mm256_add_epi16(a, b)
        }
        /// Adds each pair of 16-bit sums to 32-bit ones.
        fn add_pairs(sum: __m256i, pairs: __m256i) -> __m256i {
            _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    /// Two outputs of a product, both halves of the lanes.
    #[inline(always)]
    fn two_products<const FIRST: usize>(
        self,
        start: &[i32; 4],
        inputs: &[[Vector; 4]],
        weights: &[[[i32; 4]; 4]],
    ) -> [I; 2] {
        let mut sums = [self.splat_i(start[FIRST]), self.splat_i(start[FIRST + 1])];
        for (inputs, weights) in inputs.iter().zip(weights) {
            let mut short = [[self.splat_bytes(0); 2]; 2];
            for quad in 0..4 {
                let u = self.load_i(&inputs[quad]);
                for output in 0..2 {
                    let w = self.splat_bytes(weights[quad][FIRST + output]);
                    for half in 0..2 {
                        let product = self.dot_bytes(u[half], w);
                        short[output][half] = match quad {
                            0 => product,
                            _ => self.add_16(short[output][half], product),
                        };
                    }
                }
            }
            for output in 0..2 {
                for half in 0..2 {
                    sums[output][half] = self.add_pairs(sums[output][half], short[output][half]);
                }
            }
        }
        sums
    }

    /// [`Lanes::products`] of whole chains.
    #[inline(always)]
    fn four_products(self, start: &[i32; 4], inputs: &[[Vector; 4]], weights: &[[[i32; 4]; 4]]) -> [I; 4] {
        let [a, b] = self.two_products::<0>(start, inputs, weights);
        let [c, d] = self.two_products::<2>(start, inputs, weights);
        [a, b, c, d]
    }
}

impl Lanes for Avx2 {
    type F = F;
    type I = I;
    type H = I;
    /// 16-bit sums of two products each.
    type Mix = I;

    operations! {
        "avx2":
        fn splat(x: f32) -> F {
            [_mm256_set1_ps(x); 2]
        }
        fn load(from: &Vector) -> F {
            both!(_mm256_castsi256_ps(both!(load(from.halves()))))
        }
        fn store(to: &mut Vector, x: F) {
            both!(store(to.halves_mut(), both!(_mm256_castps_si256(x))));
        }
        fn add(a: F, b: F) -> F {
            both!(_mm256_add_ps(a, b))
        }
        fn sub(a: F, b: F) -> F {
            both!(_mm256_sub_ps(a, b))
        }
        fn mul(a: F, b: F) -> F {
            both!(_mm256_mul_ps(a, b))
        }
        fn div(a: F, b: F) -> F {
            both!(_mm256_div_ps(a, b))
        }
        fn sqrt(a: F) -> F {
            both!(_mm256_sqrt_ps(a))
        }
        fn max(a: F, b: F) -> F {
            both!(_mm256_max_ps(a, b))
        }
        fn abs(a: F) -> F {
            let sign = [_mm256_set1_ps(-0.0); 2];
            both!(_mm256_andnot_ps(sign, a))
        }
        // The rounding mode is the default one, to nearest with ties to even: Rust programs may not run under
        // another.
        fn round(a: F) -> I {
            both!(_mm256_cvtps_epi32(a))
        }
        fn truncate(a: F) -> I {
            both!(_mm256_cvttps_epi32(a))
        }
        fn float(a: I) -> F {
            both!(_mm256_cvtepi32_ps(a))
        }
        fn scale_by_power(a: F, n: F) -> F {
            let scale = |a, n| {
                let power = _mm256_slli_epi32::<23>(_mm256_castps_si256(n));
                _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), power))
            };
            both!(scale(a, n))
        }
        fn splat_i(x: i32) -> I {
            [_mm256_set1_epi32(x); 2]
        }
        fn load_i(from: &Vector) -> I {
            both!(load(from.halves()))
        }
        fn store_i(to: &mut Vector, x: I) {
            both!(store(to.halves_mut(), x));
        }
        fn add_i(a: I, b: I) -> I {
            both!(_mm256_add_epi32(a, b))
        }
        fn sub_i(a: I, b: I) -> I {
            both!(_mm256_sub_epi32(a, b))
        }
        fn or_i(a: I, b: I) -> I {
            both!(_mm256_or_si256(a, b))
        }
        fn move_byte(a: I, from: u32, to: u32) -> I {
            let (from, to) = (_mm_cvtsi32_si128(from as i32), _mm_cvtsi32_si128(to as i32));
            let mask = _mm256_set1_epi32(0xff);
            let moved = |a| _mm256_sll_epi32(_mm256_and_si256(_mm256_srl_epi32(a, from), mask), to);
            both!(moved(a))
        }
        fn pack(a: I, b: I) -> I {
            both!(_mm256_packs_epi32(a, b))
        }
        fn widen(a: I) -> [I; 2] {
            let sign = [_mm256_srai_epi16::<15>(a[0]), _mm256_srai_epi16::<15>(a[1])];
            [
                both!(_mm256_unpacklo_epi16(a, sign)),
                both!(_mm256_unpackhi_epi16(a, sign)),
            ]
        }
        fn splat_h(x: i16) -> I {
            [_mm256_set1_epi16(x); 2]
        }
        fn load_h(from: &Vector) -> I {
            both!(load(from.halves()))
        }
        fn store_h(to: &mut Vector, x: I) {
            both!(store(to.halves_mut(), x));
        }
        fn add_h(a: I, b: I) -> I {
            both!(_mm256_add_epi16(a, b))
        }
        fn add_saturating_h(a: I, b: I) -> I {
            both!(_mm256_adds_epi16(a, b))
        }
        fn max_h(a: I, b: I) -> I {
            both!(_mm256_max_epi16(a, b))
        }
        fn abs_min_h(a: I, b: I) -> I {
            let a = both!(_mm256_abs_epi16(a));
            both!(_mm256_min_epu16(a, b))
        }
        fn shift_left_h(a: I, by: u32) -> I {
            let by = [_mm_cvtsi32_si128(by as i32); 2];
            both!(_mm256_sll_epi16(a, by))
        }
        fn mul_q15(a: I, b: I) -> I {
            both!(_mm256_mulhrs_epi16(a, b))
        }
        fn quads(a: I, b: I) -> I {
            let order = [_mm256_broadcastsi128_si256(by_line()); 2];
            let bytes = both!(_mm256_packs_epi16(a, b));
            both!(_mm256_shuffle_epi8(bytes, order))
        }
        fn round_to_bytes(four: [F; 4], zero: u8) -> I {
            let order = _mm256_broadcastsi128_si256(by_line());
            let zeros = _mm256_set1_epi8(zero as i8);
            let half = |half: usize| {
                let [a, b] = packed(four, half);
                _mm256_add_epi8(_mm256_shuffle_epi8(_mm256_packs_epi16(a, b), order), zeros)
            };
            [half(0), half(1)]
        }
        fn round_to_unsigned_bytes(four: [F; 4]) -> I {
            let order = _mm256_broadcastsi128_si256(by_line());
            let half = |half: usize| {
                let [a, b] = packed(four, half);
                _mm256_shuffle_epi8(_mm256_packus_epi16(a, b), order)
            };
            [half(0), half(1)]
        }
        fn pairs(a: I) -> I {
            let order = [_mm256_broadcastsi128_si256(pairs_by_line()); 2];
            both!(_mm256_shuffle_epi8(a, order))
        }
        fn dot(sum: I, u: I, s: I) -> I {
            let ones = [_mm256_set1_epi16(1); 2];
            let pairs = both!(_mm256_maddubs_epi16(u, s));
            let products = both!(_mm256_madd_epi16(pairs, ones));
            both!(_mm256_add_epi32(sum, products))
        }
        // Four products of at most 127 · 64 fit 16 bits.
        fn dot_two(sum: I, u: [I; 2], s: [I; 2]) -> I {
            let ones = [_mm256_set1_epi16(1); 2];
            let first = both!(_mm256_maddubs_epi16(u[0], s[0]));
            let second = both!(_mm256_maddubs_epi16(u[1], s[1]));
            let pairs = both!(_mm256_add_epi16(first, second));
            let products = both!(_mm256_madd_epi16(pairs, ones));
            both!(_mm256_add_epi32(sum, products))
        }
        fn dot_pairs(sum: I, a: I, b: I) -> I {
            let products = both!(_mm256_madd_epi16(a, b));
            both!(_mm256_add_epi32(sum, products))
        }
        fn mix_zero() -> I {
            [_mm256_setzero_si256(); 2]
        }
        // All sums stay within 255 · 127, so nothing saturates or wraps.
        fn mix(sum: I, u: I, s: &Vector) -> I {
            let products = both!(_mm256_maddubs_epi16(u, both!(load(s.halves()))));
            both!(_mm256_add_epi16(sum, products))
        }
        fn mixed(sum: I) -> I {
            let ones = [_mm256_set1_epi16(1); 2];
            both!(_mm256_madd_epi16(sum, ones))
        }
        fn gather(lines: [&[u32; 8]; LANES]) -> [I; 8] {
            let ([first, second], []) = lines.as_chunks() else { unreachable!() };
            let (first, second) = (load_transposed(first), load_transposed(second));
            let mut words = [[first[0]; 2]; 8];
            for (i, word) in words.iter_mut().enumerate() {
                *word = [first[i], second[i]];
            }
            words
        }
        fn scatter(words: &[Vector; 8], rows: &mut [[u32; 8]], stride: usize) {
            scatter(words, rows, stride);
        }
    }

    #[inline(always)]
    fn products(self, start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [I; 4] {
        let (chains, weights) = (inputs.as_chunks().0, weights.as_chunks().0);
        match (chains, weights) {
            // The commonest size has code of its own, without loops.
            ([_, _], [_, _]) => self.four_products(start, &chains[..2], &weights[..2]),
            _ => self.four_products(start, chains, weights),
        }
    }
}
