//! Cuts content into blocks as it comes.

use super::format::MAX_BLOCK_BYTES;
use super::lines::nth_newline;

/// The block that is being filled: whole lines, as many as fit [`MAX_BLOCK_BYTES`] and as are asked for. Only a line that is
/// longer than a block is cut itself.
#[derive(Default)]
pub(super) struct Cutter {
    filling: Vec<u8>,
    /// Newlines of it.
    newlines: usize,
    /// Buffers of blocks that are done with: new memory costs a page fault every 4 KiB.
    spare: Vec<Vec<u8>>,
}

impl Cutter {
    /// Takes content from the front of `data`, up to where the block of so many lines is whole, and gives how many bytes.
    pub fn fill(&mut self, data: &[u8], lines: usize) -> usize {
        if self.is_whole(lines) {
            return 0;
        }
        let part = &data[..data.len().min(MAX_BLOCK_BYTES - self.filling.len())];
        let (taken, newlines) = match nth_newline(part, lines - self.newlines - 1) {
            Ok(last) => (last + 1, lines),
            Err(newlines) => (part.len(), self.newlines + newlines),
        };
        self.filling.extend_from_slice(&part[..taken]);
        self.newlines = newlines;
        taken
    }

    /// Whether nothing more fits a block of so many lines.
    pub fn is_whole(&self, lines: usize) -> bool {
        self.newlines >= lines || self.filling.len() == MAX_BLOCK_BYTES
    }

    /// What has come and was not taken.
    pub fn content(&self) -> &[u8] {
        &self.filling
    }

    /// Takes a block of up to so many lines, whole or not. Behind it may remain what belongs to the next.
    pub fn take(&mut self, lines: usize) -> Vec<u8> {
        let len = match memchr::memrchr(b'\n', &self.filling) {
            Some(last) if self.newlines < lines && self.filling.len() == MAX_BLOCK_BYTES => last + 1,
            _ => self.filling.len(),
        };
        let mut rest = self.spare.pop().unwrap_or_default();
        rest.clear();
        rest.extend_from_slice(&self.filling[len..]);
        self.filling.truncate(len);
        self.newlines = 0;
        std::mem::replace(&mut self.filling, rest)
    }

    /// Takes a buffer back, for content to come.
    pub fn give_back(&mut self, buffer: Vec<u8>) {
        self.spare.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks of a content that comes in pieces.
    fn blocks(content: &[u8], piece: usize, lines: usize) -> Vec<Vec<u8>> {
        let mut cutter = Cutter::default();
        let mut blocks = Vec::new();
        for mut data in content.chunks(piece) {
            while !data.is_empty() {
                if cutter.is_whole(lines) {
                    blocks.push(cutter.take(lines));
                }
                data = &data[cutter.fill(data, lines)..];
            }
        }
        while !cutter.content().is_empty() {
            blocks.push(cutter.take(lines));
        }
        blocks
    }

    #[test]
    fn blocks_are_of_whole_lines() {
        let text = b"12\n\n4\n56\n7".repeat(1000);
        for piece in [1, 2, 7, 5000, text.len()] {
            let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
            let expected: Vec<Vec<u8>> = lines.chunks(3).map(<[_]>::concat).collect();
            assert_eq!(blocks(&text, piece, 3), expected, "pieces of {piece}");
        }
        assert!(blocks(b"", 1, 3).is_empty());
    }

    #[test]
    fn blocks_are_of_bounded_bytes() {
        // A line of 1000 bytes, so that a block ends within another; then lines longer than two blocks and than one.
        let long = |len: usize| [vec![b'x'; len - 1], vec![b'\n']].concat();
        let text =
            [long(1000).repeat(5000), long(2 * MAX_BLOCK_BYTES + 3), long(MAX_BLOCK_BYTES), vec![b'x'; 5]]
                .concat();
        let whole = MAX_BLOCK_BYTES / 1000 * 1000;
        let expected = [whole, 5_000_000 - whole, MAX_BLOCK_BYTES, MAX_BLOCK_BYTES, 3, MAX_BLOCK_BYTES, 5];
        for piece in [4096, 1 << 20, text.len()] {
            let blocks = blocks(&text, piece, 65_536);
            assert!(blocks.concat() == text, "pieces of {piece}");
            assert_eq!(blocks.iter().map(Vec::len).collect::<Vec<_>>(), expected, "pieces of {piece}");
        }
    }
}
