//! Lanes of any set: an operation on sixteen lines is the same function of each register that they stand in.

/// An array of what a function gives for each of 1, 2 or 4 registers. The arguments are arrays of as many.
macro_rules! each {
    (1: $f:ident $arguments:tt) => { each!([0] $f $arguments) };
    (2: $f:ident $arguments:tt) => { each!([0 1] $f $arguments) };
    (4: $f:ident $arguments:tt) => { each!([0 1 2 3] $f $arguments) };
    ([$($register:literal)*] $f:ident $arguments:tt) => { [$(each!(@ $register $f $arguments)),*] };
    (@ $register:literal $f:ident ($($argument:expr),*)) => { $f($($argument[$register]),*) };
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

/// Implements [`super::Lanes`] by functions of one register, which are in scope under the trait's names, or those given.
/// `$parts` and `$parts_mut` are the methods of [`super::Vector`] that give what a register holds. `gather` and `scatter`
/// have all registers; so has the rest, items for the trait.
macro_rules! lanes {
    (
        $type:ty, $n:tt registers of $parts:ident and $parts_mut:ident, $([$set:literal],)?
        F = $f:ty, I = $i:ty, H = $h:ty, Mix = $mix_type:ty,
        $dot:ident, $dot_two:ident, $dot_pairs:ident, $mix_zero:expr, $mix:ident, $mixed:ident,
        $($rest:tt)*
    ) => {
        impl $crate::simd::Lanes for $type {
            type F = [$f; $n];
            type I = [$i; $n];
            type H = [$h; $n];
            type Mix = [$mix_type; $n];

            operations! {
                $($set)?:
                fn splat(x: f32) -> [$f; $n] {
                    [splat(x); $n]
                }
                fn load(from: &Vector) -> [$f; $n] {
                    each!($n: load(from.$parts()))
                }
                fn store(to: &mut Vector, x: [$f; $n]) {
                    each!($n: store(to.$parts_mut(), x));
                }
                fn add(a: [$f; $n], b: [$f; $n]) -> [$f; $n] {
                    each!($n: add(a, b))
                }
                fn sub(a: [$f; $n], b: [$f; $n]) -> [$f; $n] {
                    each!($n: sub(a, b))
                }
                fn mul(a: [$f; $n], b: [$f; $n]) -> [$f; $n] {
                    each!($n: mul(a, b))
                }
                fn div(a: [$f; $n], b: [$f; $n]) -> [$f; $n] {
                    each!($n: div(a, b))
                }
                fn sqrt(a: [$f; $n]) -> [$f; $n] {
                    each!($n: sqrt(a))
                }
                fn max(a: [$f; $n], b: [$f; $n]) -> [$f; $n] {
                    each!($n: max(a, b))
                }
                fn abs(a: [$f; $n]) -> [$f; $n] {
                    each!($n: abs(a))
                }
                fn round(a: [$f; $n]) -> [$i; $n] {
                    each!($n: round(a))
                }
                fn truncate(a: [$f; $n]) -> [$i; $n] {
                    each!($n: truncate(a))
                }
                fn float(a: [$i; $n]) -> [$f; $n] {
                    each!($n: float(a))
                }
                fn scale_by_power(a: [$f; $n], n: [$f; $n]) -> [$f; $n] {
                    each!($n: scale_by_power(a, n))
                }
                fn splat_i(x: i32) -> [$i; $n] {
                    [splat_i(x); $n]
                }
                fn load_i(from: &Vector) -> [$i; $n] {
                    each!($n: load_i(from.$parts()))
                }
                fn store_i(to: &mut Vector, x: [$i; $n]) {
                    each!($n: store_i(to.$parts_mut(), x));
                }
                fn add_i(a: [$i; $n], b: [$i; $n]) -> [$i; $n] {
                    each!($n: add_i(a, b))
                }
                fn sub_i(a: [$i; $n], b: [$i; $n]) -> [$i; $n] {
                    each!($n: sub_i(a, b))
                }
                fn or_i(a: [$i; $n], b: [$i; $n]) -> [$i; $n] {
                    each!($n: or_i(a, b))
                }
                fn move_byte(a: [$i; $n], from: u32, to: u32) -> [$i; $n] {
                    each!($n: move_byte(a, [from; $n], [to; $n]))
                }
                fn pack(a: [$i; $n], b: [$i; $n]) -> [$h; $n] {
                    each!($n: pack(a, b))
                }
                fn widen(a: [$h; $n]) -> [[$i; $n]; 2] {
                    [each!($n: widen_first(a)), each!($n: widen_second(a))]
                }
                fn splat_h(x: i16) -> [$h; $n] {
                    [splat_h(x); $n]
                }
                fn load_h(from: &Vector) -> [$h; $n] {
                    each!($n: load_h(from.$parts()))
                }
                fn store_h(to: &mut Vector, x: [$h; $n]) {
                    each!($n: store_h(to.$parts_mut(), x));
                }
                fn add_h(a: [$h; $n], b: [$h; $n]) -> [$h; $n] {
                    each!($n: add_h(a, b))
                }
                fn add_saturating_h(a: [$h; $n], b: [$h; $n]) -> [$h; $n] {
                    each!($n: add_saturating_h(a, b))
                }
                fn max_h(a: [$h; $n], b: [$h; $n]) -> [$h; $n] {
                    each!($n: max_h(a, b))
                }
                fn abs_min_h(a: [$h; $n], b: [$h; $n]) -> [$h; $n] {
                    each!($n: abs_min_h(a, b))
                }
                fn shift_left_h(a: [$h; $n], by: u32) -> [$h; $n] {
                    each!($n: shift_left_h(a, [by; $n]))
                }
                fn mul_q15(a: [$h; $n], b: [$h; $n]) -> [$h; $n] {
                    each!($n: mul_q15(a, b))
                }
                fn quads(a: [$h; $n], b: [$h; $n]) -> [$i; $n] {
                    each!($n: quads(a, b))
                }
                fn round_to_bytes(four: [[$f; $n]; 4], zero: u8) -> [$i; $n] {
                    let [a, b, c, d] = four;
                    each!($n: round_to_bytes(a, b, c, d, [zero; $n]))
                }
                fn round_to_unsigned_bytes(four: [[$f; $n]; 4]) -> [$i; $n] {
                    let [a, b, c, d] = four;
                    each!($n: round_to_unsigned_bytes(a, b, c, d))
                }
                fn pairs(a: [$h; $n]) -> [$i; $n] {
                    each!($n: pairs(a))
                }
                fn dot(sum: [$i; $n], u: [$i; $n], s: [$i; $n]) -> [$i; $n] {
                    each!($n: $dot(sum, u, s))
                }
                fn dot_two(sum: [$i; $n], u: [[$i; $n]; 2], s: [[$i; $n]; 2]) -> [$i; $n] {
                    let ([u, v], [s, t]) = (u, s);
                    each!($n: $dot_two(sum, u, s, v, t))
                }
                fn dot_pairs(sum: [$i; $n], a: [$i; $n], b: [$i; $n]) -> [$i; $n] {
                    each!($n: $dot_pairs(sum, a, b))
                }
                fn mix_zero() -> [$mix_type; $n] {
                    [$mix_zero; $n]
                }
                fn mix(sum: [$mix_type; $n], u: [$i; $n], s: &Vector) -> [$mix_type; $n] {
                    let s = each!($n: load_i(s.$parts()));
                    each!($n: $mix(sum, u, s))
                }
                fn mixed(sum: [$mix_type; $n]) -> [$i; $n] {
                    each!($n: $mixed(sum))
                }
                fn gather(lines: [&[u32; 8]; LANES]) -> [[$i; $n]; 8] {
                    gather(lines)
                }
                fn scatter(words: &[Vector; 8], rows: &mut [[u32; 8]], stride: usize) {
                    scatter(words, rows, stride);
                }
            }

            $($rest)*
        }
    };
}

pub(super) use {each, functions, lanes};
