//! An input of which the last bytes can be read again, and the next ones looked at.

use std::io::{self, Read};

/// Bytes that are read ahead at least where something is looked at.
const AHEAD: usize = 1 << 16;

/// An input that keeps some of what was read, if it was told to.
pub(super) struct Rewind<R> {
    pub input: R,
    /// What was read last, then what was only looked at.
    kept: Vec<u8>,
    /// How much of it was read.
    read: usize,
    /// Bytes before the next one.
    position: u64,
    /// The least that is kept, if so much was read; with 0 nothing is.
    limit: usize,
}

impl<R: Read> Rewind<R> {
    pub fn new(input: R) -> Self {
        Self { input, kept: Vec::new(), read: 0, position: 0, limit: 0 }
    }

    /// Keeps so many bytes from now on.
    pub fn keep(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes before the next one.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What was read last.
    pub fn behind(&self) -> &[u8] {
        &self.kept[..self.read]
    }

    /// The next bytes, fewer than asked for only where the input ends. They are still to be read.
    pub fn peek(&mut self, len: usize) -> io::Result<&[u8]> {
        let missing = len.saturating_sub(self.kept.len() - self.read);
        if missing > 0 {
            (&mut self.input).take(missing.max(AHEAD) as u64).read_to_end(&mut self.kept)?;
        }
        Ok(&self.kept[self.read..self.kept.len().min(self.read + len)])
    }

    /// Goes to a place, as far as bytes are kept or were looked at.
    pub fn go_to(&mut self, position: u64) {
        let start = self.position - self.read as u64;
        let read = position.saturating_sub(start).min(self.kept.len() as u64);
        (self.read, self.position) = (read as usize, start + read);
        if self.read > 2 * self.limit {
            self.kept.drain(..self.read - self.limit);
            self.read = self.limit;
        }
    }
}

impl<R: Read> Read for Rewind<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let looked_at = &self.kept[self.read..];
        let len = if looked_at.is_empty() {
            let len = self.input.read(buffer)?;
            if self.limit == 0 {
                self.position += len as u64;
                return Ok(len);
            }
            self.kept.extend_from_slice(&buffer[..len]);
            len
        } else {
            let len = buffer.len().min(looked_at.len());
            buffer[..len].copy_from_slice(&looked_at[..len]);
            len
        };
        self.go_to(self.position + len as u64);
        Ok(len)
    }
}
