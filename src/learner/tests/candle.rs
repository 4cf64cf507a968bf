//! The gradient against candle's, of the same weights and lines.

use candle_core::{Device, Tensor};

use super::backprop::{loaded, tokens};
use super::{learner, lines, settings, slices};
use crate::gpt::{Batch, Gpt};
use crate::model::Preset;
use crate::network::Isa;
use crate::text::Vocabulary;

/// Lines as candle's network takes them: short ones are filled up with what does not count.
fn batch(lines: &[Vec<u8>], length: usize, vocabulary: &Vocabulary) -> Batch {
    let (mut inputs, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for line in lines {
        let token = |i: usize| match line.get(i) {
            Some(&c) => vocabulary.token(c).unwrap(),
            None => vocabulary.end(),
        };
        for i in 0..length {
            inputs.push(u32::from(if i == 0 { vocabulary.start() } else { token(i - 1) }));
            targets.push(u32::from(token(i)));
            weights.push(if i <= line.len() { 1f32 } else { 0.0 });
        }
    }
    let shape = (lines.len(), length);
    Batch {
        inputs: Tensor::from_vec(inputs, shape, &Device::Cpu).unwrap(),
        targets: Tensor::from_vec(targets, lines.len() * length, &Device::Cpu).unwrap(),
        weights: Tensor::from_vec(weights, lines.len() * length, &Device::Cpu).unwrap(),
    }
}

#[test]
fn gradients_are_candles() {
    let settings = settings(Preset::Tiny, 9);
    let mut learner = learner(&settings, Isa::best());
    let lines = lines(37, 8);
    learner.read(&slices(&lines));
    let count: usize = lines.iter().map(|line| line.len() + 1).sum();
    let gradient = learner.gradient_now(1.0 / count as f32);
    let gpt = Gpt::from_checkpoint(&learner.checkpoint().unwrap(), &Device::Cpu).unwrap();
    let batch = batch(&lines, 9, learner.vocabulary());
    let mut backprop = loaded(&settings, false, Isa::best());
    let (inputs, targets) = tokens(&settings, &lines);
    let loss = backprop.differentiate(&inputs, &targets);
    let mean = loss.nats / loss.tokens as f64;
    let theirs = f64::from(gpt.loss(&batch).unwrap().to_scalar::<f32>().unwrap());
    assert!(
        (mean - theirs).abs() < 1e-5,
        "{mean} nats a token, candle {theirs}"
    );
    let theirs = gpt.loss(&batch).unwrap().backward().unwrap();
    for tensor in settings.shape().unwrap().tensors() {
        let their = theirs.get(gpt.vars()[&tensor.name].as_tensor()).unwrap();
        let in_its_shape = their.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_near(
            &backprop.gradient(&tensor.name).unwrap(),
            &in_its_shape,
            &tensor.name,
        );
        let their = if tensor.transposed {
            their.t().unwrap()
        } else {
            their.clone()
        };
        let their: Vec<f32> = their.flatten_all().unwrap().to_vec1().unwrap();
        assert_near(&gradient[tensor.place], &their, &tensor.name);
    }
}

fn assert_near(our: &[f32], their: &[f32], name: &str) {
    let largest = their.iter().fold(0f32, |m, g| m.max(g.abs()));
    for (i, (a, b)) in our.iter().zip(their).enumerate() {
        assert!(
            (a - b).abs() <= 1e-4 * largest,
            "{name}, entry {i}: {a}, candle {b}"
        );
    }
}
