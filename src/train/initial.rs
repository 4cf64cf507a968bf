//! Weights before training.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::model::{Checkpoint, GptConfig, Tensor};
use crate::random::{Stream, generator};

/// Weights drawn as GPT-2 draws them: matrices and embeddings from N(0, 0.02),
/// projections into the residual stream from N(0, 0.02/√(2·layers)), biases 0, LayerNorm gains 1.
pub fn initial_weights(config: &GptConfig, seed: u64) -> Checkpoint {
    let mut rng = generator(seed, Stream::InitialWeights);
    let residual_deviation = 0.02 / (2.0 * config.n_layer as f64).sqrt();
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let count = shape.iter().product();
        let values = if name.ends_with(".bias") {
            vec![0.0; count]
        } else if name.contains(".ln_") {
            vec![1.0; count]
        } else if name.ends_with(".c_proj.weight") {
            normal(&mut rng, residual_deviation, count)
        } else {
            normal(&mut rng, 0.02, count)
        };
        (name, Tensor { shape, values })
    };
    let tensors = config.tensor_shapes().into_iter().map(tensor).collect();
    Checkpoint::new(config.clone(), tensors).expect("the config's tensors, all finite")
}

/// `count` draws from N(0, deviation) by Box and Muller's transform.
pub(crate) fn normal(rng: &mut ChaCha8Rng, deviation: f64, count: usize) -> Vec<f32> {
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let draw = |_| {
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        (deviation * radius * (std::f64::consts::TAU * uniform()).cos()) as f32
    };
    (0..count).map(draw).collect()
}
