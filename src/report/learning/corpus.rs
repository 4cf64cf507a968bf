//! A first look at a corpus: its lines and their entropy.

use std::io::{self, Write};

use serde::Serialize;

use super::super::recognise::Recogniser;
use super::super::{Floor, floor, two_part};

/// The longest beginning of a line that is kept while the rest of it is to come: longer lines are no
/// sums.
const LONGEST: usize = 1 << 16;

/// Reads a corpus that is written to it.
#[derive(Default)]
pub struct CorpusReader {
    recogniser: Recogniser,
    bytes: u64,
    newlines: u64,
    /// A line whose end is still to come.
    open: Vec<u8>,
    beginning: Vec<u8>,
}

/// What a corpus is, beside what codes it.
#[derive(Clone, Debug, Serialize)]
pub struct Corpus {
    /// Its bytes.
    pub bytes: u64,
    /// Its lines; a last one without a newline counts.
    pub lines: u64,
    /// Digits of an operand, if the first line is a right sum.
    pub digits: Option<u32>,
    /// The first of its bytes, as many as a choice of models looks at.
    #[serde(skip)]
    pub beginning: Vec<u8>,
    /// The entropy of its lines, if it is known.
    #[serde(skip)]
    pub floor: Floor,
}

impl CorpusReader {
    /// It was read.
    pub fn finish(mut self) -> Corpus {
        self.recogniser.read(&self.open);
        let lines = self.newlines + u64::from(!self.open.is_empty());
        Corpus {
            bytes: self.bytes,
            lines,
            digits: self.recogniser.digits(),
            beginning: self.beginning,
            floor: floor(&self.recogniser, lines),
        }
    }
}

impl Corpus {
    /// The entropy of all of its lines, in bytes, if it is known.
    pub fn floor_bytes(&self) -> Option<f64> {
        Some(self.floor.bits_per_line? * self.lines as f64 / 8.0)
    }
}

impl Write for CorpusReader {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let room = two_part::PREFIX - self.beginning.len();
        self.beginning.extend_from_slice(&data[..data.len().min(room)]);
        self.bytes += data.len() as u64;
        self.newlines += memchr::memchr_iter(b'\n', data).count() as u64;
        let whole = memchr::memrchr(b'\n', data).map_or(0, |last| last + 1);
        let (lines, rest) = data.split_at(whole);
        if !lines.is_empty() {
            let first = memchr::memchr(b'\n', lines).map_or(lines.len(), |first| first + 1);
            self.open.extend_from_slice(&lines[..first]);
            self.recogniser.read(&self.open);
            self.recogniser.read(&lines[first..]);
            self.open.clear();
        }
        let room = LONGEST.saturating_sub(self.open.len());
        self.open.extend_from_slice(&rest[..rest.len().min(room)]);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], piece: usize) -> Corpus {
        let mut reader = CorpusReader::default();
        for piece in text.chunks(piece) {
            reader.write_all(piece).unwrap();
        }
        reader.finish()
    }

    #[test]
    fn pieces_do_not_matter() {
        let text = include_bytes!("../../../corpora/uniform-8-10k.txt");
        let whole = read(text, text.len());
        assert_eq!(
            (whole.bytes, whole.lines, whole.digits),
            (280_000, 10_000, Some(8))
        );
        assert!((whole.floor_bytes().unwrap() - 10_000.0 * 2.0 * 10f64.log2()).abs() < 1e-6);
        for piece in [7, 4096] {
            assert_eq!(read(text, piece).floor, whole.floor);
        }
        assert_eq!(read(b"12+12=024\nx", 3).lines, 2);
        assert_eq!(read(b"", 3).lines, 0);
        let long = read(&vec![b'x'; 200_000], 1000);
        assert_eq!((long.lines, long.floor.bits_per_line), (1, None));
    }
}
