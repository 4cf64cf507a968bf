//! Sixteen lines at once: the operations that kernels are written in, and their form in each instruction set.
//!
//! A lane is a line. Nothing ever crosses lanes, so each operation here is the scalar operation of
//! the same name, sixteen times; that is why every instruction set gives the same bits. 32-bit
//! values of the sixteen lines are one [`Vector`] in memory; 16-bit values exist in registers, two features at
//! once, in an order that is each instruction set's own.
//!
//! A set is a file of functions of one register; [`registers`] makes the operations on all lanes of them, for sets whose
//! registers hold four lines ([`four_registers`]), eight or sixteen ([`x86`]).
//!
//! An instruction set is a value without size that can only be made where the processor has it
//! ([`avx2::Avx2::new`]). A kernel is a function that is generic over [`Lanes`], takes such a value and is
//! `#[inline(always)]`, so that the function which [`compiled!`] makes for each set compiles all of it for that set.
//! What a kernel calls must be inlined, too, or it is compiled for any processor: its functions are
//! `#[inline(always)]`, an array of what a closure gives is made by [`array`], and closures do not go into functions of
//! the standard library that call them more than once.

/// Methods whose bodies are compiled for an instruction set, which the value that they take proves to be there; or for
/// any processor, if none is named.
macro_rules! operations {
    (: $($(#[$attribute:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$attribute])*
        #[inline(always)]
        fn $name(self, $($argument: $type),*) $(-> $result)? $body
    )*};
    ($set:literal: $($(#[$attribute:meta])* fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? $body:block)*) => {$(
        $(#[$attribute])*
        #[inline(always)]
        #[allow(unsafe_code, unused_unsafe, reason = "a call of code for an instruction set; in WebAssembly it is safe")]
        fn $name(self, $($argument: $type),*) $(-> $result)? {
            #[inline]
            #[target_feature(enable = $set)]
            fn operation($($argument: $type),*) $(-> $result)? $body
            // SAFETY: `self` exists only where the processor has the instruction set.
            unsafe { operation($($argument),*) }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
mod dispatch;
mod four_registers;
mod isa;
pub(crate) mod math;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
pub(crate) mod portable;
mod registers;
#[cfg(target_family = "wasm")]
pub(crate) mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(test)]
mod tests;

pub(crate) use dispatch::compiled;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_family = "wasm"))]
pub(crate) use dispatch::in_set;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use dispatch::unless_reduced;
#[cfg(test)]
pub(crate) use isa::on_each_isa;
pub use isa::{ISA_VARIABLE, Isa};

/// Lines that go through the network side by side.
pub(crate) const LANES: usize = 16;

/// One 32-bit value of each of sixteen lines: f32, i32 or four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Vector(pub [u32; LANES]);

impl Vector {
    pub const ZERO: Self = Self([0; LANES]);

    /// Of floats, given by line.
    #[inline(always)]
    pub fn of(x: impl Fn(usize) -> f32) -> Self {
        Self(array(
            #[inline(always)]
            |line| x(line).to_bits(),
        ))
    }

    /// The float of a line.
    #[inline(always)]
    pub fn float(&self, line: usize) -> f32 {
        f32::from_bits(self.0[line])
    }

    /// So many vectors of zeros.
    pub fn zeros(len: usize) -> Vec<Self> {
        vec![Self::ZERO; len]
    }

    /// The lines four by four.
    #[inline(always)]
    fn quarters(&self) -> [&[u32; 4]; 4] {
        let ([a, b, c, d], []) = self.0.as_chunks() else { unreachable!() };
        [a, b, c, d]
    }

    /// As [`Vector::quarters`], to be written.
    #[inline(always)]
    fn quarters_mut(&mut self) -> [&mut [u32; 4]; 4] {
        let ([a, b, c, d], []) = self.0.as_chunks_mut() else { unreachable!() };
        [a, b, c, d]
    }

    /// All lines.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn whole(&self) -> [&[u32; LANES]; 1] {
        [&self.0]
    }

    /// As [`Vector::whole`], to be written.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn whole_mut(&mut self) -> [&mut [u32; LANES]; 1] {
        [&mut self.0]
    }

    /// The first eight lines and the last eight.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn halves(&self) -> [&[u32; 8]; 2] {
        let ([a, b], []) = self.0.as_chunks() else { unreachable!() };
        [a, b]
    }

    /// As [`Vector::halves`], to be written.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn halves_mut(&mut self) -> [&mut [u32; 8]; 2] {
        let ([a, b], []) = self.0.as_chunks_mut() else { unreachable!() };
        [a, b]
    }
}

