//! The first look at a corpus, in one pass as it streams by: lines and their lengths, the symbols
//! that they use and, where asked, the distribution that they look drawn from.

use super::Vocabulary;
use super::recognise::Recogniser;

/// The longest line that a model can take, without what ends it.
const LONGEST: usize = 255;
/// Symbols, and lengths, that fewer than one line in this many has are left aside by a learner.
const RARE: u64 = 2000;

/// What was seen of some text.
#[derive(Clone)]
pub struct Survey {
    bytes: u64,
    lines: u64,
    crlf: u64,
    /// Length of the longest line, a carriage return at its end counted, and its number, from 1.
    longest: (u64, u64),
    /// Lines of each length, and lines with each byte.
    lengths: [u64; LONGEST + 1],
    with: [u64; 256],
    /// The beginning of the line that is not yet whole, and its length so far.
    line: Vec<u8>,
    len: u64,
    recogniser: Option<Recogniser>,
}

impl std::fmt::Debug for Survey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Survey").finish_non_exhaustive()
    }
}

impl Default for Survey {
    fn default() -> Self {
        Self {
            bytes: 0,
            lines: 0,
            crlf: 0,
            longest: (0, 0),
            lengths: [0; LONGEST + 1],
            with: [0; 256],
            line: Vec::new(),
            len: 0,
            recogniser: None,
        }
    }
}

impl Survey {
    /// A survey that also looks for the distribution of the lines, which takes longer.
    pub fn recognising() -> Self {
        Self { recogniser: Some(Recogniser::default()), ..Self::default() }
    }

