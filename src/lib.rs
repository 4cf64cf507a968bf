//! A lossless compressor whose output size is a model's loss.
//!
//! The surprisal of a token is −log₂ p(token | what came before). A range coder spends that many
//! bits on it, so the size of a file coded with a GPT's probabilities *is* the GPT's cross-entropy
//! on that file. This crate trains small GPTs on addition corpora, whose exact entropy is known,
//! compresses corpora with them and gives them back bit for bit, on every machine the same.
//!
//! ```text
//! corpus text ──► tokens ──► exact network ──► integer probabilities ──► range coder ──► archive
//!                                 ▲
//!                                 │ quantised once, deterministically
//!                  GPT in floating point ──► training ──► model folder
//! ```
//!
//! The modules stand in the order in which data flows: [`text`] makes lines and knows their
//! entropy; [`model`] is a trained model as files; [`network`] is the network in integers, which
//! decides bytes; [`coding`] turns lines into bits with it; [`archive`] frames them. [`gpt`] and
//! [`train`] (feature `train`) are the world of floating point, where models come from; nothing of
//! the exact world imports them. [`model::training_log`] reads what a training told of itself, and [`report`]
//! accounts for every bit between a loss and a file.
//!
//! ```
//! use surprisal::Models;
//!
//! let corpus = b"17282456+79546852=096829308\n42237329+36070594=078307923\n";
//! let models = Models::bundled();
//! let archive = surprisal::compress(corpus, models.default_model())?;
//! assert_eq!(surprisal::decompress(&archive, &models)?, corpus[..]);
//! # Ok::<(), surprisal::Error>(())
//! ```

pub mod archive;
#[doc(hidden)]
pub mod atomic_file;
pub mod coding;
mod error;
#[cfg(feature = "train")]
pub mod gpt;
pub mod learner;
pub mod model;
pub mod network;
mod random;
pub mod report;
mod schedule;
mod simd;
pub mod text;
#[cfg(feature = "train")]
pub mod train;

pub use archive::{
    CompressOptions, Compressor, DecompressOptions, Decompressor, LearnOptions, LearningCompressor, compress,
    decompress,
};
pub use error::{Error, Result};
pub use model::{Level, Model, Models};
