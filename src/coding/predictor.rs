//! What a coder asks of whatever predicts.

use super::GROUP;
use super::known_group::KnownGroup;
use crate::network::{Cdfs, Group, Slots};
use crate::text::{Token, Vocabulary};

/// Predicts the next token of lines that are coded in lockstep, group after group.
///
/// A coder calls `begin`, then `step` for each position, then `end`. An encoder, which knows the lines, may be served
/// faster: it calls `begin_known` and `step_known` instead. Both must give the same probabilities to the bit.
pub trait Predictor {
    /// The symbols.
    fn vocabulary(&self) -> &Vocabulary;

    /// The most characters of a line.
    fn max_line_len(&self) -> usize;

    /// Lines of a group; the last may have fewer. It is part of the archive format.
    fn group_lines(&self) -> usize;

    /// Begins a group of `lines` lines.
    fn begin(&mut self, lines: usize);

    /// Takes the next token of each line, the start symbol first, and predicts what follows. Of lines that have ended,
    /// any token does.
    fn step(&mut self, tokens: &[Token]) -> Cdfs<'_>;

    /// Begins a group of which the first `lines` of `known` lines are; the others are those of the groups behind it.
    fn begin_known(&mut self, lines: usize, known: &[&[u8]]) {
        debug_assert!(lines <= known.len());
        self.begin(lines);
    }

    /// The slots of the token at a position of each line of the group. Of lines that have ended, `slots` may stay as they
    /// are.
    fn step_known(&mut self, position: usize, group: &mut KnownGroup, slots: &mut [Slots]) {
        let [before, tokens] = group.tokens(position);
        let cdfs = self.step(before);
        for (line, (slots, &token)) in slots.iter_mut().zip(tokens).enumerate() {
            *slots = cdfs.row(line).slots(token);
        }
    }

    /// A group was coded: a learner takes its step here.
    fn end(&mut self, _lines: &[&[u8]]) {}

    /// Whether a line (without its newline) can be coded: its characters are in the vocabulary and it is not too long.
    fn fits(&self, line: &[u8]) -> bool {
        self.vocabulary().has_all(line, self.max_line_len())
    }
}

/// The exact network on the CPU.
impl Predictor for Group<'_> {
    fn vocabulary(&self) -> &Vocabulary {
        self.model().vocabulary()
    }

    fn max_line_len(&self) -> usize {
        self.model().max_line_len()
    }

    fn group_lines(&self) -> usize {
        GROUP
    }

    fn begin(&mut self, lines: usize) {
        self.start(lines);
    }

    fn step(&mut self, tokens: &[Token]) -> Cdfs<'_> {
        Self::step(self, tokens)
    }
}
