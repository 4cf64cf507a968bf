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
    let mean = loss.nats / loss.tokens as f64;
    let their_loss = gpt.loss(&batch, &mut Dropout::none()).unwrap();
    let theirs = f64::from(their_loss.to_scalar::<f32>().unwrap());
    assert!(
        (mean - theirs).abs() < 1e-5,
        "{mean} nats a token, candle {theirs}"
    );
    let theirs = their_loss.backward().unwrap();
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
