//! Characters and tokens: one character of a line is one token.

use crate::{Error, Result};

/// A token: an index into the vocabulary.
pub type Token = u8;

/// The symbols of a model, in the order of their tokens. Two of them are not characters of a line:
/// the start symbol opens every line and is never coded, the end symbol stands for its newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    symbols: Vec<u8>,
    start: Token,
    end: Token,
    /// Token of each byte that may stand in a line; `NONE` elsewhere.
    tokens: [u16; 256],
}

const NONE: u16 = u16::MAX;

impl Vocabulary {
    /// A vocabulary of the given one-byte symbols, of which `start` and `end` are two.
    ///
    /// # Errors
    /// [`Error::Model`] if a symbol stands twice, is a newline, or if `start` or `end` is missing.
    pub fn new(symbols: &[u8], start: u8, end: u8) -> Result<Self> {
        if !(3..=256).contains(&symbols.len()) {
            return Err(Error::model(format!("a vocabulary has 3 to 256 symbols, not {}", symbols.len())));
        }
        let mut tokens = [NONE; 256];
        for (token, &symbol) in symbols.iter().enumerate() {
            if symbol == b'\n' || tokens[symbol as usize] != NONE {
                return Err(Error::model(format!(
                    "symbol {:?} of the vocabulary is a newline or stands twice",
                    symbol as char
                )));
            }
            tokens[symbol as usize] = token as u16;
        }
        let special = |symbol: u8, what| match tokens[symbol as usize] {
            NONE => {
                Err(Error::model(format!("the {what} symbol {:?} is not in the vocabulary", symbol as char)))
            }
            token => Ok(token as Token),
        };
        let (start_token, end_token) = (special(start, "start")?, special(end, "end")?);
        if start == end {
            return Err(Error::model("the start and the end symbol are the same"));
        }
        tokens[start as usize] = NONE;
        tokens[end as usize] = NONE;
        Ok(Self { symbols: symbols.to_vec(), start: start_token, end: end_token, tokens })
    }

    /// The vocabulary of the addition corpora: `0 1 … 9 s e + =`.
    pub fn addition() -> Self {
        Self::new(b"0123456789se+=", b's', b'e').expect("well-formed")
    }

    /// Number of symbols.
    #[expect(clippy::len_without_is_empty, reason = "a vocabulary is never empty")]
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// The symbols in the order of their tokens.
    pub fn symbols(&self) -> &[u8] {
        &self.symbols
    }

    /// The token that opens every line.
    pub fn start(&self) -> Token {
        self.start
    }

    /// The token that ends every line.
    pub fn end(&self) -> Token {
        self.end
    }

    /// The token of a character of a line; none for newline, start, end and what is not there.
    #[inline]
    pub fn token(&self, byte: u8) -> Option<Token> {
        let token = self.tokens[byte as usize];
        (token != NONE).then_some(token as Token)
    }

    /// Whether a line has at most `max` characters, and each has a token.
    pub fn has_all(&self, line: &[u8], max: usize) -> bool {
        // All of them are looked at: to stop at the first without takes longer.
        line.len() <= max && line.iter().fold(0, |all, &c| all | self.tokens[usize::from(c)]) < NONE
    }

    /// The tokens of a line of at most `max` characters, its end behind them.
    ///
    /// # Errors
    /// [`Error::LineTooLong`], or [`Error::UnknownCharacter`] with the first that has no token.
    pub fn tokens(&self, line: &[u8], max: usize) -> Result<Vec<Token>> {
        if line.len() > max {
            return Err(Error::LineTooLong { len: line.len(), max });
        }
        let token = |(i, &c): (usize, &u8)| {
            let unknown = Error::UnknownCharacter { position: i + 1, character: c.into() };
            self.token(c).ok_or(unknown)
        };
        line.iter().enumerate().map(token).chain([Ok(self.end)]).collect()
    }

    /// The tokens of a line whose characters all have one, its end behind them.
    ///
    /// # Panics
    /// The iterator does, at a character that has none.
    #[inline]
    pub fn line_tokens<'l>(&'l self, line: &'l [u8]) -> impl Iterator<Item = Token> + 'l {
        line.iter().map(|&c| self.token(c).expect("the line fits")).chain([self.end])
    }

    /// The token at a position of a line: a character's or the end; none behind it.
    ///
    /// # Panics
    /// If the character has none.
    #[inline]
    pub fn token_at(&self, line: &[u8], position: usize) -> Option<Token> {
        match line.get(position) {
            Some(&c) => Some(self.token(c).expect("the line fits")),
            None => (position == line.len()).then_some(self.end),
        }
    }

    /// The character of a token; none for the start and the end.
    pub fn character(&self, token: Token) -> Option<u8> {
        let symbol = *self.symbols.get(token as usize)?;
        (token != self.start && token != self.end).then_some(symbol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_characters_are_inverse() {
        let v = Vocabulary::addition();
        for byte in 0..=255 {
            let back = v.token(byte).map(|t| v.character(t));
            assert!(back.is_none() || back == Some(Some(byte)));
        }
        assert_eq!(v.token(b'+'), Some(12));
        assert_eq!((v.token(b's'), v.token(b'e'), v.token(b'\n')), (None, None, None));
    }

    #[test]
    fn bad_vocabularies_are_refused() {
        for (symbols, start, end) in [
            (&b"00se"[..], b's', b'e'),
            (b"01\nse", b's', b'e'),
            (b"01s", b's', b'e'),
            (b"01se", b's', b's'),
            (b"", b's', b'e'),
        ] {
            assert!(Vocabulary::new(symbols, start, end).is_err(), "{symbols:?}");
        }
    }
}
