//! The kernels and their host against the definition: on a GPU, or on the CPU behind a driver that the tests compile.

use std::sync::OnceLock;

use constriction::stream::Encode;
use constriction::stream::queue::DefaultRangeEncoder;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use surprisal_cuda::{CodedLines, Gpu, KnownLines, TILE_LINES};

use crate::Error;
use crate::coding::GROUP;
use crate::model::{Checkpoint, GptConfig, Preset};
use crate::network::Cdf;
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

    // Lines that end anywhere, in two streams.
    let lines: Vec<Vec<Token>> =
        lines.iter().map(|tokens| line_of(&parameters, tokens, usize::from(tokens[0]) * 5 % block)).collect();
    assert_streams_agree(gpu, &parameters, &[&lines, &lines[..5]]);
}

/// A line of so many characters, made of any tokens: from the start symbol, here the last but one, to the end symbol.
fn line_of(parameters: &Parameters, tokens: &[Token], len: usize) -> Vec<Token> {
    let [start, end] = start_and_end(parameters);
    let characters = tokens[1..=len].iter().map(|&token| token % start);
    std::iter::once(start).chain(characters).chain([end]).collect()
}

fn start_and_end(parameters: &Parameters) -> [Token; 2] {
    [2, 1].map(|back| (parameters.shape.vocab - back) as Token)
}

/// Decodes streams of lines that were coded by the definition.
fn assert_streams_agree(gpu: &Gpu, parameters: &Parameters, texts: &[&[Vec<Token>]]) {
    let words: Vec<_> = texts.iter().map(|lines| words_by_definition(parameters, lines)).collect();
    let most = texts.iter().map(|lines| lines.len()).max().unwrap();
    let symbols = start_and_end(parameters);
    let mut streams = CodedLines::new(gpu, &parameters.network(), symbols, texts.len() + 1, most).unwrap();
    streams.launch(words.iter().zip(texts).map(|(words, lines)| (&words[..], lines.len()))).unwrap();
    streams.wait().unwrap();
    for (index, lines) in texts.iter().enumerate() {
        let groups = streams.decoded(index).unwrap().expect("the words are an encoder's");
        assert_eq!(groups.len(), lines.len().div_ceil(GROUP));
        for (tokens, lines) in groups.zip(lines.chunks(GROUP)) {
            for (at, line) in lines.iter().enumerate() {
                let found = tokens[at..].iter().step_by(GROUP).take(line.len() - 1);
                assert!(found.eq(&line[1..]), "stream {index}, line {at}");
            }
        }
    }
}

/// Lines from the start symbol to the end symbol, coded.
fn words_by_definition(parameters: &Parameters, lines: &[Vec<Token>]) -> Vec<u32> {
    let mut encoder = DefaultRangeEncoder::new();
    for group in lines.chunks(GROUP) {
        let rows: Vec<_> = group.iter().map(|line| definition(parameters, line)).collect();
        for position in 0..parameters.shape.block_size {
            for (line, rows) in group.iter().zip(&rows).filter(|(line, _)| position + 1 < line.len()) {
                let slots = Cdf(&rows[position]).slots(line[position + 1]);
                encoder.encode_symbol((), slots).unwrap();
            }
        }
    }
    encoder.into_compressed().unwrap()
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
    // As many symbols as a warp's lanes, one less, one more, and all.
    for symbols in [31, 32, 33, 254] {
        let bytes = (b'a'..=255).chain(1..b'a').filter(|&b| b != b'\n');
        let vocab: String = bytes.take(symbols).map(char::from).collect();
        let config = GptConfig { vocab_size: symbols, vocab, ..GptConfig::addition(Preset::Pico, 6) };
        assert_kernels_agree(&random_checkpoint(config, 6, 0.5), 1, 10);
    }
}

/// More tiles than a device's warps: a warp takes one after another, with the same memory.
#[test]
fn a_warp_takes_many_tiles() {
    let checkpoint = random_checkpoint(GptConfig::addition(Preset::Pico, 6), 7, 0.3);
    assert_kernels_agree(&checkpoint, 70, 11);
}

fn pico(seed: u64) -> Parameters {
    quantize::quantize(&random_checkpoint(GptConfig::addition(Preset::Pico, 6), seed, 0.3)).unwrap()
}

/// More groups of lines than a launch takes: the next goes on where it ended, with teams that have changed places.
#[test]
fn streams_go_on_from_launch_to_launch() {
    let Some(gpu) = gpu() else {
        return;
    };
    let parameters = pico(8);
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let mut line = || line_of(&parameters, &rng.next_u64().to_le_bytes(), rng.next_u32() as usize % 3);
    let lines: Vec<_> = (0..130 * GROUP + 1).map(|_| line()).collect();
    assert_streams_agree(
        gpu,
        &parameters,
        &[&lines, &lines[..64 * GROUP], &lines[..65], &lines[7..66 * GROUP]],
    );
}

/// Words that no encoder writes are said not to decode, and the streams beside them do.
#[test]
fn damaged_streams_do_not_decode() {
    let Some(gpu) = gpu() else {
        return;
    };
    let parameters = pico(9);
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let lines: Vec<_> = (0..100).map(|_| line_of(&parameters, &rng.next_u64().to_le_bytes(), 5)).collect();
    let words = words_by_definition(&parameters, &lines);
    let cut = &words[..words.len() - 2];
    let longer = [&words[..], &[1, 2]].concat();
    let mut flipped = words.clone();
    flipped[words.len() / 2] ^= 1 << 31;
    let streams_and_what: [(&[u32], usize, bool); 8] = [
        (&words, 100, true),
        (cut, 100, false),
        (&longer, 100, false),
        (&words, 99, false),
        (&words, 101, false),
        (&[], 100, false),
        (&flipped, 100, false),
        (&words, 100, true),
    ];
    let symbols = start_and_end(&parameters);
    let mut streams =
        CodedLines::new(gpu, &parameters.network(), symbols, streams_and_what.len(), 2 * GROUP).unwrap();
    streams.launch(streams_and_what.iter().map(|&(words, lines, _)| (words, lines))).unwrap();
    streams.wait().unwrap();
    for (index, &(.., decodes)) in streams_and_what.iter().enumerate() {
        assert_eq!(streams.decoded(index).unwrap().is_some(), decodes, "stream {index}");
    }
}

/// Lines so long that a multiprocessor has no room for the four warps of a team: an error, by which the CPU does the work.
#[test]
fn what_leaves_no_room_for_a_team_is_refused() {
    let Some(gpu) = gpu() else {
        return;
    };
    let config = GptConfig::addition(Preset::Nano, 256);
    let parameters = quantize::quantize(&random_checkpoint(config, 1, 0.3)).unwrap();
    KnownLines::new(gpu, &parameters.network(), 1, TILE_LINES).unwrap();
    let refused = CodedLines::new(gpu, &parameters.network(), start_and_end(&parameters), 1, GROUP);
    assert!(matches!(refused.map_err(Error::from), Err(Error::Device(_))));
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
