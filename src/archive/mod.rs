//! The archive: any bytes in, the same bytes out (`docs/format.md`).
//!
//! ```text
//! header [model] block block … end index        cat a.sur b.sur is an archive, too
//! ```
//!
//! Input is cut into blocks of whole lines (`block`); each is coded by itself on some thread
//! (`pipeline`) and framed with checksums (`format`). [`Compressor`] writes, [`Decompressor`]
//! reads a stream from front to back, [`Index`] finds blocks in a file.

mod block;
mod decoding;
mod embedded;
mod format;
mod frames;
mod index;
mod learned;
mod lines;
mod observe;
mod pipeline;
mod reader;
mod sink;
mod writer;

pub use block::{BLOCK_LINES, MAX_BLOCK_BYTES};
pub(crate) use embedded::model_to_bytes;
pub use format::{BlockKind, LEARNED_VERSION, MAGIC, VERSION};
pub use index::{ArchiveEntry, BlockEntry, Index};
pub use learned::{LearnOptions, LearningCompressor};
pub use lines::LineRange;
pub use observe::{BlockObserver, BlockParts, BlockWatch, Observer};
pub use reader::{DecompressOptions, Decompressor, Verified};
pub use writer::{CompressOptions, Compressor, Summary};

use bytes::Bytes;

use crate::model::{Model, Models};
use crate::{Error, Result};
use std::io::{Read, Write};
use std::sync::Arc;

/// Compresses bytes in one call.
///
/// # Errors
/// [`Error::Io`] only if memory fails.
pub fn compress(data: &[u8], model: &Arc<Model>) -> Result<Bytes> {
    let mut compressor = Compressor::new(Vec::new(), model, CompressOptions::default())?;
    compressor.write_all(data).map_err(Error::from_io)?;
    Ok(compressor.finish()?.0.into())
}

/// Restores bytes in one call; `models` are those that the archive may have been made with.
///
/// # Errors
/// [`Error::NotAnArchive`], [`Error::Version`], [`Error::WrongModel`] or [`Error::Damaged`].
pub fn decompress(archive: &[u8], models: &Models) -> Result<Bytes> {
    let mut data = Vec::new();
    Decompressor::new(archive, models.clone(), 1)?
        .read_to_end(&mut data)
        .map_err(Error::from_io)?;
    Ok(data.into())
}
