//! The optimisers, on slices of one flat row of parameters ([`super::layout`]): AdamW for all, or Muon for
//! the layers' matrices and AdamW for the rest, both behind clipping by the gradient's norm.
//!
//! - AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.
//! - Muon: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. A matrix moves
//!   along the orthogonal matrix that is nearest to its gradients' mean: AdamW scales every entry by
//!   itself, and a matrix whose gradient is dominated by few directions moves in little else; here
//!   all directions count alike, which makes the plateau before sums emerge shorter (`docs/learning.md`).
//! - Clipping: Pascanu et al., "On the difficulty of training recurrent neural networks", ICML 2013.
//!
//! `compress --learn` and `train` take the same steps in two [`Arithmetic`]s: archives depend on every bit
//! of the one, seeded runs on every bit of the other.

use rayon::prelude::*;

use super::kernel::{self, OrthogonalScratch};
use super::layout::{Kind, LayerMatrix, TensorPlace};
use super::scalar;
use crate::model::Shape;
use crate::network::Isa;
use crate::simd::math::tree_sum;
use crate::simd::{LANES, Vector, floats_mut};

const ADAM_EPSILON: f32 = 1e-8;

/// What the norm of a matrix's step is at least divided by.
const MUON_EPSILON: f32 = 1e-12;

/// What is asked of the optimiser.
#[derive(Clone, Debug)]
pub(crate) struct OptimiserSettings {
    /// Decay of the gradient's mean.
    pub beta1: f64,
    /// Decay of its squares' mean.
    pub beta2: f64,
    /// Decay of the matrices of linear layers, times the rate; not of biases, LayerNorms and embeddings
    /// (as minGPT has it).
    pub weight_decay: f64,
    /// The gradient's norm is cut down to this.
    pub clip: f64,
    /// The embeddings' learning rate is so many times that of all else.
    pub embedding_rate: f64,
    /// What moves the layers' matrices; AdamW if none.
    pub muon: Option<MuonSettings>,
    pub arithmetic: Arithmetic,
}

/// What is asked of Muon.
#[derive(Clone, Debug)]
pub(crate) struct MuonSettings {
    /// The matrices' learning rate is so many times that of all else.
    pub rate: f64,
    /// Decay of their gradients' mean.
    pub beta: f32,
}

/// How a step is computed where the definition of learning (`docs/learning.md`) and training differ.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arithmetic {
    /// The definition: the norm in binary32 in sixteen striped parts, powers of β by repeated products,
    /// numbers too small to be normal become 0, and parameters stay within ±1024.
    Learner,
    /// The norm in binary64 from tensor to tensor by name, powers of β by `powi`, no limits.
    Training,
}

impl Arithmetic {
    fn limits(self) -> Limits {
        match self {
            Self::Learner => Limits { gradient: 1e-18, second: 1e-36, parameter: 1024.0 },
            Self::Training => Limits { gradient: 0.0, second: 0.0, parameter: f32::INFINITY },
        }
    }
}

/// What numbers may be. Squares of smaller ones, or what decay would make of them, are not normal numbers,
/// which are slow on some processors; larger parameters could overflow on the way forward.
#[derive(Clone, Copy)]
struct Limits {
    /// Smaller gradients, and means of them, become 0.
    gradient: f32,
    /// Smaller means of squares become 0.
    second: f32,
    /// No parameter's magnitude is larger.
    parameter: f32,
}

/// What is remembered from step to step.
#[derive(Clone)]
pub(crate) struct Moments {
    /// The gradients' mean, of every parameter.
    pub first: Vec<f32>,
    /// Their squares' mean; unused where Muon moves.
    pub second: Vec<f32>,
    /// Steps taken.
    pub steps: i32,
    /// β₁ and β₂ to the power of the number of steps.
    powers: [f64; 2],
}

impl Moments {
    /// Before the first step.
    pub fn new(parameters: usize) -> Self {
        Self::after(0, vec![0.0; parameters], vec![0.0; parameters])
    }

    /// After some steps in [`Arithmetic::Training`].
    pub fn after(steps: i32, first: Vec<f32>, second: Vec<f32>) -> Self {
        Self { first, second, steps, powers: [1.0; 2] }
    }

    fn count(&mut self, betas: [f64; 2], arithmetic: Arithmetic) {
        self.steps += 1;
        self.powers = match arithmetic {
            Arithmetic::Learner => [0, 1].map(|i| self.powers[i] * betas[i]),
            Arithmetic::Training => betas.map(|beta| beta.powi(self.steps)),
        };
    }
}

