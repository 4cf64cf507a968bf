//! A model within an archive: both files of its folder, packed.

use std::io::Read;

use super::format::MAX_MODEL;
use crate::{Error, Result};

/// The bytes of an embedded model: both files, by zstd.
pub(crate) fn model_to_bytes(config: &[u8], weights: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut plain = (config.len() as u32).to_le_bytes().to_vec();
    plain.extend(config);
    plain.extend(weights);
    let packed = zstd::bulk::compress(&plain, 19)?;
    let mut out = (packed.len() as u64).to_le_bytes().to_vec();
    out.extend(packed);
    out.extend(crc32fast::hash(&out).to_le_bytes());
    Ok(out)
}

/// `config.json` and `model.safetensors` of an embedded model.
pub(crate) fn model_from_bytes(packed: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let bad = |what: &str| Error::damaged(format!("the embedded model {what}"), "model");
    let mut plain = Vec::new();
    let decoder = zstd::stream::read::Decoder::new(packed).map_err(|_| bad("does not unpack"))?;
    let limited = decoder.take(MAX_MODEL).read_to_end(&mut plain);
    limited.map_err(|_| bad("does not unpack"))?;
    let config_len = plain.first_chunk().map(|&len| u32::from_le_bytes(len) as usize);
    let config_len = config_len.ok_or_else(|| bad("is too short"))?;
    let rest = &plain[4..];
    let (config, weights) = rest
        .split_at_checked(config_len)
        .ok_or_else(|| bad("is too short"))?;
    Ok((config.to_vec(), weights.to_vec()))
}
