//! What a user of the program can see: files, bytes, messages, exit codes.

mod compress;
mod corpus;
mod decompress;
#[cfg(feature = "gpu")]
mod device;
mod explain;
mod files;
mod foreign;
mod guard;
mod learning;
mod list;
mod models;
/// The page of a report in a real browser.
mod page;
mod program;
mod report;
mod runs;
mod selftest;
#[cfg(feature = "train")]
mod train;
mod verify;
