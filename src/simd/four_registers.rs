//! Lanes of sets whose registers have 128 bits: sixteen lines are four registers of four, and 16-bit values two
//! features of four lines in one.

/// The same function of each of four registers.
macro_rules! each {
    ($f:ident($a:expr)) => {{
        let a = $a;
        [$f(a[0]), $f(a[1]), $f(a[2]), $f(a[3])]
    }};
    ($f:ident($a:expr, $b:expr)) => {{
        let (a, b) = ($a, $b);
        [$f(a[0], b[0]), $f(a[1], b[1]), $f(a[2], b[2]), $f(a[3], b[3])]
    }};
    ($f:ident($a:expr, $b:expr, $c:expr)) => {{
        let (a, b, c) = ($a, $b, $c);
        [$f(a[0], b[0], c[0]), $f(a[1], b[1], c[1]), $f(a[2], b[2], c[2]), $f(a[3], b[3], c[3])]
    }};
}

/// Implements [`super::Lanes`] by functions of one register, which are in scope under the trait's names, or those given;
/// by `$products` of all four.
macro_rules! four_registers {
    (
        $type:ty, $([$set:literal],)? F = $f:ty, I = $i:ty, H = $h:ty, Mix = $mix_type:ty,
        $dot:ident, $dot_two:ident, $products:ident, $mix_zero:expr, $mix:ident, $mixed:ident
    ) => {
        const _: () = {
            use $crate::simd::four_registers::ROUNDS_IN_PLACE;
            use $crate::simd::math::ROUND;

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
                    each!($mixed(sums))
                }
                /// The sum of four numbers, rounded, each shifted to the place of its byte, and of ROUNDS_IN_PLACE.
                fn rounded_in_place(x: [$f; 4]) -> $i {
                    let round = splat(ROUND);
                    let pair = |low: $f, high: $f, at: u32| add_i(shift_left(add(low, round), at), shift_left(add(high, round), at + 8));
                    add_i(pair(x[0], x[1], 0), pair(x[2], x[3], 16))
                }
            }

        impl $crate::simd::Lanes for $type {
            type F = [$f; 4];
            type I = [$i; 4];
            type H = [$h; 4];
            type Mix = [$mix_type; 4];

            operations! {
                $($set)?:
                fn splat(x: f32) -> [$f; 4] {
                    [splat(x); 4]
                }
                fn load(from: &Vector) -> [$f; 4] {
                    each!(load(from.quarters()))
                }
                fn store(to: &mut Vector, x: [$f; 4]) {
                    each!(store(to.quarters_mut(), x));
                }
                fn add(a: [$f; 4], b: [$f; 4]) -> [$f; 4] {
                    each!(add(a, b))
                }
                fn sub(a: [$f; 4], b: [$f; 4]) -> [$f; 4] {
                    each!(sub(a, b))
                }
                fn mul(a: [$f; 4], b: [$f; 4]) -> [$f; 4] {
                    each!(mul(a, b))
                }
                fn div(a: [$f; 4], b: [$f; 4]) -> [$f; 4] {
                    each!(div(a, b))
                }
                fn max(a: [$f; 4], b: [$f; 4]) -> [$f; 4] {
                    each!(max(a, b))
                }
                fn scale_by_power(a: [$f; 4], b: [$f; 4]) -> [$f; 4] {
                    each!(scale_by_power(a, b))
                }
                fn sqrt(a: [$f; 4]) -> [$f; 4] {
                    each!(sqrt(a))
                }
                fn abs(a: [$f; 4]) -> [$f; 4] {
                    each!(abs(a))
                }
                fn round(a: [$f; 4]) -> [$i; 4] {
                    each!(round(a))
                }
                fn truncate(a: [$f; 4]) -> [$i; 4] {
                    each!(truncate(a))
                }
                fn float(a: [$i; 4]) -> [$f; 4] {
                    each!(float(a))
                }
                fn splat_i(x: i32) -> [$i; 4] {
                    [splat_i(x); 4]
                }
                fn load_i(from: &Vector) -> [$i; 4] {
                    each!(load_i(from.quarters()))
                }
                fn store_i(to: &mut Vector, x: [$i; 4]) {
                    each!(store_i(to.quarters_mut(), x));
                }
                fn add_i(a: [$i; 4], b: [$i; 4]) -> [$i; 4] {
                    each!(add_i(a, b))
                }
                fn sub_i(a: [$i; 4], b: [$i; 4]) -> [$i; 4] {
                    each!(sub_i(a, b))
                }
                fn or_i(a: [$i; 4], b: [$i; 4]) -> [$i; 4] {
                    each!(or_i(a, b))
                }
                fn move_byte(a: [$i; 4], from: u32, to: u32) -> [$i; 4] {
                    each!(move_byte(a, [from; 4], [to; 4]))
                }
                fn pack(a: [$i; 4], b: [$i; 4]) -> [$h; 4] {
                    each!(pack(a, b))
                }
                fn widen(a: [$h; 4]) -> [[$i; 4]; 2] {
                    [each!(widen_first(a)), each!(widen_second(a))]
                }
                fn splat_h(x: i16) -> [$h; 4] {
                    [splat_h(x); 4]
                }
                fn load_h(from: &Vector) -> [$h; 4] {
                    each!(load_h(from.quarters()))
                }
                fn store_h(to: &mut Vector, x: [$h; 4]) {
                    each!(store_h(to.quarters_mut(), x));
                }
                fn add_h(a: [$h; 4], b: [$h; 4]) -> [$h; 4] {
                    each!(add_h(a, b))
                }
                fn add_saturating_h(a: [$h; 4], b: [$h; 4]) -> [$h; 4] {
                    each!(add_saturating_h(a, b))
                }
                fn max_h(a: [$h; 4], b: [$h; 4]) -> [$h; 4] {
                    each!(max_h(a, b))
                }
                fn abs_min_h(a: [$h; 4], b: [$h; 4]) -> [$h; 4] {
                    each!(abs_min_h(a, b))
                }
                fn mul_q15(a: [$h; 4], b: [$h; 4]) -> [$h; 4] {
                    each!(mul_q15(a, b))
                }
                fn shift_left_h(a: [$h; 4], by: u32) -> [$h; 4] {
                    each!(shift_left_h(a, [by; 4]))
                }
                fn quads(a: [$h; 4], b: [$h; 4]) -> [$i; 4] {
                    each!(quads(a, b))
                }
                // All are added, each in the place of its byte. So that none borrows from the next, signed ones are
                // added with 128.
                fn round_to_bytes(four: [[$f; 4]; 4], zero: u8) -> [$i; 4] {
                    let bytes = |x: [$f; 4]| {
                        let from_128 = sub_i(rounded_in_place(x), splat_i(ROUNDS_IN_PLACE.wrapping_sub(0x8080_8080_u32 as i32)));
                        add_bytes(from_128, splat_i(i32::from_le_bytes([zero.wrapping_sub(128); 4])))
                    };
                    let [a, b, c, d] = four;
                    each!(bytes([[a[0], b[0], c[0], d[0]], [a[1], b[1], c[1], d[1]], [a[2], b[2], c[2], d[2]], [a[3], b[3], c[3], d[3]]]))
                }
                fn round_to_unsigned_bytes(four: [[$f; 4]; 4]) -> [$i; 4] {
                    let bytes = |x: [$f; 4]| sub_i(rounded_in_place(x), splat_i(ROUNDS_IN_PLACE));
                    let [a, b, c, d] = four;
                    each!(bytes([[a[0], b[0], c[0], d[0]], [a[1], b[1], c[1], d[1]], [a[2], b[2], c[2], d[2]], [a[3], b[3], c[3], d[3]]]))
                }
                fn pairs(a: [$h; 4]) -> [$i; 4] {
                    each!(pairs(a))
                }
                fn dot(sum: [$i; 4], u: [$i; 4], s: [$i; 4]) -> [$i; 4] {
                    each!($dot(sum, u, s))
                }
                fn dot_two(sum: [$i; 4], u: [[$i; 4]; 2], s: [[$i; 4]; 2]) -> [$i; 4] {
                    let [u, v] = u;
                    let [s, t] = s;
                    [
                        $dot_two(sum[0], [u[0], v[0]], [s[0], t[0]]),
                        $dot_two(sum[1], [u[1], v[1]], [s[1], t[1]]),
                        $dot_two(sum[2], [u[2], v[2]], [s[2], t[2]]),
                        $dot_two(sum[3], [u[3], v[3]], [s[3], t[3]]),
                    ]
                }
                fn dot_pairs(sum: [$i; 4], a: [$i; 4], b: [$i; 4]) -> [$i; 4] {
                    each!(dot_pairs(sum, a, b))
                }
                fn products(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [[$i; 4]; 4] {
                    $products(start, inputs, weights)
                }
                fn mix_zero() -> [$mix_type; 4] {
                    [$mix_zero; 4]
                }
                fn mix(sum: [$mix_type; 4], u: [$i; 4], s: &Vector) -> [$mix_type; 4] {
                    each!($mix(sum, u, each!(load_i(s.quarters()))))
                }
                fn mixed(sum: [$mix_type; 4]) -> [$i; 4] {
                    each!($mixed(sum))
                }
                fn mix_four(weights: &[Vector], values: &[Vector], head_dim: usize, first: usize) -> [[$i; 4]; 4] {
                    by_register!(mix_of_register(weights, values, head_dim, first))
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

/// Functions of one register, compiled for a set, or for any processor.
macro_rules! functions {
    ($($set:literal)?: $($(#[$attribute:meta])* $visibility:vis fn $name:ident$(<const $constant:ident: usize>)?($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {
        functions!(@each [$($set)?] $({$(#[$attribute])* $visibility fn $name$(<const $constant: usize>)?($($argument: $type),*) $(-> $result)? $body})*);
    };
    (@each $set:tt $({$($function:tt)*})*) => {$(functions!(@one $set $($function)*);)*};
    (@one [] $($function:tt)*) => {
        #[inline(always)]
        $($function)*
    };
    (@one [$set:literal] $($function:tt)*) => {
        #[inline]
        #[target_feature(enable = $set)]
        $($function)*
    };
}

pub(super) use {by_register, each, four_registers, functions};
