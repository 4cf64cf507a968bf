//! Dropout (Srivastava et al., 2014), where minGPT has it: behind the embeddings, on the attention
//! weights, and behind the projections of attention and MLP into the residual stream.
//!
//! Masks come from a seeded generator of our own, whose position can be saved and restored:
//! candle's cannot be seeded on the CPU.

use candle_core::{DType, Result, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use rayon::prelude::*;

use crate::random::{Stream, generator};

/// Elements of a mask that a thread draws at a time.
const DRAWN_AT_A_TIME: usize = 1 << 16;

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

    pub(super) fn apply(&mut self, x: Tensor) -> Result<Tensor> {
        if self.rate == 0.0 {
            return Ok(x);
        }
        let threshold = (self.rate * 2f64.powi(32)) as u32;
        // A word of the stream for each element, whichever thread draws it.
        let (first, elements) = (self.rng.get_word_pos(), x.elem_count());
        let mut is_kept = vec![0u8; elements];
        is_kept.par_chunks_mut(DRAWN_AT_A_TIME).enumerate().for_each(|(chunk, is_kept)| {
            let mut rng = self.rng.clone();
            rng.set_word_pos(first + (chunk * DRAWN_AT_A_TIME) as u128);
            is_kept.fill_with(|| u8::from(rng.next_u32() >= threshold));
        });
        self.rng.set_word_pos(first + elements as u128);
        // Bytes, for a GPU's sake: masks are most of what a step sends there.
        let mask = Tensor::from_vec(is_kept, x.shape(), x.device())?.to_dtype(DType::F32)?;
        x.mul(&mask.affine(1.0 / (1.0 - self.rate), 0.0)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

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
    fn a_mask_is_the_stream_in_its_order() {
        let elements = 2 * DRAWN_AT_A_TIME + 3;
        let x = Tensor::ones(elements, DType::F32, &Device::Cpu).unwrap();
        let mut stream = generator(3, Stream::Dropout);
        let mut expected = || if stream.next_u32() < 1 << 30 { 0.0 } else { 1.0 / 0.75 };
        let mut dropout = Dropout::new(0.25, 3);
        for _ in 0..2 {
            let mask = values(dropout.apply(x.clone()).unwrap());
            assert_eq!(mask, std::iter::repeat_with(&mut expected).take(elements).collect::<Vec<f32>>());
        }
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
