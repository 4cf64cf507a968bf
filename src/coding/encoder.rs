//! Lines to bits.

use std::borrow::Borrow;
use std::num::NonZeroU32;

use constriction::stream::Encode;
use constriction::stream::model::{EncoderModel, EntropyModel};
use constriction::stream::queue::DefaultRangeEncoder;

use super::predictor::Predictor;
use crate::network::{PRECISION, Slots};
use crate::text::{Token, Vocabulary};

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
        lay_out(&vocabulary, group, &mut tokens);
        for (position, tokens) in tokens.chunks_exact(group.len()).enumerate() {
            predictor.step_known(position, &before, tokens, &mut slots);
            for (line, ((token, &slots), before)) in tokens.iter().zip(&slots).zip(&mut before).enumerate() {
                let Some(token) = *token else { continue };
                on_token(first + line, position, slots);
                let coded = encoder.encode_symbol(token, slots);
                coded.expect("every symbol has a slot and memory does not fail");
                *before = token;
            }
        }
        predictor.end(group);
    }
    encoder.into_compressed().expect("memory does not fail")
}

/// The tokens of a group as they are coded: (positions, lines), none behind a line's end.
fn lay_out(vocabulary: &Vocabulary, group: &[&[u8]], tokens: &mut Vec<Option<Token>>) {
    let longest = group.iter().map(|line| line.len()).max().unwrap_or(0);
    tokens.clear();
    tokens.resize((longest + 1) * group.len(), None);
    for (line, characters) in group.iter().enumerate() {
        let places = tokens[line..].iter_mut().step_by(group.len());
        places.zip(vocabulary.line_tokens(characters)).for_each(|(place, token)| *place = Some(token));
    }
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
