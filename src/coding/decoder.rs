//! Bits to lines.

use std::mem;
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
        let mut position = decoder.begin_position();
        for line in 0..position.tokens.len() {
            position.decode_line(line, cdfs.row(line));
        }
        decoder.end_position()?;
        if decoder.is_whole_group() {
            predictor.end(&decoder.whole_group());
            decoder.next_group(&mut line_done)?;
        }
    }
    decoder.finish()
}

/// Decoders whose symbols one thread should decode side by side: each is a chain of instructions that wait for one
/// another, and a processor works on some four chains at a time.
pub(crate) const SIDE_BY_SIDE: usize = 4;

/// Decodes position by position and stands still between them, so that one thread can lead many side by side while a
/// GPU runs the network.
pub(crate) struct LineDecoder<'t, W: AsRef<[u32]>> {
    decoder: DefaultRangeDecoder<Cursor<u32, W>>,
    vocabulary: Vocabulary,
    /// The character of each token; of those that have none, any.
    characters: [u8; 256],
    max_line_len: usize,
    group_lines: usize,
    /// What is behind the present group.
    rest: TextLimits<'t>,
    /// Lines of the group.
    lines: usize,
    position: usize,
    /// The group's tokens so far, (positions, lines): start symbols, then what was decoded. Behind a line's end symbol
    /// stand more of them. The last row is what the network takes next.
    tokens: Vec<Token>,
    /// The lines of a whole group, what ends it behind each, and where that ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl<'t, W: AsRef<[u32]>> LineDecoder<'t, W> {
    /// Before the first position of the first group.
    pub fn new(words: W, predictor: &(impl Predictor + ?Sized), text: TextLimits<'t>) -> Self {
        let Ok(decoder) = DefaultRangeDecoder::from_compressed(words);
        let vocabulary = predictor.vocabulary().clone();
        let mut lines = Self {
            decoder,
            characters: std::array::from_fn(|token| vocabulary.character(token as Token).unwrap_or_default()),
            vocabulary,
            max_line_len: predictor.max_line_len(),
            group_lines: predictor.group_lines(),
            rest: text,
            lines: 0,
            position: 0,
            tokens: Vec::new(),
            text: Vec::new(),
            ends: Vec::new(),
        };
        lines.begin_group();
        lines
    }

    fn begin_group(&mut self) {
        self.lines = self.group_lines.min(self.rest.lines);
        self.rest.lines -= self.lines;
        self.position = 0;
        self.tokens.clear();
        self.tokens.resize(self.lines, self.vocabulary.start());
        self.ends.clear();
    }

    /// The next position of the group and the token before it of each line, which the network takes; none behind the
    /// last group. Of lines that have ended, any token does.
    pub fn position(&self) -> Option<(usize, &[Token])> {
        (self.lines > 0).then(|| (self.position, self.last_row()))
    }

    fn last_row(&self) -> &[Token] {
        &self.tokens[self.tokens.len() - self.lines..]
    }

    /// Begins the present position. [`Position::decode_line`] of every line in order comes next, then
    /// [`LineDecoder::end_position`]: steps, so that [`SIDE_BY_SIDE`] decoders can take them together.
    pub fn begin_position(&mut self) -> Position<'_, W> {
        let first = self.tokens.len();
        // Lines that have ended keep their end symbol.
        self.tokens.extend_from_within(first - self.lines..);
        self.position += 1;
        let (start, end) = (self.vocabulary.start(), self.vocabulary.end());
        Position { decoder: &mut self.decoder, tokens: &mut self.tokens[first..], start, end }
    }

    /// Ends the position.
    ///
    /// # Errors
    /// [`Undecodable`]: there is no going on then.
    pub fn end_position(&mut self) -> Result<(), Undecodable> {
        let (start, end) = (self.vocabulary.start(), self.vocabulary.end());
        let last = (self.vocabulary.len() - 1) as Token;
        let row = self.last_row();
        // All of them are looked at, in vectors.
        if row.iter().fold(false, |is_bad, &token| is_bad | (token == start) | (token > last)) {
            return Err(Undecodable);
        }
        if row.iter().all(|&token| token == end) {
            self.join_lines();
        } else if self.position > self.max_line_len {
            return Err(Undecodable);
        }
        Ok(())
    }

    /// Makes lines of the tokens of a whole group.
    fn join_lines(&mut self) {
        let (end, terminator) = (self.vocabulary.end(), self.rest.terminator);
        let most = self.position - 1 + terminator.len();
        self.text.resize(self.lines * most, 0);
        let mut len = 0;
        for line in 0..self.lines {
            let column = self.tokens[self.lines + line..].iter().step_by(self.lines);
            for &token in column.take_while(|&&token| token != end) {
                self.text[len] = self.characters[usize::from(token)];
                len += 1;
            }
            self.text[len..][..terminator.len()].copy_from_slice(terminator);
            len += terminator.len();
            self.ends.push(len);
        }
    }

    /// Whether all lines of the group have ended.
    pub fn is_whole_group(&self) -> bool {
        !self.ends.is_empty()
    }

    /// The lines of a whole group, without what ends them.
    fn whole_group(&self) -> Vec<&[u8]> {
        let terminator = self.rest.terminator.len();
        self.terminated_lines().map(|line| &line[..line.len() - terminator]).collect()
    }

    /// The lines of a whole group, what ends each behind it.
    fn terminated_lines(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.iter().scan(0, |start, &end| Some(&self.text[mem::replace(start, end)..end]))
    }

    /// Hands on the lines of a whole group, what ends each behind it, and begins the next.
    ///
    /// # Errors
    /// [`Undecodable`] if the text is too long.
    pub fn next_group(&mut self, mut line_done: impl FnMut(&[u8])) -> Result<(), Undecodable> {
        let mut bytes = self.rest.bytes;
        for line in self.terminated_lines() {
            bytes = bytes.checked_sub(line.len()).ok_or(Undecodable)?;
            line_done(line);
        }
        self.rest.bytes = bytes;
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

/// A position of a group that is being decoded.
pub(crate) struct Position<'d, W: AsRef<[u32]>> {
    decoder: &'d mut DefaultRangeDecoder<Cursor<u32, W>>,
    /// Of each line, the one before until its own is decoded.
    tokens: &'d mut [Token],
    start: Token,
    end: Token,
}