    /// Looks at the next bytes.
    pub fn update(&mut self, text: &[u8]) {
        self.bytes += text.len() as u64;
        for part in text.split_inclusive(|&b| b == b'\n') {
            let (part, ends) = match part.split_last() {
                Some((b'\n', part)) => (part, true),
                _ => (part, false),
            };
            // One byte more than a line may have tells that it is too long, another that a
            // carriage return ended it.
            let room = LONGEST + 2 - self.line.len();
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            self.len += part.len() as u64;
            if ends {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        self.lines += 1;
        if self.len > self.longest.0 || self.lines == 1 {
            self.longest = (self.len, self.lines);
        }
        if let Some(recogniser) = &mut self.recogniser {
            recogniser.line(&self.line);
        }
        if self.line.last() == Some(&b'\r') {
            self.crlf += 1;
            self.line.pop();
        }
        if let Some(lines) = self.lengths.get_mut(self.line.len()) {
            *lines += 1;
            let mut seen = [false; 256];
            for &byte in &self.line {
                if !std::mem::replace(&mut seen[usize::from(byte)], true) {
                    self.with[usize::from(byte)] += 1;
                }
            }
        }
        self.line.clear();
        self.len = 0;
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lines so far: newlines.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// Lines so far, among them a last one without a newline.
    pub fn lines_and_rest(&self) -> u64 {
        self.lines + u64::from(self.len > 0)
    }

    /// Length in bytes of the longest line, without its newline, and its number, from 1: the first
    /// of several.
    pub fn longest_line(&self) -> (u64, u64) {
        self.longest
    }

    /// What was counted of the distribution of all lines, a last one without a newline among them.
    /// Nothing unless this is a [`Survey::recognising`] one.
    pub(crate) fn recogniser(&self) -> Recogniser {
        let mut recogniser = self.recogniser.clone().unwrap_or_default();
        if self.len > 0 {
            recogniser.line(&self.line);
        }
        recogniser
    }

    /// Bytes that are used in lines of at most 255 bytes; a carriage return at the end is one.
    fn used(&self) -> impl Iterator<Item = u8> + Clone {
        (0..=255u8).filter(|&b| self.with[usize::from(b)] > 0 || b == b'\r' && self.crlf > 0)
    }

    /// The symbols of a network that is trained on these lines: the addition vocabulary if that has
    /// all of them, otherwise all bytes that are used. None if no byte is left to stand for the start
    /// or the end.
    pub fn training_vocabulary(&self) -> Option<Vocabulary> {
        if let Some(addition) = addition_with(self.used()) {
            return Some(addition);
        }
        let used: Vec<u8> = self.used().collect();
        let free = |c: &u8| !used.contains(c) && *c != b'\n';
        // Letters if possible, as in the addition vocabulary; then the control characters that Unicode
        // has for it; then anything.
        let start = [b's', 0x02].into_iter().chain(0..=255).find(free)?;
        let end = [b'e', 0x03].into_iter().chain(0..=255);
        let end = end.into_iter().find(|c| free(c) && *c != start)?;
        Vocabulary::new(&[&[start, end], &used[..]].concat(), start, end).ok()
    }

    /// The longest line that a learner codes, without what ends it, at least 1: few lines are longer.
    pub(crate) fn common_len(&self) -> usize {
        let mut lines = 0;
        let longest = (1..=LONGEST).rev().find(|&len| {
            lines += self.lengths[len];
            self.is_common(lines)
        });
        longest.unwrap_or(1)
    }

    fn is_common(&self, lines: u64) -> bool {
        lines > 0 && lines * RARE >= self.lines
    }

    /// The symbols of a network that learns these lines while it codes them: the addition
    /// vocabulary if that has all common ones, otherwise the common ones.
    pub(crate) fn learner_vocabulary(&self) -> Vocabulary {
        let mut with = self.with;
        if self.crlf > 0 && 2 * self.crlf <= self.lines {
            with[usize::from(b'\r')] += self.crlf;
        }
        let common = (0..=255u8).filter(|&b| self.is_common(with[usize::from(b)]));
        if let Some(addition) = addition_with(common.clone()) {
            return addition;
        }
        let mut used: Vec<u8> = common.collect();
        // Two bytes are left for start and end; the rarest symbols give way.
        used.sort_by_key(|&b| (std::cmp::Reverse(with[usize::from(b)]), b));
        used.truncate(254);
        used.sort_unstable();
        let mut free = (0..=255u8).filter(|b| *b != b'\n' && used.binary_search(b).is_err());
        let (start, end) = (free.next().expect("one is left"), free.next());
        // A newline is no symbol of a line, so 254 symbols leave at least one byte.
        let (used, end) = end.map_or_else(|| (&used[1..], used[0]), |end| (&used[..], end));
        let symbols = [used, &[start, end]].concat();
        Vocabulary::new(&symbols, start, end).expect("each stands once, and none is a newline")
    }
}

/// The addition vocabulary, if it has all of these bytes.
fn addition_with(mut used: impl Iterator<Item = u8>) -> Option<Vocabulary> {
    let addition = Vocabulary::addition();
    used.all(|b| addition.token(b).is_some()).then_some(addition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(text: &[u8]) -> Survey {
        let mut survey = Survey::default();
        text.chunks(7).for_each(|part| survey.update(part));
        survey
    }

    /// The symbols of a learner and the longest line that it codes.
    fn learner(text: &[u8]) -> (Vocabulary, usize) {
        let survey = survey(text);
        (survey.learner_vocabulary(), survey.common_len())
    }

    #[test]
    fn sums_take_the_addition_vocabulary() {
        let sums = learner(b"1+2=3\r\n10+2=12\r\n");
        assert_eq!(sums, (Vocabulary::addition(), 7));
        assert_eq!(learner(b"").1, 1);
    }

    #[test]
    fn rare_symbols_and_lengths_are_left_aside() {
        let mut text = b"ab\n".repeat(5000);
        text.extend(b"odd and long\n");
        let (vocabulary, longest) = learner(&text);
        assert_eq!((vocabulary.len(), longest), (4, 2));
        assert_eq!(learner(&text[14_000..]).1, 12);
        assert_eq!(survey(&text).longest_line(), (12, 5001));
    }

    #[test]
    fn every_byte_at_once() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = Vec::new();
        for _ in 0..3 {
            text.extend(&all);
            text.push(b'\n');
        }
        assert_eq!(learner(&text).0.len(), 255);
        assert!(survey(&text).training_vocabulary().is_none());
        let long = survey(&vec![b'x'; 3000]);
        assert_eq!((long.lines(), long.lines_and_rest(), long.bytes()), (0, 1, 3000));
    }

    #[test]
    fn pieces_do_not_matter_to_what_is_recognised() {
        let text = include_bytes!("../../corpora/uniform-8-10k.txt");
        let recognised = |piece| {
            let mut survey = Survey::recognising();
            text.chunks(piece).for_each(|piece| survey.update(piece));
            assert_eq!((survey.bytes(), survey.lines_and_rest()), (280_000, 10_000));
            let recogniser = survey.recogniser();
            (recogniser.digits(), recogniser.conclude().unwrap())
        };
        let whole = recognised(text.len());
        assert_eq!(whole.0, Some(8));
        assert!((whole.1.distribution.entropy_bits() - 16.0 * 10f64.log2()).abs() < 1e-6);
        assert_eq!((recognised(7), recognised(4096)), (whole, whole));
        let mut survey = Survey::recognising();
        survey.update(b"12+12=024\nx");
        assert!(survey.recogniser().conclude().unwrap_err().starts_with("line 2 is no right sum"));
    }
}
