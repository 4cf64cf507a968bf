//! What a user of the program and of the library can do, as one binary.

/// Folders to run the program in, and lines to compress.
mod common;

/// The library's archives: any bytes come back, damage never goes unnoticed, the bytes stay the same.
mod archive;

/// The float network, the exact network and the coder agree on what lines cost.
#[cfg(feature = "candle")]
mod account;

/// The program, a module a verb.
#[cfg(feature = "cli")]
mod cli;
