//! Bits to lines.

use std::num::NonZeroU32;

use constriction::backends::Cursor;
use constriction::stream::Decode;
use constriction::stream::model::{DecoderModel, EntropyModel};
use constriction::stream::queue::DefaultRangeDecoder;

use super::predictor::Predictor;
use crate::network::{Cdf, PRECISION, Slots};
use crate::text::{Token, Vocabulary};

/// What text is to be decoded.
#[derive(Clone, Copy, Debug)]
pub struct TextLimits<'t> {
    /// Lines.
    pub lines: usize,
    /// What ends each.
    pub terminator: &'t [u8],
    /// Bytes that it may have, all in all.
    pub bytes: usize,
}

/// The words are not what [`encode`](super::encode) writes, or the text would be longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undecodable;

/// Decodes lines and calls `line_done` with each, what ends it behind it.
///
/// # Errors
/// [`Undecodable`], as far as that shows: there are no checksums here.
pub fn decode(
    predictor: &mut (impl Predictor + ?Sized),
    words: &[u32],
    text: TextLimits,
    mut line_done: impl FnMut(&[u8]),
) -> Result<(), Undecodable> {
    let mut decoder = LineDecoder::new(words, predictor, text);
    while let Some((position, before)) = decoder.position() {
        if position == 0 {
            predictor.begin(before.len());
        }
        let cdfs = predictor.step(before);
        decoder.decode_position(|line| cdfs.row(line))?;
        if let Some(group) = decoder.whole_group() {
            predictor.end(&group);
            decoder.next_group(&mut line_done)?;
        }
    }
    decoder.finish()
}

/// Decodes position by position and stands still between them, so that one thread can lead many side by side while a
/// GPU runs the network.
pub(crate) struct LineDecoder<'t, W: AsRef<[u32]>> {
    decoder: DefaultRangeDecoder<Cursor<u32, W>>,
    vocabulary: Vocabulary,
    max_line_len: usize,
    group_lines: usize,
    /// What is behind the present group.
    rest: TextLimits<'t>,
    /// The group's lines so far, and the last token of each.
    lines: Vec<Vec<u8>>,
    tokens: Vec<Token>,
    /// Lines of the group that have not ended.
    going: usize,
    position: usize,
}

impl<'t, W: AsRef<[u32]>> LineDecoder<'t, W> {
    /// Before the first position of the first group.
    pub fn new(words: W, predictor: &(impl Predictor + ?Sized), text: TextLimits<'t>) -> Self {
        let Ok(decoder) = DefaultRangeDecoder::from_compressed(words);
        let mut lines = Self {
            decoder,
            vocabulary: predictor.vocabulary().clone(),
            max_line_len: predictor.max_line_len(),
            group_lines: predictor.group_lines(),
            rest: text,
            lines: Vec::new(),
            tokens: Vec::new(),
            going: 0,
            position: 0,
        };
        lines.begin_group();
        lines
    }

    fn begin_group(&mut self) {
        self.going = self.group_lines.min(self.rest.lines);
        self.rest.lines -= self.going;
        self.lines.resize(self.going, Vec::new());
        self.lines.iter_mut().for_each(Vec::clear);
        self.tokens.clear();
        self.tokens.resize(self.going, self.vocabulary.start());
        self.position = 0;
    }

    /// The next position of the group and the token before it of each line, which the network takes; none behind the
    /// last group. Of lines that have ended, any token does.
    pub fn position(&self) -> Option<(usize, &[Token])> {
        (!self.tokens.is_empty()).then_some((self.position, &self.tokens))
    }

    /// Decodes the token of each line at the present position by a row of cumulative probabilities for each.
    ///
    /// # Errors
    /// [`Undecodable`]: there is no going on then.
    #[inline]
    pub fn decode_position<'r>(&mut self, row: impl Fn(usize) -> Cdf<'r>) -> Result<(), Undecodable> {
        let end = self.vocabulary.end();
        for (index, (token, line)) in self.tokens.iter_mut().zip(&mut self.lines).enumerate() {
            if *token == end {
                continue;
            }
            let decoded = self.decoder.decode_symbol(row(index));
            *token = decoded.map_err(|_| Undecodable)?;
            if *token == end {
                self.going -= 1;
            } else {
                line.push(self.vocabulary.character(*token).ok_or(Undecodable)?);
            }
        }
        self.position += 1;
        if self.going > 0 && self.position > self.max_line_len {
            return Err(Undecodable);
        }
        Ok(())
    }

    /// The lines of the group, if all have ended.
    pub fn whole_group(&self) -> Option<Vec<&[u8]>> {
        (self.going == 0).then(|| self.lines.iter().map(Vec::as_slice).collect())
    }

    /// Hands on the lines of a whole group, what ends each behind it, and begins the next.
    ///
    /// # Errors
    /// [`Undecodable`] if the text is too long.
    pub fn next_group(&mut self, mut line_done: impl FnMut(&[u8])) -> Result<(), Undecodable> {
        for line in &mut self.lines {
            line.extend_from_slice(self.rest.terminator);
            self.rest.bytes = self.rest.bytes.checked_sub(line.len()).ok_or(Undecodable)?;
            line_done(line);
        }
        self.begin_group();
        Ok(())
    }

    /// Behind the last group: whether the words end there too, as far as that shows.
    ///
    /// # Errors
    /// [`Undecodable`] if not.
    pub fn finish(&self) -> Result<(), Undecodable> {
        if self.decoder.maybe_exhausted() { Ok(()) } else { Err(Undecodable) }
    }
}

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
