//! A group of lines that are known, as an encoder has them.

use crate::text::{Token, Vocabulary};

/// The lines of a group, and their tokens where a predictor asks for them.
pub struct KnownGroup<'a> {
    vocabulary: &'a Vocabulary,
    lines: &'a [&'a [u8]],
    shortest: usize,
    longest: usize,
    /// (positions + 1, lines): the start symbols, then the lines' tokens, and end symbols behind a line's end. Empty until
    /// they are asked for.
    tokens: Vec<Token>,
}

impl<'a> KnownGroup<'a> {
    /// No lines; their characters are these.
    pub(super) fn new(vocabulary: &'a Vocabulary) -> Self {
        Self { vocabulary, lines: &[], shortest: 0, longest: 0, tokens: Vec::new() }
    }

    /// The next group, which has a line at least.
    pub(super) fn begin(&mut self, lines: &'a [&'a [u8]]) {
        let lengths = lines.iter().map(|line| line.len());
        self.shortest = lengths.clone().min().unwrap_or_default();
        self.longest = lengths.max().unwrap_or_default();
        self.lines = lines;
        self.tokens.clear();
    }

    /// How many positions there are: those of the longest line, its end among them.
    pub fn positions(&self) -> usize {
        self.longest + 1
    }

    /// Whether a line has a token at a position: a character or its end.
    #[inline]
    pub fn has(&self, position: usize, line: usize) -> bool {
        position <= self.lines[line].len()
    }

    /// Whether all lines have.
    #[inline]
    pub fn all_have(&self, position: usize) -> bool {
        position <= self.shortest
    }

    /// The token before a position of each line, which the network takes, and the one there; of lines that have ended, end
    /// symbols.
    pub fn tokens(&mut self, position: usize) -> [&[Token]; 2] {
        if self.tokens.is_empty() {
            self.lay_out();
        }
        let lines = self.lines.len();
        let (before, there) = self.tokens[position * lines..].split_at(lines);
        [before, &there[..lines]]
    }

    fn lay_out(&mut self) {
        let lines = self.lines.len();
        self.tokens.resize(lines, self.vocabulary.start());
        self.tokens.resize((self.positions() + 1) * lines, self.vocabulary.end());
        for (line, characters) in self.lines.iter().enumerate() {
            let places = self.tokens[lines + line..].iter_mut().step_by(lines);
            places.zip(self.vocabulary.line_tokens(characters)).for_each(|(place, token)| *place = token);
        }
    }
}
