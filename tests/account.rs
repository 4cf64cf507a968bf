//! The account of bits: cross-entropy of the float network, of the exact network, and what the coder
//! writes, on the same lines.

use candle_core::Device;
use surprisal::coding::{GROUP, encode};
use surprisal::gpt::{Dropout, Gpt};
use surprisal::model::Checkpoint;
use surprisal::network::ExactModel;
use surprisal::text::{Distribution, LineBatch, Operands};
use surprisal::{Model, Models};

use crate::common::corpora::sums_of_seed;

const LINES: usize = 32_768;

fn lines() -> Vec<Vec<u8>> {
    let text = sums_of_seed(Operands::Uniform, LINES, 11);
    text.split_inclusive(|&b| b == b'\n').map(|line| line[..line.len() - 1].to_vec()).collect()
}

/// Bits of the lines by the exact network's integer probabilities.
fn exact_bits(model: &ExactModel, lines: &[Vec<u8>]) -> f64 {
    let vocabulary = model.vocabulary();
    let mut group = model.group(64);
    let mut bits = 0.0;
    for lines in lines.chunks(64) {
        group.start(lines.len());
        let mut tokens = vec![vocabulary.start(); lines.len()];
        for position in 0..=lines[0].len() {
            let cdfs = group.step(&tokens);
            for (index, line) in lines.iter().enumerate() {
                let token = line.get(position).map_or(vocabulary.end(), |&c| vocabulary.token(c).unwrap());
                bits += cdfs.row(index).slots(token).bits();
                tokens[index] = token;
            }
        }
    }
    bits
}

/// The float network of a model.
fn float_network(model: &Model) -> Gpt {
    let (config, weights) = model.files();
    let checkpoint = Checkpoint::from_bytes(config, weights).unwrap();
    Gpt::from_checkpoint(&checkpoint, &Device::Cpu).unwrap()
}

/// Lines of one length, ready for the float network.
fn batch(model: &Model, lines: &[Vec<u8>]) -> LineBatch {
    let slices = lines.iter().map(Vec::as_slice);
    LineBatch::new(slices, model.exact().vocabulary(), lines[0].len() + 1).unwrap()
}

/// Surprisal of every token of lines by the float network, in nats, line by line.
fn float_nats(model: &Model, lines: &[Vec<u8>]) -> Vec<f64> {
    let gpt = float_network(model);
    let nats = lines.chunks(512).flat_map(|lines| {
        let surprisals = gpt.surprisals(&batch(model, lines), &mut Dropout::none());
        let surprisals = surprisals.unwrap();
        surprisals.to_vec1::<f32>().unwrap()
    });
    nats.map(f64::from).collect()
}

/// Bits of the lines by the float network.
fn float_bits(model: &Model, lines: &[Vec<u8>]) -> f64 {
    float_nats(model, lines).iter().sum::<f64>() / std::f64::consts::LN_2
}

#[test]
fn the_coder_writes_what_the_probabilities_say() {
    let models = Models::bundled();
    let model = models.default_model().exact();
    let lines = lines();
    let ideal = exact_bits(model, &lines);
    let slices: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let written = 32.0 * encode(&mut model.group(GROUP), &slices, |_, _, _| {}).len() as f64;
    let excess = written / ideal - 1.0;
    println!("coder: {written} bits written, {ideal:.0} by the probabilities: {:+.5} %", 100.0 * excess);
    assert!(excess.abs() < 1e-4, "{excess}");
}

#[test]
fn exact_network_costs_little() {
    let models = Models::bundled();
    let model = models.default_model();
    let lines = lines();
    let (exact, float) = (exact_bits(model.exact(), &lines), float_bits(model, &lines));
    let floor = Distribution::new(8, Operands::Uniform).unwrap().entropy_bits() * LINES as f64;
    let percent = |bits: f64, of: f64| 100.0 * (bits / of - 1.0);
    println!(
        "bits a line: float {:.5}, exact {:.5} ({:+.5} %); above the floor: float {:+.5} %, exact {:+.5} %",
        float / LINES as f64,
        exact / LINES as f64,
        percent(exact, float),
        percent(float, floor),
        percent(exact, floor)
    );
    assert!((exact / float - 1.0).abs() < 1e-4);
}

/// The float network against figures that PyTorch's minGPT gave for the same weights: the loss at
/// each position over 64 lines, the loss of each line, and the logits of the first line.
#[test]
fn the_float_network_is_mingpt() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mingpt");
    let model = Model::load(&folder).unwrap();
    let text = std::fs::read_to_string(folder.join("lines.txt")).unwrap();
    let lines: Vec<Vec<u8>> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
    let file = std::fs::read(folder.join("expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        let values = value.as_array().unwrap().iter();
        values.map(|v| v.as_f64().unwrap()).collect()
    };
    let close = |what: &str, found: &[f64], expected: &[f64], tolerance: f64| {
        assert_eq!(found.len(), expected.len());
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let error = (found - expected).abs();
            assert!(error < tolerance, "{what} {i}: {found} instead of {expected}");
        }
    };
    let nats = float_nats(&model, &lines);
    let at = |position: usize| nats.iter().skip(position).step_by(28).sum::<f64>() / 64.0;
    let by_position: Vec<f64> = (0..28).map(at).collect();
    close("position", &by_position, &numbers(&expected["loss_by_position"]), 1e-4);
    let by_line: Vec<f64> = nats.chunks(28).map(|line| line.iter().sum()).collect();
    close("line", &by_line, &numbers(&expected["loss_by_line"]), 1e-4);
    let first = batch(&model, &lines[..1]);
    let logits = float_network(&model).forward(&first, &mut Dropout::none()).unwrap();
    let rows = logits.to_vec2::<f32>().unwrap();
    for (row, expected) in rows.iter().zip(expected["logits_first_line"].as_array().unwrap()) {
        let row: Vec<f64> = row.iter().map(|&l| f64::from(l)).collect();
        close("logit", &row, &numbers(expected), 1e-3);
    }
}
