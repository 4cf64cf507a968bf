//! A model within an archive: the length of what follows in 8 bytes, both files of its folder packed by zstd, and the
//! crc32 of all that. Unpacked it is the length of `config.json` in 4 bytes, that file, then `model.safetensors`.

use std::io::Read;
use std::sync::Arc;

use super::format::{Header, MAX_MODEL, check_crc, take};
use crate::model::{Model, Models};
use crate::{Error, Result};

/// Bytes that packed files take in an archive.
pub(super) fn framed_len(packed: &[u8]) -> u64 {
    8 + packed.len() as u64 + 4
}

/// A model's bytes, as an archive carries them.
pub(crate) fn model_to_bytes(model: &Model) -> std::io::Result<Vec<u8>> {
    let (config, weights) = model.files();
    let mut plain = (config.len() as u32).to_le_bytes().to_vec();
    plain.extend(config);
    plain.extend(weights);
    let packed = zstd::bulk::compress(&plain, 19)?;
    let mut out = (packed.len() as u64).to_le_bytes().to_vec();
    out.extend(packed);
    out.extend(crc32fast::hash(&out).to_le_bytes());
    Ok(out)
}

/// Reads them, and returns the packed files.
pub(super) fn read(input: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    take(input, &mut bytes, 8, "the model")?;
    let len = u64::from_le_bytes(bytes[..].try_into().expect("8 bytes"));
    if len > MAX_MODEL {
        return Err(damaged(format!("the model is said to have {len} bytes")));
    }
    take(input, &mut bytes, len as usize + 4, "the model")?;
    check_crc(&bytes, "the model")?;
    bytes.truncate(8 + len as usize);
    bytes.drain(..8);
    Ok(bytes)
}

/// The model that an archive asks for: one of those at hand, or the one that it carries, packed.
///
/// # Errors
/// [`Error::WrongModel`] if there is none, [`Error::Damaged`] or [`Error::Model`] if the carried one is not whole.
pub(super) fn model_of(header: &Header, packed: Option<&[u8]>, models: &Models) -> Result<Arc<Model>> {
    let Header { identity, name, .. } = header;
    if let Some(model) = models.find(*identity, name) {
        return Ok(Arc::clone(model));
    }
    let wrong = |at_hand| Error::WrongModel { name: name.clone(), wanted: *identity, at_hand };
    let Some(packed) = packed else {
        let names = models.iter().map(|model| format!("'{}' ({})", model.name(), model.identity()));
        let names = names.collect::<Vec<_>>().join(", ");
        return Err(wrong(format!("at hand: {names}")));
    };
    let (config, weights) = unpack(packed)?;
    let model = Model::from_files(name, config, weights)?;
    if model.identity() == *identity {
        Ok(Arc::new(model))
    } else {
        Err(wrong(format!("but it carries one of identity {}", model.identity())))
    }
}

/// `config.json` and `model.safetensors`.
fn unpack(packed: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let bad = |what: &str| damaged(format!("the embedded model {what}"));
    let mut plain = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(packed).map_err(|_| bad("does not unpack"))?;
    let limited = decoder.take(MAX_MODEL).read_to_end(&mut plain);
    limited.map_err(|_| bad("does not unpack"))?;
    let config_len = plain.first_chunk().map(|&len| u32::from_le_bytes(len) as usize);
    let config_len = config_len.ok_or_else(|| bad("is too short"))?;
    let (config, weights) = plain[4..].split_at_checked(config_len).ok_or_else(|| bad("is too short"))?;
    Ok((config.to_vec(), weights.to_vec()))
}

fn damaged(what: String) -> Error {
    Error::damaged(what, "model")
}
