//! Sixteen lines at once: the operations that the kernel is written in, and their form in each
//! instruction set.
//!
//! A lane is a line. Nothing ever crosses lanes, so each operation here is the scalar operation of
//! the same name, sixteen times; that is why every instruction set gives the same bits. 32-bit
//! values of the sixteen lines are one [`Vector`] in memory; 16-bit values exist in registers and
//! as a [`PairVector`], two features at once, in an order that is each instruction set's own.

#![allow(unsafe_code, reason = "the lanes are the processor's vector instructions")]

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
mod isa;
pub(crate) mod portable;

#[cfg(test)]
mod tests;

pub use isa::{ISA_VARIABLE, Isa};

/// Lines that go through the network side by side.
pub(crate) const LANES: usize = 16;

/// One 32-bit value of each of sixteen lines: f32, i32 or four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Vector(pub [u32; LANES]);

impl Vector {
    pub const ZERO: Self = Self([0; LANES]);
}

/// Two 16-bit values of each of sixteen lines, in the order that suits the instruction set which
/// stored them.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct PairVector(pub [i16; 2 * LANES]);

impl PairVector {
    pub const ZERO: Self = Self([0; 2 * LANES]);
}

/// The operations of an instruction set.
///
/// # Safety
/// Every function may only be called where the processor has the instruction set. The functions
/// are inlined into a caller that is compiled for it; that caller's own condition is this one.
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
    unsafe fn splat(x: f32) -> Self::F;
    unsafe fn load(from: &Vector) -> Self::F;
    unsafe fn store(to: &mut Vector, x: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sqrt(a: Self::F) -> Self::F;
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn abs(a: Self::F) -> Self::F;

    // Between f32 and i32: to nearest with ties to even, towards zero, and back.
    unsafe fn round(a: Self::F) -> Self::I;
    unsafe fn truncate(a: Self::F) -> Self::I;
    unsafe fn float(a: Self::I) -> Self::F;
    /// The bits of `a` plus those of `n` shifted left by 23: a·2ⁿ where n is the integer that was
    /// rounded by adding [`crate::network::math::ROUND`].
    unsafe fn scale_by_power(a: Self::F, n: Self::F) -> Self::F;

    // i32.
    unsafe fn splat_i(x: i32) -> Self::I;
    unsafe fn load_i(from: &Vector) -> Self::I;
    /// Eight of them. Written out, because a closure given to `array::from_fn` would not be compiled for
    /// the instruction set of the function around it.
    #[inline(always)]
    unsafe fn load_eight([a, b, c, d, e, f, g, h]: &[Vector; 8]) -> [Self::I; 8] {
        // SAFETY: as promised by the caller.
        unsafe {
            [
                Self::load_i(a),
                Self::load_i(b),
                Self::load_i(c),
                Self::load_i(d),
                Self::load_i(e),
                Self::load_i(f),
                Self::load_i(g),
                Self::load_i(h),
            ]
        }
    }
    unsafe fn store_i(to: &mut Vector, x: Self::I);
    unsafe fn add_i(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn sub_i(a: Self::I, b: Self::I) -> Self::I;
    unsafe fn or_i(a: Self::I, b: Self::I) -> Self::I;
    /// The byte of `a` that starts at bit `from`, moved to bit `to`, zeros around it.
    unsafe fn move_byte(a: Self::I, from: u32, to: u32) -> Self::I;

    /// The sums of the four bytes of each, wrapping.
    unsafe fn add_bytes(a: Self::I, b: Self::I) -> Self::I;

    // i16, two features at once. `pack` saturates, `widen` undoes it.
    unsafe fn pack(a: Self::I, b: Self::I) -> Self::H;
    unsafe fn widen(a: Self::H) -> [Self::I; 2];
    unsafe fn splat_h(x: i16) -> Self::H;
    unsafe fn load_h(from: &PairVector) -> Self::H;
    unsafe fn store_h(to: &mut PairVector, x: Self::H);
    /// Wrapping sum.
    unsafe fn add_h(a: Self::H, b: Self::H) -> Self::H;
    /// Saturating sum.
    unsafe fn add_saturating_h(a: Self::H, b: Self::H) -> Self::H;
    unsafe fn max_h(a: Self::H, b: Self::H) -> Self::H;
    /// min(|a|, b), both sides unsigned.
    unsafe fn abs_min_h(a: Self::H, b: Self::H) -> Self::H;
    unsafe fn shift_left_h(a: Self::H, by: u32) -> Self::H;
    /// [`crate::network::math::mul_q15`].
    unsafe fn mul_q15(a: Self::H, b: Self::H) -> Self::H;
    /// Four features as signed bytes, side by side. Saturates.
    unsafe fn quads(a: Self::H, b: Self::H) -> Self::I;
    /// Four features as unsigned bytes, side by side. Saturates.
    unsafe fn quads_unsigned(a: Self::H, b: Self::H) -> Self::I;
    /// Two features, side by side.
    unsafe fn pairs(a: Self::H) -> Self::I;

    // Products. `u` are four unsigned bytes, `s` four signed ones.
    /// sum + Σ u·s over four; u ≤ 127 and |s| ≤ 127.
    unsafe fn dot(sum: Self::I, u: Self::I, s: Self::I) -> Self::I;
    /// sum + Σ u·s over eight; u ≤ 127 and |s| ≤ 64.
    unsafe fn dot_two(sum: Self::I, u: [Self::I; 2], s: [Self::I; 2]) -> Self::I;
    /// sum + Σ a·b over two i16.
    unsafe fn dot_pairs(sum: Self::I, a: Self::I, b: Self::I) -> Self::I;
    /// Four outputs of a product: `start` + Σ over quads of inputs, each sum within what
    /// `CHAIN_SUM_MAX` of the exact network promises. `weights` holds for each quad of inputs four
    /// bytes of each of the four outputs. As many quads as in whole chains.
    unsafe fn products(start: &[i32; 4], inputs: &[Vector], weights: &[[i32; 4]]) -> [Self::I; 4];
    /// No sum yet.
    unsafe fn mix_zero() -> Self::Mix;
    /// sum + Σ u·s over four positions; all u of a sum add up to at most 255.
    unsafe fn mix(sum: Self::Mix, u: Self::I, s: &Vector) -> Self::Mix;
    /// The sum itself.
    unsafe fn mixed(sum: Self::Mix) -> Self::I;

    // Between lines in memory and lanes: eight 32-bit words of each line.
    unsafe fn gather(lines: [&[u32; 8]; LANES]) -> [Self::I; 8];
    unsafe fn scatter(words: [Self::I; 8], lines: [&mut [u32; 8]; LANES]);
}