pub(crate) struct Optimiser {
    settings: OptimiserSettings,
    shape: Shape,
    /// In the order of their names.
    tensors: Vec<TensorPlace>,
    muon: Option<Muon>,
}

impl Optimiser {
    /// For parameters of a shape; Muon computes by an instruction set.
    pub fn new(shape: &Shape, settings: OptimiserSettings, isa: Isa) -> Self {
        let mut tensors = shape.tensors();
        tensors.sort_by(|a, b| a.name.cmp(&b.name));
        let muon = settings.muon.clone().map(|muon| Muon::new(shape, muon, isa));
        Self { settings, shape: *shape, tensors, muon }
    }

    /// A step at learning rate `rate`; the gradient's norm before it was cut. None is taken where it
    /// is not finite. Runs on the threads of the rayon pool that it is called in.
    pub fn step(
        &mut self,
        rate: f64,
        moments: &mut Moments,
        parameters: &mut [f32],
        gradient: &[f32],
    ) -> f64 {
        let settings = &self.settings;
        let (norm, scale) = self.norm_and_scale(gradient);
        if !norm.is_finite() {
            return norm;
        }
        moments.count([settings.beta1, settings.beta2], settings.arithmetic);
        let limits = settings.arithmetic.limits();
        let kept = |rate: f64| (1.0 - rate * settings.weight_decay) as f32;
        if let Some(muon) = &mut self.muon {
            let rate = rate * muon.settings.rate;
            let step =
                MuonStep { beta: muon.settings.beta, rate, scale, keep: kept(rate), limits, isa: muon.isa };
            muon.step(&step, parameters, &mut moments.first, gradient);
        }
        for tensor in &self.tensors {
            let (keep, rate) = match tensor.kind {
                Kind::Matrix | Kind::Residual if self.muon.is_some() => continue,
                Kind::Matrix | Kind::Residual | Kind::Head => (kept(rate), rate),
                Kind::Gain | Kind::Bias => (1.0, rate),
                Kind::Tokens | Kind::Positions => (1.0, rate * settings.embedding_rate),
            };
            let [power1, power2] = moments.powers;
            let step = AdamStep {
                beta1: settings.beta1 as f32,
                beta2: settings.beta2 as f32,
                scale,
                correction: (1.0 - power2).sqrt() as f32,
                keep,
                step: (rate / (1.0 - power1)) as f32,
                limits,
            };
            let at = tensor.place.clone();
            step.apply(
                &mut parameters[at.clone()],
                &mut moments.first[at.clone()],
                &mut moments.second[at.clone()],
                &gradient[at],
            );
        }
        norm
    }

    /// The gradient's norm, and what the gradient is multiplied by to cut it down.
    fn norm_and_scale(&self, gradient: &[f32]) -> (f64, f32) {
        match self.settings.arithmetic {
            Arithmetic::Learner => {
                let (norm, clip) = (striped_norm(gradient), self.settings.clip as f32);
                (norm.into(), if norm > clip { clip / norm } else { 1.0 })
            }
            Arithmetic::Training => {
                let squares = |sum: f64, tensor: &TensorPlace| {
                    let values = self.shape.in_model_order(tensor, gradient);
                    values.iter().fold(sum, |sum, &g| sum + f64::from(g) * f64::from(g))
                };
                let norm = self.tensors.iter().fold(0.0, squares).sqrt();
                let clip = self.settings.clip;
                (norm, if norm > clip { clip / norm } else { 1.0 } as f32)
            }
        }
    }
}

struct AdamStep {
    beta1: f32,
    beta2: f32,
    /// What the gradient is multiplied by to cut its norm down.
    scale: f32,
    /// √(1 − β₂^t).
    correction: f32,
    /// What is left of a parameter after its decay.
    keep: f32,
    /// The rate, over 1 − β₁^t.
    step: f32,
    limits: Limits,
}

impl AdamStep {
    /// Moves parameters, whose moments are `first` and `second`.
    fn apply(&self, parameters: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]) {
        let Limits { gradient: least, second: least_second, parameter: most } = self.limits;
        let moments = first.iter_mut().zip(second);
        for ((parameter, (m, v)), &g) in parameters.iter_mut().zip(moments).zip(gradient) {
            let g = flush_tiny(g * self.scale, least);
            *m = flush_tiny(self.beta1 * *m + (1.0 - self.beta1) * g, least);
            *v = flush_tiny(self.beta2 * *v + ((1.0 - self.beta2) * g) * g, least_second);
            let denominator = v.sqrt() / self.correction + ADAM_EPSILON;
            *parameter = bounded(*parameter * self.keep - (self.step * *m) / denominator, most);
        }
    }
}

