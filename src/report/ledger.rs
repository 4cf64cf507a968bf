//! What is noted while a corpus is coded, token by token, on the threads that code, and added up in
//! order. Memory is bounded: a block's notes, and what is kept of all blocks together.

use super::code_length::Curve;
use crate::archive::{ArchiveStats, BlockKind, BlockNotes, BlockStats, Recorder};
use crate::network::Slots;
use crate::text::Recogniser;

/// Lines that are remembered as the worst.
const WORST_LINES: usize = 10;
/// The most lines of the sample; half as many at least, if there are.
pub(super) const SAMPLE_LINES: usize = 8192;
/// Candidates for the sample that a block offers at most.
const BLOCK_CANDIDATES: usize = 4096;
/// Modelled lines between two points of the code length.
const CURVE_STRIDE: usize = 256;

/// A line that is worth remembering.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Noted {
    /// Its number, from 0: in its block at first, then in the corpus.
    pub line: u64,
    /// Bits that the model spent on it.
    pub bits: f64,
    pub text: Vec<u8>,
}

impl Noted {
    fn behind(self, lines: u64) -> Self {
        Self { line: self.line + lines, ..self }
    }
}

/// What was spent at a position.
#[derive(Clone, Debug, Default)]
pub(super) struct PositionNotes<Line> {
    pub tokens: u64,
    pub bits: f64,
    /// What the token cost that cost most, and the line that it is in.
    pub worst: Option<(f64, Line)>,
}

/// What one block showed.
#[derive(Default)]
pub(super) struct TokenNotes {
    /// Bits of each line that the model may code.
    line_bits: Vec<f64>,
    /// With the index of such a line.
    positions: Vec<PositionNotes<usize>>,
    /// The same, once the block is modelled.
    noted_positions: Vec<PositionNotes<Noted>>,
    worst: Vec<Noted>,
    /// Every `stride`-th modelled line.
    sample: Vec<Noted>,
    stride: usize,
    /// Lines so far and the bits that the model spent on them.
    curve: Vec<(u64, f64)>,
    recogniser: Recogniser,
}

impl BlockNotes for TokenNotes {
    #[inline]
    fn token(&mut self, line: usize, position: usize, slots: Slots) {
        let bits = slots.bits();
        self.line_bits[line] += bits;
        let sum = &mut self.positions[position];
        sum.tokens += 1;
        sum.bits += bits;
        if sum.worst.is_none_or(|worst| bits > worst.0) {
            sum.worst = Some((bits, line));
        }
    }

    fn begin(&mut self, content: &[u8], lines: &[&[u8]]) {
        self.recogniser.read(content);
        self.line_bits.resize(lines.len(), 0.0);
        let longest = lines.iter().map(|line| line.len() + 1).max().unwrap_or(0);
        self.positions.resize(longest, PositionNotes::default());
    }

    fn end(&mut self, content: &[u8], lines: &[&[u8]], kind: BlockKind) {
        let line_bits = std::mem::take(&mut self.line_bits);
        let positions = std::mem::take(&mut self.positions);
        if kind != BlockKind::Modelled {
            return;
        }
        let numbers = numbers(content, lines);
        let noted = |index: usize| Noted {
            line: numbers[index],
            bits: line_bits[index],
            text: lines[index].to_vec(),
        };
        let positions = positions.into_iter().map(|PositionNotes { tokens, bits, worst }| PositionNotes {
            tokens,
            bits,
            worst: worst.map(|(bits, line)| (bits, noted(line))),
        });
        self.noted_positions = positions.collect();
        self.worst = worst(&line_bits).into_iter().map(noted).collect();
        self.stride = lines.len().div_ceil(BLOCK_CANDIDATES).next_power_of_two();
        self.sample = (0..lines.len()).step_by(self.stride).map(noted).collect();
        let mut sum = 0.0;
        for (index, bits) in line_bits.iter().enumerate() {
            sum += bits;
            if (index + 1) % CURVE_STRIDE == 0 && index + 1 < lines.len() {
                self.curve.push((numbers[index] + 1, sum));
            }
        }
    }
}

/// The number of each line in the content that the lines are slices of, from 0.
fn numbers(content: &[u8], lines: &[&[u8]]) -> Vec<u64> {
    let (mut from, mut newlines) = (0, 0);
    let number = |line: &&[u8]| {
        let to = line.as_ptr().addr() - content.as_ptr().addr();
        newlines += memchr::memchr_iter(b'\n', &content[from..to]).count() as u64;
        from = to;
        newlines
    };
    lines.iter().map(number).collect()
}

/// The indices of the lines that cost most, in no order.
fn worst(line_bits: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..line_bits.len()).collect();
    if order.len() > WORST_LINES {
        order.select_nth_unstable_by(WORST_LINES, |&a, &b| line_bits[b].total_cmp(&line_bits[a]));
        order.truncate(WORST_LINES);
    }
    order
}

