//! Operations on a row of features: the LayerNorm, and rounding to integers with a common scale.

use super::RowScale;
use crate::exact::lanes::{Lanes, Vector};
use crate::exact::math::{EXP2_MIN, ROUND};
use crate::exact::parameters::{ACTIVATION_MAX, ACTIVATION_ZERO, EPSILON, SCALE_FLOOR};

/// The scale of a row whose largest magnitude becomes `max`, and the factor that makes it so.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn scaled<L: Lanes>(features: &[Vector], max: f32) -> (L::F, L::F) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut largest = L::splat(SCALE_FLOOR);
        for feature in features {
            largest = L::max(L::abs(L::load(feature)), largest);
        }
        scale_of::<L>(largest, max)
    }
}

/// As [`scaled`] where the largest magnitude is known.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn scale_of<L: Lanes>(largest: L::F, max: f32) -> (L::F, L::F) {
    // SAFETY: as promised by the caller.
    unsafe { (L::div(largest, L::splat(max)), L::div(L::splat(max), largest)) }
}

/// Rounds features times `factor`, plus `zero`, to bytes, four to a word; behind the last feature
/// stand bytes of 0.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn quads_of<L: Lanes>(features: &[Vector], factor: L::F, zero: i32, to: &mut [Vector]) {
    // SAFETY: as promised by the caller.
    unsafe {
        let zero = L::splat_h(zero as i16);
        let rounded = |feature: &Vector| L::add_h(L::pack(L::round(L::mul(L::load(feature), factor))), zero);
        let (whole, rest) = features.split_at(features.len() / 4 * 4);
        for (to, four) in to.iter_mut().zip(whole.chunks_exact(4)) {
            L::store_i(
                to,
                L::quads([
                    rounded(&four[0]),
                    rounded(&four[1]),
                    rounded(&four[2]),
                    rounded(&four[3]),
                ]),
            );
        }
        if !rest.is_empty() {
            let mut four = [L::splat_h(0); 4];
            for (to, feature) in four.iter_mut().zip(rest) {
                *to = rounded(feature);
            }
            L::store_i(&mut to[whole.len() / 4], L::quads(four));
        }
    }
}

/// Rounding of a row to 64 ± 63 into `inputs`.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn symmetric<L: Lanes>(features: &[Vector], inputs: &mut [Vector]) -> RowScale<L> {
    // SAFETY: as promised by the caller.
    unsafe {
        let (scale, factor) = scaled::<L>(features, ACTIVATION_MAX);
        quads_of::<L>(features, factor, ACTIVATION_ZERO, inputs);
        RowScale(scale)
    }
}

/// Sum of f(value) in four striped parts.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn striped_sum<L: Lanes>(values: &[Vector], mut f: impl FnMut(L::F) -> L::F) -> L::F {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut parts = [L::splat(0.0); 4];
        let fours = values.chunks_exact(4);
        let rest = fours.remainder();
        for four in fours {
            for (part, value) in parts.iter_mut().zip(four) {
                *part = L::add(*part, f(L::load(value)));
            }
        }
        for (part, value) in parts.iter_mut().zip(rest) {
            *part = L::add(*part, f(L::load(value)));
        }
        L::add(L::add(parts[0], parts[1]), L::add(parts[2], parts[3]))
    }
}

/// Takes the mean off a row, into `centred`; gives 1/√(variance + ε) and the largest magnitude.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn centre<L: Lanes>(stream: &[Vector], centred: &mut [Vector]) -> (L::F, L::F) {
    // SAFETY: as promised by the caller.
    unsafe {
        let width = L::splat(stream.len() as f32);
        let mean = L::div(striped_sum::<L>(stream, |v| v), width);
        for (to, value) in centred.iter_mut().zip(stream) {
            L::store(to, L::sub(L::load(value), mean));
        }
        let mut largest = L::splat(SCALE_FLOOR);
        let squares = striped_sum::<L>(&centred[..stream.len()], |v| {
            largest = L::max(L::abs(v), largest);
            L::mul(v, v)
        });
        let variance = L::add(L::div(squares, width), L::splat(EPSILON));
        (L::div(L::splat(1.0), L::sqrt(variance)), largest)
    }
}

/// LayerNorm and rounding of a row into `inputs`. `centred` is room for the row without its mean.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn normed<L: Lanes>(
    stream: &[Vector],
    centred: &mut [Vector],
    inputs: &mut [Vector],
) -> RowScale<L> {
    // SAFETY: as promised by the caller.
    unsafe {
        let (rstd, largest) = centre::<L>(stream, centred);
        let (scale, factor) = scale_of::<L>(largest, ACTIVATION_MAX);
        quads_of::<L>(&centred[..stream.len()], factor, ACTIVATION_ZERO, inputs);
        RowScale(L::mul(scale, rstd))
    }
}

/// [`crate::exact::math::exp2`].
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn exp2<L: Lanes, const N: usize>(x: L::F, coefficients: &[f32; N]) -> L::F {
    // SAFETY: as promised by the caller.
    unsafe {
        let round = L::splat(ROUND);
        let x = L::max(x, L::splat(EXP2_MIN));
        let shifted = L::add(x, round);
        let f = L::sub(x, L::sub(shifted, round));
        let mut p = L::splat(coefficients[N - 1]);
        for &c in coefficients[..N - 1].iter().rev() {
            p = L::add(L::mul(p, f), L::splat(c));
        }
        L::scale_by_power(p, shifted)
    }
}
