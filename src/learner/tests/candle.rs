//! The gradient against candle's, of the same weights and lines.

use candle_core::Device;

use super::backprop::{batch, loaded};
use super::{learner, lines, settings, slices};
use crate::gpt::{Dropout, Gpt};
use crate::model::Preset;
use crate::network::Isa;

#[test]
fn gradients_are_candles() {
    let settings = settings(Preset::Tiny, 9);
    let mut learner = learner(&settings, Isa::best());
    let lines = lines(37, 8);
    learner.read(&slices(&lines));
    let count: usize = lines.iter().map(|line| line.len() + 1).sum();
    let gradient = learner.gradient_now(1.0 / count as f32);
    let gpt = Gpt::from_checkpoint(&learner.checkpoint().unwrap(), &Device::Cpu).unwrap();
    let batch = batch(&settings, &lines);
    let mut backprop = loaded(&settings, false, Isa::best());
    let loss = backprop.differentiate(&batch);
    let mean = loss.mean();
    let their_loss = gpt.loss(&batch, &mut Dropout::none()).unwrap();
    let theirs = f64::from(their_loss.to_scalar::<f32>().unwrap());
    assert!((mean - theirs).abs() < 1e-5, "{mean} nats a token, candle {theirs}");
    let theirs = their_loss.backward().unwrap();
    let shape = settings.shape().unwrap();
    for tensor in shape.tensors() {
        let their = theirs.get(gpt.vars()[&tensor.name].as_tensor()).unwrap();
        let their: Vec<f32> = their.flatten_all().unwrap().to_vec1().unwrap();
        for our in [backprop.gradient(), &gradient] {
            assert_near(&shape.in_model_order(&tensor, our), &their, &tensor.name);
        }
    }
}

fn assert_near(our: &[f32], their: &[f32], name: &str) {
    let largest = their.iter().fold(0f32, |m, g| m.max(g.abs()));
    for (i, (a, b)) in our.iter().zip(their).enumerate() {
        assert!((a - b).abs() <= 1e-4 * largest, "{name}, entry {i}: {a}, candle {b}");
    }
}
