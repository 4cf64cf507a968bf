//! A step: the gradient is cut to a norm, then the layers' matrices move by Muon, all else by AdamW.

use super::adamw::{self, norm};
use super::muon::{self, Muon};
use super::settings::Settings;
use super::shape::{Kind, Shape};
use crate::network::Isa;

/// Takes the steps.
pub(super) struct Optimiser {
    shape: Shape,
    muon: Muon,
}

/// What is remembered from step to step.
#[derive(Clone)]
pub(super) struct Moments {
    /// The gradients' mean, of every parameter.
    first: Vec<f32>,
    /// Their squares' mean; unused where Muon moves.
    second: Vec<f32>,
    /// AdamW's β₁ and β₂ to the power of the number of steps, by repeated products.
    powers: [f64; 2],
}

impl Moments {
    /// Before the first step.
    pub fn new(parameters: usize) -> Self {
        Self {
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
            powers: [1.0; 2],
        }
    }
}

impl Optimiser {
    /// For a shape, computing by an instruction set.
    pub fn new(shape: &Shape, isa: Isa) -> Self {
        Self {
            shape: *shape,
            muon: Muon::new(shape, isa),
        }
    }

    /// A step at learning rate `rate`; the gradient's norm before it was cut. None is taken where it
    /// is not finite. To be called on the learner's own threads.
    pub fn step(
        &mut self,
        settings: &Settings,
        rate: f64,
        moments: &mut Moments,
        parameters: &mut [f32],
        gradient: &[f32],
    ) -> f32 {
        let norm = norm(gradient);
        if !norm.is_finite() {
            return norm;
        }
        let (beta1, beta2) = (settings.beta1, settings.beta2);
        let Moments {
            first,
            second,
            powers,
        } = moments;
        powers[0] *= f64::from(beta1);
        powers[1] *= f64::from(beta2);
        let scale = if norm > settings.clip {
            settings.clip / norm
        } else {
            1.0
        };
        let decay = f64::from(settings.weight_decay);
        let matrix_rate = rate * f64::from(settings.matrix_rate);
        let rule = muon::Rule {
            scale,
            rate: matrix_rate,
            keep: (1.0 - matrix_rate * decay) as f32,
        };
        self.muon.step(settings, &rule, parameters, first, gradient);
        for tensor in self.shape.tensors() {
            let (keep, rate) = match tensor.kind {
                Kind::Matrix | Kind::Residual => continue,
                Kind::Head => ((1.0 - rate * decay) as f32, rate),
                Kind::Gain | Kind::Bias => (1.0, rate),
                Kind::Tokens | Kind::Positions => (1.0, rate * f64::from(settings.embedding_rate)),
            };
            let rule = adamw::Rule {
                beta1,
                beta2,
                scale,
                correction: (1.0 - powers[1]).sqrt() as f32,
                keep,
                step: (rate / (1.0 - powers[0])) as f32,
            };
            let at = tensor.place;
            rule.apply(
                &mut parameters[at.clone()],
                &mut first[at.clone()],
                &mut second[at.clone()],
                &gradient[at],
            );
        }
        norm
    }
}
