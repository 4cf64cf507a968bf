//! The gradient against finite differences in f64.

use super::{learner, lines, reference, settings, slices};
use crate::model::Preset;
use crate::network::Isa;

/// Of every tensor the steepest entry and some others: relative error at most 1e-3.
#[test]
fn every_gradient_is_the_slope_of_the_surprisal() {
    let settings = settings(Preset::Pico, 9);
    let mut learner = learner(&settings, Isa::best());
    let shape = settings.shape().unwrap();
    let lines = lines(37, 8);
    learner.read(&slices(&lines));
    let gradient = learner.gradient_now(1.0);
    let vocabulary = learner.vocabulary();
    let tokens: Vec<Vec<u8>> = lines
        .iter()
        .map(|line| [&[vocabulary.start()], &vocabulary.tokens(line, 8).unwrap()[..]].concat())
        .collect();
    let mut parameters: Vec<f64> = learner.parameters().iter().map(|&p| f64::from(p)).collect();
    for tensor in shape.tensors() {
        let steepness = |i: &usize| gradient[*i].abs();
        let steepest = tensor.place.clone().max_by(|a, b| steepness(a).total_cmp(&steepness(b)));
        let steepest = steepest.unwrap();
        let others = tensor.place.clone().step_by(tensor.place.len() / 5 + 1);
        for entry in others.chain([steepest]) {
            let value = parameters[entry];
            let mut at = |shift: f64| {
                parameters[entry] = value + shift;
                reference::surprisal(&shape, &parameters, &tokens)
            };
            let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
            parameters[entry] = value;
            let found = f64::from(gradient[entry]);
            let scale = slope.abs().max(0.01 * f64::from(gradient[steepest].abs()));
            assert!(
                (slope - found).abs() <= 1e-3 * scale,
                "{}, entry {}: {slope} by differences, {found} by the kernel",
                tensor.name,
                entry - tensor.place.start
            );
        }
    }
}
