//! Lines to bits.

use std::borrow::Borrow;
use std::num::NonZeroU32;

use constriction::stream::Encode;
use constriction::stream::model::{EncoderModel, EntropyModel};
use constriction::stream::queue::DefaultRangeEncoder;

use super::predictor::Predictor;
use crate::network::{PRECISION, Slots};
use crate::text::Token;

/// Codes lines that fit, without their newlines. `on_token` is told of each token's line (of those given, from 0),
/// position (from 0) and slots; no byte depends on it.
///
/// # Panics
/// If a line does not fit.
pub fn encode(
    predictor: &mut (impl Predictor + ?Sized),
    lines: &[&[u8]],
    mut on_token: impl FnMut(usize, usize, Slots),
) -> Vec<u32> {
    let mut encoder = DefaultRangeEncoder::new();
    let vocabulary = predictor.vocabulary().clone();
    let group_lines = predictor.group_lines();
    let (mut before, mut tokens, mut slots) = (Vec::new(), Vec::new(), Vec::new());
    for first in (0..lines.len()).step_by(group_lines) {
        let known = &lines[first..];
        let group = &known[..group_lines.min(known.len())];
        predictor.begin_known(group.len(), known);
        before.clear();
        before.resize(group.len(), vocabulary.start());
        slots.resize(group.len(), Slots::ALL);
        let longest = group.iter().map(|line| line.len()).max().unwrap_or(0);
        for position in 0..=longest {
            tokens.clear();
            tokens.extend(group.iter().map(|line| vocabulary.token_at(line, position)));
            predictor.step_known(position, &before, &tokens, &mut slots);
            for (line, (token, &slots)) in tokens.iter().zip(&slots).enumerate() {
                let Some(token) = *token else { continue };
                on_token(first + line, position, slots);
                let coded = encoder.encode_symbol(token, slots);
                coded.expect("every symbol has a slot and memory does not fail");
                before[line] = token;
            }
        }
        predictor.end(group);
    }
    encoder.into_compressed().expect("memory does not fail")
}

impl EntropyModel<PRECISION> for Slots {
    type Symbol = Token;
    type Probability = u32;
}

/// Whatever the symbol, its slots are these.
impl EncoderModel<PRECISION> for Slots {
    #[inline]
    fn left_cumulative_and_probability(&self, _: impl Borrow<Token>) -> Option<(u32, NonZeroU32)> {
        Some((self.left, self.width))
    }
}
