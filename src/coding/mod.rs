//! Between lines and bits: the probabilities of a [`Predictor`] drive a range coder.
//!
//! Lines go in groups, in lockstep: for each position, for each line of the group that has not ended, one token. That
//! order is part of the archive format, because it lets a decoder run the network on a whole group at once. The coder
//! itself is constriction's range coder with 32-bit words. [`encode`] and [`decode`] mirror each other.

mod decoder;
mod encoder;
mod gpu;
mod known_group;
mod predictor;

pub(crate) use decoder::GroupText;
pub use decoder::{TextLimits, Undecodable, decode};
pub use encoder::encode;
pub(crate) use gpu::{coded_lines_on, predictor_on};
pub use known_group::KnownGroup;
pub use predictor::Predictor;

/// Lines that the exact network codes in lockstep: a constant of the archive format.
pub const GROUP: usize = 64;
