//! AdamW (Loshchilov and Hutter, 2019), in a written order.

use super::math::in_halves;
use crate::simd::LANES;

const EPSILON: f32 = 1e-8;

/// Smaller numbers become 0: their squares, or what decay would make of them, are not normal
/// numbers any more, which are slow on some processors.
pub(super) const LEAST_GRADIENT: f32 = 1e-18;
const LEAST_SECOND: f32 = 1e-36;

/// No parameter goes beyond this, so that nothing overflows on the way forward, however long and
/// at whatever rate one learns.
const PARAMETER_MAX: f32 = 1024.0;

/// What a step does to parameters.
pub(super) struct Rule {
    pub beta1: f32,
    pub beta2: f32,
    /// What the gradient is multiplied by to cut its norm down.
    pub scale: f32,
    /// √(1 − β₂^t).
    pub correction: f32,
    /// What is left of a parameter after its decay.
    pub keep: f32,
    /// The rate, over 1 − β₁^t.
    pub step: f32,
}

impl Rule {
    /// Moves parameters, whose moments are `first` and `second`.
    pub fn apply(&self, parameters: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) {
        let moments = first.iter_mut().zip(second);
        for ((parameter, (m, v)), &g) in parameters.iter_mut().zip(moments).zip(gradient) {
            let g = least(g * self.scale, LEAST_GRADIENT);
            *m = least(self.beta1 * *m + (1.0 - self.beta1) * g, LEAST_GRADIENT);
            *v = least(self.beta2 * *v + ((1.0 - self.beta2) * g) * g, LEAST_SECOND);
            let denominator = v.sqrt() / self.correction + EPSILON;
            *parameter = bounded(*parameter * self.keep - (self.step * *m) / denominator);
        }
    }
}

/// A number, or 0 if it is smaller than `least`.
pub(super) fn least(x: f32, least: f32) -> f32 {
    if x.abs() < least { 0.0 } else { x }
}

/// A parameter, cut to what it may be.
pub(super) fn bounded(parameter: f32) -> f32 {
    let cut = if parameter > PARAMETER_MAX {
        PARAMETER_MAX
    } else {
        parameter
    };
    if cut < -PARAMETER_MAX { -PARAMETER_MAX } else { cut }
}

/// √Σg², in sixteen striped parts (element i goes to part i mod 16) whose halves are added.
pub(super) fn norm(gradient: &[f32]) -> f32 {
    let mut parts = [0.0f32; LANES];
    for row in gradient.as_chunks::<LANES>().0 {
        for (part, g) in parts.iter_mut().zip(row) {
            *part += g * g;
        }
    }
    in_halves(parts).sqrt()
}
