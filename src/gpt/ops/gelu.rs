//! GELU in its tanh form: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), as GPT-2 has it.

use pulp::Simd;

use super::math::tanh;

const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

/// GELU of every element.
#[inline(always)]
pub(super) fn forward<S: Simd>(simd: S, x: &[f32], y: &mut [f32]) {
    let (y, y_tail) = S::as_mut_simd_f32s(y);
    let (x, x_tail) = S::as_simd_f32s(x);
    for (y, &x) in y.iter_mut().zip(x) {
        *y = value_and_slope(simd, x).0;
    }
    let x = simd.partial_load_f32s(x_tail);
    simd.partial_store_f32s(y_tail, value_and_slope(simd, x).0);
}

/// `y` as [`forward`] has it, and the gradient of `x` from that of `y`, `g`.
#[inline(always)]
pub(super) fn backward<S: Simd>(simd: S, x: &[f32], g: &[f32], y: &mut [f32], dx: &mut [f32]) {
    let ((y, y_tail), (dx, dx_tail)) = (S::as_mut_simd_f32s(y), S::as_mut_simd_f32s(dx));
    let ((x, x_tail), (g, g_tail)) = (S::as_simd_f32s(x), S::as_simd_f32s(g));
    for ((y, dx), (&x, &g)) in y.iter_mut().zip(dx).zip(x.iter().zip(g)) {
        let (value, slope) = value_and_slope(simd, x);
        *y = value;
        *dx = simd.mul_f32s(g, slope);
    }
    let (value, slope) = value_and_slope(simd, simd.partial_load_f32s(x_tail));
    simd.partial_store_f32s(y_tail, value);
    simd.partial_store_f32s(dx_tail, simd.mul_f32s(simd.partial_load_f32s(g_tail), slope));
}

/// With t the tanh: 0.5·x·(1 + t) and 0.5·(1 + t + x·(1 − t²)·√(2/π)·(1 + 3·0.044715·x²)).
#[inline(always)]
fn value_and_slope<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let splat = |value| simd.splat_f32s(value);
    let one = splat(1.0);
    let square = simd.mul_f32s(x, x);
    let scaled = simd.mul_f32s(x, splat(SQRT_2_OVER_PI));
    let inner = simd.mul_f32s(scaled, simd.mul_add_e_f32s(square, splat(CUBIC), one));
    let t = tanh(simd, inner);
    let half = simd.mul_add_e_f32s(t, splat(0.5), splat(0.5)); // (1 + t)/2
    let inner_slope = simd.mul_add_e_f32s(square, splat(3.0 * CUBIC), one);
    // (1 − t²)/2 = (1 + t)/2·(1 − t)
    let tanh_slope = simd.mul_f32s(half, simd.sub_f32s(one, t));
    let slope = simd.mul_add_e_f32s(simd.mul_f32s(scaled, tanh_slope), inner_slope, half);
    (simd.mul_f32s(x, half), slope)
}