struct Muon {
    settings: MuonSettings,
    matrices: Vec<(LayerMatrix, MuonRoom)>,
    isa: Isa,
}

struct MuonRoom {
    x: Vec<Vector>,
    products: OrthogonalScratch,
}

struct MuonStep {
    /// Decay of the gradients' mean.
    beta: f32,
    rate: f64,
    /// What the gradient is multiplied by to cut its norm down.
    scale: f32,
    /// What is left of a weight after its decay.
    keep: f32,
    limits: Limits,
    isa: Isa,
}

/// A matrix, its mean gradient, its gradient, and room for its step.
struct MuonTask<'a> {
    matrix: &'a LayerMatrix,
    parameters: &'a mut [f32],
    mean: &'a mut [f32],
    gradient: &'a [f32],
    room: &'a mut MuonRoom,
}

impl Muon {
    fn new(shape: &Shape, settings: MuonSettings, isa: Isa) -> Self {
        let with_room = |matrix: LayerMatrix| {
            let len = matrix.place.len();
            let room = MuonRoom {
                x: vec![Vector::ZERO; len / LANES],
                products: OrthogonalScratch::new(len / shape.width, shape.width),
            };
            (matrix, room)
        };
        Self { settings, matrices: shape.layer_matrices().into_iter().map(with_room).collect(), isa }
    }

    /// Moves all matrices, each on one thread.
    fn step(&mut self, step: &MuonStep, parameters: &mut [f32], means: &mut [f32], gradient: &[f32]) {
        let (mut at, mut parameters, mut means) = (0, parameters, means);
        let mut tasks = Vec::new();
        for (matrix, room) in &mut self.matrices {
            let place = matrix.place.clone();
            let (matrix_parameters, parameters_left) = parameters.split_at_mut(place.end - at);
            let (mean, means_left) = means.split_at_mut(place.end - at);
            tasks.push(MuonTask {
                matrix,
                parameters: &mut matrix_parameters[place.start - at..],
                mean: &mut mean[place.start - at..],
                gradient: &gradient[place.clone()],
                room,
            });
            (at, parameters, means) = (place.end, parameters_left, means_left);
        }
        tasks.into_par_iter().for_each(|task| task.run(step));
    }
}

impl MuonTask<'_> {
    fn run(self, step: &MuonStep) {
        let MuonRoom { x: vectors, products } = self.room;
        let (beta, limits) = (step.beta, step.limits);
        let x = floats_mut(vectors);
        for ((x, mean), g) in x.iter_mut().zip(self.mean).zip(self.gradient) {
            let g = (1.0 - beta) * flush_tiny(g * step.scale, limits.gradient);
            *mean = flush_tiny(beta * *mean + g, limits.gradient);
            // Nesterov's: where the mean will be after another such gradient.
            *x = beta * *mean + g;
        }
        let share = 1.0 / (striped_norm(x) + MUON_EPSILON);
        x.iter_mut().for_each(|x| *x *= share);
        match step.isa {
            Isa::Scalar => scalar::orthogonalise(x, self.matrix.width),
            isa => kernel::orthogonalise(isa, vectors, products),
        }
        let rate = (step.rate * self.matrix.rate_factor()) as f32;
        for (parameter, x) in self.parameters.iter_mut().zip(floats_mut(vectors)) {
            *parameter = bounded(*parameter * step.keep - rate * *x, limits.parameter);
        }
    }
}

/// A number, or 0 if its magnitude is below `least`.
fn flush_tiny(x: f32, least: f32) -> f32 {
    if x.abs() < least { 0.0 } else { x }
}

/// A parameter, cut to a magnitude of at most `most`.
fn bounded(parameter: f32, most: f32) -> f32 {
    let cut = if parameter > most { most } else { parameter };
    if cut < -most { -most } else { cut }
}

/// √Σg², in sixteen striped parts (element i goes to part i mod 16) whose halves are added.
fn striped_norm(gradient: &[f32]) -> f32 {
    let mut parts = [0.0f32; LANES];
    for row in gradient.as_chunks::<LANES>().0 {
        for (part, g) in parts.iter_mut().zip(row) {
            *part += g * g;
        }
    }
    tree_sum(parts).sqrt()
}
