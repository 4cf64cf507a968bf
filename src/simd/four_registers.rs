//! Lanes of sets whose registers have 128 bits: sixteen lines are four registers of four, and 16-bit values two
//! features of four lines in one.

/// As [`super::registers::lanes`], with what all these sets do in the same way; `$products` has all four registers.
macro_rules! four_registers {
    (
        $type:ty, $([$set:literal],)? F = $f:ty, I = $i:ty, H = $h:ty, Mix = $mix_type:ty,
        $dot:ident, $dot_two:ident, $products:ident, $mix_zero:expr, $mix:ident, $mixed:ident
    ) => {
        const _: () = {
            use $crate::simd::four_registers::ROUNDS_IN_PLACE;
            use $crate::simd::math::ROUND;
            use $crate::simd::registers::lanes;

            functions! {
                $($set)?:
                /// As `mix_four` for one register of lines: the sums stay in registers.
                fn mix_of_register<const REGISTER: usize>(weights: &[Vector], values: &[Vector], head_dim: usize, first: usize) -> [$i; 4] {
                    let mut sums = [$mix_zero; 4];
                    for (weight, values) in weights.iter().zip(values.chunks_exact(head_dim)) {
                        let weight = load_i(weight.quarters()[REGISTER]);
                        for (sum, value) in sums.iter_mut().zip(&values[first..first + 4]) {
                            *sum = $mix(*sum, weight, load_i(value.quarters()[REGISTER]));
                        }
                    }
                    each!(4: $mixed(sums))
                }
                /// The sum of four numbers, rounded, each shifted to the place of its byte, and of ROUNDS_IN_PLACE.
                fn rounded_in_place(a: $f, b: $f, c: $f, d: $f) -> $i {
                    let round = splat(ROUND);
                    let pair = |low: $f, high: $f, at: u32| add_i(shift_left(add(low, round), at), shift_left(add(high, round), at + 8));
                    add_i(pair(a, b, 0), pair(c, d, 16))
                }
                /// All are added, each in the place of its byte. So that none borrows from the next, signed ones are added
                /// with 128.
                fn round_to_bytes(a: $f, b: $f, c: $f, d: $f, zero: u8) -> $i {
                    let from_128 = sub_i(rounded_in_place(a, b, c, d), splat_i(ROUNDS_IN_PLACE.wrapping_sub(0x8080_8080_u32 as i32)));
                    add_bytes(from_128, splat_i(i32::from_le_bytes([zero.wrapping_sub(128); 4])))
                }
                fn round_to_unsigned_bytes(a: $f, b: $f, c: $f, d: $f) -> $i {
                    sub_i(rounded_in_place(a, b, c, d), splat_i(ROUNDS_IN_PLACE))
                }
                fn gather(lines: [&[u32; 8]; LANES]) -> [[$i; 4]; 8] {
                    let mut words = [[splat_i(0); 4]; 8];
                    for (register, lines) in lines.as_chunks::<4>().0.iter().enumerate() {
                        for half in 0..2 {
                            let part = |line: usize| load_i(&lines[line].as_chunks().0[half]);
                            let columns = transpose([part(0), part(1), part(2), part(3)]);
                            for (word, column) in words[4 * half..].iter_mut().zip(columns) {
                                word[register] = column;
                            }
                        }
                    }
                    words
                }
                fn scatter(words: &[Vector; 8], rows: &mut [[u32; 8]], stride: usize) {
                    for register in 0..4 {
                        for half in 0..2 {
                            let word = |i: usize| load_i(words[4 * half + i].quarters()[register]);
                            let lines = transpose([word(0), word(1), word(2), word(3)]);
                            for (i, line) in lines.into_iter().enumerate() {
                                store_i(&mut rows[(4 * register + i) * stride].as_chunks_mut().0[half], line);
                            }
                        }
                    }
                }
            }

            lanes! {
                $type, 4 registers of quarters and quarters_mut, $([$set],)? F = $f, I = $i, H = $h, Mix = $mix_type,
                $dot, $dot_two, dot_pairs, $mix_zero, $mix, $mixed,
                operations! {
                    $($set)?:
                    fn products(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[$i; 4]; 4] {
                        $products(start, inputs, weights)
                    }
                    fn mix_four(weights: &[Vector], values: &[Vector], head_dim: usize, first: usize) -> [[$i; 4]; 4] {
                        by_register!(mix_of_register(weights, values, head_dim, first))
                    }
                }
            }
        };
    };
}

/// What is added to a number to round it ([`super::math::ROUND`]), as bits, in the places of four bytes.
pub(super) const ROUNDS_IN_PLACE: i32 = super::math::ROUND.to_bits().wrapping_mul(0x0101_0101) as i32;

/// Four values of all lines, from a function that gives them for the register of this number.
macro_rules! by_register {
    ($of_register:ident($($argument:expr),*)) => {{
        let a = $of_register::<0>($($argument),*);
        let b = $of_register::<1>($($argument),*);
        let c = $of_register::<2>($($argument),*);
        let d = $of_register::<3>($($argument),*);
        [[a[0], b[0], c[0], d[0]], [a[1], b[1], c[1], d[1]], [a[2], b[2], c[2], d[2]], [a[3], b[3], c[3], d[3]]]
    }};
}

pub(super) use {by_register, four_registers};
