//! AVX-512: one register of sixteen lanes, for one feature of 32 bits as for two of 16 bits ([`super::x86`]). With VNNI
//! `vpdpbusd` adds four products of bytes into 32 bits.

use std::arch::x86_64::*;
use std::arch::x86_64::{
    _mm512_abs_epi16 as abs_h, _mm512_abs_ps as abs, _mm512_add_epi8 as add_bytes, _mm512_add_epi16 as add_h,
    _mm512_add_epi32 as add_i, _mm512_add_ps as add, _mm512_adds_epi16 as add_saturating_h,
    _mm512_and_si512 as and_i, _mm512_broadcast_i32x4 as repeat, _mm512_castps_si512 as words_of,
    _mm512_castsi512_ps as floats_of, _mm512_cvtepi32_ps as float, _mm512_cvtps_epi32 as round,
    _mm512_cvttps_epi32 as truncate, _mm512_div_ps as div, _mm512_dpbusd_epi32 as dot_by_vnni,
    _mm512_dpwssd_epi32 as dot_pairs_by_vnni, _mm512_loadu_si512 as load_words,
    _mm512_madd_epi16 as multiply_pairs, _mm512_maddubs_epi16 as multiply_bytes, _mm512_max_epi16 as max_h,
    _mm512_max_ps as max, _mm512_min_epu16 as min_unsigned_h, _mm512_mul_ps as mul,
    _mm512_mulhrs_epi16 as mul_q15, _mm512_or_si512 as or_i, _mm512_packs_epi16 as pack_h,
    _mm512_packs_epi32 as pack, _mm512_packus_epi16 as pack_unsigned_h, _mm512_set1_epi16 as splat_h,
    _mm512_set1_epi32 as splat_i, _mm512_set1_ps as splat, _mm512_shuffle_epi8 as shuffle_bytes,
    _mm512_sll_epi16 as shift_left_h_by, _mm512_sll_epi32 as shift_left_by, _mm512_slli_epi32 as shift_left,
    _mm512_sqrt_ps as sqrt, _mm512_srai_epi16 as shift_right_h, _mm512_srl_epi32 as shift_right_by,
    _mm512_storeu_si512 as store_words, _mm512_sub_epi32 as sub_i, _mm512_sub_ps as sub,
    _mm512_unpackhi_epi16 as interleave_second, _mm512_unpacklo_epi16 as interleave_first,
};

use super::avx2::{Avx2, load_transposed, scatter};
use super::registers::{each, functions, lanes};
use super::x86::x86_functions;
use super::{LANES, Lanes, Vector};
use {load_i as load_h, store_i as store_h};

/// One register of sixteen lanes. Exists only where the processor has AVX-512 F, BW and VL.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

/// As [`Avx512`] with VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Vnni(());

impl Avx512 {
    /// The instruction set, if this processor has it: the same answer for the program's whole life.
    pub fn new() -> Option<Self> {
        let all = Avx2::new().is_some()
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        all.then_some(Self(()))
    }
}

impl Avx512Vnni {
    /// As [`Avx512::new`].
    pub fn new() -> Option<Self> {
        (Avx512::new().is_some() && is_x86_feature_detected!("avx512vnni")).then_some(Self(()))
    }
}

x86_functions!(
    Avx512,
    "avx2,avx512f,avx512bw,avx512vl",
    1 registers of 16 by whole,
    F = __m512,
    I = __m512i,
    4 outputs
);

functions! {
    "avx2,avx512f,avx512bw,avx512vl":
    fn gather(lines: [&[u32; 8]; LANES]) -> [[__m512i; 1]; 8] {
        let ([first, second], []) = lines.as_chunks() else { unreachable!() };
        let (first, second) = (load_transposed(first), load_transposed(second));
        let mut words = [[splat_i(0)]; 8];
        for (i, word) in words.iter_mut().enumerate() {
            *word = [_mm512_inserti64x4::<1>(_mm512_castsi256_si512(first[i]), second[i])];
        }
        words
    }
    fn itself(sum: __m512i) -> __m512i {
        sum
    }
}

functions! {
    "avx2,avx512f,avx512bw,avx512vl,avx512vnni":
    fn dot_two_by_vnni(sum: __m512i, u: __m512i, s: __m512i, v: __m512i, t: __m512i) -> __m512i {
        dot_by_vnni(dot_by_vnni(sum, u, s), v, t)
    }
}

lanes! {
    Avx512, 1 registers of whole and whole_mut, ["avx2,avx512f,avx512bw,avx512vl"],
    F = __m512, I = __m512i, H = __m512i, Mix = __m512i,
    dot, dot_two, dot_pairs, splat_i(0), mix, mixed,
    #[inline(always)]
    fn products(self, start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[__m512i; 1]; 4] {
        self.some_products::<0>(start, inputs.as_chunks().0, weights.as_chunks().0)
    }
}

lanes! {
    Avx512Vnni, 1 registers of whole and whole_mut, ["avx2,avx512f,avx512bw,avx512vl,avx512vnni"],
    F = __m512, I = __m512i, H = __m512i, Mix = __m512i,
    dot_by_vnni, dot_two_by_vnni, dot_pairs_by_vnni, splat_i(0), dot_by_vnni, itself,
    #[inline(always)]
    fn products(self, start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[__m512i; 1]; 4] {
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
