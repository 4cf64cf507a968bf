//! Whole lines as tokens, as networks in floating point take them.

use super::{Token, Vocabulary};
use crate::Result;

/// Lines of equal room: each takes a block of tokens, one line behind the other.
#[derive(Clone, Debug)]
pub struct LineBatch {
    /// Tokens of each line: the most characters of one, and one.
    pub block: usize,
    /// The start symbol, then the line's characters, then end symbols up to the block's end.
    pub inputs: Vec<Token>,
    /// What follows each input: the line's characters, then the end symbol; none behind it.
    pub targets: Vec<Option<Token>>,
}

impl LineBatch {
    /// The batch of lines without their newlines.
    ///
    /// # Errors
    /// Those of [`Vocabulary::tokens`].
    pub fn new<'a>(
        lines: impl IntoIterator<Item = &'a [u8]>,
        vocabulary: &Vocabulary,
        block: usize,
    ) -> Result<Self> {
        let (mut inputs, mut targets) = (Vec::new(), Vec::new());
        for line in lines {
            let tokens = vocabulary.tokens(line, block - 1)?;
            let end = targets.len() + block;
            inputs.push(vocabulary.start());
            inputs.extend(&tokens[..line.len()]);
            targets.extend(tokens.into_iter().map(Some));
            inputs.resize(end, vocabulary.end());
            targets.resize(end, None);
        }
        Ok(Self { block, inputs, targets })
    }

    /// The batch of a text's lines.
    ///
    /// # Errors
    /// As [`LineBatch::new`].
    pub fn from_text(text: &[u8], vocabulary: &Vocabulary, block: usize) -> Result<Self> {
        Self::new(lines_of(text), vocabulary, block)
    }

    /// Number of lines.
    pub fn lines(&self) -> usize {
        self.inputs.len() / self.block
    }

    /// The batch cut into some of so many lines; the last may have fewer.
    pub fn split(&self, lines: usize) -> Vec<Self> {
        let len = lines * self.block;
        let part = |(inputs, targets): (&[Token], &[Option<Token>])| Self {
            block: self.block,
            inputs: inputs.to_vec(),
            targets: targets.to_vec(),
        };
        self.inputs.chunks(len).zip(self.targets.chunks(len)).map(part).collect()
    }

    /// The lines as text, each with its newline: [`LineBatch::from_text`] makes the same batch of them.
    pub fn text(&self, vocabulary: &Vocabulary) -> Vec<u8> {
        let byte = |&token: &Token| vocabulary.character(token).unwrap_or(b'\n');
        self.targets.iter().flatten().map(byte).collect()
    }

    /// Number of targets.
    pub fn tokens(&self) -> u64 {
        self.targets.iter().flatten().count() as u64
    }
}

/// The lines of a text, without the newlines that end them.
pub(crate) fn lines_of(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = text.split_inclusive(|&c| c == b'\n');
    lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}
