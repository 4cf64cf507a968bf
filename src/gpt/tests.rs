//! The whole network's loss against finite differences.

use candle_core::{Device, Tensor};

use super::*;
use crate::model::Preset;

/// A network and a batch of `lines` lines, some targets of which do not count.
fn network_and_batch(lines: usize) -> (Gpt, Batch) {
    let config = GptConfig::addition(Preset::Pico, 9);
    let gpt = Gpt::init(&config, 1, &Device::Cpu).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    // Larger weights than a fresh network's, so that no gradient is lost in rounding.
    for (name, var) in gpt.vars() {
        let (values, centre) = match name.contains(".ln_") && name.ends_with(".weight") {
            true => (normal(&mut rng, 0.2, var.elem_count()), 1.0),
            false => (normal(&mut rng, 0.4, var.elem_count()), 0.0),
        };
        let values = values.iter().map(|v| v + centre).collect();
        set(var, values);
    }
    let rows = lines * config.block_size;
    let mut tokens = || -> Vec<u32> { (0..rows).map(|_| rng.next_u32() % 14).collect() };
    let (inputs, targets) = (tokens(), tokens());
    let weights = (0..rows).map(|i| f32::from(i % 9 < 7)).collect();
    let tensor = |values| Tensor::from_vec(values, rows, &Device::Cpu).unwrap();
    let batch = Batch {
        inputs: tensor(inputs).reshape((lines, config.block_size)).unwrap(),
        targets: tensor(targets),
        weights: Tensor::from_vec::<_, f32>(weights, rows, &Device::Cpu).unwrap(),
    };
    (gpt, batch)
}

fn set(var: &Var, values: Vec<f32>) {
    let values = Tensor::from_vec(values, var.shape(), var.device()).unwrap();
    var.set(&values).unwrap();
}

/// The loss, its sum in f64.
fn loss(gpt: &Gpt, batch: &Batch) -> f64 {
    let nats: Vec<f32> = gpt.surprisals(batch).unwrap().to_vec1().unwrap();
    let count: f32 = batch.weights.to_vec1().unwrap().iter().sum();
    nats.iter().map(|&n| f64::from(n)).sum::<f64>() / f64::from(count)
}

/// Of every variable, the entry with the largest gradient and some others.
#[test]
fn every_gradient_is_the_slope_of_the_loss() {
    let (gpt, batch) = network_and_batch(3);
    let gradients = gpt.loss(&batch).unwrap().backward().unwrap();
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

/// Dropout takes the network through the composed operations; without it they are fused.
#[test]
fn a_network_that_hardly_ever_drops_is_the_fused_one() {
    let (gpt, batch) = network_and_batch(3);
    let nats = |dropout: &mut Dropout| -> Vec<f32> {
        let nats = gpt.surprisals_with(&batch, dropout).unwrap();
        nats.to_vec1().unwrap()
    };
    let fused = nats(&mut Dropout::none());
    let distance = |rate: f64| {
        let dropped = nats(&mut Dropout::new(rate, 1));
        let differences = fused.iter().zip(dropped).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, f32::max)
    };
    assert!(distance(1e-9) < 1e-4 && distance(0.5) > 0.1);
}
