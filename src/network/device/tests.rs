//! The kernels and their host against the definition: on a GPU, or on the CPU behind a driver that the tests compile.

use std::sync::OnceLock;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use surprisal_cuda::{Gpu, KnownLines, Steps, TILE_LINES};

use crate::Error;
use crate::model::{Checkpoint, GptConfig, Preset};
use crate::network::parameters::{PRECISION, Parameters};
use crate::network::tests::random_checkpoint;
use crate::network::{quantize, scalar};
use crate::text::Token;

#[path = "../../../crates/surprisal-cuda/tests/stand_in/mod.rs"]
mod stand_in;

/// Tiles of lines in a run.
const TILES: usize = 3;

/// The kernels' GELU keeps its Horner steps in 32 bits: none of them leaves 16, whatever goes in.
#[test]
fn gelu_stays_in_16_bits() {
    use crate::network::math::gelu;
    for places in gelu::FRACTION_BITS {
        let [first, rest @ ..] = gelu::coefficients(places).map(i32::from);
        for u in 0..=i32::from(gelu::clamp(places)) {
            let v = u << (13 - places);
            rest.iter().fold(first, |h, c| {
                let next = (h * v + (c << 15) + (1 << 14)) >> 15;
                assert!(i16::try_from(next).is_ok() && i16::try_from(next - c).is_ok());
                next
            });
        }
    }
}

/// The GPU of this machine, or what stands in for it; none without a C++ compiler. It says which.
pub(crate) fn gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    let open = || {
        let gpu = Gpu::open(0).or_else(|error| {
            println!("NOT TESTED on a CUDA device: {error}; the CPU stands in");
            stand_in::load().map(|_| Gpu::open(0).unwrap()).ok_or(error)
        });
        let gpu = gpu.ok()?;
        println!("the kernels run on {}", gpu.name());
        Some(gpu)
    };
    GPU.get_or_init(open).as_ref()
}

/// Compares both kernels with the definition over random tokens.
fn assert_kernels_agree(checkpoint: &Checkpoint, tiles: usize, seed: u64) {
    let Some(gpu) = gpu() else {
        return;
    };
    let parameters = quantize::quantize(checkpoint).unwrap();
    let (block, vocab) = (parameters.shape.block_size, parameters.shape.vocab as u32);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut line = || -> Vec<Token> { (0..=block).map(|_| (rng.next_u32() % vocab) as Token).collect() };
    let lines: Vec<Vec<Token>> = (0..tiles * TILE_LINES).map(|_| line()).collect();
    let expected: Vec<Vec<Vec<u32>>> = lines.iter().map(|line| definition(&parameters, line)).collect();

    let group = 3 * TILE_LINES; // the last one may lack tiles
    let mut known = KnownLines::new(gpu, &parameters.network(), tiles.div_ceil(3), group).unwrap();
    known.launch(lines.iter().map(|line| line.iter().copied())).unwrap();
    known.wait().unwrap();
    for (line, tokens) in lines.iter().enumerate() {
        for (position, row) in expected[line].iter().enumerate() {
            let next = usize::from(tokens[position + 1]);
            let right = row.get(next + 1).copied().unwrap_or(1 << PRECISION);
            let slot = [row[next], right - row[next]];
            let found = known.group_slots(line / group, position)[line % group];
            assert_eq!(found, slot, "line {line}, position {position}");
        }
    }

    // The first group stays idle.
    let mut steps = Steps::new(gpu, &parameters.network(), tiles + 1, TILE_LINES).unwrap();
    for position in 0..block {
        for (tile, lines) in lines.chunks_exact(TILE_LINES).enumerate() {
            let tokens: Vec<Token> = lines.iter().map(|line| line[position]).collect();
            steps.set(tile + 1, position, &tokens);
        }
        steps.launch().unwrap();
        steps.wait().unwrap();
        for (line, rows) in expected.iter().enumerate() {
            let row = steps.row(line / TILE_LINES + 1, line % TILE_LINES);
            let expected = &rows[position];
            assert!(row == expected, "line {line}, position {position}: {row:?} is not {expected:?}");
        }
    }
}

/// Rows of cumulative probabilities behind each token but the last, filled up to their stride.
fn definition(parameters: &Parameters, tokens: &[Token]) -> Vec<Vec<u32>> {
    let mut line = scalar::Line::new(parameters);
    let row = |&token| {
        let mut row = line.step(token);
        row.resize(parameters.shape.cdf_stride(), 1 << PRECISION);
        row
    };
    tokens[..tokens.len() - 1].iter().map(row).collect()
}

