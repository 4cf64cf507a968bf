//! What the sets of x86-64 have in common. Their instructions differ in the length of registers alone, so that functions
//! are written once, of intrinsics that each set names alike.
//!
//! Without VNNI a product of bytes is `vpmaddubsw`, which adds two products into 16 bits and
//! saturates. It never has to: activations are at most 127, and the quantiser keeps every sum that
//! shares a 16-bit lane within 258 · 127 ≤ 32,767. So four of them are added up before one
//! `vpmaddwd` widens the sum, and that costs little more than half of widening each.
//!
//! 16-bit values stand in the order in which `vpackssdw` leaves them: four lines of one feature, the
//! same four of the other, and so on. Packing once more gives four features of four lines in each
//! quarter of a register, and one shuffle within it puts the bytes of a line side by side.

/// The functions of a set by its intrinsics, which are in scope, and [`super::Lanes::products`] of chains.
macro_rules! x86_functions {
    ($type:ty, $set:literal, $n:tt registers of $words:literal by $parts:ident, F = $f:ty, I = $i:ty, $outputs:literal outputs) => {
        functions! {
            $set:
            #[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
            fn load_i(from: &[u32; $words]) -> $i {
                // SAFETY: so many words are readable.
                unsafe { load_words(from.as_ptr().cast()) }
            }
            #[allow(unsafe_code, reason = "the intrinsic takes a pointer")]
            fn store_i(to: &mut [u32; $words], x: $i) {
                // SAFETY: so many words are writable.
                unsafe { store_words(to.as_mut_ptr().cast(), x) }
            }
            fn load(from: &[u32; $words]) -> $f {
                floats_of(load_i(from))
            }
            fn store(to: &mut [u32; $words], x: $f) {
                store_i(to, words_of(x));
            }
            fn scale_by_power(a: $f, n: $f) -> $f {
                floats_of(add_i(words_of(a), shift_left::<23>(words_of(n))))
            }
            fn move_byte(a: $i, from: u32, to: u32) -> $i {
                let (from, to) = (_mm_cvtsi32_si128(from as i32), _mm_cvtsi32_si128(to as i32));
                shift_left_by(and_i(shift_right_by(a, from), splat_i(0xff)), to)
            }
            fn widen_first(a: $i) -> $i {
                interleave_first(a, shift_right_h::<15>(a))
            }
            fn widen_second(a: $i) -> $i {
                interleave_second(a, shift_right_h::<15>(a))
            }
            fn abs_min_h(a: $i, b: $i) -> $i {
                min_unsigned_h(abs_h(a), b)
            }
            fn shift_left_h(a: $i, by: u32) -> $i {
                shift_left_h_by(a, _mm_cvtsi32_si128(by as i32))
            }
            /// Puts four lines' bytes of four features, which stand feature by feature, line by line.
            fn by_line(bytes: $i) -> $i {
                shuffle_bytes(bytes, repeat(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)))
            }
            fn quads(a: $i, b: $i) -> $i {
                by_line(pack_h(a, b))
            }
            fn pairs(a: $i) -> $i {
                shuffle_bytes(a, repeat(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15)))
            }
            // The rounding mode is the default one, to nearest with ties to even: Rust programs may not run under another.
            fn round_to_bytes(a: $f, b: $f, c: $f, d: $f, zero: u8) -> $i {
                let bytes = quads(pack(round(a), round(b)), pack(round(c), round(d)));
                add_bytes(bytes, splat_i(i32::from_le_bytes([zero; 4])))
            }
            fn round_to_unsigned_bytes(a: $f, b: $f, c: $f, d: $f) -> $i {
                by_line(pack_unsigned_h(pack(round(a), round(b)), pack(round(c), round(d))))
            }
            fn dot_pairs(sum: $i, a: $i, b: $i) -> $i {
                add_i(sum, multiply_pairs(a, b))
            }
            /// All sums stay within 255 · 127, so nothing saturates or wraps.
            fn mix(sum: $i, u: $i, s: $i) -> $i {
                add_h(sum, multiply_bytes(u, s))
            }
            /// Sums of two 16-bit ones.
            fn mixed(sums: $i) -> $i {
                multiply_pairs(sums, splat_h(1))
            }
            fn dot(sum: $i, u: $i, s: $i) -> $i {
                add_i(sum, mixed(multiply_bytes(u, s)))
            }
            /// Four products of at most 127 · 64 fit 16 bits.
            fn dot_two(sum: $i, u: $i, s: $i, v: $i, t: $i) -> $i {
                add_i(sum, mixed(mix(multiply_bytes(u, s), v, t)))
            }
        }

        impl $type {
            operations! {
                $set:
                fn multiply_bytes(u: [$i; $n], weights: i32) -> [$i; $n] {
                    let s = splat_i(weights);
                    each!($n: multiply_bytes(u, [s; $n]))
                }
                fn add_short(a: [$i; $n], b: [$i; $n]) -> [$i; $n] {
                    each!($n: add_h(a, b))
                }
                fn add_widened(sum: [$i; $n], short: [$i; $n]) -> [$i; $n] {
                    let products = each!($n: mixed(short));
                    each!($n: add_i(sum, products))
                }
            }

            /// Some outputs of a product, from number `FIRST` on: as many as four registers have sums of.
            #[inline(always)]
            fn some_products<const FIRST: usize>(
                self,
                start: &[i32; 4],
                inputs: &[[Vector; 4]],
                weights: &[[[i32; 4]; 4]],
            ) -> [[$i; $n]; $outputs] {
                let mut sums = [self.splat_i(0); $outputs];
                for (output, sum) in sums.iter_mut().enumerate() {
                    *sum = self.splat_i(start[FIRST + output]);
                }
                for (inputs, weights) in inputs.iter().zip(weights) {
                    let mut short = [self.splat_i(0); $outputs];
                    for quad in 0..4 {
                        let u = self.load_i(&inputs[quad]);
                        for (output, short) in short.iter_mut().enumerate() {
                            let products = self.multiply_bytes(u, weights[quad][FIRST + output]);
                            *short = if quad == 0 { products } else { self.add_short(*short, products) };
                        }
                    }
                    for (sum, short) in sums.iter_mut().zip(short) {
                        *sum = self.add_widened(*sum, short);
                    }
                }
                sums
            }
        }
    };
}

pub(super) use x86_functions;
