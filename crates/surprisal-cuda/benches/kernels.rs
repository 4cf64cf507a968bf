//! The kernels alone, without coder and copies: tokens a second, for a machine with a GPU.
//!
//! ```sh
//! cargo bench -p surprisal-cuda --bench kernels -- [LINES [LAUNCHES [NETWORK]]]
//! ```
//!
//! Known lines are also taken with five sixths and with two thirds of the warps, which tells whether more would help. The last
//! column is streams that are decoded, 64 lines each. The weights are noise: speed depends on the shape alone.

use std::borrow::Borrow;
use std::num::NonZeroU32;
use std::time::Duration;

use constriction::stream::Encode;
use constriction::stream::model::{EncoderModel, EntropyModel};
use constriction::stream::queue::DefaultRangeEncoder;
use surprisal_cuda::{
    CodedLines, Embedding, Error, Gelu, Gpu, Head, KnownLines, Layer, Linear, Network, Result, Shape,
};

/// Lines of a launch: enough for a large device.
const LINES: usize = 131_072;
/// Launches in a row, after one that is not counted.
const LAUNCHES: usize = 10;
/// Lines of a group, and of a stream that is decoded.
const GROUP: usize = 64;
/// The symbols that stand before a line and end it; those below are characters.
const START: u8 = 11;
const END: u8 = 12;
/// Name, layers, heads, width and hidden units of the networks; the second has those that the bundled one is left with.
const NETWORKS: [(&str, [usize; 4]); 6] = [
    ("pico", [2, 4, 16, 64]),
    ("tiny, pruned", [2, 4, 32, 64]),
    ("tiny", [2, 4, 32, 128]),
    ("nano", [3, 3, 48, 192]),
    ("micro", [4, 4, 128, 512]),
    ("mini", [6, 6, 192, 768]),
];

