//! The kernels against the definition, on the CPU: `tests/cuda/` has what stands in for CUDA.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::driver::PTX;
use super::layout::{KERNELS, LINES, Laid};
use crate::model::{Checkpoint, GptConfig, Preset};
use crate::network::parameters::{PRECISION, Parameters};
use crate::network::tests::random_checkpoint;
use crate::network::{quantize, scalar};
use crate::text::Token;

/// Tiles of lines in a run: more than the warps that take them in `tests/cuda/harness.cpp`.
const TILES: usize = 3;

const PRESETS: [Preset; 5] = [
    Preset::Pico,
    Preset::Tiny,
    Preset::Nano,
    Preset::Micro,
    Preset::Mini,
];

/// What the kernels are made of, in the order of `build.sh`.
const SOURCES: [&str; 6] = [
    include_str!("arithmetic.cuh"),
    include_str!("model.cuh"),
    include_str!("rows.cuh"),
    include_str!("attention.cuh"),
    include_str!("layers.cuh"),
    include_str!("kernels.cu"),
];

#[test]
fn the_ptx_belongs_to_the_sources() {
    let hash = blake3::hash(SOURCES.concat().as_bytes()).to_hex();
    for (name, ptx) in PTX {
        assert_eq!(
            ptx.lines().next().unwrap(),
            format!("// BLAKE3 of the sources: {hash}"),
            "{name}: run src/exact/cuda/build.sh"
        );
    }
    // No source is left out.
    let included = SOURCES.concat().matches("#include \"").count();
    let of_the_cpu = 1;
    assert_eq!(included, SOURCES.len() - 1 + of_the_cpu);
}

/// Nothing in it is fused, flushed to zero or approximate, each preset has both kernels, and old drivers take it.
#[test]
fn the_ptx_is_strict() {
    assert_eq!(PTX.map(|(name, _)| name), KERNELS.map(|(name, ..)| name));
    for (preset, ptx) in PTX {
        let instructions = ptx.lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let mut products = 0;
        for line in instructions {
            let name = line.split_whitespace().next().unwrap_or_default();
            let is_strict = !["fma", "mad.f32", "ex2", "rsqrt", "rcp"]
                .iter()
                .any(|bad| name.starts_with(bad));
            assert!(
                is_strict && !name.contains(".ftz") && !name.contains(".approx") && !name.contains(".full"),
                "{line}"
            );
            for operation in ["add", "sub", "mul", "div", "sqrt"] {
                let is_float = name.starts_with(operation) && name.ends_with(".f32");
                assert!(!is_float || name == format!("{operation}.rn.f32"), "{line}");
            }
            products += usize::from(name.starts_with("mma.sync"));
        }
        assert!(products > 0);
        for kernel in ["step", "known"] {
            let entry = format!(".entry {preset}_{kernel}(");
            assert!(ptx.contains(&entry), "{preset}_{kernel}");
        }
        assert!(ptx.contains("\n.version 7.0\n.target sm_80\n"), "{preset}");
    }
}

/// The kernels' GELU keeps its Horner steps in 32 bits: none of them leaves 16, whatever goes in.
#[test]
fn gelu_stays_in_16_bits() {
    use crate::network::math::gelu;
    for places in gelu::PLACES {
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

/// The kernels compiled for the CPU, once; none where there is no C++ compiler.
fn harness() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        let compiler = ["c++", "g++", "clang++"]
            .into_iter()
            .find(|name| Command::new(name).arg("--version").output().is_ok())?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tempfile::tempdir().unwrap().keep();
        let program = folder.join("kernels-on-cpu");
        let status = Command::new(compiler)
            .args([
                "-std=c++11",
                "-O2",
                "-ffp-contract=off",
                "-U_FORTIFY_SOURCE",
                "-Wno-unknown-pragmas",
                "-I",
            ])
            .arg(root.join("tests/cuda"))
            .arg("-I")
            .arg(root.join("src/exact/cuda"))
            .arg("-o")
            .arg(&program)
            .arg(root.join("tests/cuda/harness.cpp"))
            .status();
        assert!(
            status.unwrap().success(),
            "kernels.cu does not compile for the CPU"
        );
        Some(program)
    };
    BUILT.get_or_init(build).as_deref()
}

/// The stand-in's tensor cores have the fragments that CUTLASS says the real ones have.
#[test]
fn fragments_are_as_cutlass_has_them() {
    let Some(program) = harness() else {
        println!("NOT TESTED: no C++ compiler, so nothing stands in for tensor cores");
        return;
    };
    assert!(Command::new(program).arg("mma").status().unwrap().success());
}

