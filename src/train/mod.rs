//! Training: lines that were never seen before at every step, AdamW under a schedule, validation,
//! a log, and checkpoints from which a run goes on as if it had never been stopped.
//!
//! ```text
//!        corpus ──► data ──► run (one step, one evaluation) ──► session ──► model folder
//!                             │  trainer: parameters, gradient,  │
//!                             │  optimiser (learner::optim)      │
//!                             └── state: all of it on disk ◄─────┘ log
//! ```
//!
//! A run writes a model folder: `config.json` and `model.safetensors`, replaced whole at every
//! checkpoint; `training.jsonl` ([`crate::model::training_log`]); and [`STATE_FILE`], from which
//! [`resume`] goes on. Who watches a run may write what TensorBoard reads ([`EventFile`]); who has the batches differentiated
//! elsewhere takes the steps of a [`Session`].

#[cfg(feature = "candle")]
mod candle;
mod corpus;
mod data;
mod gradient;
pub(crate) mod initial;
mod log;
mod run;
mod session;
mod state;
mod tensorboard;
mod trainer;
mod validation;

pub use corpus::learn_from_file;
pub use data::{Batch, LineSource};
pub use initial::initial_weights;
pub use session::{End, Progress, Session, resume, train};
pub use tensorboard::EventFile;
pub use trainer::Trainer;

/// The file in a model folder from which a run goes on.
pub const STATE_FILE: &str = "training-state.safetensors";

fn no_cuda() -> crate::Error {
    crate::Error::Device(
        "this build of the program has no CUDA: train on the CPU, or build it with --features cuda (docs/gpu.md)"
            .into(),
    )
}

#[cfg(test)]
mod tests;
