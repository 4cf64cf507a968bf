//! Ctrl-C: ends the program without an unfinished file, or is noted by verbs that end by themselves
//! (a training finishes its step and keeps what it has).

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use anyhow::{Context, Result};
use surprisal::atomic_file;

/// Exit code after Ctrl-C or a request to end: 128 and the number of SIGINT, as shells have it.
pub const EXIT_CODE: u8 = 130;

static IS_NOTED: AtomicBool = AtomicBool::new(false);
static WAS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Leaves no unfinished file behind when the program is interrupted.
///
/// # Errors
/// If the signals cannot be caught.
pub fn watch() -> Result<()> {
    let handler = || {
        if IS_NOTED.load(SeqCst) && !WAS_INTERRUPTED.swap(true, SeqCst) {
            return;
        }
        atomic_file::remove_unfinished();
        std::process::exit(EXIT_CODE.into());
    };
    ctrlc::set_handler(handler).context("cannot watch for Ctrl-C")
}

/// From now on the first interrupt is only noted, for [`was_interrupted`]. A second one ends the
/// program.
#[cfg(feature = "train")]
pub fn note_the_first() {
    IS_NOTED.store(true, SeqCst);
}

/// Whether an interrupt was noted.
#[cfg(feature = "train")]
pub fn was_interrupted() -> bool {
    WAS_INTERRUPTED.load(SeqCst)
}