/// What the kernels give for `tokens` (tiles, block + 1, 16): all words of both.
fn run(program: &Path, laid: &Laid, tokens: &[Token]) -> Vec<u32> {
    let mut child = Command::new(program)
        .arg(laid.kernel)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let tiles = tokens.len() / LINES / (laid.header.block as usize + 1);
    let sizes = [laid.bytes.len() as u32, tiles as u32];
    let words = laid.header.words().into_iter().chain(sizes);
    let mut input: Vec<u8> = words.flat_map(u32::to_ne_bytes).collect();
    input.extend(&laid.bytes);
    input.extend(tokens);
    child.stdin.take().unwrap().write_all(&input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let words = output.stdout.as_chunks::<4>().0;
    words.iter().map(|&word| u32::from_ne_bytes(word)).collect()
}

/// Compares both kernels with the definition over random tokens.
fn assert_kernels_agree(checkpoint: &Checkpoint, tiles: usize, seed: u64) {
    let Some(program) = harness() else {
        println!("NOT TESTED: no C++ compiler, so the GPU kernels did not run on the CPU");
        return;
    };
    let parameters = quantize::quantize(checkpoint).unwrap();
    let laid = Laid::new(&parameters).unwrap();
    let (block, stride) = (parameters.shape.block_size, parameters.shape.cdf_stride());
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let vocab = parameters.shape.vocab as u32;
    let tokens: Vec<Token> = (0..tiles * (block + 1) * LINES)
        .map(|_| (rng.next_u32() % vocab) as Token)
        .collect();
    let words = run(program, &laid, &tokens);
    let (rows, slots) = words.split_at(block * tiles * LINES * stride);
    assert_eq!(slots.len(), 2 * tiles * block * LINES);
    for line in 0..tiles * LINES {
        let (tile, lane) = (line / LINES, line % LINES);
        let token = |position: usize| tokens[(tile * (block + 1) + position) * LINES + lane];
        for (position, expected) in definition(&parameters, (0..block).map(token)).enumerate() {
            let row = &rows[(position * tiles * LINES + line) * stride..][..stride];
            assert!(
                row == expected,
                "line {line}, position {position}: {row:?} is not {expected:?}"
            );
            let next = usize::from(token(position + 1));
            let right = expected.get(next + 1).copied().unwrap_or(1 << PRECISION);
            let slot = &slots[2 * ((tile * block + position) * LINES + lane)..][..2];
            assert_eq!(
                slot,
                [expected[next], right - expected[next]],
                "line {line}, position {position}"
            );
        }
    }
}

/// Rows of cumulative probabilities, filled up to their stride.
fn definition(
    parameters: &Parameters,
    tokens: impl Iterator<Item = Token>,
) -> impl Iterator<Item = Vec<u32>> {
    let mut line = scalar::Line::new(parameters);
    tokens.map(move |token| {
        let mut row = line.step(token);
        row.resize(parameters.shape.cdf_stride(), 1 << PRECISION);
        row
    })
}

/// Random weights and tokens, all positions of a line of addition.
#[test]
fn small_presets_agree() {
    for preset in [Preset::Pico, Preset::Tiny, Preset::Nano] {
        assert_kernels_agree(
            &random_checkpoint(GptConfig::addition(preset, 28), 1, 0.3),
            TILES,
            5,
        );
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
    for preset in PRESETS {
        let checkpoint = |spread| random_checkpoint(GptConfig::addition(preset, 6), 3, spread);
        let is_taken = |&spread: &f32| quantize::quantize(&checkpoint(spread)).is_ok();
        let largest = [32.0, 16.0, 8.0, 4.0, 2.0, 1.0]
            .into_iter()
            .find(is_taken)
            .unwrap();
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
    for preset in [
        Preset::Pico,
        Preset::Tiny,
        Preset::Nano,
        Preset::Micro,
        Preset::Mini,
    ] {
        let checkpoint = random_checkpoint(GptConfig::addition(preset, 6), 4, 0.3);
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
    let config = GptConfig {
        vocab_size: vocab.chars().count(),
        vocab,
        ..GptConfig::addition(Preset::Pico, 6)
    };
    assert_kernels_agree(&random_checkpoint(config, 6, 0.5), 1, 10);
}

/// A shape without a kernel is refused.
#[test]
fn other_shapes_are_refused() {
    let config = GptConfig {
        n_embd: 24,
        ..GptConfig::addition(Preset::Pico, 6)
    };
    let parameters = quantize::quantize(&random_checkpoint(config, 1, 0.3)).unwrap();
    assert!(Laid::new(&parameters).is_err());
}
