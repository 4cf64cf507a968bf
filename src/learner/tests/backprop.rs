//! Loss and gradient for training: the kernel against the definition, waves, threads, rounding.

use super::{lines, settings};
use crate::learner::batch::Learner;
use crate::learner::{Backprop, LearnerSettings, Loss};
use crate::model::{Checkpoint, Preset};
use crate::network::{ExactModel, Isa};
use crate::simd::on_each_isa;
use crate::text::{LineBatch, Token};

pub(super) fn batch(settings: &LearnerSettings, lines: &[Vec<u8>]) -> LineBatch {
    let vocabulary = settings.config.vocabulary().unwrap();
    let lines = lines.iter().map(Vec::as_slice);
    LineBatch::new(lines, &vocabulary, settings.config.block_size).unwrap()
}

fn checkpoint(settings: &LearnerSettings) -> Checkpoint {
    Learner::new(settings, 1).unwrap().checkpoint().unwrap()
}

pub(super) fn loaded(settings: &LearnerSettings, rounded: bool, isa: Isa) -> Backprop {
    let checkpoint = checkpoint(settings);
    let mut backprop = Backprop::with_isa(&settings.config, rounded, isa).unwrap();
    backprop.load(&checkpoint);
    backprop
}

/// The loss and the bits of all gradients.
fn found(settings: &LearnerSettings, rounded: bool, isa: Isa, lines: &[Vec<u8>]) -> (Loss, Vec<u32>) {
    let mut backprop = loaded(settings, rounded, isa);
    let loss = backprop.differentiate(&batch(settings, lines));
    (loss, backprop.gradient().iter().map(|g| g.to_bits()).collect())
}

/// More lines than a wave has, the last sixteen not full; and an instruction set that is missing is told.
#[test]
fn every_instruction_set_is_the_definition() {
    let settings = settings(Preset::Pico, 6);
    let lines = lines(300, 5);
    for rounded in [false, true] {
        let definition = found(&settings, rounded, Isa::Scalar, &lines);
        on_each_isa(|isa| {
            assert!(found(&settings, rounded, isa, &lines) == definition, "{isa}, rounded: {rounded}");
        });
    }
}

/// Sixteen lines are a group; of four groups the first two and the last two are added first.
#[test]
fn groups_are_added_in_pairs() {
    let mut settings = settings(Preset::Pico, 9);
    settings.batch_lines = 64;
    let lines = lines(64, 8);
    let mut learner = super::learner(&settings, Isa::best());
    let mut gradient = |lines: &[Vec<u8>]| {
        learner.read(&super::slices(lines));
        learner.gradient_now(0.01)
    };
    let groups: Vec<Vec<f32>> = lines.chunks(16).map(&mut gradient).collect();
    let by = |order: fn([f32; 4]) -> f32| -> Vec<u32> {
        let values = (0..groups[0].len()).map(|i| [0, 1, 2, 3].map(|group: usize| groups[group][i]));
        values.map(|parts| order(parts).to_bits()).collect()
    };
    let all: Vec<u32> = gradient(&lines).into_iter().map(f32::to_bits).collect();
    assert!(all == by(|[a, b, c, d]| (a + b) + (c + d)));
    assert!(all != by(|[a, b, c, d]| ((a + b) + c) + d));
}

#[test]
fn threads_change_nothing() {
    let settings = settings(Preset::Tiny, 6);
    let lines = lines(300, 5);
    let [one, three] = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| found(&settings, true, Isa::best(), &lines))
    });
    assert!(one == three);
}

/// The learner's own gradient of the same lines is the same, and so is what a batch costs.
#[test]
fn it_is_the_learners_gradient() {
    let settings = settings(Preset::Tiny, 9);
    let lines = lines(40, 8);
    let mut backprop = loaded(&settings, false, Isa::best());
    let loss = backprop.differentiate(&batch(&settings, &lines));
    let mut learner = super::learner(&settings, Isa::best());
    learner.read(&super::slices(&lines));
    let expected = learner.gradient_now(1.0 / loss.tokens as f32);
    assert!(backprop.gradient() == expected);
    assert_eq!(loss.tokens, lines.iter().map(|line| line.len() as u64 + 1).sum::<u64>());
}

/// Which way a value is rounded is chance where the two networks differ in the last bits before; how far
/// rounding moves a line's surprisal is not.
#[test]
fn rounding_moves_lines_as_far_as_the_exact_networks() {
    let settings = settings(Preset::Nano, 9);
    let lines = lines(200, 8);
    let exact = ExactModel::from_checkpoint(&checkpoint(&settings)).unwrap();
    let [mut plain, mut rounded] = [false, true].map(|rounded| loaded(&settings, rounded, Isa::best()));
    let (mut by_exact, mut by_rounding) = (0.0, 0.0);
    for line in &lines {
        let batch = batch(&settings, std::slice::from_ref(line));
        let weights = exact.unrounded(&batch.inputs[..=line.len()]);
        let probability = |(weights, target): (&Vec<f32>, &Option<Token>)| {
            f64::from(weights[usize::from(target.unwrap())] / weights.iter().sum::<f32>())
        };
        let cost: f64 = weights.iter().zip(&batch.targets).map(probability).map(|p| -p.ln()).sum();
        let [plain, rounded] = [&mut plain, &mut rounded].map(|backprop| backprop.differentiate(&batch).nats);
        by_exact += (cost - plain).powi(2);
        by_rounding += (rounded - plain).powi(2);
    }
    let ratio = (by_rounding / by_exact).sqrt();
    assert!((0.7..1.4).contains(&ratio), "{ratio}");
}
