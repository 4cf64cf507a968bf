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
//! [`resume`] goes on. Who watches a run may write what TensorBoard reads ([`EventFile`]).

mod corpus;
mod data;
mod gradient;
mod log;
mod run;
mod session;
mod state;
mod tensorboard;
mod trainer;
mod validation;

pub use corpus::learn_from_file;
pub use data::LineSource;
pub use session::{End, Progress, resume, train};
pub use tensorboard::EventFile;
pub use trainer::Trainer;

/// The file in a model folder from which a run goes on.
pub const STATE_FILE: &str = "training-state.safetensors";

fn failed(error: candle_core::Error) -> crate::Error {
    crate::Error::Training(error.to_string())
}

#[cfg(test)]
mod tests;
