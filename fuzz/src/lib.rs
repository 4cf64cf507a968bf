//! What the targets share.

use std::io::Read;

use surprisal::{DecompressOptions, Decompressor, Models};

/// Puts the checksums of one archive right, as far as its frames can be followed (docs/format.md), so that changes
/// reach what lies behind them. Returns how far that is.
pub fn repair(archive: &mut [u8]) -> Option<usize> {
    let is_learned = *archive.get(4)? == 2;
    let mut at = 40 + usize::from(*archive.get(39)?);
    if is_learned {
        at += 2 + usize::from(u16::from_le_bytes(*archive.get(at..)?.first_chunk()?));
    }
    at = seal(archive, 0, at)?;
    if !is_learned && archive[6] & 1 == 1 {
        let len = u64::from_le_bytes(*archive.get(at..)?.first_chunk()?);
        let end = at.checked_add(8)?.checked_add(usize::try_from(len).ok()?)?;
        at = seal(archive, at, end)?;
    }
    for number in 0u64.. {
        if *archive.get(at)? == 0 {
            break;
        }
        let len = u32::from_le_bytes(*archive.get(at + 9..)?.first_chunk()?) as usize;
        let payload = crc32fast::hash(archive.get(at + 29..at + 29 + len)?);
        archive[at + 13..at + 17].copy_from_slice(&payload.to_le_bytes());
        let header = [&number.to_le_bytes(), &archive[at..at + 25]].concat();
        archive[at + 25..at + 29].copy_from_slice(&crc32fast::hash(&header).to_le_bytes());
        at += 29 + len;
    }
    let len = archive.len();
    let index = len.checked_sub(at + 1 + 20)? as u32;
    archive[len - 20..len - 16].copy_from_slice(&index.to_le_bytes());
    archive[len - 16..len - 8].copy_from_slice(&(len as u64).to_le_bytes());
    archive[len - 4..].copy_from_slice(b"RUS\xb5");
    seal(archive, at, len - 8)
}

/// Writes the crc32 of these bytes behind them.
fn seal(archive: &mut [u8], start: usize, end: usize) -> Option<usize> {
    let crc = crc32fast::hash(archive.get(start..end)?);
    archive.get_mut(end..end + 4)?.copy_from_slice(&crc.to_le_bytes());
    Some(end + 4)
}

/// An archive as it is, and with its checksums put right.
pub fn versions(data: &[u8]) -> [Vec<u8>; 2] {
    let mut repaired = data.to_vec();
    repair(&mut repaired);
    [data.to_vec(), repaired]
}

/// The content of an archive, if it is whole.
pub fn restore(archive: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let mut reader = Decompressor::with_options(archive, options()).ok()?;
    reader.read_to_end(&mut content).ok().map(|_| content)
}

/// One thread, and the models that [`models`] gives.
pub fn options() -> DecompressOptions {
    DecompressOptions::default().with_models(models()).with_threads(1usize)
}

/// The bundled models, made once.
pub fn models() -> Models {
    static MODELS: std::sync::OnceLock<Models> = std::sync::OnceLock::new();
    MODELS.get_or_init(Models::bundled).clone()
}
