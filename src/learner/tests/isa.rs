//! The definition against the kernel in every instruction set, bit for bit, whole steps of it.

use super::{learner, lines, settings, slices};
use crate::coding::encode;
use crate::learner::settings::LearnerSettings;
use crate::model::{GptConfig, Preset};
use crate::network::Isa;
use crate::simd::on_each_isa;
use crate::text::Vocabulary;

/// The bits of all parameters after three batches, and the words that these took.
fn run(settings: &LearnerSettings, isa: Isa) -> (Vec<u32>, Vec<u32>) {
    let mut learner = learner(settings, isa);
    let lines = lines(100, settings.config.block_size - 1);
    let words = encode(&mut learner, &slices(&lines), |_, _, _| {});
    let bits = learner.parameters().iter().map(|p| p.to_bits()).collect();
    (bits, words)
}

fn all_agree(settings: &LearnerSettings) {
    let definition = run(settings, Isa::Scalar);
    on_each_isa(|isa| {
        assert!(run(settings, isa) == definition, "{isa}");
    });
}

#[test]
fn every_instruction_set_is_the_definition() {
    all_agree(&settings(Preset::Pico, 9));
    all_agree(&settings(Preset::Tiny, 5));
}

/// Heads of 16 features, an odd number of symbols, and batches that fill no register.
#[test]
fn odd_sizes_are_the_definition() {
    let symbols: Vec<u8> = (b'*'..=b'=').chain(*b"se.").filter(|b| *b != b'.').collect();
    let vocabulary = Vocabulary::new(&[&symbols[..], b"."].concat(), b's', b'e').unwrap();
    let mut settings = LearnerSettings {
        config: GptConfig::with_vocabulary(Preset::Nano, 4, &vocabulary),
        ..settings(Preset::Nano, 4)
    };
    settings.batch_lines = 19;
    settings.replay = 1;
    all_agree(&settings);
}
