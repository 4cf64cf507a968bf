//! Lines to bits.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::mem;
use std::num::NonZeroU32;

use constriction::backends::WriteWords;
use constriction::stream::Encode;
use constriction::stream::model::{EncoderModel, EntropyModel};
use constriction::stream::queue::{EncoderSituation, RangeCoderState, RangeEncoder};

use super::known_group::KnownGroup;
use super::predictor::Predictor;
use crate::network::{PRECISION, Slots};

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
    let start = (RangeCoderState::<u32, u64>::default(), EncoderSituation::Normal);
    let mut encoder = RangeEncoder::from_raw_parts(Words::default(), start.0, start.1);
    let vocabulary = predictor.vocabulary().clone();
    let group_lines = predictor.group_lines();
    let mut group = KnownGroup::new(&vocabulary);
    let mut slots = vec![Slots::ALL; group_lines.min(lines.len())];
    for first in (0..lines.len()).step_by(group_lines) {
        let known = &lines[first..];
        let lines = &known[..group_lines.min(known.len())];
        let slots = &mut slots[..lines.len()];
        predictor.begin_known(lines.len(), known);
        group.begin(lines);
        for position in 0..group.positions() {
            predictor.step_known(position, &mut group, slots);
            let is_full = group.all_have(position);
            for (line, &slots) in slots.iter().enumerate() {
                if is_full || group.has(position, line) {
                    on_token(first + line, position, slots);
                    let coded = encoder.encode_symbol((), slots);
                    coded.expect("every symbol has a slot and memory does not fail");
                }
            }
        }
        predictor.end(lines);
    }
    encoder.into_compressed().expect("memory does not fail").into_vec()
}

/// What is to be coded is known by its slots.
impl EntropyModel<PRECISION> for Slots {
    type Symbol = ();
    type Probability = u32;
}

impl EncoderModel<PRECISION> for Slots {
    #[inline]
    fn left_cumulative_and_probability(&self, _: impl Borrow<()>) -> Option<(u32, NonZeroU32)> {
        Some((self.left, self.width))
    }
}

/// The words so far. Unlike a vector it never lends itself to a function, so that the compiler can keep the encoder around it in
/// registers.
#[derive(Default)]
struct Words {
    /// Those, and room for more.
    words: Vec<u32>,
    len: usize,
}

impl Words {
    fn into_vec(mut self) -> Vec<u32> {
        self.words.truncate(self.len);
        self.words
    }

    #[cold]
    fn longer(mut words: Vec<u32>) -> Vec<u32> {
        words.resize((2 * words.len()).max(1024), 0);
        words
    }
}

impl WriteWords<u32> for Words {
    type WriteError = Infallible;

    #[inline]
    fn write(&mut self, word: u32) -> Result<(), Infallible> {
        if self.len == self.words.len() {
            self.words = Self::longer(mem::take(&mut self.words));
        }
        self.words[self.len] = word;
        self.len += 1;
        Ok(())
    }
}
