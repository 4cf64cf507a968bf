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

use super::{LANES, Lanes, PairVector, Vector};

/// Two registers of eight lanes. Exists only where the processor has AVX2.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

impl Avx2 {
    /// Whether this processor has what is needed: the same answer for the program's whole life.
    pub fn is_available() -> bool {
        is_x86_feature_detected!("avx2")
    }
}

/// Both halves through the same intrinsic.
macro_rules! both {
    ($f:ident($a:expr)) => {
        [$f($a[0]), $f($a[1])]
    };
    ($f:ident($a:expr, $b:expr)) => {
        [$f($a[0], $b[0]), $f($a[1], $b[1])]
    };
}

/// The order that makes four lines' bytes of four features, feature by feature, stand line by line.
///
/// # Safety
/// The processor has SSE2.
#[inline(always)]
pub(super) unsafe fn by_line() -> __m128i {
    // SAFETY: as promised by the caller.
    unsafe { _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15) }
}

/// As [`by_line`] for two features of 16 bits.
///
/// # Safety
/// The processor has SSE2.
#[inline(always)]
pub(super) unsafe fn pairs_by_line() -> __m128i {
    // SAFETY: as promised by the caller.
    unsafe { _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15) }
}

/// Eight rows of eight words to eight columns.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub(super) unsafe fn transpose(r: [__m256i; 8]) -> [__m256i; 8] {
    // SAFETY: as promised by the caller.
    unsafe {
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
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub(super) unsafe fn load_words(words: &[u32; 8]) -> __m256i {
    // SAFETY: eight words are readable; AVX2 as promised by the caller.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

/// # Safety
/// The processor has AVX2.
#[inline(always)]
pub(super) unsafe fn store_words(words: &mut [u32; 8], x: __m256i) {
    // SAFETY: eight words are writable; AVX2 as promised by the caller.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), x) }
}

/// Two outputs of a product, both halves of the lanes.
///
/// # Safety
/// The processor has AVX2; weights as [`Lanes::products`] asks.
#[inline(always)]
unsafe fn two_products<const FIRST: usize>(
    start: &[i32; 4],
    inputs: &[[Vector; 4]],
    weights: &[[[i32; 4]; 4]],
) -> [[__m256i; 2]; 2] {
    // SAFETY: AVX2 as promised; `inputs` are aligned vectors.
    unsafe {
        let ones = _mm256_set1_epi16(1);
        let mut sums = [Avx2::splat_i(start[FIRST]), Avx2::splat_i(start[FIRST + 1])];
        for (inputs, weights) in inputs.iter().zip(weights) {
            let mut short = [[_mm256_setzero_si256(); 2]; 2];
            for quad in 0..4 {
                let u = Avx2::load_i(&inputs[quad]);
                for output in 0..2 {
                    let w = _mm256_set1_epi32(weights[quad][FIRST + output]);
                    for half in 0..2 {
                        let product = _mm256_maddubs_epi16(u[half], w);
                        short[output][half] = match quad {
                            0 => product,
                            _ => _mm256_add_epi16(short[output][half], product),
                        };
                    }
                }
            }
            for output in 0..2 {
                for half in 0..2 {
                    let wide = _mm256_madd_epi16(short[output][half], ones);
                    sums[output][half] = _mm256_add_epi32(sums[output][half], wide);
                }
            }
        }
        sums
    }
}

/// [`Lanes::products`] of whole chains.
///
/// # Safety
/// The processor has AVX2; weights as [`Lanes::products`] asks.
#[inline(always)]
unsafe fn four_products(
    start: &[i32; 4],
    inputs: &[[Vector; 4]],
    weights: &[[[i32; 4]; 4]],
) -> [[__m256i; 2]; 4] {
    // SAFETY: all is passed on.
    unsafe {
        let [a, b] = two_products::<0>(start, inputs, weights);
        let [c, d] = two_products::<2>(start, inputs, weights);
        [a, b, c, d]
    }
}

impl Lanes for Avx2 {
    type F = [__m256; 2];
    type I = [__m256i; 2];
    type H = [__m256i; 2];
    /// 16-bit sums of two products each.
    type Mix = [__m256i; 2];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        // SAFETY: the processor has AVX2 (the trait's condition); so in all functions below.
        unsafe { [_mm256_set1_ps(x); 2] }
    }
    #[inline(always)]
    unsafe fn load(from: &Vector) -> Self::F {
        // SAFETY: AVX2; a vector is 64 readable, aligned bytes.
        unsafe {
            let p = from.0.as_ptr().cast();
            [_mm256_load_ps(p), _mm256_load_ps(p.add(8))]
        }
    }
    #[inline(always)]
    unsafe fn store(to: &mut Vector, x: Self::F) {
        // SAFETY: AVX2; a vector is 64 writable, aligned bytes.
        unsafe {
            let p = to.0.as_mut_ptr().cast();
            _mm256_store_ps(p, x[0]);
            _mm256_store_ps(p.add(8), x[1]);
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_add_ps(a, b)) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_sub_ps(a, b)) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_mul_ps(a, b)) }
    }
    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_div_ps(a, b)) }
    }
    #[inline(always)]
    unsafe fn sqrt(a: Self::F) -> Self::F {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_sqrt_ps(a)) }
    }
    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_max_ps(a, b)) }
    }
    #[inline(always)]
    unsafe fn abs(a: Self::F) -> Self::F {
        // SAFETY: AVX2.
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            [_mm256_andnot_ps(sign, a[0]), _mm256_andnot_ps(sign, a[1])]
        }
    }
    #[inline(always)]
    unsafe fn round(a: Self::F) -> Self::I {
        // SAFETY: AVX2. The rounding mode is the default one, to nearest with ties to even: Rust
        // programs may not run under another.
        unsafe { both!(_mm256_cvtps_epi32(a)) }
    }
    #[inline(always)]
    unsafe fn truncate(a: Self::F) -> Self::I {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_cvttps_epi32(a)) }
    }
    #[inline(always)]
    unsafe fn float(a: Self::I) -> Self::F {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_cvtepi32_ps(a)) }
    }
    #[inline(always)]
    unsafe fn scale_by_power(a: Self::F, n: Self::F) -> Self::F {
        // SAFETY: AVX2.
        unsafe {
            let one = |a, n| {
                let power = _mm256_slli_epi32::<23>(_mm256_castps_si256(n));
                _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), power))
            };
            [one(a[0], n[0]), one(a[1], n[1])]
        }
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> Self::I {
        // SAFETY: AVX2.
        unsafe { [_mm256_set1_epi32(x); 2] }
    }
    #[inline(always)]
    unsafe fn load_i(from: &Vector) -> Self::I {
        // SAFETY: AVX2; a vector is 64 readable, aligned bytes.
        unsafe {
            let p: *const __m256i = from.0.as_ptr().cast();
            [_mm256_load_si256(p), _mm256_load_si256(p.add(1))]
        }
    }
    #[inline(always)]
    unsafe fn store_i(to: &mut Vector, x: Self::I) {
        // SAFETY: AVX2; a vector is 64 writable, aligned bytes.
        unsafe {
            let p: *mut __m256i = to.0.as_mut_ptr().cast();
            _mm256_store_si256(p, x[0]);
            _mm256_store_si256(p.add(1), x[1]);
        }
    }
    #[inline(always)]
    unsafe fn add_i(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_add_epi32(a, b)) }
    }
    #[inline(always)]
    unsafe fn sub_i(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_sub_epi32(a, b)) }
    }
    #[inline(always)]
    unsafe fn or_i(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_or_si256(a, b)) }
    }
    #[inline(always)]
    unsafe fn move_byte(a: Self::I, from: u32, to: u32) -> Self::I {
        // SAFETY: AVX2.
        unsafe {
            let (from, to) = (_mm_cvtsi32_si128(from as i32), _mm_cvtsi32_si128(to as i32));
            let mask = _mm256_set1_epi32(0xff);
            let one = |a| _mm256_sll_epi32(_mm256_and_si256(_mm256_srl_epi32(a, from), mask), to);
            [one(a[0]), one(a[1])]
        }
    }
    #[inline(always)]
    unsafe fn add_bytes(a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_add_epi8(a, b)) }
    }
    #[inline(always)]
    unsafe fn pack(a: Self::I, b: Self::I) -> Self::H {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_packs_epi32(a, b)) }
    }
    #[inline(always)]
    unsafe fn widen(a: Self::H) -> [Self::I; 2] {
        // SAFETY: AVX2.
        unsafe {
            let sign = [_mm256_srai_epi16::<15>(a[0]), _mm256_srai_epi16::<15>(a[1])];
            [
                both!(_mm256_unpacklo_epi16(a, sign)),
                both!(_mm256_unpackhi_epi16(a, sign)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn splat_h(x: i16) -> Self::H {
        // SAFETY: AVX2.
        unsafe { [_mm256_set1_epi16(x); 2] }
    }
    #[inline(always)]
    unsafe fn load_h(from: &PairVector) -> Self::H {
        // SAFETY: AVX2; a pair vector is 64 readable, aligned bytes.
        unsafe {
            let p: *const __m256i = from.0.as_ptr().cast();
            [_mm256_load_si256(p), _mm256_load_si256(p.add(1))]
        }
    }
    #[inline(always)]
    unsafe fn store_h(to: &mut PairVector, x: Self::H) {
        // SAFETY: AVX2; a pair vector is 64 writable, aligned bytes.
        unsafe {
            let p: *mut __m256i = to.0.as_mut_ptr().cast();
            _mm256_store_si256(p, x[0]);
            _mm256_store_si256(p.add(1), x[1]);
        }
    }
    #[inline(always)]
    unsafe fn add_h(a: Self::H, b: Self::H) -> Self::H {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_add_epi16(a, b)) }
    }
    #[inline(always)]
    unsafe fn add_saturating_h(a: Self::H, b: Self::H) -> Self::H {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_adds_epi16(a, b)) }
    }
    #[inline(always)]
    unsafe fn max_h(a: Self::H, b: Self::H) -> Self::H {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_max_epi16(a, b)) }
    }
    #[inline(always)]
    unsafe fn abs_min_h(a: Self::H, b: Self::H) -> Self::H {
        // SAFETY: AVX2.
        unsafe {
            let a = both!(_mm256_abs_epi16(a));
            both!(_mm256_min_epu16(a, b))
        }
    }
    #[inline(always)]
    unsafe fn shift_left_h(a: Self::H, by: u32) -> Self::H {
        // SAFETY: AVX2.
        unsafe {
            let by = [_mm_cvtsi32_si128(by as i32); 2];
            both!(_mm256_sll_epi16(a, by))
        }
    }
    #[inline(always)]
    unsafe fn mul_q15(a: Self::H, b: Self::H) -> Self::H {
        // SAFETY: AVX2.
        unsafe { both!(_mm256_mulhrs_epi16(a, b)) }
    }
    #[inline(always)]
    unsafe fn quads(a: Self::H, b: Self::H) -> Self::I {
        // SAFETY: AVX2.
        unsafe {
            let order = [_mm256_broadcastsi128_si256(by_line()); 2];
            let bytes = both!(_mm256_packs_epi16(a, b));
            both!(_mm256_shuffle_epi8(bytes, order))
        }
    }
    #[inline(always)]
    unsafe fn quads_unsigned(a: Self::H, b: Self::H) -> Self::I {
        // SAFETY: AVX2.
        unsafe {
            let order = [_mm256_broadcastsi128_si256(by_line()); 2];
            let bytes = both!(_mm256_packus_epi16(a, b));
            both!(_mm256_shuffle_epi8(bytes, order))
        }
    }
    #[inline(always)]
    unsafe fn pairs(a: Self::H) -> Self::I {
        // SAFETY: AVX2.
        unsafe {
            let order = [_mm256_broadcastsi128_si256(pairs_by_line()); 2];
            both!(_mm256_shuffle_epi8(a, order))
        }
    }
    #[inline(always)]
    unsafe fn dot(sum: Self::I, u: Self::I, s: Self::I) -> Self::I {
        // SAFETY: AVX2.
        unsafe {
            let ones = _mm256_set1_epi16(1);
            let one = |u, s| _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), ones);
            let products = [one(u[0], s[0]), one(u[1], s[1])];
            both!(_mm256_add_epi32(sum, products))
        }
    }
    #[inline(always)]
    unsafe fn dot_two(sum: Self::I, u: [Self::I; 2], s: [Self::I; 2]) -> Self::I {
        // SAFETY: AVX2. Four products of at most 127 · 64 fit 16 bits.
        unsafe {
            let ones = _mm256_set1_epi16(1);
            let one = |half: usize| {
                let first = _mm256_maddubs_epi16(u[0][half], s[0][half]);
                let second = _mm256_maddubs_epi16(u[1][half], s[1][half]);
                _mm256_madd_epi16(_mm256_add_epi16(first, second), ones)
            };
            let products = [one(0), one(1)];
            both!(_mm256_add_epi32(sum, products))
        }
    }
    #[inline(always)]
    unsafe fn dot_pairs(sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: AVX2.
        unsafe {
            let products = both!(_mm256_madd_epi16(a, b));
            both!(_mm256_add_epi32(sum, products))
        }
    }
    #[inline(always)]
    unsafe fn products(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [Self::I; 4] {
        // SAFETY: AVX2, and the weights' promise is passed on.
        unsafe {
            let (chains, weights) = (inputs.as_chunks().0, weights.as_chunks().0);
            match (chains, weights) {
                // The commonest size has code of its own, without loops.
                ([_, _], [_, _]) => four_products(start, &chains[..2], &weights[..2]),
                _ => four_products(start, chains, weights),
            }
        }
    }
    #[inline(always)]
    unsafe fn mix_zero() -> Self::Mix {
        // SAFETY: AVX2.
        unsafe { [_mm256_setzero_si256(); 2] }
    }
    #[inline(always)]
    unsafe fn mix(sum: Self::Mix, u: Self::I, s: &Vector) -> Self::Mix {
        // SAFETY: AVX2. All sums stay within 255 · 127, so nothing saturates or wraps.
        unsafe {
            let s = Self::load_i(s);
            let products = both!(_mm256_maddubs_epi16(u, s));
            both!(_mm256_add_epi16(sum, products))
        }
    }
    #[inline(always)]
    unsafe fn mixed(sum: Self::Mix) -> Self::I {
        // SAFETY: AVX2.
        unsafe {
            let ones = [_mm256_set1_epi16(1); 2];
            both!(_mm256_madd_epi16(sum, ones))
        }
    }
    #[inline(always)]
    unsafe fn gather(lines: [&[u32; 8]; LANES]) -> [Self::I; 8] {
        // SAFETY: AVX2.
        unsafe {
            let a = transpose(std::array::from_fn(|i| load_words(lines[i])));
            let b = transpose(std::array::from_fn(|i| load_words(lines[8 + i])));
            std::array::from_fn(|word| [a[word], b[word]])
        }
    }
    #[inline(always)]
    unsafe fn scatter(words: [Self::I; 8], lines: [&mut [u32; 8]; LANES]) {
        // SAFETY: AVX2.
        unsafe {
            let a = transpose(words.map(|w| w[0]));
            let b = transpose(words.map(|w| w[1]));
            for (line, x) in lines.into_iter().zip(a.into_iter().chain(b)) {
                store_words(line, x);
            }
        }
    }
}
