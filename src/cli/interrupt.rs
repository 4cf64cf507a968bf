//! Ctrl-C for verbs that end by themselves: a training finishes its step and keeps what it has.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Exit code after Ctrl-C or a request to end: 128 and the number of SIGINT, as shells have it.
pub const EXIT_CODE: u8 = 130;

static WAITED_FOR: AtomicBool = AtomicBool::new(false);
static CAME: AtomicBool = AtomicBool::new(false);

/// From now on the first interrupt is only noted, for [`came`]. A second one ends the program.
#[cfg(feature = "train")]
pub fn wait_for_it() {
    WAITED_FOR.store(true, SeqCst);
}

/// Whether an interrupt was noted.
#[cfg(feature = "train")]
pub fn came() -> bool {
    CAME.load(SeqCst)
}

/// Notes an interrupt, and says whether somebody waits for it: a second one in a row is too much.
pub(super) fn is_waited_for() -> bool {
    WAITED_FOR.load(SeqCst) && !CAME.swap(true, SeqCst)
}
