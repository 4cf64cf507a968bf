//! Ranges of lines.

use memchr::memchr_iter;

use super::BLOCK_LINES;
use crate::{Error, Result};

/// Bytes whose newlines are counted at once, which is far faster than to find each.
const COUNTED: usize = 4096;

/// Where the newline stands that has `before` newlines before it.
///
/// # Errors
/// How many newlines there are, if there is none such.
pub(super) fn nth_newline(content: &[u8], before: usize) -> Result<usize, usize> {
    let mut newlines = 0;
    for (part, start) in content.chunks(COUNTED).zip((0..).step_by(COUNTED)) {
        let more = memchr_iter(b'\n', part).count();
        if before - newlines < more {
            let at = memchr_iter(b'\n', part).nth(before - newlines).expect("so many were counted");
            return Ok(start + at);
        }
        newlines += more;
    }
    Err(newlines)
}

/// Lines `from` to `to`, both counted from 1 and both wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRange {
    from: u64,
    to: u64,
}

impl LineRange {
    /// All lines.
    pub const ALL: Self = Self { from: 1, to: u64::MAX };

    /// Lines `from` to `to`, both included and counted from 1.
    ///
    /// # Errors
    /// [`Error::Lines`] if there is no such range.
    pub fn new(from: u64, to: u64) -> Result<Self> {
        if from == 0 || from > to {
            return Err(Error::Lines { from, to });
        }
        Ok(Self { from, to })
    }

    /// Whether a block may hold any of the lines, with `before` newlines before it and `newlines`
    /// in it. One with as many lines as a block may have ends with a newline.
    pub(super) fn touches(&self, before: u64, newlines: u32) -> bool {
        let last = before + u64::from(newlines) + u64::from((newlines as usize) < BLOCK_LINES);
        before < self.to && self.from <= last
    }

    /// Whether none of the lines stands behind the first `newlines` newlines.
    pub fn ends_by(&self, newlines: u64) -> bool {
        newlines >= self.to
    }

    /// The part of a piece of content that belongs to the lines, if `before` newlines stand before it.
    pub fn cut(&self, content: &[u8], before: u64) -> std::ops::Range<usize> {
        let behind_newline = |line: u64| match line.checked_sub(before + 1) {
            None => 0,
            Some(nth) => match usize::try_from(nth).map(|n| nth_newline(content, n)) {
                Ok(Ok(at)) => at + 1,
                _ => content.len(),
            },
        };
        behind_newline(self.from - 1)..behind_newline(self.to)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn newlines_are_found_by_their_number() {
        let content: Vec<u8> = (0..3 * COUNTED).map(|i| if i * i % 97 < 9 { b'\n' } else { b'a' }).collect();
        let places: Vec<usize> = (0..content.len()).filter(|&i| content[i] == b'\n').collect();
        for end in [0, 1, COUNTED - 1, COUNTED, COUNTED + 1, content.len()] {
            for before in [0, 1, 300, 400, places.len() - 1, places.len(), usize::MAX] {
                let there = places.iter().filter(|&&at| at < end).count();
                let expected = if before < there { Ok(places[before]) } else { Err(there) };
                assert_eq!(nth_newline(&content[..end], before), expected, "{before} before, {end} bytes");
            }
        }
    }

    #[test]
    fn ranges_cut_lines_out_of_blocks() {
        let range = |from, to| LineRange::new(from, to).unwrap();
        let content = b"a\nb\nc";
        assert_eq!(content[range(1, 1).cut(content, 0)], *b"a\n");
        assert_eq!(content[range(2, 3).cut(content, 0)], *b"b\nc");
        assert_eq!(content[range(3, 9).cut(content, 0)], *b"c");
        assert_eq!(content[range(4, 9).cut(content, 0)], *b"");
        assert_eq!(content[range(11, 12).cut(content, 10)], *b"a\nb\n");
        assert_eq!(content[range(5, 12).cut(content, 10)], *b"a\nb\n");
        assert!(range(3, 4).touches(2, 1) && range(4, 4).touches(2, 1) && !range(5, 5).touches(2, 1));
        assert!(!range(2, 2).touches(2, 1));
        let full = BLOCK_LINES as u32;
        assert!(!range(u64::from(full) + 1, u64::MAX).touches(0, full));
        assert!(LineRange::new(0, 1).is_err() && LineRange::new(3, 2).is_err());
    }
    proptest! {
        /// Cut out of blocks one after another, lines are those of the whole.
        #[test]
        fn blocks_give_the_lines_of_the_whole(
            blocks in prop::collection::vec("[ab\n]{0,12}\n", 0..6),
            end in "[ab]{0,3}",
            from in 1u64..40,
            len in 0u64..40,
        ) {
            let range = LineRange::new(from, from + len).unwrap();
            let (mut found, mut before) = (String::new(), 0);
            for block in blocks.iter().chain([&end]) {
                let newlines = block.matches('\n').count() as u32;
                let cut = &block[range.cut(block.as_bytes(), before)];
                prop_assert!(cut.is_empty() || range.touches(before, newlines));
                found.push_str(cut);
                before += u64::from(newlines);
            }
            let whole = blocks.concat() + &end;
            let lines = whole.split_inclusive('\n').skip(from as usize - 1).take(len as usize + 1);
            prop_assert_eq!(found, lines.collect::<String>());
        }
    }
}
