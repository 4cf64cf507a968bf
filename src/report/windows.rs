//! The learning curve: batches put together into windows of lines, and when a position emerges.

use std::f64::consts::LN_2;

use serde::Serialize;

use crate::learner::{BatchRecord, StepRecord};

/// The fewest lines of a window.
pub const WINDOW: u64 = 1024;
/// A position has emerged where it costs less than this above its entropy, in bits a token.
pub const EMERGED_BITS: f64 = 0.1;
/// The most windows: when there are so many, neighbours become one.
const MOST: usize = 4096;

/// Batches that followed each other, added up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LearningWindow {
    /// Lines that were learned from up to its end.
    pub lines: u64,
    /// Its own lines.
    pub window_lines: u64,
    /// Batches that they came in.
    pub batches: u64,
    /// Those of them that a step was taken on.
    pub steps: u64,
    /// Their tokens.
    pub tokens: u64,
    /// Their surprisal in bits: the loss, before probabilities are rounded.
    pub bits: f64,
    /// Bits of the slots of the same tokens.
    pub slot_bits: f64,
    /// Bits and tokens at each position; JSON has mean bits of a token, 0 where no line has the position.
    #[serde(rename = "bits_by_position", serialize_with = "means")]
    pub positions: Vec<(f64, u64)>,
    /// The last step.
    #[serde(skip)]
    pub last_step: Option<StepRecord>,
    /// Cosines of the gradients of a batch's halves: how many were asked, and their sum.
    #[serde(skip)]
    cosines: (u32, f64),
}

