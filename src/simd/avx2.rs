//! AVX2: two registers of eight lines, for one feature of 32 bits as for two of 16 bits ([`super::x86`]).

use std::arch::x86_64::*;
use std::arch::x86_64::{
    _mm256_abs_epi16 as abs_h, _mm256_add_epi8 as add_bytes, _mm256_add_epi16 as add_h,
    _mm256_add_epi32 as add_i, _mm256_add_ps as add, _mm256_adds_epi16 as add_saturating_h,
    _mm256_and_si256 as and_i, _mm256_broadcastsi128_si256 as repeat, _mm256_castps_si256 as words_of,
    _mm256_castsi256_ps as floats_of, _mm256_cvtepi32_ps as float, _mm256_cvtps_epi32 as round,
    _mm256_cvttps_epi32 as truncate, _mm256_div_ps as div, _mm256_loadu_si256 as load_words,
    _mm256_madd_epi16 as multiply_pairs, _mm256_maddubs_epi16 as multiply_bytes, _mm256_max_epi16 as max_h,
    _mm256_max_ps as max, _mm256_min_epu16 as min_unsigned_h, _mm256_mul_ps as mul,
    _mm256_mulhrs_epi16 as mul_q15, _mm256_or_si256 as or_i, _mm256_packs_epi16 as pack_h,
    _mm256_packs_epi32 as pack, _mm256_packus_epi16 as pack_unsigned_h, _mm256_set1_epi16 as splat_h,
    _mm256_set1_epi32 as splat_i, _mm256_set1_ps as splat, _mm256_shuffle_epi8 as shuffle_bytes,
    _mm256_sll_epi16 as shift_left_h_by, _mm256_sll_epi32 as shift_left_by, _mm256_slli_epi32 as shift_left,
    _mm256_sqrt_ps as sqrt, _mm256_srai_epi16 as shift_right_h, _mm256_srl_epi32 as shift_right_by,
    _mm256_storeu_si256 as store_words, _mm256_sub_epi32 as sub_i, _mm256_sub_ps as sub,
    _mm256_unpackhi_epi16 as interleave_second, _mm256_unpacklo_epi16 as interleave_first,
};

use super::registers::{each, functions, lanes};
use super::x86::x86_functions;
use super::{LANES, Lanes, Vector};
use {load_i as load_h, store_i as store_h};

/// Two registers of eight lanes. Exists only where the processor has AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The instruction set, if this processor has it: the same answer for the program's whole life.
    pub fn new() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// [`Lanes::products`] of whole chains.
    #[inline(always)]
    fn chains(
        self,
        start: &[i32; 4],
        inputs: &[[Vector; 4]],
        weights: &[[[i32; 4]; 4]],
    ) -> [[__m256i; 2]; 4] {
        let [a, b] = self.some_products::<0>(start, inputs, weights);
        let [c, d] = self.some_products::<2>(start, inputs, weights);
        [a, b, c, d]
    }
}

x86_functions!(Avx2, "avx2", 2 registers of 8 by halves, F = __m256, I = __m256i, 2 outputs);

functions! {
    "avx2":
    fn abs(a: __m256) -> __m256 {
        _mm256_andnot_ps(splat(-0.0), a)
    }
    /// Eight lines of eight words, word by word.
    pub(super) fn load_transposed(lines: &[&[u32; 8]; 8]) -> [__m256i; 8] {
        let [a, b, c, d, e, f, g, h] = *lines;
        transpose([load_i(a), load_i(b), load_i(c), load_i(d), load_i(e), load_i(f), load_i(g), load_i(h)])
    }
    fn gather(lines: [&[u32; 8]; LANES]) -> [[__m256i; 2]; 8] {
        let ([first, second], []) = lines.as_chunks() else { unreachable!() };
        let (first, second) = (load_transposed(first), load_transposed(second));
        let mut words = [[first[0]; 2]; 8];
        for (i, word) in words.iter_mut().enumerate() {
            *word = [first[i], second[i]];
        }
        words
    }
    pub(super) fn scatter(words: &[Vector; 8], rows: &mut [[u32; 8]], stride: usize) {
        for half in 0..2 {
            let word = |i: usize| load_i(words[i].halves()[half]);
            let lines = transpose([word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7)]);
            for (i, line) in lines.into_iter().enumerate() {
                store_i(&mut rows[(8 * half + i) * stride], line);
            }
        }
    }
    /// Eight rows of eight words to eight columns.
    fn transpose(r: [__m256i; 8]) -> [__m256i; 8] {
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
        [low(u0, u4), low(u1, u5), low(u2, u6), low(u3, u7), high(u0, u4), high(u1, u5), high(u2, u6), high(u3, u7)]
    }
}

lanes! {
    Avx2, 2 registers of halves and halves_mut, ["avx2"], F = __m256, I = __m256i, H = __m256i, Mix = __m256i,
    dot, dot_two, dot_pairs, splat_i(0), mix, mixed,
    #[inline(always)]
    fn products(self, start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[__m256i; 2]; 4] {
        let (chains, weights) = (inputs.as_chunks().0, weights.as_chunks().0);
        match (chains, weights) {
            // The commonest size has code of its own, without loops.
            ([_, _], [_, _]) => self.chains(start, &chains[..2], &weights[..2]),
            _ => self.chains(start, chains, weights),
        }
    }
}
