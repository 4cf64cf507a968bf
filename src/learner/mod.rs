//! The exact learner: a GPT that learns while it codes, the same on every machine.
//!
//! Training is a compression of its data: each batch of lines is coded with what was learned so far,
//! then one gradient step is taken on it; a decoder decodes the batch, takes the same step and so
//! holds the same network. No weights travel. That asks of a whole training run what [`crate::network`]
//! asks of a trained network: the same bits everywhere. Here they come from IEEE-754 binary32 alone,
//! with +, −, ×, ÷, √, comparison and conversion, and from sums whose order is written down
//! (`docs/learning.md`).
//!
//! [`LearnerSettings`] are all that both sides must know; [`Learner`] is the network, its gradient and its
//! optimiser (Muon for the layers' matrices, AdamW for all else), a [`crate::coding::Predictor`]. [`Backprop`] is the same network and gradient for a training that moves the weights itself.

mod backprop;
mod batch;
mod engine;
mod gradient_sum;
mod header;
mod init;
mod kernel;
mod layout;
mod math;
pub(crate) mod optim;
mod pace;
mod predictor;
mod replay;
mod rounding;
mod scalar;
mod settings;

#[cfg(test)]
mod tests;

pub use backprop::{Backprop, Loss, Prediction};
pub use batch::{BatchObserver, BatchRecord, Learner, StepRecord};
pub use gradient_sum::{PartGradient, lines_of_part};
pub use settings::LearnerSettings;
