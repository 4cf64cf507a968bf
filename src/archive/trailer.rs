//! The end of an archive: the index of its blocks, and the trailer, by which it is found from the end of a file.

use super::format::{BlockKind, END, get_varint, put_varint};
use super::stats::BlockStats;

/// The last four bytes of an archive.
const END_MAGIC: [u8; 4] = *b"RUS\xb5";
/// Bytes of the trailer: length of the index, length of the archive, checksum, magic.
pub(super) const TRAILER_LEN: usize = 4 + 8 + 4 + 4;

/// The bytes of an archive's end. `before` is the length of what stands before it.
pub(super) fn end_to_bytes(blocks: &[BlockStats], before: u64) -> Vec<u8> {
    let mut index = Vec::new();
    put_varint(&mut index, blocks.len() as u64);
    for block in blocks {
        index.push(block.kind.byte());
        for size in [block.content_len, block.newlines, block.payload_len] {
            put_varint(&mut index, u64::from(size));
        }
    }
    let mut out = vec![END];
    out.extend(&index);
    let total = before + (out.len() + TRAILER_LEN) as u64;
    out.extend((index.len() as u32).to_le_bytes());
    out.extend(total.to_le_bytes());
    out.extend(crc32fast::hash(&out).to_le_bytes());
    out.extend(END_MAGIC);
    out
}

/// The lengths of the index and of the archive; none if this is no trailer.
pub(super) fn lengths(trailer: &[u8; TRAILER_LEN]) -> Option<(u64, u64)> {
    let index_len = u32::from_le_bytes(trailer[..4].try_into().expect("4 bytes"));
    let archive_len = u64::from_le_bytes(trailer[4..12].try_into().expect("8 bytes"));
    (trailer[16..] == END_MAGIC).then_some((index_len.into(), archive_len))
}

/// Takes an index off the front, without the zero byte before and the trailer behind it. The parts of payloads are not
/// in it, nor where blocks begin.
pub(super) fn index_from_bytes(bytes: &mut &[u8]) -> Option<Vec<BlockStats>> {
    let count = get_varint(bytes)?;
    let mut blocks = Vec::new();
    for _ in 0..count {
        let (&kind, rest) = bytes.split_first()?;
        *bytes = rest;
        let mut size = || get_varint(bytes).and_then(|n| u32::try_from(n).ok());
        blocks.push(BlockStats {
            offset: 0,
            kind: BlockKind::from_byte(kind)?,
            content_len: size()?,
            newlines: size()?,
            payload_len: size()?,
            coded_len: 0,
            beside_len: 0,
        });
    }
    Some(blocks)
}

/// The blocks of an archive's end with which `bytes` begin, and the end's length; and how many bytes had to be looked at.
pub(super) fn find_end(bytes: &[u8]) -> (Option<(Vec<BlockStats>, usize)>, usize) {
    let Some(mut rest) = bytes.strip_prefix(&[END]) else { return (None, 1) };
    let blocks = index_from_bytes(&mut rest);
    let index_len = bytes.len() - 1 - rest.len();
    let len = 1 + index_len + TRAILER_LEN;
    let is_whole = rest.first_chunk().is_some_and(|trailer| {
        lengths(trailer).is_some_and(|(found, _)| found == index_len as u64)
            && crc32fast::hash(&bytes[..len - 8]).to_le_bytes() == trailer[12..16]
    });
    (blocks.filter(|_| is_whole).map(|blocks| (blocks, len)), len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn block()(
            kind in (1u8..=5).prop_map(|byte| BlockKind::from_byte(byte).unwrap()),
            content_len in any::<u32>(),
            newlines in any::<u32>(),
            payload_len in any::<u32>(),
        ) -> BlockStats {
            BlockStats { offset: 0, kind, content_len, newlines, payload_len, coded_len: 0, beside_len: 0 }
        }
    }

    proptest! {
        #[test]
        fn indices_round_trip(blocks in prop::collection::vec(block(), 0..20), before in 0..1u64 << 40) {
            let end = end_to_bytes(&blocks, before);
            let (index, trailer) = end[1..].split_last_chunk().unwrap();
            prop_assert_eq!(lengths(trailer), Some((index.len() as u64, before + end.len() as u64)));
            prop_assert_eq!(index_from_bytes(&mut &*index), Some(blocks.clone()));
            prop_assert_eq!(index_from_bytes(&mut &index[..index.len() - 1]), None);
            let followed = [&end[..], b"more"].concat();
            prop_assert_eq!(find_end(&followed), (Some((blocks, end.len())), end.len()));
            prop_assert_eq!(find_end(&followed[..end.len() - 1]).0, None);
        }
    }
}
