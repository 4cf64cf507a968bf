//! Where everything that is drawn comes from: ChaCha8, whose output is the same everywhere and for ever.
//!
//! The key is a seed's eight bytes, little-endian, followed by zeros; what is drawn for is the stream
//! (the nonce), so that uses of one seed never share numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What numbers are drawn for.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "candle"), expect(dead_code, reason = "some are for training"))]
pub(crate) enum Stream {
    /// Lines of a corpus.
    Corpus,
    /// Lines that a training learns from.
    Training,
    /// Lines that a training is measured on.
    Validation,
    /// A training's initial weights.
    InitialWeights,
    /// Dropout's masks.
    Dropout,
    /// A learner's initial weights.
    LearnerWeights,
    /// A learner's lines that are learned from again.
    Replay,
    /// The order of a text file's lines in an epoch.
    Epoch(u64),
}

impl Stream {
    /// The number, never to be changed: corpora, learners' archives and runs depend on it.
    fn number(self) -> u64 {
        match self {
            Self::Corpus => 0,
            Self::Training => 1,
            Self::Validation => 2,
            Self::InitialWeights => 3,
            Self::Dropout => 4,
            Self::LearnerWeights => 5,
            Self::Replay => 6,
            Self::Epoch(epoch) => (1 << 32) + epoch,
        }
    }
}

/// The generator of a stream.
pub(crate) fn generator(seed: u64, stream: Stream) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(stream.number());
    rng
}

/// A number below `n`: the high half of word × n. The bias is below n / 2^64.
pub(crate) fn below(rng: &mut ChaCha8Rng, n: u64) -> u64 {
    (product(rng, n) >> 64) as u64
}

/// As [`below`] without bias: another word is taken whenever the low half falls among the 2^64 mod n
/// values that would favour some results (D. Lemire, "Fast Random Integer Generation in an Interval",
/// 2019).
pub(crate) fn below_unbiased(rng: &mut ChaCha8Rng, n: u64) -> u64 {
    loop {
        let product = product(rng, n);
        if product as u64 >= n.wrapping_neg() % n {
            return (product >> 64) as u64;
        }
    }
}

fn product(rng: &mut ChaCha8Rng, n: u64) -> u128 {
    u128::from(rng.next_u64()) * u128::from(n)
}
