//! Draws lines. The same seed gives the same bytes for ever ([`crate::random`]).

use rand_chacha::ChaCha8Rng;

use super::Distribution;
use crate::random::{Stream, below_unbiased, generator};

/// An endless stream of addition lines.
///
/// ```
/// use surprisal::text::{Additions, Distribution, Operands};
///
/// let distribution = Distribution::new(8, Operands::Uniform)?;
/// assert_eq!(Additions::new(distribution, 1).text(1), b"38148941+29492732=067641673\n");
/// # Ok::<(), surprisal::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Additions {
    distribution: Distribution,
    rng: ChaCha8Rng,
}

impl Additions {
    /// The lines of a corpus with this seed.
    pub fn new(distribution: Distribution, seed: u64) -> Self {
        Self::with_stream(distribution, seed, Stream::Corpus)
    }

    /// As [`Additions::new`] for another purpose than a corpus: lines of different streams are
    /// independent.
    pub(crate) fn with_stream(distribution: Distribution, seed: u64, stream: Stream) -> Self {
        let rng = generator(seed, stream);
        Self { distribution, rng }
    }

    /// The next pair of operands.
    pub fn next_operands(&mut self) -> (u64, u64) {
        let (low, count) = self.distribution.operands.range(self.distribution.digits);
        let a = low + below_unbiased(&mut self.rng, count);
        let b = low + below_unbiased(&mut self.rng, count);
        (a, b)
    }

    /// Appends the next line, with its newline.
    pub fn append_line(&mut self, out: &mut Vec<u8>) {
        let (a, b) = self.next_operands();
        self.distribution.append_line(a, b, out);
    }

    /// The next lines, each with its newline.
    pub fn text(&mut self, lines: usize) -> Vec<u8> {
        let mut text = Vec::new();
        (0..lines).for_each(|_| self.append_line(&mut text));
        text
    }

    /// How many 32-bit words of its ChaCha8 stream were taken: where to go on later.
    pub fn position(&self) -> u128 {
        self.rng.get_word_pos()
    }

    /// Goes to where [`Additions::position`] was taken.
    pub fn seek(&mut self, position: u128) {
        self.rng.set_word_pos(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Operands;

    fn corpus(digits: u32, operands: Operands, lines: usize) -> Vec<u8> {
        Additions::new(Distribution::new(digits, operands).unwrap(), 1).text(lines)
    }

    #[test]
    fn every_line_is_a_right_sum_of_the_right_shape() {
        for digits in [1, 2, 8, 18] {
            for operands in Operands::ALL {
                let text = String::from_utf8(corpus(digits, operands, 500)).unwrap();
                for line in text.lines() {
                    let (a, rest) = line.split_once('+').unwrap();
                    let (b, sum) = rest.split_once('=').unwrap();
                    let value = |s: &str| s.parse::<u64>().unwrap();
                    assert_eq!(value(a) + value(b), value(sum), "{line}");
                    assert_eq!((a.len(), b.len()), (digits as usize, digits as usize));
                    match operands {
                        Operands::Natural => assert_eq!(sum, value(sum).to_string()),
                        _ => assert_eq!(sum.len(), digits as usize + 1),
                    }
                    if operands != Operands::Uniform {
                        assert!(!a.starts_with('0') && !b.starts_with('0'), "{line}");
                    }
                }
            }
        }
    }

    #[test]
    fn digits_are_uniform() {
        let mut counts = [0u32; 10];
        for line in corpus(8, Operands::Uniform, 20_000).chunks(28) {
            line[..8].iter().chain(&line[9..17]).for_each(|c| counts[(c - b'0') as usize] += 1);
        }
        // 320,000 draws: a count has mean 32,000 and standard deviation 170.
        assert!(counts.iter().all(|c| c.abs_diff(32_000) < 900), "{counts:?}");
    }

    /// The promise "the same bytes for the same seed for ever", pinned.
    #[test]
    fn bytes_are_pinned() {
        let hash =
            |digits, operands| blake3::hash(&corpus(digits, operands, 10_000)).to_hex()[..16].to_owned();
        assert_eq!(hash(8, Operands::Uniform), "145c9aa79ad411a0");
        assert_eq!(hash(8, Operands::Leading), "a8eaf30d0cdf58a3");
        assert_eq!(hash(8, Operands::Natural), "e7ebd91199819dc2");
        assert_eq!(hash(18, Operands::Natural), "f7aba8c0c399eafc");
        assert_eq!(hash(1, Operands::Uniform), "649e995f3668afcb");
    }

    #[test]
    fn a_stream_goes_on_from_a_position() {
        let mut all = Additions::new(Distribution::new(8, Operands::Leading).unwrap(), 3);
        let mut later = all.clone();
        for _ in 0..77 {
            all.next_operands();
        }
        later.seek(all.position());
        assert_eq!(later.next_operands(), all.next_operands());
    }

    #[test]
    fn streams_of_one_seed_differ() {
        let d = Distribution::new(8, Operands::Uniform).unwrap();
        let first = |stream| Additions::with_stream(d, 7, stream).next_operands();
        assert_ne!(first(Stream::Corpus), first(Stream::Training));
        assert_ne!(first(Stream::Training), first(Stream::Validation));
    }
}
