//! AdamW (Loshchilov and Hutter, 2019) with clipping by the global norm, in a written order.

use super::settings::Settings;
use super::shape::{Kind, Shape};
use crate::exact::LANES;

const EPSILON: f32 = 1e-8;

/// Smaller numbers become 0: their squares, or what decay would make of them, are not normal
/// numbers any more, which are slow on some processors.
const LEAST_GRADIENT: f32 = 1e-18;
const LEAST_SECOND: f32 = 1e-36;

/// No parameter goes beyond this, so that nothing overflows on the way forward, however long and
/// at whatever rate one learns.
const PARAMETER_MAX: f32 = 1024.0;

/// The optimiser's state: both moments of every parameter, and what is left of the first.
#[derive(Clone)]
pub(super) struct AdamW {
    first: Vec<f32>,
    second: Vec<f32>,
    /// β₁ and β₂ to the power of the number of steps, by repeated products.
    powers: [f64; 2],
}

/// What a step does to a parameter.
struct Rule {
    beta1: f32,
    beta2: f32,
    scale: f32,
    /// √(1 − β₂^t).
    correction: f32,
}

impl AdamW {
    /// Before the first step.
    pub fn new(parameters: usize) -> Self {
        Self {
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
            powers: [1.0; 2],
        }
    }

    /// A step at learning rate `rate`; the gradient's norm before clipping. None is taken where it
    /// is not finite.
    pub fn step(
        &mut self,
        settings: &Settings,
        shape: &Shape,
        rate: f64,
        parameters: &mut [f32],
        gradient: &[f32],
    ) -> f32 {
        let norm = norm(gradient);
        if !norm.is_finite() {
            return norm;
        }
        let (beta1, beta2) = (settings.beta1, settings.beta2);
        self.powers[0] *= f64::from(beta1);
        self.powers[1] *= f64::from(beta2);
        let rule = Rule {
            beta1,
            beta2,
            scale: if norm > settings.clip {
                settings.clip / norm
            } else {
                1.0
            },
            correction: (1.0 - self.powers[1]).sqrt() as f32,
        };
        let decayed = (1.0 - rate * f64::from(settings.weight_decay)) as f32;
        for tensor in shape.tensors() {
            let (keep, rate) = match tensor.kind {
                Kind::Matrix | Kind::Residual | Kind::Head => (decayed, rate),
                Kind::Gain | Kind::Bias => (1.0, rate),
                Kind::Tokens | Kind::Positions => (1.0, rate * f64::from(settings.embedding_rate)),
            };
            let step = (rate / (1.0 - self.powers[0])) as f32;
            let at = tensor.place;
            let moments = (&mut self.first[at.clone()], &mut self.second[at.clone()]);
            rule.apply([keep, step], &mut parameters[at.clone()], moments, &gradient[at]);
        }
        norm
    }
}

impl Rule {
    fn apply(
        &self,
        [keep, step]: [f32; 2],
        parameters: &mut [f32],
        (first, second): (&mut [f32], &mut [f32]),
        gradient: &[f32],
    ) {
        let least = |x: f32, least: f32| if x.abs() < least { 0.0 } else { x };
        let moments = first.iter_mut().zip(second);
        for ((parameter, (m, v)), &g) in parameters.iter_mut().zip(moments).zip(gradient) {
            let g = least(g * self.scale, LEAST_GRADIENT);
            *m = least(self.beta1 * *m + (1.0 - self.beta1) * g, LEAST_GRADIENT);
            *v = least(self.beta2 * *v + ((1.0 - self.beta2) * g) * g, LEAST_SECOND);
            let denominator = v.sqrt() / self.correction + EPSILON;
            let moved = *parameter * keep - (step * *m) / denominator;
            let cut = if moved > PARAMETER_MAX {
                PARAMETER_MAX
            } else {
                moved
            };
            *parameter = if cut < -PARAMETER_MAX { -PARAMETER_MAX } else { cut };
        }
    }
}

/// √Σg², in sixteen striped parts (element i goes to part i mod 16) whose halves are added.
fn norm(gradient: &[f32]) -> f32 {
    let mut parts = [0.0f32; LANES];
    for row in gradient.as_chunks::<LANES>().0 {
        for (part, g) in parts.iter_mut().zip(row) {
            *part += g * g;
        }
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            parts[i] += parts[i + half];
        }
    }
    parts[0].sqrt()
}