fn main() -> std::process::ExitCode {
    match measure() {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            println!("NOT MEASURED: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<()> {
    // `cargo bench` adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let mut number = |otherwise| match arguments.next() {
        Some(argument) => argument.parse().expect("numbers: [LINES [LAUNCHES [NETWORK]]]"),
        None => otherwise,
    };
    let lines = usize::next_multiple_of(number(LINES), GROUP);
    let launches = number(LAUNCHES);
    let only = arguments.next();
    let gpu = Gpu::open(0)?;
    println!("kernels alone on {}, {lines} lines, {launches} launches", gpu.name());
    println!("tokens a second:");
    println!("| network | known | 5/6 of the warps | 2/3 | decoded |");
    println!("|---|---|---|---|---|");
    for (name, sizes) in NETWORKS {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let arrays = Arrays::new(sizes);
        let network = arrays.network();
        let rate = |tokens: usize, time: Duration| (launches * tokens) as f64 / time.as_secs_f64();
        let row = || -> Result<String> {
            let tokens = lines * network.shape.block_size;
            let known = known_lines(&gpu, &network, lines, launches)?.map(|time| rate(tokens, time));
            let decoded = rate(lines * network.shape.block_size, streams(&gpu, &network, lines, launches)?);
            let columns = known.iter().chain([&decoded]);
            Ok(columns.map(|rate| format!("| {rate:.3e} ")).collect::<String>() + "|")
        };
        match row() {
            Ok(row) => println!("| {name} {row}"),
            // Another may do: a network can lack shared memory, and a large one the GPU's.
            Err(Error::Device(error)) => println!("| {name} | NOT MEASURED: {error} | | | |"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn known_lines(gpu: &Gpu, network: &Network, lines: usize, launches: usize) -> Result<[Duration; 3]> {
    let mut known = KnownLines::new(gpu, network, lines / GROUP, GROUP)?;
    let line = |line: usize| (0..=network.shape.block_size).map(move |position| token(line, position));
    known.time_launches((0..lines).map(line), launches)
}

/// Streams of lines in which any character is as good as another.
fn streams(gpu: &Gpu, network: &Network, lines: usize, launches: usize) -> Result<Duration> {
    let block = network.shape.block_size;
    let count = lines / GROUP;
    let mut known = KnownLines::new(gpu, network, 1, GROUP)?;
    let token = |line: usize, position: usize| match position {
        0 => START,
        _ if position == block => END,
        _ => token(line, position) % START,
    };
    let line = |line: usize| (0..=block).map(move |position| token(line, position));
    known.launch((0..GROUP).map(line))?;
    known.wait()?;
    let mut encoder = DefaultRangeEncoder::new();
    for position in 0..block {
        for &[left, width] in known.group_slots(0, position) {
            let slots = Slots(left, NonZeroU32::new(width).expect("every symbol has slots"));
            encoder.encode_symbol((), slots).expect("memory does not fail");
        }
    }
    let words = encoder.into_compressed().expect("memory does not fail");
    // Lines that noise predicts take up to 20 bits a token: five times what there is room for.
    let mut streams = CodedLines::new(gpu, network, [START, END], count, 5 * GROUP)?;
    streams.launch((0..count).map(|_| (&words[..], GROUP)))?;
    streams.wait()?;
    assert!(streams.decoded(count - 1)?.is_some(), "the streams do not decode");
    streams.time_decoding(launches)
}

/// Slots of a token.
#[derive(Clone, Copy)]
struct Slots(u32, NonZeroU32);

impl EntropyModel<20> for Slots {
    type Symbol = ();
    type Probability = u32;
}

impl EncoderModel<20> for Slots {
    fn left_cumulative_and_probability(&self, _: impl Borrow<()>) -> Option<(u32, NonZeroU32)> {
        Some((self.0, self.1))
    }
}

fn token(line: usize, position: usize) -> u8 {
    ((7 * line + position) % 13) as u8
}

/// The numbers of a network.
struct Arrays {
    shape: Shape,
    hidden: usize,
    bytes: Vec<i8>,
    words: Vec<i16>,
    corrections: Vec<i32>,
    floats: Vec<f32>,
}

impl Arrays {
    fn new([layers, heads, width, hidden]: [usize; 4]) -> Self {
        let most = (3 * width).max(hidden) * width.max(hidden);
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 20) as i8;
        Self {
            shape: Shape { layers, heads, width, block_size: 28, vocab: 14 },
            hidden,
            // The quantiser's weights that share an accumulator add up to 258 at most.
            bytes: (0..most).map(|i| noise(i) / 8).collect(),
            words: (0..most).map(|i| noise(i).into()).collect(),
            corrections: vec![0; most],
            floats: (0..most).map(|i| f32::from(noise(i)) / 12_800.0).collect(),
        }
    }

    fn linear(&self, outputs: usize, inputs: usize) -> Linear<'_> {
        let padded = inputs.next_multiple_of(16);
        Linear {
            inputs: padded,
            outputs,
            weights: &self.bytes[..outputs * padded],
            correction: &self.corrections[..outputs],
            scale: &self.floats[..outputs],
            bias: &self.floats[..outputs],
        }
    }

    fn network(&self) -> Network<'_> {
        let Shape { layers, heads, width, block_size, vocab } = self.shape;
        let embedding = Embedding {
            stream: &self.floats[..width],
            queries: &self.bytes[..width],
            keys: &self.bytes[..width],
            values: &self.bytes[..width],
            query_scale: &self.floats[1..=heads],
            key_scale: &self.floats[1..=heads],
            value_scale: &self.floats[1..=heads],
        };
        let layer = |index| Layer {
            qkv: (index > 0).then(|| self.linear(3 * width, width)),
            projection: self.linear(width, width),
            expand: self.linear(self.hidden, width),
            gelu: Gelu {
                fraction_bits: 11,
                clamp: 6656,
                coefficients: [10_565, -23_381, 17_355, -4_337, 384],
            },
            contract: self.linear(width, self.hidden),
        };
        Network {
            shape: self.shape,
            embeddings: vec![embedding; block_size * vocab],
            layers: (0..layers).map(layer).collect(),
            head: Head {
                inputs: width,
                weights: &self.words[..vocab * width],
                scale: &self.floats[..vocab],
                bias: &self.floats[..vocab],
            },
            softmax_factor: 0.5,
        }
    }
}
