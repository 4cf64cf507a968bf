//! The arithmetic of the exact network, written out: every function here gives the same bits on
//! every machine, because it is made of integer operations and of +, −, ×, ÷, √, comparison and
//! conversion on IEEE-754 binary32, each of which is correctly rounded everywhere. Rust never
//! contracts a product and a sum into one operation.
//!
//! These are the definitions for one value. The vector kernels do the same operations in the same
//! order on sixteen lines at once (see [`crate::simd`]).

use crate::simd::math::mul_q15;

/// The least argument of [`exp2`]; below it stays at 2^−126, the smallest normal number.
pub(crate) const EXP2_MIN: f32 = -126.0;

/// 2^x for x ≤ 0, by the polynomial of these coefficients.
pub(crate) fn exp2<const N: usize>(x: f32, coefficients: &[f32; N]) -> f32 {
    crate::simd::math::exp2(x, coefficients, EXP2_MIN)
}

/// GELU in 16-bit fixed point, and what is added to it so that it is never negative.
///
/// GELU(x) = max(x, 0) + h(|x|) with h(u) = u·(Φ(u) − 1), which is 0 at 0, −0.17 at its lowest and
/// 0 again from about 3 on. h is a polynomial of degree 4 in u up to [`gelu::CLAMP`] and constant
/// behind it, within 2.4e-3; with v = u/4 in Q15 its Horner steps are rounded high products.
pub(crate) mod gelu {
    /// Largest |x| for which h is computed.
    pub(crate) const CLAMP: f32 = 3.25;
    /// Coefficients of v⁴, …, v and the offset in Q11: those of u in `docs/exactness.md` times 4^k·2¹¹.
    const COEFFICIENTS_Q11: [i16; 5] = [10_565, -23_381, 17_355, -4_337, 384];
    /// What is added to GELU: 0.1875.
    pub(crate) const OFFSET: f32 = 0.1875;
    /// Range of the fraction bits that an input may have.
    pub(crate) const FRACTION_BITS: std::ops::RangeInclusive<u32> = 4..=11;

    /// The coefficients with `fraction_bits` of them, rounded, halves up.
    pub(crate) fn coefficients(fraction_bits: u32) -> [i16; 5] {
        let shift = 11 - fraction_bits;
        COEFFICIENTS_Q11.map(|c| (c + ((1 << shift) >> 1)) >> shift)
    }

    /// The clamp with `fraction_bits` of them.
    pub(crate) fn clamp(fraction_bits: u32) -> u16 {
        (CLAMP * (1u32 << fraction_bits) as f32) as u16
    }
}

/// GELU(x) + 0.1875 of x with `fraction_bits` of them, and the result with as many.
pub(crate) fn gelu_shifted(x: i16, fraction_bits: u32) -> i16 {
    let u = x.unsigned_abs().min(gelu::clamp(fraction_bits));
    let v = (u << (13 - fraction_bits)) as i16;
    let [first, rest @ ..] = gelu::coefficients(fraction_bits);
    let h = rest.iter().fold(first, |t, &c| mul_q15(t, v).wrapping_add(c));
    x.max(0).saturating_add(h)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::math::{EXP2_COARSE, EXP2_FINE};

    /// Every float from −126 to 0 is too many for a quick test; every 97th is not.
    #[test]
    fn exp2_keeps_its_stated_error() {
        let mut worst = [0f64; 2];
        for bits in (0..=(126f32).to_bits()).step_by(97) {
            let x = -f32::from_bits(bits);
            let exact = f64::from(x).exp2();
            let error = |y: f32| (f64::from(y) / exact - 1.0).abs();
            worst[0] = worst[0].max(error(exp2(x, &EXP2_COARSE)));
            worst[1] = worst[1].max(error(exp2(x, &EXP2_FINE)));
        }
        assert!(worst[0] < 1.8e-3 && worst[1] < 4e-7, "{worst:?}");
        assert_eq!(exp2(f32::NEG_INFINITY, &EXP2_FINE), exp2(EXP2_MIN, &EXP2_FINE));
    }

    /// All 65,536 inputs at every number of fraction bits: never negative, close to the true function.
    #[test]
    fn gelu_keeps_its_stated_error() {
        for fraction_bits in gelu::FRACTION_BITS {
            let unit = 1.0 / f64::from(1u32 << fraction_bits);
            for x in i16::MIN..=i16::MAX {
                let y = gelu_shifted(x, fraction_bits);
                assert!(y >= 0, "{x} with {fraction_bits} fraction bits");
                let v = f64::from(x) * unit;
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v * v * v);
                let exact = (0.5 * v * (1.0 + inner.tanh())).min(f64::from(i16::MAX) * unit - 0.1875);
                let error = (f64::from(y) * unit - 0.1875 - exact).abs();
                assert!(
                    error < 0.004 + 2.5 * unit,
                    "GELU({v}) with {fraction_bits} fraction bits is off by {error}"
                );
            }
        }
    }
}