impl<W: AsRef<[u32]>> Position<'_, W> {
    /// Decodes the token of a line by its cumulative probabilities, if the group has that line and it has not ended.
    #[inline]
    pub fn decode_line(&mut self, line: usize, cdf: Cdf) {
        if let Some(token) = self.tokens.get_mut(line)
            && *token != self.end
        {
            // A start symbol stands for what does not decode: neither may be in a line.
            *token = self.decoder.decode_symbol(cdf).unwrap_or(self.start);
        }
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

    /// Decoders of different numbers of lines, one of which fails, give side by side what each gives alone.
    #[test]
    fn side_by_side_is_as_alone() {
        let mut even = Even::of_sums();
        let numbers = [12, 5, 0, 3];
        let words = numbers.map(|lines| encode(&mut even, &TEXT[..lines], |_, _, _| {}));
        // The second has too little room.
        let texts = [limits(12, 100), limits(5, 20), limits(0, 0), limits(3, 100)];
        let mut decoders = [0, 1, 2, 3].map(|n| LineDecoder::new(&words[n], &even, texts[n]));
        let mut found = [const { Ok(Vec::new()) }; SIDE_BY_SIDE];
        while decoders.iter().zip(&found).any(|(lines, found)| lines.position().is_some() && found.is_ok()) {
            let mut positions = decoders.each_mut().map(LineDecoder::begin_position);
            for line in 0..LINES {
                for position in &mut positions {
                    position.decode_line(line, even.cdfs().row(line));
                }
            }
            for (lines, all) in decoders.iter_mut().zip(&mut found) {
                let Ok(whole) = all else {
                    continue;
                };
                let mut taken = lines.end_position();
                if lines.is_whole_group() {
                    taken = lines.next_group(|line| whole.push(line.to_vec()));
                }
                if taken.is_err() {
                    *all = Err(Undecodable);
                }
            }
        }
        for (n, found) in found.into_iter().enumerate() {
            assert_eq!(found, decoded(&mut even, &words[n], texts[n]), "{n}");
            assert_eq!(found.is_err(), n == 1);
        }
    }
}
