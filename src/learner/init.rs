//! A network that knows nothing, drawn from a seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use super::layout::Kind;
use super::settings::LearnerSettings;
use crate::model::Shape;
use crate::random::{Stream, generator};
use crate::simd::{LANES, Vector, floats_mut};

/// Initial parameters: matrices and embeddings with the settings' deviations, residual projections
/// divided by √(2·layers), gains 1, biases 0.
pub(super) fn parameters(settings: &LearnerSettings, shape: &Shape) -> Vec<Vector> {
    let mut rng = generator(settings.seed, Stream::LearnerWeights);
    let mut parameters = vec![Vector::ZERO; shape.places().len / LANES];
    let all = floats_mut(&mut parameters);
    for tensor in shape.tensors() {
        let values = &mut all[tensor.place];
        let deviation = match tensor.kind {
            Kind::Tokens => settings.token_deviation,
            Kind::Positions => settings.position_deviation,
            Kind::Matrix => settings.matrix_deviation,
            Kind::Head => settings.head_deviation,
            Kind::Residual => settings.matrix_deviation / (2.0 * shape.layers as f32).sqrt(),
            Kind::Gain => {
                values.fill(1.0);
                continue;
            }
            Kind::Bias => continue,
        };
        values.iter_mut().for_each(|v| *v = normal(&mut rng) * deviation);
    }
    parameters
}

/// A draw that is nearly normal, of deviation 1: the sum of twelve uniform 16-bit numbers, less its
/// mean. Made of integers and one exact product.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let mut sum = 0i32;
    for _ in 0..3 {
        let word = rng.next_u64();
        sum += (0..4).map(|i| (word >> (16 * i) & 0xffff) as i32).sum::<i32>();
    }
    (sum - 6 * 65_535) as f32 * (1.0 / 65_536.0)
}
