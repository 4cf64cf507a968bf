//! Dropout (Srivastava et al., 2014), where minGPT has it: behind the embeddings, on the attention
//! weights, and behind the projections of attention and MLP into the residual stream.
//!
//! Masks come from a seeded generator of our own, whose position can be saved and restored:
//! candle's cannot be seeded on the CPU.

use candle_core::{Result, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

use crate::random::{Stream, generator};

/// Drops features at random, or none.
#[derive(Clone, Debug)]
pub struct Dropout {
    rate: f64,
    rng: ChaCha8Rng,
}

impl Dropout {
    /// Drops each feature with probability `rate` and scales those that stay by 1 / (1 − rate);
    /// 0 drops none.
    pub fn new(rate: f64, seed: u64) -> Self {
        let rng = generator(seed, Stream::Dropout);
        Self { rate, rng }
    }

    /// Drops nothing: for evaluation.
    pub fn none() -> Self {
        Self::new(0.0, 0)
    }

    /// How many 32-bit words of its stream were taken: where to go on later.
    pub fn position(&self) -> u128 {
        self.rng.get_word_pos()
    }

    /// Goes to where [`Dropout::position`] was taken.
    pub fn seek(&mut self, position: u128) {
        self.rng.set_word_pos(position);
    }

    fn is_off(&self) -> bool {
        self.rate == 0.0
    }

    pub(super) fn apply(&mut self, x: Tensor) -> Result<Tensor> {
        if self.is_off() {
            return Ok(x);
        }
        let threshold = (self.rate * 2f64.powi(32)) as u32;
        let kept = (1.0 / (1.0 - self.rate)) as f32;
        let mut draw = || {
            if self.rng.next_u32() < threshold { 0.0 } else { kept }
        };
        let mask: Vec<f32> = (0..x.elem_count()).map(|_| draw()).collect();
        x.mul(&Tensor::from_vec(mask, x.shape(), x.device())?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::*;

    fn ones() -> Tensor {
        Tensor::ones((100, 50), DType::F32, &Device::Cpu).unwrap()
    }

    fn values(x: Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn drops_its_share_and_keeps_the_mean() {
        let dropped = values(Dropout::new(0.1, 1).apply(ones()).unwrap());
        let zeros = dropped.iter().filter(|&&x| x == 0.0).count();
        // 500 expected; the standard deviation is 21.
        assert!(zeros.abs_diff(500) < 100, "{zeros}");
        assert!(dropped.iter().all(|&x| x == 0.0 || (x - 1.0 / 0.9).abs() < 1e-6));
        assert_eq!(values(Dropout::none().apply(ones()).unwrap()), values(ones()));
    }

    #[test]
    fn goes_on_where_it_was() {
        let mut dropout = Dropout::new(0.5, 7);
        let first = values(dropout.apply(ones()).unwrap());
        let mut later = Dropout::new(0.5, 7);
        later.seek(dropout.position());
        let second = values(dropout.apply(ones()).unwrap());
        assert_ne!(first, second);
        assert_eq!(values(later.apply(ones()).unwrap()), second);
    }
}
