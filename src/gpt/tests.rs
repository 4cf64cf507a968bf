//! The whole network's loss against finite differences.

use candle_core::{Device, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;
use crate::model::Preset;
use crate::text::{Distribution, Operands, Token};
use crate::train::LineSource;
use crate::train::initial::{initial_weights, normal};

/// A network and a batch of `lines` lines, some positions of which have no target.
fn network_and_batch(lines: usize) -> (Gpt, LineBatch) {
    let config = GptConfig::addition(Preset::Pico, 9);
    let gpt = Gpt::from_checkpoint(&initial_weights(&config, 1), &Device::Cpu).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    // Larger weights than a fresh network's, so that no gradient is lost in rounding.
    for (name, var) in gpt.vars() {
        let is_gain = name.contains(".ln_") && name.ends_with(".weight");
        let (deviation, centre) = if is_gain { (0.2, 1.0) } else { (0.4, 0.0) };
        let values = normal(&mut rng, deviation, var.elem_count());
        set(var, values.iter().map(|v| v + centre).collect());
    }
    let rows = lines * config.block_size;
    let mut tokens = || -> Vec<Token> { (0..rows).map(|_| (rng.next_u32() % 14) as Token).collect() };
    let (inputs, targets) = (tokens(), tokens());
    let targets = targets.into_iter().enumerate();
    let batch = LineBatch {
        block: config.block_size,
        inputs,
        targets: targets.map(|(i, target)| (i % 9 < 7).then_some(target)).collect(),
    };
    (gpt, batch)
}

fn set(var: &Var, values: Vec<f32>) {
    let values = Tensor::from_vec(values, var.shape(), var.device()).unwrap();
    var.set(&values).unwrap();
}

/// The loss, its sum in f64.
fn loss(gpt: &Gpt, batch: &LineBatch) -> f64 {
    let nats = gpt.surprisals(batch, &mut Dropout::none()).unwrap();
    let nats: Vec<f32> = nats.to_vec1().unwrap();
    nats.iter().map(|&n| f64::from(n)).sum::<f64>() / batch.tokens() as f64
}

/// Of every variable, the entry with the largest gradient and some others.
#[test]
fn every_gradient_is_the_slope_of_the_loss() {
    let (gpt, batch) = network_and_batch(3);
    let gradients = gpt.loss(&batch, &mut Dropout::none()).unwrap().backward().unwrap();
    for (name, var) in gpt.vars() {
        let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let (gradient, values) = (flat(gradients.get(var).unwrap()), flat(var));
        let by_size = |&a: &usize, &b: &usize| gradient[a].abs().total_cmp(&gradient[b].abs());
        let steepest = (0..gradient.len()).max_by(by_size).unwrap();
        let others = (0..gradient.len()).step_by(gradient.len() / 3 + 1);
        for entry in others.chain([steepest]) {
            let at = |shift: f32| {
                let mut shifted = values.clone();
                shifted[entry] += shift;
                set(var, shifted);
                loss(&gpt, &batch)
            };
            // Central differences at two distances, whose errors of second order cancel.
            let (near, far) = (at(0.01) - at(-0.01), at(0.02) - at(-0.02));
            set(var, values.clone());
            let slope = (8.0 * near - far) / 0.12;
            let error = (slope - f64::from(gradient[entry])).abs();
            assert!(
                error < 1e-4,
                "{name}, entry {entry}: {slope} by differences, {} by backward",
                gradient[entry]
            );
        }
    }
}

#[test]
fn dropping_hardly_anything_changes_hardly_anything() {
    let (gpt, batch) = network_and_batch(3);
    let nats = |mut dropout: Dropout| -> Vec<f32> {
        gpt.surprisals(&batch, &mut dropout).unwrap().to_vec1().unwrap()
    };
    let whole = nats(Dropout::none());
    let distance = |rate: f64| {
        let dropped = nats(Dropout::new(rate, 1));
        let differences = whole.iter().zip(dropped).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, f32::max)
    };
    assert!(distance(1e-9) < 1e-4 && distance(0.5) > 0.1);
}

/// Every variable has a gradient, and it is not zero: with dropout too.
#[test]
fn every_variable_gets_a_gradient() {
    for preset in Preset::ALL {
        let distribution = Distribution::new(3, Operands::Uniform).unwrap();
        let config = GptConfig::addition(preset, distribution.max_line_len() + 1);
        let gpt = Gpt::from_checkpoint(&initial_weights(&config, 1), &Device::Cpu).unwrap();
        let mut lines = LineSource::new(&config, distribution, 1).unwrap();
        let batch = lines.next_batch(4).unwrap();
        for mut dropout in [Dropout::none(), Dropout::new(0.2, 1)] {
            let loss = gpt.loss(&batch, &mut dropout).unwrap();
            let grads = loss.backward().unwrap();
            for (name, var) in gpt.vars() {
                let grad = grads.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
                let size = grad.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(size > 0.0, "{preset:?}: the gradient of {name} is zero");
            }
        }
    }
}
