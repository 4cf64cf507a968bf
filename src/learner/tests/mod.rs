//! The learner against f64, against its definition, against itself.

mod backprop;
#[cfg(feature = "candle")]
mod candle;
mod gradient;
mod isa;
mod orthogonal;
mod reference;

use crate::learner::batch::Learner;
use crate::learner::settings::LearnerSettings;
use crate::model::{GptConfig, Preset};
use crate::network::Isa;

/// Settings of a small learner whose weights are large enough for every gradient to matter.
fn settings(preset: Preset, block: usize) -> LearnerSettings {
    let mut settings = LearnerSettings::new(GptConfig::addition(preset, block));
    settings.batch_lines = 40;
    settings.token_deviation = 0.5;
    settings.position_deviation = 0.5;
    settings.matrix_deviation = 0.2;
    settings.head_deviation = 0.3;
    settings
}

fn learner(settings: &LearnerSettings, isa: Isa) -> Learner {
    Learner::with_isa(settings, 2, isa).unwrap()
}

/// Lines of many lengths over the addition vocabulary, the empty one among them.
fn lines(count: usize, longest: usize) -> Vec<Vec<u8>> {
    let line = |i: usize| {
        let len = if i.is_multiple_of(3) { longest } else { i * 7 % (longest + 1) };
        (0..len).map(|j| b"0123456789+="[(i * i + 5 * j + j * j * i) % 12]).collect()
    };
    (0..count).map(line).collect()
}

fn slices(lines: &[Vec<u8>]) -> Vec<&[u8]> {
    lines.iter().map(Vec::as_slice).collect()
}
