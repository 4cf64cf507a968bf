//! LayerNorm and its gradient.

use crate::learner::math::EPSILON;
use crate::simd::{Lanes, Vector};

/// x̂ = (x − mean)·r with r = 1/√(variance + ε); both are kept. Sums go over features from first to
/// last.
#[inline(always)]
pub(super) fn normalise<L: Lanes>(l: L, x: &[Vector], normal: &mut [Vector], r: &mut Vector) {
    let width = l.splat(x.len() as f32);
    let mut sum = l.splat(0.0);
    for x in x {
        sum = l.add(sum, l.load(x));
    }
    let mean = l.div(sum, width);
    let mut squares = l.splat(0.0);
    for (x, d) in x.iter().zip(&mut *normal) {
        let difference = l.sub(l.load(x), mean);
        squares = l.add(squares, l.mul(difference, difference));
        l.store(d, difference);
    }
    let variance = l.div(squares, width);
    let scale = l.div(l.splat(1.0), l.sqrt(l.add(variance, l.splat(EPSILON))));
    for d in normal {
        let scaled = l.mul(l.load(d), scale);
        l.store(d, scaled);
    }
    l.store(r, scale);
}

/// y = x̂·gain + bias.
#[inline(always)]
pub(super) fn affine<L: Lanes>(l: L, normal: &[Vector], gain: &[f32], bias: &[f32], y: &mut [Vector]) {
    for (((x, &g), &b), y) in normal.iter().zip(gain).zip(bias).zip(y) {
        l.store(y, l.add(l.mul(l.load(x), l.splat(g)), l.splat(b)));
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
#[inline(always)]
pub(super) fn backward<L: Lanes>(
    l: L,
    kept: &Kept,
    dy: &mut [Vector],
    dgain: &mut [Vector],
    dbias: &mut [Vector],
    dx: &mut [Vector],
) {
    let width = l.splat(dy.len() as f32);
    let (mut sum, mut along) = (l.splat(0.0), l.splat(0.0));
    let gradients = dgain.iter_mut().zip(dbias);
    for (((dy, x), &g), (dgain, dbias)) in dy.iter_mut().zip(kept.normal).zip(kept.gain).zip(gradients) {
        let (d, x) = (l.load(dy), l.load(x));
        let by_gain = l.add(l.load(dgain), l.mul(d, x));
        l.store(dgain, by_gain);
        let by_bias = l.add(l.load(dbias), d);
        l.store(dbias, by_bias);
        let d = l.mul(d, l.splat(g));
        sum = l.add(sum, d);
        along = l.add(along, l.mul(d, x));
        l.store(dy, d);
    }
    let (mean, along) = (l.div(sum, width), l.div(along, width));
    let r = l.load(kept.r);
    for ((d, x), dx) in dy.iter().zip(kept.normal).zip(dx) {
        let d = l.sub(l.load(d), mean);
        let d = l.sub(d, l.mul(l.load(x), along));
        let sum = l.add(l.load(dx), l.mul(r, d));
        l.store(dx, sum);
    }
}
