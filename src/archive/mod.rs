//! The archive: any bytes in, the same bytes out (`docs/format.md`).
//!
//! ```text
//! header [model] block block … end index        cat a.sur b.sur is an archive, too
//! ```
//!
//! [`Compressor`] (`writer`) has content cut into blocks of whole lines (`cutter`). A block (`block`) is coded by a model, on some
//! thread of a `pipeline`, or by a learner; its `payload` holds the coded lines and beside them those that nothing
//! codes. It is framed with checksums (`format`). [`Decompressor`] (`reader`) reads `frames` from front to
//! back, [`Index`] finds blocks in a file, `salvage` what is whole of a damaged one.

mod block;
mod cutter;
mod embedded;
mod format;
mod frames;
mod gpu;
mod index;
mod lines;
mod observe;
mod options;
mod payload;
mod pipeline;
mod reader;
mod rewind;
mod salvage;
mod stats;
mod trailer;
mod writer;

pub use block::BLOCK_LINES;
pub(crate) use embedded::model_to_bytes;
#[cfg(feature = "train")]
pub(crate) use format::put_varint;
pub use format::{BlockKind, LEARNED_VERSION, MAGIC, MAX_BLOCK_BYTES, VERSION};
pub use index::{ArchiveEntry, Index};
pub use lines::LineRange;
pub(crate) use observe::{BlockNotes, Recorder};
pub use observe::{Event, Observer};
pub use options::{Coder, CompressOptions, DecompressOptions, LearnOptions};
pub use reader::Decompressor;
pub use salvage::Missing;
pub use stats::{ArchiveStats, BlockStats};
pub use writer::{Compressor, Finished};

use std::io::{Read, Write};
use std::sync::Arc;

use crate::model::{Model, Models};
use crate::{Error, Result};

/// Compresses bytes in one call.
///
/// # Errors
/// [`Error::Io`] only if memory fails.
pub fn compress(data: &[u8], model: &Arc<Model>) -> Result<Vec<u8>> {
    let mut compressor = Compressor::new(Vec::new(), model)?;
    compressor.write_all(data).map_err(Error::from_io)?;
    Ok(compressor.finish()?.output)
}

/// Restores bytes in one call; `models` are those that the archive may have been made with.
///
/// # Errors
/// [`Error::NotAnArchive`], [`Error::Version`], [`Error::WrongModel`] or [`Error::Damaged`].
pub fn decompress(archive: &[u8], models: &Models) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    let mut reader = Decompressor::new(archive, models)?;
    reader.read_to_end(&mut data).map_err(Error::from_io)?;
    Ok(data)
}