/// Random weights and tokens, all positions of a line of addition.
#[test]
fn small_presets_agree() {
    for preset in [Preset::Pico, Preset::Tiny, Preset::Nano] {
        assert_kernels_agree(&random_checkpoint(GptConfig::addition(preset, 28), 1, 0.3), TILES, 5);
    }
}

#[test]
fn large_presets_agree() {
    for preset in [Preset::Micro, Preset::Mini] {
        assert_kernels_agree(&random_checkpoint(GptConfig::addition(preset, 28), 2, 0.2), 1, 6);
    }
}

/// Of every preset: rows of zeros, weights so small that every row is rounded by the floor of its scale, and the
/// largest that the quantiser takes.
#[test]
fn extremes_agree() {
    for preset in Preset::ALL {
        let checkpoint = |spread| random_checkpoint(GptConfig::addition(preset, 3), 3, spread);
        let is_taken = |&spread: &f32| quantize::quantize(&checkpoint(spread)).is_ok();
        let largest = [32.0, 16.0, 8.0, 4.0, 2.0, 1.0].into_iter().find(is_taken).unwrap();
        assert!(largest < 32.0, "the quantiser refuses larger weights");
        for spread in [0.0, 1e-30, largest] {
            assert_kernels_agree(&checkpoint(spread), 1, 7);
        }
    }
}

/// Of every preset: one feature that dwarfs the others, so that they are rounded to zero and it to the limit; once
/// of the first layer's input, once of what is added to it.
#[test]
fn one_huge_feature_agrees() {
    for preset in Preset::ALL {
        let checkpoint = random_checkpoint(GptConfig::addition(preset, 3), 4, 0.3);
        for name in ["transformer.wte.weight", "transformer.h.0.mlp.c_proj.bias"] {
            let mut tensors = checkpoint.tensors().clone();
            for (at, sign) in [(5, 4000.0), (6, -4000.0)] {
                tensors.get_mut(name).unwrap().values[at] = sign;
            }
            let huge = Checkpoint::new(checkpoint.config().clone(), tensors).unwrap();
            assert_kernels_agree(&huge, 1, 8);
        }
    }
}

/// Hidden units that the quantiser leaves out, so that tiles and chunks are not full; many symbols.
#[test]
fn pruned_layers_and_large_vocabularies_agree() {
    let config = GptConfig::addition(Preset::Tiny, 12);
    let (inner, width) = (config.n_inner(), config.n_embd);
    for kept in [0, 1, 12, 60, 100] {
        let mut tensors = random_checkpoint(config.clone(), 5, 0.3).tensors().clone();
        for layer in 0..2 {
            let name = format!("transformer.h.{layer}.mlp.c_proj.weight");
            let values = &mut tensors.get_mut(&name).unwrap().values;
            for row in values.chunks_exact_mut(inner).take(width) {
                row[kept..].fill(0.0);
            }
        }
        assert_kernels_agree(&Checkpoint::new(config.clone(), tensors).unwrap(), 1, 9);
    }
    let vocab: String = (1..=255u8).filter(|&b| b != b'\n').map(char::from).collect();
    let config =
        GptConfig { vocab_size: vocab.chars().count(), vocab, ..GptConfig::addition(Preset::Pico, 6) };
    assert_kernels_agree(&random_checkpoint(config, 6, 0.5), 1, 10);
}

/// More tiles than a device's warps: a warp takes one after another, with the same memory.
#[test]
fn a_warp_takes_many_tiles() {
    let checkpoint = random_checkpoint(GptConfig::addition(Preset::Pico, 6), 7, 0.3);
    assert_kernels_agree(&checkpoint, 70, 11);
}

/// A shape without a kernel is refused.
#[test]
fn other_shapes_are_refused() {
    let Some(gpu) = gpu() else {
        return;
    };
    let config = GptConfig { n_embd: 24, ..GptConfig::addition(Preset::Pico, 6) };
    let parameters = quantize::quantize(&random_checkpoint(config, 1, 0.3)).unwrap();
    let refused = KnownLines::new(gpu, &parameters.network(), 1, TILE_LINES);
    assert!(matches!(refused.map_err(Error::from), Err(Error::Model(_))));
}
