//! wip
mod error;
pub mod corpus;
pub mod exact;
pub mod model;
#[cfg(feature = "train")]
pub mod gpt;
#[cfg(feature = "train")]
pub mod train;
pub use error::{Error, Result};