/// An array of what a function gives of 0, 1, …: `std::array::from_fn`, but always inlined.
#[inline(always)]
pub(crate) fn array<T: Copy, const N: usize>(f: impl Fn(usize) -> T) -> [T; N] {
    let mut items = [f(0); N];
    for (i, item) in items.iter_mut().enumerate() {
        *item = f(i);
    }
    items
}

/// The floats of vectors, one behind the other.
#[allow(unsafe_code, reason = "a view of the same memory")]
pub(crate) fn floats(vectors: &[Vector]) -> &[f32] {
    // SAFETY: a vector is sixteen u32 without padding, and any bits of a u32 are those of a f32 of
    // the same size and alignment.
    unsafe { std::slice::from_raw_parts(vectors.as_ptr().cast(), vectors.len() * LANES) }
}

/// As [`floats`], to be written.
#[allow(unsafe_code, reason = "a view of the same memory")]
pub(crate) fn floats_mut(vectors: &mut [Vector]) -> &mut [f32] {
    // SAFETY: as in `floats`; the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(vectors.as_mut_ptr().cast(), vectors.len() * LANES) }
}

/// The words of vectors, eight by eight, to be written.
#[allow(unsafe_code, reason = "a view of the same memory")]
pub(crate) fn eights_mut(vectors: &mut [Vector]) -> &mut [[u32; 8]] {
    // SAFETY: a vector is two times eight u32 without padding; the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(vectors.as_mut_ptr().cast(), vectors.len() * LANES / 8) }
}

/// The operations of an instruction set, on a value which proves that the processor has it.
pub(crate) trait Lanes: Copy {
    /// Sixteen f32.
    type F: Copy;
    /// Sixteen i32, or sixteen groups of four bytes or of two i16.
    type I: Copy;
    /// Two features of sixteen i16.
    type H: Copy;
    /// Sums of rounded attention weights times values.
    type Mix: Copy;

