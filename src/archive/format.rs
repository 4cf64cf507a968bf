//! The frames of an archive and their bytes. Everything is little-endian.

use std::io::Read;

use crate::learner::LearnerSettings;
use crate::model::Identity;
use crate::{Error, Result};

/// The version of the format of archives that a model coded.
pub const VERSION: u16 = 1;
/// The version of the format of archives that were coded while learning.
pub const LEARNED_VERSION: u16 = 2;

/// The first four bytes of an archive: not text in any encoding.
pub const MAGIC: [u8; 4] = *b"\xb5SUR";
/// The most bytes of a block: one is cut within a line rather than be longer.
pub const MAX_BLOCK_BYTES: usize = 4 << 20;
/// The most bytes of a block's payload.
pub(super) const MAX_PAYLOAD: u32 = 8 << 20;
/// The largest embedded model, compressed or not.
pub(super) const MAX_MODEL: u64 = 1 << 30;

/// How a block's content is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// By the model: lines that fit its grammar; others beside them.
    Modelled,
    /// By zstd.
    Zstd,
    /// As it is.
    Raw,
    /// By a learner, which then learned from it.
    Learned,
    /// By zstd; the learner learned from its lines nevertheless.
    ZstdLearned,
}

impl BlockKind {
    /// All kinds, with their bytes and their names.
    const ALL: [(Self, u8, &str); 5] = [
        (Self::Modelled, 1, "modelled"),
        (Self::Zstd, 2, "zstd"),
        (Self::Raw, 3, "raw"),
        (Self::Learned, 4, "learned"),
        (Self::ZstdLearned, 5, "zstd, learned"),
    ];

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, its_byte, _)| *its_byte == byte);
        found.map(|&(kind, ..)| kind)
    }

    pub(super) fn byte(self) -> u8 {
        Self::ALL[self as usize].1
    }

    /// Whether a model or a learner coded it.
    pub fn is_modelled(self) -> bool {
        matches!(self, Self::Modelled | Self::Learned)
    }

    /// Whether a learner learned from it.
    pub(super) fn is_learned(self) -> bool {
        matches!(self, Self::Learned | Self::ZstdLearned)
    }

    /// The name in listings.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].2
    }
}

/// Its name.
impl serde::Serialize for BlockKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What stands in the place of another block's kind where no more follow.
pub(super) const END: u8 = 0;

/// What stands before an archive's blocks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub identity: Identity,
    pub name: String,
    pub has_model: bool,
    /// How the archive's learner learns; none where a model codes.
    pub learner: Option<LearnerSettings>,
}

impl Header {
    /// The version that has such a header.
    pub fn version(&self) -> u16 {
        match self.learner {
            None => VERSION,
            Some(_) => LEARNED_VERSION,
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend(self.version().to_le_bytes());
        out.push(u8::from(self.has_model));
        out.extend(self.identity.0);
        out.push(self.name.len() as u8);
        out.extend(self.name.as_bytes());
        if let Some(settings) = &self.learner {
            let settings = settings.to_bytes();
            out.extend((settings.len() as u16).to_le_bytes());
            out.extend(settings);
        }
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// Reads what follows the magic number. Returns the header and its length in bytes.
    pub fn read(input: &mut impl Read) -> Result<(Self, u64)> {
        let mut bytes = MAGIC.to_vec();
        take(input, &mut bytes, 2, "the header")?;
        let found = u16::from_le_bytes([bytes[4], bytes[5]]);
        if !(VERSION..=LEARNED_VERSION).contains(&found) {
            let what = "archive format version";
            return Err(Error::Version { what, found, known: VERSION..=LEARNED_VERSION });
        }
        take(input, &mut bytes, 34, "the header")?;
        let settings_at = 40 + usize::from(bytes[39]);
        let mut end = settings_at;
        if found == LEARNED_VERSION {
            take(input, &mut bytes, end + 2 - 40, "the header")?;
            let len = u16::from_le_bytes([bytes[end], bytes[end + 1]]);
            end += 2 + usize::from(len);
        }
        let missing = end + 4 - bytes.len();
        take(input, &mut bytes, missing, "the header")?;
        check_crc(&bytes, "the header")?;
        let nonsense = || Error::damaged("the header makes no sense", "header");
        let name = String::from_utf8(bytes[40..settings_at].to_vec()).map_err(|_| nonsense())?;
        let learner = match found {
            LEARNED_VERSION => Some(LearnerSettings::from_bytes(&bytes[settings_at + 2..end])?),
            _ => None,
        };
        let flags = bytes[6];
        if flags > u8::from(learner.is_none()) {
            return Err(nonsense());
        }
        let header = Self {
            identity: Identity(bytes[7..39].try_into().expect("32 bytes")),
            name,
            has_model: flags == 1,
            learner,
        };
        Ok((header, bytes.len() as u64))
    }
}

/// What stands before a block's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub kind: BlockKind,
    /// Bytes of the content.
    pub content_len: u32,
    /// Newlines in the content.
    pub newlines: u32,
    pub payload_len: u32,
    /// crc32 of the payload.
    pub payload_crc: u32,
    /// xxh3 of the content.
    pub content_hash: u64,
}

/// Bytes of a block's header.
pub(super) const BLOCK_HEADER_LEN: usize = 1 + 4 + 4 + 4 + 4 + 8 + 4;

impl BlockHeader {
    /// The header's bytes. Its checksum covers the block's number, so that blocks cannot be
    /// exchanged unnoticed.
    pub fn to_bytes(self, number: u64) -> Vec<u8> {
        let mut out = vec![self.kind.byte()];
        for field in [self.content_len, self.newlines, self.payload_len, self.payload_crc] {
            out.extend(field.to_le_bytes());
        }
        out.extend(self.content_hash.to_le_bytes());
        out.extend(crc_with_number(&out, number).to_le_bytes());
        out
    }

