//! AVX-512 with VNNI: one register of sixteen lanes for 32-bit values, and `vpdpbusd`, which adds
//! four products of bytes into 32 bits. 16-bit values stand as in [`super::avx2`]: four lines of one
//! feature, the same four of the other, and so on.

use std::arch::x86_64::*;

use super::avx2::{Avx2, by_line, load_words, pairs_by_line, store_words, transpose};
use super::{LANES, Lanes, PairVector, Vector};

/// One register of sixteen lanes. Exists only where the processor has AVX-512 F, BW, VL and VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Avx512;

impl Avx512 {
    /// Whether this processor has what is needed: the same answer for the program's whole life.
    pub fn is_available() -> bool {
        Avx2::is_available()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
    }
}

impl Lanes for Avx512 {
    type F = __m512;
    type I = __m512i;
    type H = __m512i;
    type Mix = __m512i;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        // SAFETY: the processor has AVX-512 (the trait's condition); so in all functions below.
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn load(from: &Vector) -> Self::F {
        // SAFETY: AVX-512; a vector is 64 readable, aligned bytes.
        unsafe { _mm512_load_ps(from.0.as_ptr().cast()) }
    }
    #[inline(always)]
    unsafe fn store(to: &mut Vector, x: Self::F) {
        // SAFETY: AVX-512; a vector is 64 writable, aligned bytes.
        unsafe { _mm512_store_ps(to.0.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: AVX-512.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: AVX-512.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: AVX-512.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: AVX-512.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: Self::F) -> Self::F {
        // SAFETY: AVX-512.
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: AVX-512.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn abs(a: Self::F) -> Self::F {
        // SAFETY: AVX-512.
        unsafe { _mm512_abs_ps(a) }
    }
    #[inline(always)]
    unsafe fn round(a: Self::F) -> Self::I {
        // SAFETY: AVX-512. The rounding mode is the default one, to nearest with ties to even.
        unsafe { _mm512_cvtps_epi32(a) }
    }
    #[inline(always)]
    unsafe fn truncate(a: Self::F) -> Self::I {
        // SAFETY: AVX-512.
        unsafe { _mm512_cvttps_epi32(a) }
    }
    #[inline(always)]
    unsafe fn float(a: Self::I) -> Self::F {
        // SAFETY: AVX-512.
        unsafe { _mm512_cvtepi32_ps(a) }
    }
    #[inline(always)]
    unsafe fn scale_by_power(a: Self::F, n: Self::F) -> Self::F {
        // SAFETY: AVX-512.
        unsafe {
            let power = _mm512_slli_epi32::<23>(_mm512_castps_si512(n));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), power))
        }
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> Self::I {
        // SAFETY: AVX-512.
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn load_i(from: &Vector) -> Self::I {
        // SAFETY: AVX-512; a vector is 64 readable, aligned bytes.
        unsafe { _mm512_load_si512(from.0.as_ptr().cast()) }
    }
    #[inline(always)]
    unsafe fn store_i(to: &mut Vector, x: Self::I) {
        // SAFETY: AVX-512; a vector is 64 writable, aligned bytes.
        unsafe { _mm512_store_si512(to.0.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    unsafe fn add_i(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: AVX-512.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub_i(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: AVX-512.
        unsafe { _mm512_sub_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn or_i(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: AVX-512.
        unsafe { _mm512_or_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn move_byte(a: Self::I, from: u32, to: u32) -> Self::I {
        // SAFETY: AVX-512.
        unsafe {
            let (from, to) = (_mm_cvtsi32_si128(from as i32), _mm_cvtsi32_si128(to as i32));
            let byte = _mm512_and_si512(_mm512_srl_epi32(a, from), _mm512_set1_epi32(0xff));
            _mm512_sll_epi32(byte, to)
        }
    }
    #[inline(always)]
    unsafe fn add_bytes(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: AVX-512.
        unsafe { _mm512_add_epi8(a, b) }
    }
    #[inline(always)]
    unsafe fn pack(a: Self::I, b: Self::I) -> Self::H {
        // SAFETY: AVX-512.
        unsafe { _mm512_packs_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn widen(a: Self::H) -> [Self::I; 2] {
        // SAFETY: AVX-512.
        unsafe {
            let sign = _mm512_srai_epi16::<15>(a);
            [_mm512_unpacklo_epi16(a, sign), _mm512_unpackhi_epi16(a, sign)]
        }
    }
    #[inline(always)]
    unsafe fn splat_h(x: i16) -> Self::H {
        // SAFETY: AVX-512.
        unsafe { _mm512_set1_epi16(x) }
    }
    #[inline(always)]
    unsafe fn load_h(from: &PairVector) -> Self::H {
        // SAFETY: AVX-512; a pair vector is 64 readable, aligned bytes.
        unsafe { _mm512_load_si512(from.0.as_ptr().cast()) }
    }
    #[inline(always)]
    unsafe fn store_h(to: &mut PairVector, x: Self::H) {
        // SAFETY: AVX-512; a pair vector is 64 writable, aligned bytes.
        unsafe { _mm512_store_si512(to.0.as_mut_ptr().cast(), x) }
    }
    #[inline(always)]
    unsafe fn add_h(a: Self::H, b: Self::H) -> Self::H {
        // SAFETY: AVX-512.
        unsafe { _mm512_add_epi16(a, b) }
    }
    #[inline(always)]
    unsafe fn add_saturating_h(a: Self::H, b: Self::H) -> Self::H {
        // SAFETY: AVX-512.
        unsafe { _mm512_adds_epi16(a, b) }
    }
    #[inline(always)]
    unsafe fn max_h(a: Self::H, b: Self::H) -> Self::H {
        // SAFETY: AVX-512.
        unsafe { _mm512_max_epi16(a, b) }
    }
    #[inline(always)]
    unsafe fn abs_min_h(a: Self::H, b: Self::H) -> Self::H {
        // SAFETY: AVX-512.
        unsafe { _mm512_min_epu16(_mm512_abs_epi16(a), b) }
    }
    #[inline(always)]
    unsafe fn shift_left_h(a: Self::H, by: u32) -> Self::H {
        // SAFETY: AVX-512.
        unsafe { _mm512_sll_epi16(a, _mm_cvtsi32_si128(by as i32)) }
    }
    #[inline(always)]
    unsafe fn mul_q15(a: Self::H, b: Self::H) -> Self::H {
        // SAFETY: AVX-512.
        unsafe { _mm512_mulhrs_epi16(a, b) }
    }
    #[inline(always)]
    unsafe fn quads(a: Self::H, b: Self::H) -> Self::I {
        // SAFETY: AVX-512.
        unsafe {
            let order = _mm512_broadcast_i32x4(by_line());
            _mm512_shuffle_epi8(_mm512_packs_epi16(a, b), order)
        }
    }
    #[inline(always)]
    unsafe fn quads_unsigned(a: Self::H, b: Self::H) -> Self::I {
        // SAFETY: AVX-512.
        unsafe {
            let order = _mm512_broadcast_i32x4(by_line());
            _mm512_shuffle_epi8(_mm512_packus_epi16(a, b), order)
        }
    }
    #[inline(always)]
    unsafe fn pairs(a: Self::H) -> Self::I {
        // SAFETY: AVX-512.
        unsafe { _mm512_shuffle_epi8(a, _mm512_broadcast_i32x4(pairs_by_line())) }
    }
    #[inline(always)]
    unsafe fn dot(sum: Self::I, u: Self::I, s: Self::I) -> Self::I {
        // SAFETY: AVX-512 with VNNI.
        unsafe { _mm512_dpbusd_epi32(sum, u, s) }
    }
    #[inline(always)]
    unsafe fn dot_two(sum: Self::I, u: [Self::I; 2], s: [Self::I; 2]) -> Self::I {
        // SAFETY: AVX-512 with VNNI.
        unsafe { Self::dot(Self::dot(sum, u[0], s[0]), u[1], s[1]) }
    }
    #[inline(always)]
    unsafe fn dot_pairs(sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: AVX-512 with VNNI.
        unsafe { _mm512_dpwssd_epi32(sum, a, b) }
    }
    #[inline(always)]
    unsafe fn products(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [Self::I; 4] {
        // SAFETY: AVX-512 with VNNI.
        unsafe {
            let [a, b, c, d] = *start;
            let mut sums = [
                Self::splat_i(a),
                Self::splat_i(b),
                Self::splat_i(c),
                Self::splat_i(d),
            ];
            for (input, weights) in inputs.iter().zip(weights) {
                let u = Self::load_i(input);
                for (sum, &w) in sums.iter_mut().zip(weights) {
                    *sum = _mm512_dpbusd_epi32(*sum, u, _mm512_set1_epi32(w));
                }
            }
            sums
        }
    }
    #[inline(always)]
    unsafe fn mix_zero() -> Self::Mix {
        // SAFETY: AVX-512.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn mix(sum: Self::Mix, u: Self::I, s: &Vector) -> Self::Mix {
        // SAFETY: AVX-512 with VNNI.
        unsafe { _mm512_dpbusd_epi32(sum, u, Self::load_i(s)) }
    }
    #[inline(always)]
    unsafe fn mixed(sum: Self::Mix) -> Self::I {
        sum
    }
    #[inline(always)]
    unsafe fn gather(lines: [&[u32; 8]; LANES]) -> [Self::I; 8] {
        // SAFETY: AVX-512 has AVX2.
        unsafe {
            let a = transpose(std::array::from_fn(|i| load_words(lines[i])));
            let b = transpose(std::array::from_fn(|i| load_words(lines[8 + i])));
            std::array::from_fn(|i| _mm512_inserti64x4::<1>(_mm512_castsi256_si512(a[i]), b[i]))
        }
    }
    #[inline(always)]
    unsafe fn scatter(words: [Self::I; 8], lines: [&mut [u32; 8]; LANES]) {
        // SAFETY: AVX-512 has AVX2.
        unsafe {
            let a = transpose(words.map(|w| _mm512_castsi512_si256(w)));
            let b = transpose(words.map(|w| _mm512_extracti64x4_epi64::<1>(w)));
            for (line, x) in lines.into_iter().zip(a.into_iter().chain(b)) {
                store_words(line, x);
            }
        }
    }
}
