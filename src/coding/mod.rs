//! Between lines and bits: the exact network's probabilities drive a range coder.
//!
//! Lines go in groups of [`GROUP`], in lockstep: for each position, for each line of the group that
//! has not ended, one token. That order is part of the archive format, because it lets a decoder
//! run the network on a whole group at once. The coder itself is constriction's range coder with
//! 32-bit words.

mod decoder;
mod device;

use std::borrow::Borrow;
use std::num::NonZeroU32;

use constriction::stream::Encode;
use constriction::stream::model::{DecoderModel, EncoderModel, EntropyModel};
use constriction::stream::queue::DefaultRangeEncoder;

use crate::network::{Cdf, Device, ExactModel, Group, KnownLines, PRECISION, Slots};
use crate::text::Token;
pub(crate) use decoder::{LineDecoder, TextLimits};

/// Lines that are coded in lockstep: a constant of the archive format.
pub const GROUP: usize = 64;

impl EntropyModel<PRECISION> for Cdf<'_> {
    type Symbol = Token;
    type Probability = u32;
}

impl DecoderModel<PRECISION> for Cdf<'_> {
    #[inline]
    fn quantile_function(&self, quantile: u32) -> (Token, u32, NonZeroU32) {
        let (token, Slots { left, width }) = self.find(quantile);
        (token, left, width)
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

/// Sees each token as it is coded. Nothing of the bytes depends on it.
pub trait TokenObserver {
    /// The token of line `line` (of those given, from 0) at `position` (from 0) is coded by these slots.
    fn token(&mut self, line: usize, position: usize, slots: Slots);
}

/// Looks at nothing.
impl TokenObserver for () {
    #[inline]
    fn token(&mut self, _line: usize, _position: usize, _slots: Slots) {}
}

/// Codes lines and decodes them again. Keeps the network's memory from group to group.
pub struct LineCoder<'a> {
    model: &'a ExactModel,
    group: Group<'a>,
    /// A GPU that runs the network of lines to be coded.
    gpu: Option<(Device, KnownLines)>,
}

/// What a line coder reports of a line that does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable;

impl<'a> LineCoder<'a> {
    /// A coder with this model.
    pub fn new(model: &'a ExactModel) -> Self {
        Self {
            model,
            group: model.group(GROUP),
            gpu: None,
        }
    }

    /// Whether a line (without its newline) fits the model's grammar: its characters are in the
    /// vocabulary and they are no more than it has positions for.
    pub fn fits(&self, line: &[u8]) -> bool {
        let vocabulary = self.model.vocabulary();
        line.len() <= self.model.max_line_len() && line.iter().all(|&c| vocabulary.token(c).is_some())
    }

    /// Codes lines that fit, without their newlines.
    ///
    /// # Panics
    /// If a line does not fit.
    pub fn encode(&mut self, lines: &[&[u8]]) -> Vec<u32> {
        self.encode_observed(lines, &mut ())
    }

    /// As [`LineCoder::encode`], while somebody looks on.
    ///
    /// # Panics
    /// As there.
    pub fn encode_observed(&mut self, lines: &[&[u8]], observer: &mut impl TokenObserver) -> Vec<u32> {
        let mut encoder = DefaultRangeEncoder::new();
        let coded = self.encode_on_gpu(lines, &mut encoder, observer);
        self.encode_on_cpu(coded, &lines[coded..], &mut encoder, observer);
        encoder.into_compressed().expect("memory does not fail")
    }

    /// Codes lines, `first` of which came before.
    fn encode_on_cpu(
        &mut self,
        first: usize,
        lines: &[&[u8]],
        encoder: &mut DefaultRangeEncoder,
        observer: &mut impl TokenObserver,
    ) {
        let vocabulary = self.model.vocabulary();
        let mut tokens = Vec::with_capacity(GROUP);
        for (group, lines) in lines.chunks(GROUP).enumerate() {
            self.group.start(lines.len());
            tokens.clear();
            tokens.resize(lines.len(), vocabulary.start());
            let longest = lines.iter().map(|line| line.len()).max().unwrap_or(0);
            for position in 0..=longest {
                let cdfs = self.group.step(&tokens);
                for (index, (line, token)) in lines.iter().zip(&mut tokens).enumerate() {
                    if position > line.len() {
                        continue;
                    }
                    *token = self.model.token_at(line, position);
                    let slots = cdfs.row(index).slots(*token);
                    observer.token(first + group * GROUP + index, position, slots);
                    let coded = encoder.encode_symbol(*token, slots);
                    coded.expect("every symbol has a slot and memory does not fail");
                }
            }
        }
    }

    /// Decodes `count` lines and calls `line_done` with each, `terminator` behind it.
    ///
    /// # Errors
    /// [`Undecodable`] if the words are not what [`LineCoder::encode`] writes, as far as that shows,
    /// or if the text would grow beyond `limit` bytes.
    pub fn decode(
        &mut self,
        words: &[u32],
        count: usize,
        terminator: &[u8],
        limit: usize,
        mut line_done: impl FnMut(&[u8]),
    ) -> Result<(), Undecodable> {
        let text = TextLimits {
            count,
            terminator,
            bytes: limit,
        };
        let mut lines = LineDecoder::new(words, self.model, text);
        while let Some((position, tokens)) = lines.next() {
            if position == 0 {
                self.group.start(tokens.len());
            }
            let cdfs = self.group.step(tokens);
            lines.take(self.model, |line| cdfs.row(line), &mut line_done)?;
        }
        lines.finish()
    }
}
