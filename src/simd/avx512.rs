//! AVX-512 with VNNI: one register of sixteen lanes for 32-bit values, and `vpdpbusd`, which adds
//! four products of bytes into 32 bits. 16-bit values stand as in [`super::avx2`]: four lines of one
//! feature, the same four of the other, and so on.

use std::arch::x86_64::*;

use super::avx2::{Avx2, by_line, load_transposed, pairs_by_line, scatter};
use super::{LANES, Lanes, Vector};

/// One register of sixteen lanes. Exists only where the processor has AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The instruction set, if this processor has it: the same answer for the program's whole life.
    pub fn new() -> Option<Self> {
        let all = Avx2::new().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        all.then_some(Self(()))
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
#[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
fn load_512(from: &Vector) -> __m512i {
    // SAFETY: a vector is 64 readable, aligned bytes.
    unsafe { _mm512_load_si512(from.0.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
#[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
fn store_512(to: &mut Vector, x: __m512i) {
    // SAFETY: a vector is 64 writable, aligned bytes.
    unsafe { _mm512_store_si512(to.0.as_mut_ptr().cast(), x) }
}

/// Four features, rounded, as 16-bit integers, two features each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn packed([a, b, c, d]: [__m512; 4]) -> [__m512i; 2] {
    let pair = |a, b| _mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b));
    [pair(a, b), pair(c, d)]
}

impl Lanes for Avx512 {
    type F = __m512;
    type I = __m512i;
    type H = __m512i;
    type Mix = __m512i;

    operations! {
        "avx2,avx512f,avx512bw,avx512vl,avx512vnni":
        fn splat(x: f32) -> __m512 {
            _mm512_set1_ps(x)
        }
        fn load(from: &Vector) -> __m512 {
            _mm512_castsi512_ps(load_512(from))
        }
        fn store(to: &mut Vector, x: __m512) {
            store_512(to, _mm512_castps_si512(x));
        }
        fn add(a: __m512, b: __m512) -> __m512 {
            _mm512_add_ps(a, b)
        }
        fn sub(a: __m512, b: __m512) -> __m512 {
            _mm512_sub_ps(a, b)
        }
        fn mul(a: __m512, b: __m512) -> __m512 {
            _mm512_mul_ps(a, b)
        }
        fn div(a: __m512, b: __m512) -> __m512 {
            _mm512_div_ps(a, b)
        }
        fn sqrt(a: __m512) -> __m512 {
            _mm512_sqrt_ps(a)
        }
        fn max(a: __m512, b: __m512) -> __m512 {
            _mm512_max_ps(a, b)
        }
        fn abs(a: __m512) -> __m512 {
            _mm512_abs_ps(a)
        }
        // The rounding mode is the default one, to nearest with ties to even.
        fn round(a: __m512) -> __m512i {
            _mm512_cvtps_epi32(a)
        }
        fn truncate(a: __m512) -> __m512i {
            _mm512_cvttps_epi32(a)
        }
        fn float(a: __m512i) -> __m512 {
            _mm512_cvtepi32_ps(a)
        }
        fn scale_by_power(a: __m512, n: __m512) -> __m512 {
            let power = _mm512_slli_epi32::<23>(_mm512_castps_si512(n));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), power))
        }
        fn splat_i(x: i32) -> __m512i {
            _mm512_set1_epi32(x)
        }
        fn load_i(from: &Vector) -> __m512i {
            load_512(from)
        }
        fn store_i(to: &mut Vector, x: __m512i) {
            store_512(to, x);
        }
        fn add_i(a: __m512i, b: __m512i) -> __m512i {
            _mm512_add_epi32(a, b)
        }
        fn sub_i(a: __m512i, b: __m512i) -> __m512i {
            _mm512_sub_epi32(a, b)
        }
        fn or_i(a: __m512i, b: __m512i) -> __m512i {
            _mm512_or_si512(a, b)
        }
        fn move_byte(a: __m512i, from: u32, to: u32) -> __m512i {
            let (from, to) = (_mm_cvtsi32_si128(from as i32), _mm_cvtsi32_si128(to as i32));
            let byte = _mm512_and_si512(_mm512_srl_epi32(a, from), _mm512_set1_epi32(0xff));
            _mm512_sll_epi32(byte, to)
        }
        fn pack(a: __m512i, b: __m512i) -> __m512i {
            _mm512_packs_epi32(a, b)
        }
        fn widen(a: __m512i) -> [__m512i; 2] {
            let sign = _mm512_srai_epi16::<15>(a);
            [_mm512_unpacklo_epi16(a, sign), _mm512_unpackhi_epi16(a, sign)]
        }
        fn splat_h(x: i16) -> __m512i {
            _mm512_set1_epi16(x)
        }
        fn load_h(from: &Vector) -> __m512i {
            load_512(from)
        }
        fn store_h(to: &mut Vector, x: __m512i) {
            store_512(to, x);
        }
        fn add_h(a: __m512i, b: __m512i) -> __m512i {
            _mm512_add_epi16(a, b)
        }
        fn add_saturating_h(a: __m512i, b: __m512i) -> __m512i {
            _mm512_adds_epi16(a, b)
        }
        fn max_h(a: __m512i, b: __m512i) -> __m512i {
            _mm512_max_epi16(a, b)
        }
        fn abs_min_h(a: __m512i, b: __m512i) -> __m512i {
            _mm512_min_epu16(_mm512_abs_epi16(a), b)
        }
        fn shift_left_h(a: __m512i, by: u32) -> __m512i {
            _mm512_sll_epi16(a, _mm_cvtsi32_si128(by as i32))
        }
        fn mul_q15(a: __m512i, b: __m512i) -> __m512i {
            _mm512_mulhrs_epi16(a, b)
        }
        fn quads(a: __m512i, b: __m512i) -> __m512i {
            let order = _mm512_broadcast_i32x4(by_line());
            _mm512_shuffle_epi8(_mm512_packs_epi16(a, b), order)
        }
        fn round_to_bytes(four: [__m512; 4], zero: u8) -> __m512i {
            let [a, b] = packed(four);
            let bytes = _mm512_shuffle_epi8(_mm512_packs_epi16(a, b), _mm512_broadcast_i32x4(by_line()));
            _mm512_add_epi8(bytes, _mm512_set1_epi8(zero as i8))
        }
        fn round_to_unsigned_bytes(four: [__m512; 4]) -> __m512i {
            let [a, b] = packed(four);
            _mm512_shuffle_epi8(_mm512_packus_epi16(a, b), _mm512_broadcast_i32x4(by_line()))
        }
        fn pairs(a: __m512i) -> __m512i {
            _mm512_shuffle_epi8(a, _mm512_broadcast_i32x4(pairs_by_line()))
        }
        fn dot(sum: __m512i, u: __m512i, s: __m512i) -> __m512i {
            _mm512_dpbusd_epi32(sum, u, s)
        }
        fn dot_two(sum: __m512i, u: [__m512i; 2], s: [__m512i; 2]) -> __m512i {
            _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum, u[0], s[0]), u[1], s[1])
        }
        fn dot_pairs(sum: __m512i, a: __m512i, b: __m512i) -> __m512i {
            _mm512_dpwssd_epi32(sum, a, b)
        }
        fn mix_zero() -> __m512i {
            _mm512_setzero_si512()
        }
        fn mix(sum: __m512i, u: __m512i, s: &Vector) -> __m512i {
            _mm512_dpbusd_epi32(sum, u, load_512(s))
        }
        fn mixed(sum: __m512i) -> __m512i {
            sum
        }
        fn gather(lines: [&[u32; 8]; LANES]) -> [__m512i; 8] {
            let ([first, second], []) = lines.as_chunks() else { unreachable!() };
            let (first, second) = (load_transposed(first), load_transposed(second));
            let mut words = [_mm512_setzero_si512(); 8];
            for (i, word) in words.iter_mut().enumerate() {
                *word = _mm512_inserti64x4::<1>(_mm512_castsi256_si512(first[i]), second[i]);
            }
            words
        }
        fn scatter(words: &[Vector; 8], rows: &mut [[u32; 8]], stride: usize) {
            scatter(words, rows, stride);
        }
    }

    #[inline(always)]
    fn products(self, start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [__m512i; 4] {
        let [a, b, c, d] = *start;
        let mut sums = [self.splat_i(a), self.splat_i(b), self.splat_i(c), self.splat_i(d)];
        for (input, weights) in inputs.iter().zip(weights) {
            let u = self.load_i(input);
            for (sum, &w) in sums.iter_mut().zip(weights) {
                *sum = self.dot(*sum, u, self.splat_i(w));
            }
        }
        sums
    }
}
