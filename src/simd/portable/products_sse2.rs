//! Sums of products of bytes by SSE2, which every x86-64 has: `pmaddwd` adds two products of 16 bits. Compilers do not
//! make it of loops over arrays, and take the splat of a weight apart instead.

use std::arch::x86_64::*;

use super::arrays::I;
use crate::simd::Vector;
use crate::simd::registers::{each, functions};

/// The sum of each line.
pub(super) type Mix = I;
pub(super) const MIX_ZERO: Mix = [0; 4];

same_bits! {
    register(I) -> __m128i;
    array(__m128i) -> I;
    load([u32; 4]) -> __m128i;
}

/// Functions of intrinsics, inlined wherever the kernel is.
macro_rules! intrinsics {
    ($($(#[$attribute:meta])* fn $name:ident$(<const $constant:ident: usize>)?($($argument:ident: $type:ty),*) -> $result:ty $body:block)*) => {$(
        $(#[$attribute])*
        #[inline(always)]
        #[allow(unsafe_code, reason = "intrinsics of a set that every x86-64 has")]
        fn $name$(<const $constant: usize>)?($($argument: $type),*) -> $result {
            // SAFETY: SSE2 is there, and none of them touches memory.
            unsafe { $body }
        }
    )*};
}

intrinsics! {
    /// Bytes of even and of odd places, unsigned.
    fn unsigned_bytes(x: __m128i) -> [__m128i; 2] {
        [_mm_and_si128(x, _mm_set1_epi16(0xff)), _mm_srli_epi16::<8>(x)]
    }
    fn signed_bytes(x: __m128i) -> [__m128i; 2] {
        [_mm_srai_epi16::<8>(_mm_slli_epi16::<8>(x)), _mm_srai_epi16::<8>(x)]
    }
    /// sum + Σ a·b over the two numbers of 16 bits of each line.
    fn add_pairs(sum: __m128i, a: __m128i, b: __m128i) -> __m128i {
        _mm_add_epi32(sum, _mm_madd_epi16(a, b))
    }
    /// Elements 0 and 1, or 2 and 3, each in all lines.
    fn two_of_four<const FIRST: usize>(x: __m128i) -> [__m128i; 2] {
        match FIRST {
            0 => [_mm_shuffle_epi32::<0x00>(x), _mm_shuffle_epi32::<0x55>(x)],
            _ => [_mm_shuffle_epi32::<0xaa>(x), _mm_shuffle_epi32::<0xff>(x)],
        }
    }
    fn splat(x: i32) -> __m128i {
        _mm_set1_epi32(x)
    }
}

functions! {
    :
    /// sum + Σ u·s over four bytes of each line, those of even and of odd places.
    fn add_products(sum: __m128i, u: [__m128i; 2], s: [__m128i; 2]) -> __m128i {
        add_pairs(add_pairs(sum, u[0], s[0]), u[1], s[1])
    }
    pub(super) fn dot_pairs(sum: I, a: I, b: I) -> I {
        array(add_pairs(register(sum), register(a), register(b)))
    }
    pub(super) fn dot(sum: I, u: I, s: I) -> I {
        array(add_products(register(sum), unsigned_bytes(register(u)), signed_bytes(register(s))))
    }
    pub(super) fn dot_two(sum: I, u: I, s: I, v: I, t: I) -> I {
        dot(dot(sum, u, s), v, t)
    }
    /// Two outputs of a product for all lines: their sums and what is multiplied fit sixteen registers.
    fn two_outputs<const FIRST: usize>(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[I; 4]; 2] {
        let mut first = [splat(start[FIRST]); 4];
        let mut second = [splat(start[FIRST + 1]); 4];
        for (input, weights) in inputs.iter().zip(weights) {
            let [even, odd] = signed_bytes(register(*weights));
            let ([a, b], [c, d]) = (two_of_four::<FIRST>(even), two_of_four::<FIRST>(odd));
            for (register, quarter) in input.quarters().into_iter().enumerate() {
                let u = unsigned_bytes(load(*quarter));
                first[register] = add_products(first[register], u, [a, c]);
                second[register] = add_products(second[register], u, [b, d]);
            }
        }
        [each!(4: array(first)), each!(4: array(second))]
    }
    pub(super) fn products(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[I; 4]; 4] {
        let [a, b] = two_outputs::<0>(start, inputs, weights);
        let [c, d] = two_outputs::<2>(start, inputs, weights);
        [a, b, c, d]
    }
    pub(super) fn mix(sum: Mix, u: I, s: I) -> Mix {
        dot(sum, u, s)
    }
    pub(super) fn mixed(sum: Mix) -> I {
        sum
    }
}
