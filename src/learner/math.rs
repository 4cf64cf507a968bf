//! The learner's functions of one number: made of +, −, ×, ÷ and comparisons alone, for one value.
//! The kernel does the same on sixteen lines at once.

use crate::simd::math::EXP2_FINE;

pub(super) const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// LayerNorm's ε.
pub(super) const EPSILON: f32 = 1e-5;
/// The least exponent of a power of two. Below it the powers stay where they are: small enough for
/// softmax, and far from numbers that are not normal, which are slow on some processors.
pub(super) const EXP2_MIN: f32 = -64.0;

/// GELU in its tanh form is x·σ(2u), u = √(2/π)·(x + 0.044715x³), and σ(2u) = 1/(1 + 2^z) with
/// z = x·(Z1 + Z3·x²). Behind ±[`gelu::CLAMP`] σ stays.
pub(super) mod gelu {
    /// σ differs from 0 or 1 by 5e-8 there.
    pub const CLAMP: f32 = 5.0;
    /// −2·√(2/π)·log₂ e.
    pub const Z1: f32 = -2.302_208_2;
    /// −2·√(2/π)·0.044715·log₂ e.
    pub const Z3: f32 = -0.102_943_24;
    /// d(2u)/dx = D1 + D3·x²: 2·√(2/π).
    pub const D1: f32 = 1.595_769;
    /// 6·√(2/π)·0.044715.
    pub const D3: f32 = 0.214_064_43;
}

/// a, b and c of the polynomial aσ + bσ³ + cσ⁵ that brings singular values near 1 (Muon, Jordan et al.,
/// 2024).
pub(super) const NEWTON_SCHULZ: [f32; 3] = [3.4445, -4.7750, 2.0315];

/// How often the polynomial is applied.
pub(super) const NEWTON_SCHULZ_STEPS: usize = 5;

/// The greater of two; the second unless the first is greater.
pub(super) fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// 2^x for |x| ≤ 126, but not below 2^[`EXP2_MIN`].
pub(super) fn exp2(x: f32) -> f32 {
    crate::simd::math::exp2(x, &EXP2_FINE, EXP2_MIN)
}

/// GELU of x, and its slope there.
pub(super) fn gelu(x: f32) -> (f32, f32) {
    let clamped = max(x, -gelu::CLAMP);
    let clamped = 0.0 - max(0.0 - clamped, -gelu::CLAMP);
    let square = clamped * clamped;
    let e = exp2(clamped * (gelu::Z1 + gelu::Z3 * square));
    let s = 1.0 / (1.0 + e);
    let slope = s + ((clamped * s) * (e * s)) * (gelu::D1 + gelu::D3 * square);
    (x * s, slope)
}
