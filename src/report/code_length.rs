//! The code length as a corpus goes on: few points, whatever its size.

use serde::Serialize;

/// A point of the code length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CodeLength {
    /// Lines so far.
    pub lines: u64,
    /// Bits of their payloads.
    pub bits: f64,
}

impl CodeLength {
    /// Bytes above the entropy of the lines, at so many bits a line.
    pub(super) fn above(&self, floor: f64) -> f64 {
        (self.bits - floor * self.lines as f64) / 8.0
    }
}

/// The most points that are kept.
const MOST: usize = 512;

/// Lines so far, and bits of the payloads of all that came before them.
#[derive(Default)]
pub(super) struct Curve {
    points: Vec<CodeLength>,
    stride: usize,
    skipped: usize,
}

impl Curve {
    /// Adds a point; where there are many only some are kept.
    pub fn add(&mut self, lines: u64, bits: f64) {
        self.skipped += 1;
        if self.skipped < self.stride.max(1) {
            return;
        }
        self.skipped = 0;
        self.points.push(CodeLength { lines, bits });
        if self.points.len() == MOST {
            let mut index = 0;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 0
            });
            self.stride = 2 * self.stride.max(1);
        }
    }

    /// The points, from nothing to the end: all lines, and the bytes of all payloads.
    pub fn until(&self, lines: u64, payload: u64) -> Vec<CodeLength> {
        let origin = CodeLength { lines: 0, bits: 0.0 };
        let end = CodeLength { lines, bits: 8.0 * payload as f64 };
        let before_the_end = [origin].into_iter().chain(self.points.iter().copied());
        let points = before_the_end.filter(|point| point.lines < lines).chain([end]);
        let mut points: Vec<CodeLength> = points.collect();
        points.dedup_by_key(|point| point.lines);
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stay_few_and_spread() {
        let mut curve = Curve::default();
        (1..=100_000).for_each(|i| curve.add(i, i as f64));
        let len = curve.points.len();
        assert!((MOST / 2..=MOST).contains(&len), "{len}");
        let gaps = curve.points.windows(2).map(|pair| pair[1].lines - pair[0].lines);
        assert!(gaps.clone().min() == gaps.max());
        let points = curve.until(100_000, 12_500);
        let ends = [points[0], points[points.len() - 1]].map(|point| (point.lines, point.bits));
        assert_eq!(ends, [(0, 0.0), (100_000, 100_000.0)]);
    }
}
