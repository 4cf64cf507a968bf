//! LayerNorm and its gradient.

use crate::learner::math::EPSILON;
use crate::simd::{Lanes, Vector};

/// x̂ = (x − mean)·r with r = 1/√(variance + ε); both are kept. Sums go over features from first to
/// last.
///
/// # Safety
/// The processor has the lanes' instruction set.
#[inline(always)]
pub(super) unsafe fn normalise<L: Lanes>(x: &[Vector], normal: &mut [Vector], r: &mut Vector) {
    // SAFETY: as promised by the caller.
    unsafe {
        let width = L::splat(x.len() as f32);
        let mut sum = L::splat(0.0);
        for x in x {
            sum = L::add(sum, L::load(x));
        }
        let mean = L::div(sum, width);
        let mut squares = L::splat(0.0);
        for (x, d) in x.iter().zip(&mut *normal) {
            let difference = L::sub(L::load(x), mean);
            squares = L::add(squares, L::mul(difference, difference));
            L::store(d, difference);
        }
        let variance = L::div(squares, width);
        let scale = L::div(L::splat(1.0), L::sqrt(L::add(variance, L::splat(EPSILON))));
        for d in normal {
            let scaled = L::mul(L::load(d), scale);
            L::store(d, scaled);
        }
        L::store(r, scale);
    }
}

/// y = x̂·gain + bias.
///
/// # Safety
/// As [`normalise`].
#[inline(always)]
pub(super) unsafe fn affine<L: Lanes>(normal: &[Vector], gain: &[f32], bias: &[f32], y: &mut [Vector]) {
    // SAFETY: as promised by the caller.
    unsafe {
        for (((x, &g), &b), y) in normal.iter().zip(gain).zip(bias).zip(y) {
            L::store(y, L::add(L::mul(L::load(x), L::splat(g)), L::splat(b)));
        }
    }
}

/// What a LayerNorm was given and has kept.
pub(super) struct Kept<'a> {
    pub normal: &'a [Vector],
    pub r: &'a Vector,
    pub gain: &'a [f32],
}

/// From the gradient `dy` of a LayerNorm's output: adds that of its input to `dx` and each line's
/// own of gain and bias to theirs. `dy` is used up.
///
/// dx = r·((d − Σd/width) − x̂·(Σ d·x̂/width)) with d = dy·gain.
///
/// # Safety
/// As [`normalise`].
#[inline(always)]
pub(super) unsafe fn backward<L: Lanes>(
    kept: &Kept,
    dy: &mut [Vector],
    dgain: &mut [Vector],
    dbias: &mut [Vector],
    dx: &mut [Vector],
) {
    // SAFETY: as promised by the caller.
    unsafe {
        let width = L::splat(dy.len() as f32);
        let (mut sum, mut along) = (L::splat(0.0), L::splat(0.0));
        let gradients = dgain.iter_mut().zip(dbias);
        for (((dy, x), &g), (dgain, dbias)) in dy.iter_mut().zip(kept.normal).zip(kept.gain).zip(gradients) {
            let (d, x) = (L::load(dy), L::load(x));
            let by_gain = L::add(L::load(dgain), L::mul(d, x));
            L::store(dgain, by_gain);
            let by_bias = L::add(L::load(dbias), d);
            L::store(dbias, by_bias);
            let d = L::mul(d, L::splat(g));
            sum = L::add(sum, d);
            along = L::add(along, L::mul(d, x));
            L::store(dy, d);
        }
        let (mean, along) = (L::div(sum, width), L::div(along, width));
        let r = L::load(kept.r);
        for ((d, x), dx) in dy.iter().zip(kept.normal).zip(dx) {
            let d = L::sub(L::load(d), mean);
            let d = L::sub(d, L::mul(L::load(x), along));
            let sum = L::add(L::load(dx), L::mul(r, d));
            L::store(dx, sum);
        }
    }
}
