//! Hash, length and lines of bytes as they pass.

/// What identifies a stream of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    hash: blake3::Hash,
    pub bytes: u64,
    /// A last line without a newline counts.
    pub lines: u64,
}

/// Computes a [`Digest`].
pub struct Digester {
    hasher: blake3::Hasher,
    bytes: u64,
    newlines: u64,
    ends_in_newline: bool,
}

impl Digester {
    pub fn new() -> Self {
        Self { hasher: blake3::Hasher::new(), bytes: 0, newlines: 0, ends_in_newline: true }
    }

    pub fn update(&mut self, data: &[u8]) {
        self.hasher.update(data);
        self.bytes += data.len() as u64;
        self.newlines += memchr::memchr_iter(b'\n', data).count() as u64;
        if let Some(&last) = data.last() {
            self.ends_in_newline = last == b'\n';
        }
    }

    /// The line that the next byte is in, from 1.
    pub fn line(&self) -> u64 {
        self.newlines + 1
    }

    pub fn digest(&self) -> Digest {
        let lines = self.newlines + u64::from(!self.ends_in_newline);
        Digest { hash: self.hasher.finalize(), bytes: self.bytes, lines }
    }
}
