//! Bits to lines.

use std::mem;
use std::num::NonZeroU32;

use constriction::stream::Decode;
use constriction::stream::model::{DecoderModel, EntropyModel};
use constriction::stream::queue::DefaultRangeDecoder;

use super::GROUP;
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
    mut text: TextLimits,
    mut line_done: impl FnMut(&[u8]),
) -> Result<(), Undecodable> {
    let Ok(mut decoder) = DefaultRangeDecoder::from_compressed(words);
    let vocabulary = predictor.vocabulary().clone();
    let (start, end) = (vocabulary.start(), vocabulary.end());
    let (most, group_lines) = (predictor.max_line_len(), predictor.group_lines());
    let mut group = GroupText::new(&vocabulary);
    // The group's tokens, (positions, lines): start symbols, then what was decoded. Behind a line's end symbol stand more of
    // them.
    let mut tokens = Vec::new();
    let mut rest = text.lines;
    while rest > 0 {
        let lines = group_lines.min(rest);
        rest -= lines;
        predictor.begin(lines);
        tokens.clear();
        tokens.resize(lines, start);
        for position in 0.. {
            let first = tokens.len();
            let cdfs = predictor.step(&tokens[first - lines..]);
            tokens.extend_from_within(first - lines..);
            let row = &mut tokens[first..];
            for (line, token) in row.iter_mut().enumerate().filter(|(_, token)| **token != end) {
                *token = decoder.decode_symbol(cdfs.row(line)).map_err(|_| Undecodable)?;
            }
            let last = (vocabulary.len() - 1) as Token;
            // All of them are looked at, in vectors.
            if row.iter().fold(false, |is_bad, &token| is_bad | (token == start) | (token > last)) {
                return Err(Undecodable);
            }
            if row.iter().all(|&token| token == end) {
                break;
            }
            if position == most {
                return Err(Undecodable);
            }
        }
        group.join(&tokens[lines..], lines, lines, text.terminator)?;
        predictor.end(&group.lines(text.terminator.len()));
        group.hand_on(&mut text, &mut line_done)?;
    }
    if decoder.maybe_exhausted() { Ok(()) } else { Err(Undecodable) }
}

