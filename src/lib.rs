//! A lossless compressor whose output size is a model's loss.
//!
//! The surprisal of a token is −log₂ p(token | what came before). A range coder spends that many
//! bits on it, so the size of a file coded with a GPT's probabilities *is* the GPT's cross-entropy
//! on that file. This crate trains small GPTs on addition corpora, whose exact entropy is known,
//! compresses corpora with them and gives them back bit for bit, on every machine the same.
//!
//! ```text
//! lines ──► tokens ──► predictor ──► integer probabilities ──► range coder ──► blocks ──► archive
//!                          ▲
//!                          ├── the exact network: integers, quantised once from a trained GPT
//!                          └── the learner: a GPT that learns from every batch behind it
//! ```
//!
//! [`Compressor`] and [`Decompressor`] are the two directions, [`Index`] finds lines in a file; [`Models`] are the
//! models of the binary, and others may be loaded. `examples/` has a program for each use.
//!
//! The modules stand in the order in which data flows: [`text`] makes lines and knows their entropy; [`model`] is a
//! trained model as files; `network` is the network in integers, and [`learner`] the one that learns, which decide
//! bytes; `coding` turns lines into bits with either; [`archive`] frames them. `train` (feature `train`, with dropout and on a GPU also `candle`) makes models;
//! [`report`] accounts for every bit between a loss and a file.
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
#[doc(hidden)]
pub mod coding;
mod error;
#[cfg(feature = "candle")]
#[doc(hidden)]
pub mod gpt;
mod host;
pub mod learner;
pub mod model;
mod names;
#[doc(hidden)]
pub mod network;
mod random;
pub mod report;
mod schedule;
pub mod selftest;
mod simd;
pub mod text;
#[cfg(feature = "train")]
pub mod train;

pub use archive::{
    ArchiveEntry, ArchiveStats, BlockKind, BlockStats, Coder, CompressOptions, Compressor, DecompressOptions,
    Decompressor, Event, Finished, Index, LearnOptions, LineRange, Missing, Observer, compress, decompress,
};
pub use error::{Error, Result};
pub use learner::{BatchRecord, Learner, LearnerSettings, StepRecord};
pub use model::{Checkpoint, GptConfig, Identity, Level, Model, Models, Preset};
pub use network::{Device, DeviceChoice, ExactModel, Isa};
pub use text::Survey;
