//! Tokens a second of the exact network, of coding and of decoding, on one thread, for every kernel of
//! this machine and the bundled model. Each figure is the best of three runs.
//!
//! ```sh
//! cargo bench --bench network
//! ```

use std::time::Instant;

use surprisal::Models;
use surprisal::coding::{GROUP, TextLimits, decode, encode};
use surprisal::model::Checkpoint;
use surprisal::network::{ExactModel, Isa};
use surprisal::text::{Additions, Distribution, Operands};

/// Lines of a run: fewer for the kernels that are there to be right, not fast.
fn lines_for(isa: Isa) -> usize {
    match isa {
        Isa::Scalar => 64,
        Isa::Portable => 1024,
        _ => 16_384,
    }
}

fn corpus(lines: usize) -> Vec<Vec<u8>> {
    let distribution = Distribution::new(8, Operands::Uniform).expect("8 digits");
    let text = Additions::new(distribution, 1).text(lines);
    text.split(|&c| c == b'\n').take(lines).map(<[u8]>::to_vec).collect()
}

/// Million tokens a second of the fastest of three runs.
fn best(tokens: usize, mut run: impl FnMut()) -> f64 {
    let seconds = (0..3).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    tokens as f64 / seconds.fold(f64::INFINITY, f64::min) / 1e6
}

fn network_alone(model: &ExactModel, lines: &[&[u8]]) {
    let vocabulary = model.vocabulary();
    let mut group = model.group(GROUP);
    for lines in lines.chunks(GROUP) {
        group.start(lines.len());
        let mut tokens = vec![vocabulary.start(); lines.len()];
        for position in 0..=lines[0].len() {
            std::hint::black_box(group.step(&tokens).row(0));
            for (token, line) in tokens.iter_mut().zip(lines) {
                *token = line.get(position).and_then(|&c| vocabulary.token(c)).unwrap_or(vocabulary.end());
            }
        }
    }
}

/// Prints a row: a kernel running a model over lines that it was made for.
fn measure(label: &str, checkpoint: &Checkpoint, isa: Isa) {
    let model = ExactModel::with_isa(checkpoint, isa).expect("available");
    let text = corpus(lines_for(isa));
    let lines: Vec<&[u8]> = text.iter().map(Vec::as_slice).collect();
    let tokens = lines.iter().map(|line| line.len() + 1).sum();
    let mut group = model.group(GROUP);
    let words = encode(&mut group, &lines, |_, _, _| {});
    let network = best(tokens, || network_alone(&model, &lines));
    let encoding = best(tokens, || drop(encode(&mut group, &lines, |_, _, _| {})));
    let decoding = best(tokens, || {
        let text = TextLimits { lines: lines.len(), terminator: b"\n", bytes: usize::MAX };
        let decoded = decode(&mut group, &words, text, |line| {
            std::hint::black_box(line);
        });
        decoded.expect("just coded");
    });
    println!("{label:14} {network:9.3} {encoding:9.3} {decoding:9.3}");
}

fn main() {
    let models = Models::bundled();
    let (config, weights) = models.default_model().files();
    let checkpoint = Checkpoint::from_bytes(config, weights).expect("the bundled model is whole");
    println!("million tokens/s, one thread, {}", models.default_model().name());
    println!("{:14} {:>9} {:>9} {:>9}", "kernel", "network", "encode", "decode");
    for isa in Isa::ALL {
        if isa.is_available() {
            measure(isa.name(), &checkpoint, isa);
        } else {
            println!("{:14} not measured: this processor lacks it", isa.name());
        }
    }
}