/// The text of a group's lines, made of their tokens.
pub(crate) struct GroupText {
    /// The character of each token; of those that have none, any.
    characters: [u8; 256],
    end: Token,
    /// The lines, what ends each behind it, and where that ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl GroupText {
    /// Of no lines yet.
    pub fn new(vocabulary: &Vocabulary) -> Self {
        Self {
            characters: std::array::from_fn(|token| vocabulary.character(token as Token).unwrap_or_default()),
            end: vocabulary.end(),
            text: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Makes the lines of tokens, (positions, `stride`).
    ///
    /// # Errors
    /// [`Undecodable`] if a line has no end symbol.
    fn join(
        &mut self,
        tokens: &[Token],
        stride: usize,
        lines: usize,
        terminator: &[u8],
    ) -> Result<(), Undecodable> {
        let positions = tokens.len() / stride;
        self.text.resize(lines * (positions + terminator.len()), 0);
        self.ends.clear();
        let mut len = 0;
        for line in 0..lines {
            let (column, begin) = (tokens[line..].iter().step_by(stride), len);
            for &token in column.take_while(|&&token| token != self.end) {
                self.text[len] = self.characters[usize::from(token)];
                len += 1;
            }
            if len - begin == positions {
                return Err(Undecodable);
            }
            self.text[len..][..terminator.len()].copy_from_slice(terminator);
            len += terminator.len();
            self.ends.push(len);
        }
        Ok(())
    }

    /// The lines without what ends them, which has so many bytes.
    fn lines(&self, terminator: usize) -> Vec<&[u8]> {
        self.terminated_lines().map(|line| &line[..line.len() - terminator]).collect()
    }

    /// The lines, what ends each behind it.
    fn terminated_lines(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.iter().scan(0, |start, &end| Some(&self.text[mem::replace(start, end)..end]))
    }

    /// Hands on the lines, what ends each behind it, and takes their bytes off what the text may have.
    ///
    /// # Errors
    /// [`Undecodable`] if the text is too long.
    fn hand_on(&self, text: &mut TextLimits, mut line_done: impl FnMut(&[u8])) -> Result<(), Undecodable> {
        for line in self.terminated_lines() {
            text.bytes = text.bytes.checked_sub(line.len()).ok_or(Undecodable)?;
            line_done(line);
        }
        Ok(())
    }

    /// Makes lines of the tokens that a device decoded, (positions, lines of a group) for each group, and hands them on as
    /// [`decode`] does.
    ///
    /// # Errors
    /// [`Undecodable`] if a line has no end symbol, or the text is too long.
    pub fn join_groups<'t>(
        &mut self,
        groups: impl Iterator<Item = &'t [Token]>,
        mut text: TextLimits,
        mut line_done: impl FnMut(&[u8]),
    ) -> Result<(), Undecodable> {
        let mut rest = text.lines;
        for tokens in groups {
            let lines = GROUP.min(rest);
            rest -= lines;
            self.join(tokens, GROUP, lines, text.terminator)?;
            self.hand_on(&mut text, &mut line_done)?;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coding::encode;
    use crate::network::Cdfs;

    /// Every symbol is as likely as another.
    struct Even {
        vocabulary: Vocabulary,
        rows: Vec<[u32; 8]>,
    }

    const LINES: usize = 5;

    impl Even {
        fn new(symbols: &[u8], start: u8, end: u8) -> Self {
            let row: [u32; 16] =
                std::array::from_fn(|token| if token < 14 { token as u32 * 74_000 } else { 1 << PRECISION });
            let rows = row.as_chunks().0.repeat(LINES);
            Self { vocabulary: Vocabulary::new(symbols, start, end).unwrap(), rows }
        }

        fn of_sums() -> Self {
            Self::new(b"0123456789se+=", b's', b'e')
        }

        fn cdfs(&self) -> Cdfs<'_> {
            Cdfs::new(&self.rows, 2)
        }
    }

    impl Predictor for Even {
        fn vocabulary(&self) -> &Vocabulary {
            &self.vocabulary
        }

        fn max_line_len(&self) -> usize {
            9
        }

        fn group_lines(&self) -> usize {
            LINES
        }

        fn begin(&mut self, _lines: usize) {}

        fn step(&mut self, _tokens: &[Token]) -> Cdfs<'_> {
            self.cdfs()
        }
    }

    /// Lines of no one length: two groups and a part of one.
    const TEXT: [&[u8]; 12] =
        [b"1+1=2", b"", b"12+3=15", b"7", b"+++++++++", b"", b"", b"", b"", b"", b"0=0", b"9+9=18"];

    fn limits(lines: usize, bytes: usize) -> TextLimits<'static> {
        TextLimits { lines, terminator: b"\r\n", bytes }
    }

    fn decoded(predictor: &mut Even, words: &[u32], text: TextLimits) -> Result<Vec<Vec<u8>>, Undecodable> {
        let mut lines = Vec::new();
        decode(predictor, words, text, |line| lines.push(line.to_vec()))?;
        Ok(lines)
    }

    #[test]
    fn what_no_encoder_writes_is_undecodable() {
        let words = encode(&mut Even::of_sums(), &TEXT, |_, _, _| {});
        let bytes = TEXT.iter().map(|line| line.len() + 2).sum();
        let whole = decoded(&mut Even::of_sums(), &words, limits(TEXT.len(), bytes)).unwrap();
        assert_eq!(whole, TEXT.map(|line| [line, b"\r\n"].concat()));
        assert_eq!(decoded(&mut Even::of_sums(), &words, limits(TEXT.len(), bytes - 1)), Err(Undecodable));
        // A start symbol in a line, a token that stands for none, and a line without an end.
        for (symbols, start, end) in [
            (&b"0123456789se+="[..], b'9', b'e'),
            (b"0123456789se+", b's', b'e'),
            (b"0123456789s!+=e", b's', b'e'),
        ] {
            let found = decoded(&mut Even::new(symbols, start, end), &words, limits(TEXT.len(), usize::MAX));
            assert_eq!(found, Err(Undecodable), "{start} {end}");
        }
    }
}