    pub fn from_bytes(bytes: &[u8], number: u64) -> Result<Self> {
        let place = || format!("block {number}");
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        if crc_with_number(&bytes[..25], number) != word(25) {
            return Err(Error::damaged("a block's header does not match its checksum", place()));
        }
        let header = Self {
            kind: BlockKind::from_byte(bytes[0])
                .ok_or_else(|| Error::damaged("unknown kind of block", place()))?,
            content_len: word(1),
            newlines: word(5),
            payload_len: word(9),
            payload_crc: word(13),
            content_hash: u64::from_le_bytes(bytes[17..25].try_into().expect("8 bytes")),
        };
        let too_large = header.payload_len > MAX_PAYLOAD || header.content_len as usize > MAX_BLOCK_BYTES;
        if too_large || header.newlines > header.content_len {
            return Err(Error::damaged("a block's sizes make no sense", place()));
        }
        Ok(header)
    }
}

fn crc_with_number(bytes: &[u8], number: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// The number of the block that has this header, if it is less than 2^32: the only one that its checksum can be of. Each byte
/// of the crc32 is undone, last to first; what is left before the number's four lowest bytes is the number itself.
pub(super) fn header_number(bytes: &[u8; BLOCK_HEADER_LEN]) -> u32 {
    const TABLE: [u32; 256] = crc_table();
    let (covered, crc) = bytes.split_last_chunk().expect("it ends in four bytes");
    let undo = |state: u32, byte: u8| {
        let entry = TABLE.iter().position(|entry| entry >> 24 == state >> 24).expect("all differ");
        ((state ^ TABLE[entry]) << 8) | (entry as u32 ^ u32::from(byte))
    };
    let number_and_zeros = [0; 8];
    !covered.iter().rev().chain(&number_and_zeros).fold(!u32::from_le_bytes(*crc), |s, &byte| undo(s, byte))
}

/// What each value of a byte adds to a crc32.
const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut entry = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            entry = (entry >> 1) ^ ((entry & 1) * 0xedb8_8320);
            bit += 1;
        }
        table[byte] = entry;
        byte += 1;
    }
    table
}

/// Appends a number in groups of seven bits, lowest first, the high bit set on all but the last.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Takes a number off the front; none if there is no whole one, or one that is longer than it
/// need be.
pub(super) fn get_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..63).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (byte != 0 || shift == 0).then_some(n);
        }
    }
    None
}

/// Reads exactly `n` more bytes, growing only as they come.
pub(super) fn take(input: &mut impl Read, bytes: &mut Vec<u8>, n: usize, what: &str) -> Result<()> {
    let before = bytes.len();
    input.take(n as u64).read_to_end(bytes)?;
    if bytes.len() - before < n {
        return Err(Error::damaged(format!("the archive ends within {what}"), "cut short"));
    }
    Ok(())
}

/// Checks that the last four bytes are the crc32 of those before them.
pub(super) fn check_crc(bytes: &[u8], what: &str) -> Result<()> {
    let (covered, crc) = bytes.split_last_chunk().expect("at least four bytes");
    if crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
        return Err(Error::damaged(format!("{what} does not match its checksum"), what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn longer_varints_than_need_be_are_none() {
        for bad in [&[][..], &[0x80], &[0x80, 0], &[0xff; 10]] {
            assert_eq!(get_varint(&mut &*bad), None, "{bad:?}");
        }
    }

    prop_compose! {
        fn block_header()(
            kind in (1u8..=5).prop_map(|byte| BlockKind::from_byte(byte).unwrap()),
            content_len in 0..=MAX_BLOCK_BYTES as u32,
            payload_len in 0..=MAX_PAYLOAD,
            payload_crc in any::<u32>(),
            content_hash in any::<u64>(),
        )(
            newlines in 0..=content_len,
            header in Just(BlockHeader { kind, content_len, newlines: 0, payload_len, payload_crc, content_hash }),
        ) -> BlockHeader {
            BlockHeader { newlines, ..header }
        }
    }

    proptest! {
        #[test]
        fn varints_round_trip(n in prop_oneof![0..1u64 << 62, 0..1000u64], rest in any::<[u8; 2]>()) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, n);
            bytes.extend(rest);
            let mut left = &bytes[..];
            prop_assert_eq!(get_varint(&mut left), Some(n));
            prop_assert_eq!(left, rest);
        }

        #[test]
        fn headers_round_trip(identity: [u8; 32], name in "\\PC{0,60}", has_model: bool) {
            let header = Header { identity: Identity(identity), name, has_model, learner: None };
            let bytes = header.to_bytes();
            let read = Header::read(&mut &bytes[MAGIC.len()..]).unwrap();
            prop_assert_eq!(read, (header, bytes.len() as u64));
        }

        /// A block's header knows its number, so that blocks cannot change places.
        #[test]
        fn block_headers_round_trip(header in block_header(), number: u64) {
            let bytes = header.to_bytes(number);
            prop_assert_eq!(bytes.len(), BLOCK_HEADER_LEN);
            prop_assert_eq!(BlockHeader::from_bytes(&bytes, number).unwrap(), header);
            prop_assert!(BlockHeader::from_bytes(&bytes, number ^ 1).is_err());
            let low = number as u32;
            let bytes = header.to_bytes(low.into());
            prop_assert_eq!(header_number(bytes[..].try_into().unwrap()), low);
        }
    }
}
