//! AdamW (Loshchilov and Hutter, 2019) with clipping by the global norm.
//!
//! Our own because candle's hides its moments, clips nothing, decays everything and passes over
//! a variable without a gradient in silence.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, Var};

use super::gradient::Gradients;
use crate::gpt::Gpt;
use crate::model;

const EPSILON: f32 = 1e-8;

/// The optimiser's state: first and second moment of every variable, and the number of steps.
pub struct AdamW {
    beta1: f64,
    beta2: f64,
    weight_decay: f64,
    steps: i32,
    moments: BTreeMap<String, Moments>,
}

/// Moments by the name of their variable.
type Tensors = BTreeMap<String, model::Tensor>;

struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
    decays: bool,
}

impl AdamW {
    /// An optimiser for all variables of a network. Weight decay is for the matrices of linear
    /// layers alone, as in minGPT: not for biases, LayerNorms and embeddings.
    pub fn new(gpt: &Gpt, beta1: f64, beta2: f64, weight_decay: f64) -> Self {
        let moments = gpt.vars().iter().map(|(name, var)| {
            let zeros = vec![0.0; var.elem_count()];
            let decays = var.dims().len() == 2 && !name.contains(".wte.") && !name.contains(".wpe.");
            (
                name.clone(),
                Moments {
                    first: zeros.clone(),
                    second: zeros,
                    decays,
                },
            )
        });
        Self {
            beta1,
            beta2,
            weight_decay,
            steps: 0,
            moments: moments.collect(),
        }
    }

    /// Steps taken, and the first and second moments of every variable.
    pub(super) fn state(&self, gpt: &Gpt) -> (i32, Tensors, Tensors) {
        let tensors = |values: fn(&Moments) -> &Vec<f32>| {
            let tensor = |((name, moments), var): ((&String, &Moments), &Var)| {
                let (shape, values) = (var.dims().to_vec(), values(moments).clone());
                (name.clone(), model::Tensor { shape, values })
            };
            self.moments.iter().zip(gpt.vars().values()).map(tensor).collect()
        };
        (self.steps, tensors(|m| &m.first), tensors(|m| &m.second))
    }

    /// Goes back to a state that [`AdamW::state`] gave.
    ///
    /// # Errors
    /// [`crate::Error::Training`] if it is that of other variables.
    pub(super) fn restore(&mut self, steps: i32, first: &Tensors, second: &Tensors) -> crate::Result<()> {
        self.steps = steps;
        for (name, moments) in &mut self.moments {
            for (to, from) in [(&mut moments.first, first), (&mut moments.second, second)] {
                match from.get(name).filter(|from| from.values.len() == to.len()) {
                    Some(from) => to.copy_from_slice(&from.values),
                    None => {
                        let what = format!("the state has no moments of '{name}'");
                        return Err(crate::Error::Training(what));
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes one step at learning rate `rate` and returns the gradient's global norm, which is
    /// cut down to `clip` beforehand where it is larger. Where it is not finite no step is taken.
    ///
    /// # Errors
    /// Whatever candle reports.
    pub fn step(&mut self, gpt: &Gpt, gradients: &Gradients, rate: f64, clip: f64) -> Result<f64> {
        let all = gradients.values().flatten();
        let squares = all.map(|&g| f64::from(g) * f64::from(g));
        let norm = squares.sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Ok(norm);
        }
        let scale = if norm > clip { clip / norm } else { 1.0 } as f32;

        self.steps += 1;
        let (beta1, beta2) = (self.beta1 as f32, self.beta2 as f32);
        let correction1 = 1.0 - self.beta1.powi(self.steps);
        let correction2 = (1.0 - self.beta2.powi(self.steps)).sqrt();
        let step_size = (rate / correction1) as f32;
        let variables = gpt.vars().values().zip(self.moments.values_mut());
        for ((var, moments), gradient) in variables.zip(gradients.values()) {
            let keep = if moments.decays {
                1.0 - rate * self.weight_decay
            } else {
                1.0
            } as f32;
            let mut values = var.flatten_all()?.to_vec1::<f32>()?;
            let state = moments.first.iter_mut().zip(&mut moments.second);
            for ((value, (m, v)), g) in values.iter_mut().zip(state).zip(gradient) {
                let g = g * scale;
                *m = beta1 * *m + (1.0 - beta1) * g;
                *v = beta2 * *v + (1.0 - beta2) * g * g;
                let denominator = v.sqrt() / correction2 as f32 + EPSILON;
                *value = *value * keep - step_size * *m / denominator;
            }
            var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
        }
        Ok(norm)
    }
}
