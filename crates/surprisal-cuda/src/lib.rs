//! The exact network of `surprisal` on an NVIDIA GPU: the same integers as the scalar definition, bit for bit.
//!
//! ```text
//! Network (slices of integers and scales) ──► PackedModel (the kernels' order) ──► DeviceModel (in the GPU's memory)
//!     known lines: tokens ──► KnownLines, one launch for all positions ──► slots of every token
//!     words of many blocks ──► CodedLines, decoded beside each other ──► their tokens
//! ```
//!
//! `kernels/` has the CUDA sources and `ptx/` what its `build.sh` makes of them. [`Gpu`] finds the CUDA driver when it
//! is opened, so nothing of CUDA is needed to build this crate. The tests run the same kernels on the CPU, behind a
//! driver that `tests/stand_in` compiles: `docs/gpu.md` has the proof and the arithmetic.

mod coded_lines;
mod device_model;
mod gpu;
mod known_lines;
mod network;
mod packed_model;
mod timing;

pub use coded_lines::CodedLines;
pub use gpu::{Gpu, ptx};
pub use known_lines::KnownLines;
pub use network::{Embedding, Gelu, Head, Layer, Linear, Network, Shape};
pub use packed_model::PRESETS;

/// Lines that a warp takes together: a tile.
pub const TILE_LINES: usize = 16;

/// Why a GPU does not serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no driver or device, it lacks memory, or it failed.
    #[error("{0}")]
    Device(String),
    /// There is no kernel for the network.
    #[error("{0}")]
    Network(String),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