fn means<S: serde::Serializer>(positions: &[(f64, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(positions.iter().map(|&(bits, tokens)| bits / tokens.max(1) as f64))
}

impl From<&BatchRecord> for LearningWindow {
    fn from(batch: &BatchRecord) -> Self {
        let bits = |&(nats, tokens): &(f64, u32)| (nats / LN_2, u64::from(tokens));
        let cosine = batch.step.and_then(|step| step.agreement);
        Self {
            window_lines: batch.lines as u64,
            batches: 1,
            steps: u64::from(batch.step.is_some()),
            tokens: batch.tokens(),
            bits: batch.nats() / LN_2,
            slot_bits: batch.slot_bits,
            positions: batch.by_position.iter().map(bits).collect(),
            last_step: batch.step,
            cosines: cosine.map_or((0, 0.0), |cosine| (1, cosine)),
            ..Self::default()
        }
    }
}

impl LearningWindow {
    /// Adds what followed.
    pub fn merge(&mut self, later: &Self) {
        self.lines += later.window_lines;
        self.window_lines += later.window_lines;
        self.batches += later.batches;
        self.steps += later.steps;
        self.slot_bits += later.slot_bits;
        let len = self.positions.len().max(later.positions.len());
        self.positions.resize(len, (0.0, 0));
        for (sum, (bits, tokens)) in self.positions.iter_mut().zip(&later.positions) {
            sum.0 += bits;
            sum.1 += tokens;
        }
        self.tokens = self.positions.iter().map(|&(_, tokens)| tokens).sum();
        self.bits = self.positions.iter().map(|&(bits, _)| bits).sum();
        self.last_step = later.last_step.or(self.last_step);
        self.cosines.0 += later.cosines.0;
        self.cosines.1 += later.cosines.1;
    }

    /// Adds the next batch; the window itself where that makes it one of at least `size` lines. The next then begins
    /// behind it.
    pub fn add(&mut self, batch: &Self, size: u64) -> Option<Self> {
        self.merge(batch);
        let next = Self { lines: self.lines, ..Self::default() };
        (self.window_lines >= size).then(|| std::mem::replace(self, next))
    }

    /// Mean bits of a token at a position, if a line has it.
    pub fn bits_at(&self, position: usize) -> Option<f64> {
        let (bits, tokens) = self.positions.get(position)?;
        (*tokens > 0).then(|| bits / *tokens as f64)
    }

    /// The mean cosine of the gradients of a batch's halves, where it was asked.
    pub fn agreement(&self) -> Option<f64> {
        let (count, sum) = self.cosines;
        (count > 0).then(|| sum / f64::from(count))
    }

    /// Bits a line.
    pub fn bits_per_line(&self) -> f64 {
        Self::mean_bits_per_line(std::slice::from_ref(self))
    }

    /// Bits a line of some windows together.
    pub(super) fn mean_bits_per_line(windows: &[Self]) -> f64 {
        let lines: u64 = windows.iter().map(|window| window.window_lines).sum();
        windows.iter().map(|window| window.bits).sum::<f64>() / lines.max(1) as f64
    }
}

/// Puts batches together.
#[derive(Default)]
pub(super) struct Windows {
    open: LearningWindow,
    closed: Vec<LearningWindow>,
    /// How often neighbours became one.
    halvings: u32,
}

impl Windows {
    /// Lines of a window: a batch more at most.
    fn size(&self) -> u64 {
        WINDOW << self.halvings
    }

    pub fn add(&mut self, batch: &LearningWindow) {
        self.closed.extend(self.open.add(batch, self.size()));
        if self.closed.len() == MOST {
            let pair = |pair: &[LearningWindow]| {
                let mut sums = pair[0].clone();
                pair[1..].iter().for_each(|later| sums.merge(later));
                sums
            };
            self.closed = self.closed.chunks(2).map(pair).collect();
            self.halvings += 1;
        }
    }

    /// Lines of a window, and all windows. Lines that are too few for one are the last one's, too.
    pub fn finish(mut self) -> (u64, Vec<LearningWindow>) {
        match self.closed.last_mut() {
            Some(last) => last.merge(&self.open),
            None if self.open.window_lines > 0 => self.closed.push(std::mem::take(&mut self.open)),
            None => {}
        }
        (self.size(), self.closed)
    }
}

/// The line, from 1, at which a position emerges: the first of the first window from which on it
/// costs less than [`EMERGED_BITS`] above its `aleatoric` bits, to the end. Windows in which no line
/// has it say nothing. None if it still costs more in the last of the others.
pub(super) fn emergence(windows: &[LearningWindow], position: usize, aleatoric: f64) -> Option<u64> {
    let mut line = None;
    for window in windows.iter().rev() {
        let Some(bits) = window.bits_at(position) else {
            continue;
        };
        if bits >= aleatoric + EMERGED_BITS {
            break;
        }
        line = Some(window.lines - window.window_lines + 1);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Windows of 1,024 lines of which each has one position.
    fn curve(bits: &[f64]) -> Vec<LearningWindow> {
        let mut windows = Windows::default();
        for &bits in bits {
            for _ in 0..32 {
                windows.add(&batch(32, bits));
            }
        }
        windows.finish().1
    }

    fn batch(lines: u32, bits: f64) -> LearningWindow {
        (&BatchRecord {
            lines: lines as usize,
            by_position: vec![(f64::from(lines) * bits * std::f64::consts::LN_2, lines)],
            slot_bits: f64::from(lines) * bits,
            ..BatchRecord::default()
        })
            .into()
    }

    #[test]
    fn a_position_emerges_where_it_falls_and_stays() {
        let at = |bits: &[f64], aleatoric| emergence(&curve(bits), 0, aleatoric);
        assert_eq!(at(&[3.3, 2.0, 0.2, 0.05, 0.01], 0.0), Some(3 * 1024 + 1));
        // Not where it does not stay so.
        assert_eq!(at(&[3.3, 0.05, 0.2, 0.09, 0.01], 0.0), Some(3 * 1024 + 1));
        assert_eq!(at(&[3.3, 0.05, 0.01, 0.11], 0.0), None);
        // A hundredth below the limit, and a hundredth above it.
        assert_eq!(at(&[3.5, 3.41], 3.32), Some(1024 + 1));
        assert_eq!(at(&[3.5, 3.43], 3.32), None);
        assert_eq!(at(&[0.0, 0.0], 0.0), Some(1));
        assert_eq!(at(&[], 0.0), None);
    }

    #[test]
    fn windows_without_a_position_say_nothing_of_it() {
        let mut windows = curve(&[3.0, 0.05, 3.0, 0.05]);
        windows[2].positions[0] = (0.0, 0);
        assert_eq!(emergence(&windows, 0, 0.0), Some(1024 + 1));
        assert_eq!(emergence(&windows, 1, 0.0), None);
    }

    #[test]
    fn windows_have_whole_batches_and_the_last_takes_the_rest() {
        let mut windows = Windows::default();
        (0..100).for_each(|_| windows.add(&batch(24, 1.0)));
        let (size, windows) = windows.finish();
        let lines: Vec<_> = windows.iter().map(|w| (w.lines, w.window_lines)).collect();
        assert_eq!((size, &lines[..]), (1024, &[(1032, 1032), (2400, 1368)][..]));
        assert!(windows.iter().all(|w| (w.bits_per_line() - 1.0).abs() < 1e-12));
        let (_, short) = {
            let mut windows = Windows::default();
            windows.add(&batch(5, 2.0));
            windows.finish()
        };
        assert_eq!((short.len(), short[0].lines, short[0].tokens), (1, 5, 5));
        assert!((short[0].bits - 10.0).abs() < 1e-12);
    }

    #[test]
    fn windows_stay_few() {
        let mut windows = Windows::default();
        (0..20_000).for_each(|_| windows.add(&batch(1024, 1.0)));
        let (size, windows) = windows.finish();
        assert_eq!(size, 8192);
        assert!(windows.len() < MOST, "{}", windows.len());
        assert_eq!(windows.last().unwrap().lines, 20_000 * 1024);
        assert_eq!(windows.iter().map(|w| w.tokens).sum::<u64>(), 20_000 * 1024);
    }
}
