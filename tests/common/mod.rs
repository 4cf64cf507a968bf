//! What several modules need.

pub mod corpora;
#[cfg(feature = "cli")]
pub mod place;
