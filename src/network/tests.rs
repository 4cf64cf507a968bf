//! The kernels against the definition, bit for bit.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;
use crate::model::{GptConfig, Preset, Tensor};
use crate::simd::on_each_isa;

/// A checkpoint of random weights of a given spread.
pub(super) fn random_checkpoint(config: GptConfig, seed: u64, spread: f32) -> Checkpoint {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let tensors = config.tensor_shapes().into_iter().map(|(name, shape)| {
        let count = shape.iter().product();
        let values = (0..count).map(|_| (rng.next_u32() as i32 as f32 / i32::MAX as f32) * spread);
        (name, Tensor { values: values.collect(), shape })
    });
    let tensors: BTreeMap<_, _> = tensors.collect();
    Checkpoint::new(config, tensors).unwrap()
}

/// All rows of `lines` random token sequences: some behind the start symbol, whose first positions
/// a kernel may look up, and some behind any symbols.
fn rows(checkpoint: &Checkpoint, isa: Isa, lines: usize, seed: u64) -> Vec<u32> {
    let model = ExactModel::with_isa(checkpoint, isa).unwrap();
    let vocab = model.vocabulary().len() as u32;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut group = model.group(lines);
    let mut all = Vec::new();
    // More than once, so that what the first lines left behind would show.
    for behind_start in [true, false, true] {
        group.start(lines);
        for position in 0..checkpoint.config().block_size {
            let mut tokens: Vec<Token> = (0..lines).map(|_| (rng.next_u32() % vocab) as Token).collect();
            if behind_start && position == 0 {
                tokens.fill(model.vocabulary().start());
            }
            let cdfs = group.step(&tokens);
            (0..lines).for_each(|line| all.extend(cdfs.row(line).0));
        }
    }
    all
}

fn assert_all_agree(checkpoint: &Checkpoint, lines: usize) {
    let expected = rows(checkpoint, Isa::Scalar, lines, 5);
    on_each_isa(|isa| {
        assert!(rows(checkpoint, isa, lines, 5) == expected, "{isa} differs from the definition");
    });
}

#[test]
fn every_preset_agrees() {
    for (preset, lines) in [(Preset::Pico, 37), (Preset::Tiny, 64), (Preset::Nano, 20), (Preset::Micro, 3)] {
        let config = GptConfig::addition(preset, 28);
        assert_all_agree(&random_checkpoint(config, 1, 0.3), lines);
    }
}

#[test]
#[ignore = "slow: the largest preset by the scalar definition"]
fn mini_agrees() {
    assert_all_agree(&random_checkpoint(GptConfig::addition(Preset::Mini, 28), 1, 0.2), 17);
}

/// Widths that fill no vector, no chain and no tile; one head; a single position; many symbols.
#[test]
fn odd_shapes_agree() {
    let base = GptConfig::addition(Preset::Pico, 28);
    let many: String = (1..=255u8).filter(|&b| b != b'\n').map(char::from).collect();
    for (n_layer, n_head, n_embd, block_size, vocab) in [
        (1, 1, 1, 5, base.vocab.as_str()),
        (2, 3, 15, 9, base.vocab.as_str()),
        (1, 2, 22, 1, base.vocab.as_str()),
        (3, 5, 35, 30, "abse"),
        (2, 4, 16, 6, many.as_str()),
        (2, 2, 24, 256, "01se"),
    ] {
        let vocab_size = vocab.chars().count();
        let config = GptConfig {
            n_layer,
            n_head,
            n_embd,
            block_size,
            vocab_size,
            vocab: vocab.into(),
            ..base.clone()
        };
        assert_all_agree(&random_checkpoint(config, 2, 0.5), 19);
    }
}

/// Weights of zero, and as large as they may be: nothing overflows, every row is a distribution.
#[test]
fn extreme_weights_agree() {
    for spread in [0.0, 1e-30, 4.0, 12.0] {
        let checkpoint = random_checkpoint(GptConfig::addition(Preset::Pico, 12), 3, spread);
        assert_all_agree(&checkpoint, 16);
        for row in rows(&checkpoint, Isa::Scalar, 16, 5).chunks_exact(16) {
            assert!(row[0] == 0 && row[..15].windows(2).all(|w| w[0] < w[1]), "{row:?}");
            assert_eq!(row[14..], [1 << PRECISION; 2]);
        }
    }
    let config = GptConfig::addition(Preset::Pico, 12);
    assert!(ExactModel::with_isa(&random_checkpoint(config, 3, 1e6), Isa::Scalar).is_err());
}

/// A line's probabilities do not depend on the lines beside it.
#[test]
fn a_line_never_sees_its_neighbours() {
    let checkpoint = random_checkpoint(GptConfig::addition(Preset::Tiny, 28), 4, 0.3);
    let model = ExactModel::with_isa(&checkpoint, Isa::best()).unwrap();
    let tokens = |line: usize, position: usize| ((line * 7 + position * 3) % 14) as Token;
    let run = |lines: &[usize]| -> Vec<Vec<u32>> {
        let mut group = model.group(lines.len());
        group.start(lines.len());
        let step = |position| {
            let tokens: Vec<Token> = lines.iter().map(|&line| tokens(line, position)).collect();
            group.step(&tokens).row(0).0.to_vec()
        };
        (0..28).map(step).collect()
    };
    let alone = run(&[3]);
    assert_eq!(alone, run(&[3, 1, 2, 9, 8, 5, 6, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 0, 1]));
    assert_eq!(alone, run(&(3..67).collect::<Vec<_>>()));
}

/// The identity is a function of the weights.
#[test]
fn identity_follows_the_weights() {
    let identity = |seed, spread| {
        let checkpoint = random_checkpoint(GptConfig::addition(Preset::Pico, 28), seed, spread);
        ExactModel::with_isa(&checkpoint, Isa::Scalar).unwrap().identity()
    };
    assert_eq!(identity(1, 0.3), identity(1, 0.3));
    assert_ne!(identity(1, 0.3), identity(2, 0.3));
    assert_ne!(identity(1, 0.3), identity(1, 0.31));
}