    // f32. `max` gives its second argument unless the first is greater.
    fn splat(self, x: f32) -> Self::F;
    fn load(self, from: &Vector) -> Self::F;
    fn store(self, to: &mut Vector, x: Self::F);
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    fn sqrt(self, a: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn abs(self, a: Self::F) -> Self::F;

    // Between f32 and i32: to nearest with ties to even, towards zero, and back. Of numbers of 2²² and more, the results
    // are at least 2²² − 1 in magnitude, and no more is known.
    fn round(self, a: Self::F) -> Self::I;
    fn truncate(self, a: Self::F) -> Self::I;
    fn float(self, a: Self::I) -> Self::F;
    /// The bits of `a` plus those of `n` shifted left by 23: a·2ⁿ where n is the integer that was
    /// rounded by adding [`math::ROUND`].
    fn scale_by_power(self, a: Self::F, n: Self::F) -> Self::F;

    // i32.
    fn splat_i(self, x: i32) -> Self::I;
    fn load_i(self, from: &Vector) -> Self::I;
    fn store_i(self, to: &mut Vector, x: Self::I);
    fn add_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn sub_i(self, a: Self::I, b: Self::I) -> Self::I;
    fn or_i(self, a: Self::I, b: Self::I) -> Self::I;
    /// The byte of `a` that starts at bit `from`, moved to bit `to`, zeros around it.
    fn move_byte(self, a: Self::I, from: u32, to: u32) -> Self::I;

    // i16, two features at once. `pack` saturates, `widen` undoes it.
    fn pack(self, a: Self::I, b: Self::I) -> Self::H;
    fn widen(self, a: Self::H) -> [Self::I; 2];
    fn splat_h(self, x: i16) -> Self::H;
    fn load_h(self, from: &Vector) -> Self::H;
    fn store_h(self, to: &mut Vector, x: Self::H);
    /// Wrapping sum.
    fn add_h(self, a: Self::H, b: Self::H) -> Self::H;
    /// Saturating sum.
    fn add_saturating_h(self, a: Self::H, b: Self::H) -> Self::H;
    fn max_h(self, a: Self::H, b: Self::H) -> Self::H;
    /// min(|a|, b), both sides unsigned.
    fn abs_min_h(self, a: Self::H, b: Self::H) -> Self::H;
    fn shift_left_h(self, a: Self::H, by: u32) -> Self::H;
    /// [`math::mul_q15`] of numbers that are not both −2¹⁵.
    fn mul_q15(self, a: Self::H, b: Self::H) -> Self::H;
    /// Four features as signed bytes, side by side. Saturates.
    fn quads(self, a: Self::H, b: Self::H) -> Self::I;
    /// Four features rounded to signed bytes, each plus `zero`, wrapping, side by side. They round to −128 to 127.
    fn round_to_bytes(self, four: [Self::F; 4], zero: u8) -> Self::I;
    /// Four features rounded to unsigned bytes, side by side. They round to 0 to 255.
    fn round_to_unsigned_bytes(self, four: [Self::F; 4]) -> Self::I;
    /// Two features, side by side.
    fn pairs(self, a: Self::H) -> Self::I;

    // Products. `u` are four unsigned bytes, `s` four signed ones.
    /// sum + Σ u·s over four; u ≤ 127 and |s| ≤ 127.
    fn dot(self, sum: Self::I, u: Self::I, s: Self::I) -> Self::I;
    /// sum + Σ u·s over eight; u ≤ 127 and |s| ≤ 64.
    fn dot_two(self, sum: Self::I, u: [Self::I; 2], s: [Self::I; 2]) -> Self::I;
    /// sum + Σ a·b over two i16.
    fn dot_pairs(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// Four outputs of a product: `start` + Σ over quads of inputs, each sum within what
    /// `CHAIN_SUM_MAX` of the exact network promises. `weights` holds for each quad of inputs four
    /// bytes of each of the four outputs. As many quads as in whole chains.
    fn products(self, start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [Self::I; 4];
    /// No sum yet.
    fn mix_zero(self) -> Self::Mix;
    /// sum + Σ u·s over four positions; all u of a sum add up to at most 255.
    fn mix(self, sum: Self::Mix, u: Self::I, s: &Vector) -> Self::Mix;
    /// The sum itself.
    fn mixed(self, sum: Self::Mix) -> Self::I;
    /// Sums of four features, the first of which is `first`, over all positions: `weights` has a word for each four
    /// positions, `values` a row of `head_dim` words.
    #[inline(always)]
    fn mix_four(self, weights: &[Vector], values: &[Vector], head_dim: usize, first: usize) -> [Self::I; 4] {
        // Each weight is loaded once for all four.
        let mut sums = [self.mix_zero(); 4];
        for (weight, values) in weights.iter().zip(values.chunks_exact(head_dim)) {
            let weight = self.load_i(weight);
            for (sum, value) in sums.iter_mut().zip(&values[first..first + 4]) {
                *sum = self.mix(*sum, weight, value);
            }
        }
        let [a, b, c, d] = sums;
        [self.mixed(a), self.mixed(b), self.mixed(c), self.mixed(d)]
    }

    // Between lines in memory and lanes: eight 32-bit words of each line.
    fn gather(self, lines: [&[u32; 8]; LANES]) -> [Self::I; 8];
    /// A line's words become every `stride`th of `rows`, from the first on.
    fn scatter(self, words: &[Vector; 8], rows: &mut [[u32; 8]], stride: usize);
}
