//! GELU in its tanh form: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), as GPT-2 has it.

use multiversion::multiversion;

use super::math::tanh;

const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(super) fn forward(x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        let inner = SQRT_2_OVER_PI * (x + CUBIC * x * x * x);
        *y = 0.5 * x * (1.0 + tanh(inner));
    }
}

/// `y` as [`forward`] has it, and the gradient of `x` from that of `y`, `g`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(super) fn backward(x: &[f32], g: &[f32], y: &mut [f32], dx: &mut [f32]) {
    for (((dx, y), &x), &g) in dx.iter_mut().zip(y).zip(x).zip(g) {
        let t = tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x));
        let slope = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
        *y = 0.5 * x * (1.0 + t);
        *dx = g * 0.5 * (1.0 + t + x * (1.0 - t * t) * slope);
    }
}
