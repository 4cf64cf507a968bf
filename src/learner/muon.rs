//! Muon (Jordan et al., 2024): the matrices of the layers move along the orthogonal matrix that is
//! nearest to their gradients' mean.
//!
//! AdamW scales every entry by itself; a matrix whose gradient is dominated by few directions then
//! moves in little else. Here all directions of a gradient count alike, and that makes
//! the plateau before the sums emerge shorter (`docs/learning.md`).

use rayon::prelude::*;

use super::adamw::{LEAST_GRADIENT, bounded, least, norm};
use super::kernel::{self, OrthogonalRoom, floats_mut};
use super::scalar;
use super::settings::Settings;
use super::shape::{LayerMatrix, Shape};
use crate::network::Isa;
use crate::simd::{LANES, Vector};

/// What a norm is at least divided by.
const EPSILON: f32 = 1e-12;

/// A matrix of a layer, its mean gradient, and room for its step.
struct Task<'a> {
    matrix: LayerMatrix,
    parameters: &'a mut [f32],
    mean: &'a mut [f32],
    gradient: &'a [f32],
    step: &'a mut Step,
}

/// Room for a matrix's step.
pub(super) struct Step {
    x: Vec<Vector>,
    room: OrthogonalRoom,
}

/// The optimiser of the layers' matrices.
pub(super) struct Muon {
    matrices: Vec<LayerMatrix>,
    steps: Vec<Step>,
    isa: Isa,
}

/// What a step does to all matrices.
pub(super) struct Rule {
    /// What the gradient is multiplied by to cut its norm down.
    pub scale: f32,
    /// The learning rate.
    pub rate: f64,
    /// What is left of a weight after its decay.
    pub keep: f32,
}

impl Muon {
    /// For the matrices of a shape.
    pub fn new(shape: &Shape, isa: Isa) -> Self {
        let matrices = shape.layer_matrices();
        let step = |matrix: &LayerMatrix| Step {
            x: vec![Vector::ZERO; matrix.place.len() / LANES],
            room: OrthogonalRoom::new(matrix.place.len() / shape.width, shape.width),
        };
        Self {
            steps: matrices.iter().map(step).collect(),
            matrices,
            isa,
        }
    }

    /// A step of all matrices; they, their gradients and the means of these stand in flat rows as
    /// [`Shape`] says. On the threads of the caller's pool: a matrix is one thread's.
    pub fn step(
        &mut self,
        settings: &Settings,
        rule: &Rule,
        parameters: &mut [f32],
        means: &mut [f32],
        gradient: &[f32],
    ) {
        let (mut at, mut parameters, mut means) = (0, parameters, means);
        let mut tasks = Vec::new();
        for (matrix, step) in self.matrices.iter().zip(&mut self.steps) {
            let place = matrix.place.clone();
            let (mine, rest) = parameters.split_at_mut(place.end - at);
            let (mean, means_left) = means.split_at_mut(place.end - at);
            tasks.push(Task {
                matrix: matrix.clone(),
                parameters: &mut mine[place.start - at..],
                mean: &mut mean[place.start - at..],
                gradient: &gradient[place.clone()],
                step,
            });
            (at, parameters, means) = (place.end, rest, means_left);
        }
        let isa = self.isa;
        tasks
            .into_par_iter()
            .for_each(|task| task.run(settings, rule, isa));
    }
}

impl Task<'_> {
    fn run(self, settings: &Settings, rule: &Rule, isa: Isa) {
        let x = floats_mut(&mut self.step.x);
        let beta = settings.matrix_beta;
        for ((x, mean), g) in x.iter_mut().zip(self.mean).zip(self.gradient) {
            let g = (1.0 - beta) * least(g * rule.scale, LEAST_GRADIENT);
            *mean = least(beta * *mean + g, LEAST_GRADIENT);
            // Nesterov's: where the mean will be after another such gradient.
            *x = beta * *mean + g;
        }
        let share = 1.0 / (norm(x) + EPSILON);
        x.iter_mut().for_each(|x| *x *= share);
        match isa {
            Isa::Scalar => scalar::orthogonalise(x, self.matrix.width),
            isa => kernel::orthogonalise(isa, &mut self.step.x, &mut self.step.room),
        }
        let step = (rule.rate * self.matrix.rate_factor()) as f32;
        for (parameter, x) in self.parameters.iter_mut().zip(floats_mut(&mut self.step.x)) {
            *parameter = bounded(*parameter * rule.keep - step * *x);
        }
    }
}