/// Everything that the blocks so far showed.
#[derive(Default)]
pub(super) struct Ledger {
    pub positions: Vec<PositionNotes<Noted>>,
    /// The worst lines, worst first.
    pub worst: Vec<Noted>,
    /// Every `sample_stride`-th modelled line of each block.
    pub sample: Vec<Noted>,
    pub sample_stride: usize,
    pub curve: Curve,
    pub recogniser: Recogniser,
    pub stats: ArchiveStats,
}

impl Recorder for Ledger {
    type Block = TokenNotes;

    fn block(&mut self, block: TokenNotes, stats: &BlockStats) {
        let before = self.stats.lines;
        self.add_positions(block.noted_positions, before);
        self.add_worst(block.worst.into_iter().map(|noted| noted.behind(before)));
        let sample = block.sample.into_iter().map(|noted| noted.behind(before));
        self.add_sample(sample.collect(), block.stride);
        let payload = 8.0 * self.stats.payload_len as f64;
        for (lines, bits) in block.curve {
            self.curve.add(before + lines, payload + bits);
        }
        self.recogniser.append(&block.recogniser);
        self.stats += stats;
        self.curve.add(self.stats.lines, 8.0 * self.stats.payload_len as f64);
    }
}

impl Ledger {
    fn add_positions(&mut self, positions: Vec<PositionNotes<Noted>>, before: u64) {
        let len = self.positions.len().max(positions.len());
        self.positions.resize(len, PositionNotes::default());
        for (sum, block) in self.positions.iter_mut().zip(positions) {
            sum.tokens += block.tokens;
            sum.bits += block.bits;
            let so_far = sum.worst.as_ref().map_or(-1.0, |worst| worst.0);
            if let Some((bits, noted)) = block.worst.filter(|worst| worst.0 > so_far) {
                sum.worst = Some((bits, noted.behind(before)));
            }
        }
    }

    fn add_worst(&mut self, lines: impl Iterator<Item = Noted>) {
        self.worst.extend(lines);
        self.worst.sort_by(|a, b| b.bits.total_cmp(&a.bits).then(a.line.cmp(&b.line)));
        self.worst.truncate(WORST_LINES);
    }

    /// Keeps every line's chance to be in the sample the same: blocks are thinned to the widest stride.
    fn add_sample(&mut self, mut lines: Vec<Noted>, stride: usize) {
        if lines.is_empty() {
            return;
        }
        let wider = stride.max(self.sample_stride);
        thin(&mut lines, wider / stride);
        if let Some(times) = wider.checked_div(self.sample_stride) {
            thin(&mut self.sample, times);
        }
        self.sample_stride = wider;
        self.sample.append(&mut lines);
        while self.sample.len() > SAMPLE_LINES {
            thin(&mut self.sample, 2);
            self.sample_stride *= 2;
        }
    }

    /// Bits of all that the model coded, by its integer probabilities.
    pub fn integer_bits(&self) -> f64 {
        self.positions.iter().map(|position| position.bits).sum()
    }
}

/// Keeps the first of every `n`.
fn thin(lines: &mut Vec<Noted>, n: usize) {
    let mut index = 0;
    lines.retain(|_| {
        index += 1;
        (index - 1) % n == 0
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(line: u64) -> Noted {
        Noted { line, bits: line as f64, text: Vec::new() }
    }

    #[test]
    fn the_sample_is_spread_evenly() {
        let mut ledger = Ledger::default();
        // Blocks of 65,536 lines, and a short one, which offers more candidates a line.
        for block in 0..15 {
            let lines = (0..4096).map(|i| noted(block * 65_536 + 16 * i)).collect();
            ledger.add_sample(lines, 16);
        }
        ledger.add_sample((0..1000).map(|i| noted(15 * 65_536 + i)).collect(), 1);
        let (len, stride) = (ledger.sample.len(), ledger.sample_stride as u64);
        assert!((SAMPLE_LINES / 2..=SAMPLE_LINES).contains(&len), "{len}");
        let gaps = ledger.sample.windows(2).map(|w| w[1].line - w[0].line);
        assert!(gaps.into_iter().all(|gap| gap == stride), "{stride}");
    }

    #[test]
    fn the_worst_are_kept_in_order() {
        let mut ledger = Ledger::default();
        let lines = [5, 90, 17, 3, 88, 41, 60, 2, 77, 33, 21, 64, 9].map(noted);
        for three in lines.chunks(3) {
            ledger.add_worst(three.iter().cloned());
        }
        let worst: Vec<u64> = ledger.worst.iter().map(|w| w.line).collect();
        assert_eq!(worst, [90, 88, 77, 64, 60, 41, 33, 21, 17, 9]);
    }
}
