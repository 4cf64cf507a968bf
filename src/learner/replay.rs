//! Lines that came before, to learn from once more.

use rand_chacha::ChaCha8Rng;

use crate::random::{Stream, below, generator};

/// Lines that are remembered; beyond, each line that comes takes the place of a drawn one with the
/// probability that keeps all lines so far equally likely to be there (Vitter's algorithm R).
const REMEMBERED: usize = 65_536;

/// A bounded sample of all lines so far.
#[derive(Clone)]
pub(super) struct Reservoir {
    lines: Vec<Box<[u8]>>,
    seen: u64,
    rng: ChaCha8Rng,
}

impl Reservoir {
    pub fn new(seed: u64) -> Self {
        Self { lines: Vec::new(), seen: 0, rng: generator(seed, Stream::Replay) }
    }

    /// Remembers some lines.
    pub fn add(&mut self, lines: &[&[u8]]) {
        for line in lines {
            self.seen += 1;
            if self.lines.len() < REMEMBERED {
                self.lines.push((*line).into());
                continue;
            }
            let place = below(&mut self.rng, self.seen) as usize;
            if let Some(old) = self.lines.get_mut(place) {
                *old = (*line).into();
            }
        }
    }

    /// Draws `count` of them, each any one of all.
    pub fn draw(&mut self, count: usize) -> Vec<Box<[u8]>> {
        let draw = |_| {
            let place = below(&mut self.rng, self.lines.len() as u64) as usize;
            self.lines[place].clone()
        };
        (0..count).map(draw).collect()
    }
}
