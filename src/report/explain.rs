//! One line, token by token: what the model expected, what came, and what that cost.

use serde::Serialize;

use crate::Result;
use crate::network::{Cdf, ExactModel, PRECISION};
use crate::text::{Token, Vocabulary};

/// How the end of a line is written where symbols are named.
pub const END: &str = "end";

/// A token of a line. Probabilities are the integers that are coded, over 2^20.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenAccount {
    /// Its position, from 0.
    pub position: usize,
    /// The character, or [`END`].
    pub symbol: String,
    /// What the model gave it.
    pub probability: f64,
    /// Its surprisal: −log₂ of the probability.
    pub bits: f64,
    /// What the model expected it to cost, in bits: the entropy of its distribution here.
    pub expected_bits: f64,
    /// All symbols with their probabilities, the likeliest first; of equals the first of the vocabulary.
    pub distribution: Vec<(String, f64)>,
}

/// A symbol as one character.
pub fn glyph(symbol: &str) -> char {
    match symbol {
        END => '\u{23ce}',
        " " => '\u{2423}',
        symbol if symbol.chars().count() > 1 => '^',
        symbol => symbol.chars().next().unwrap_or('?'),
    }
}

impl TokenAccount {
    /// The likeliest symbols that did not come.
    pub fn runners_up(&self) -> impl Iterator<Item = &(String, f64)> {
        self.distribution.iter().filter(|(symbol, _)| *symbol != self.symbol)
    }
}

/// A line and what its tokens cost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LineAccount {
    /// Its number in a corpus, from 1; none of a line by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The line, without its newline; bytes beyond ASCII as U+0080 to U+00FF.
    pub text: String,
    /// Its surprisal: the sum over its tokens.
    pub bits: f64,
    /// Its characters and its end.
    pub tokens: Vec<TokenAccount>,
}

/// What a model makes of a line (without its newline).
///
/// ```
/// use surprisal::Models;
/// use surprisal::report::explain;
///
/// let models = Models::bundled();
/// let line = explain(models.default_model().exact(), b"17282456+79546852=096829308")?;
/// assert!((line.tokens[0].bits - 10f64.log2()).abs() < 0.05); // a digit that chance drew
/// assert!(line.tokens[20].bits < 0.01); // one that the operands decide
/// # Ok::<(), surprisal::Error>(())
/// ```
///
/// # Errors
/// Those of [`Vocabulary::tokens`]: the line does not fit the model's grammar.
pub fn explain(model: &ExactModel, line: &[u8]) -> Result<LineAccount> {
    let vocabulary = model.vocabulary();
    let tokens = vocabulary.tokens(line, model.max_line_len())?;
    let mut group = model.group(1);
    group.start(1);
    let mut before = vocabulary.start();
    let mut accounts = Vec::new();
    for (position, &token) in tokens.iter().enumerate() {
        let cdfs = group.step(&[before]);
        accounts.push(token_account(vocabulary, position, token, cdfs.row(0)));
        before = token;
    }
    Ok(LineAccount {
        line: None,
        text: text_of(line),
        bits: accounts.iter().map(|token| token.bits).sum(),
        tokens: accounts,
    })
}

/// Bytes as characters, those beyond ASCII as U+0080 to U+00FF.
pub(super) fn text_of(line: &[u8]) -> String {
    line.iter().copied().map(char::from).collect()
}

fn token_account(vocabulary: &Vocabulary, position: usize, token: Token, cdf: Cdf) -> TokenAccount {
    let name = |token: Token| match vocabulary.character(token) {
        Some(c) => char::from(c).to_string(),
        None if token == vocabulary.end() => END.to_owned(),
        None => "start".to_owned(),
    };
    let all = (0..vocabulary.len()).map(|t| t as Token);
    let mut distribution: Vec<(String, f64)> =
        all.map(|token| (name(token), (-cdf.slots(token).bits()).exp2())).collect();
    distribution.sort_by(|a, b| b.1.total_cmp(&a.1));
    let bits = cdf.slots(token).bits();
    debug_assert!(cdf.0[0] == 0 && bits <= PRECISION as f64);
    TokenAccount {
        position,
        symbol: name(token),
        probability: (-bits).exp2(),
        bits,
        expected_bits: distribution.iter().map(|(_, p)| -p * p.log2()).sum(),
        distribution,
    }
}
