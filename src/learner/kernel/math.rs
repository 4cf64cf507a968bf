//! [`super::super::math`] on sixteen lines at once.

use crate::learner::math::{EXP2, EXP2_MIN, gelu as constants};
use crate::network::math::ROUND;
use crate::simd::{Lanes, Vector};

/// 2^x.
///
/// # Safety
/// The processor has the lanes' instruction set.
#[inline(always)]
pub(super) unsafe fn exp2<L: Lanes>(x: L::F) -> L::F {
    // SAFETY: as promised by the caller.
    unsafe {
        let x = L::max(x, L::splat(EXP2_MIN));
        let shifted = L::add(x, L::splat(ROUND));
        let f = L::sub(x, L::sub(shifted, L::splat(ROUND)));
        let [rest @ .., last] = EXP2;
        let mut p = L::splat(last);
        for c in rest.into_iter().rev() {
            p = L::add(L::mul(p, f), L::splat(c));
        }
        L::scale_by_power(p, shifted)
    }
}

/// GELU of every feature, and its slope.
///
/// # Safety
/// As [`exp2`].
#[inline(always)]
pub(super) unsafe fn gelu<L: Lanes>(values: &mut [Vector], slopes: &mut [Vector]) {
    // SAFETY: as promised by the caller.
    unsafe {
        let (zero, one) = (L::splat(0.0), L::splat(1.0));
        for (value, to) in values.iter_mut().zip(slopes) {
            let x = L::load(value);
            let clamped = L::max(x, L::splat(-constants::CLAMP));
            let clamped = L::sub(zero, L::max(L::sub(zero, clamped), L::splat(-constants::CLAMP)));
            let square = L::mul(clamped, clamped);
            let z = L::add(L::splat(constants::Z1), L::mul(L::splat(constants::Z3), square));
            let e = exp2::<L>(L::mul(clamped, z));
            let s = L::div(one, L::add(one, e));
            let slope = L::mul(L::mul(clamped, s), L::mul(e, s));
            let steepness = L::add(L::splat(constants::D1), L::mul(L::splat(constants::D3), square));
            L::store(to, L::add(s, L::mul(slope, steepness)));
            L::store(value, L::mul(x, s));
        }
    }
}
