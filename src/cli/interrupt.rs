//! Signals: Ctrl-C ends the program without an unfinished file, or is noted by verbs that end by
//! themselves (a training finishes its step and keeps what it has).

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use anyhow::{Context, Result};
use surprisal::atomic_file;

/// Exit code after Ctrl-C or a request to end: 128 and the number of SIGINT, as shells have it.
pub const EXIT_CODE: u8 = 130;

static IS_NOTED: AtomicBool = AtomicBool::new(false);
static WAS_INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Leaves no unfinished file behind when the program is asked to end. What was ignored when it
/// started (by `nohup`, say) stays ignored.
///
/// # Errors
/// If the signals cannot be caught.
pub fn watch() -> Result<()> {
    watch_signals().context("cannot watch for Ctrl-C")
}

#[cfg(unix)]
fn watch_signals() -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    // Caught, a file that outgrows its limit is an error of writing like any other.
    signal_hook::flag::register(SIGXFSZ, std::sync::Arc::default())?;
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&signal| !is_ignored(signal));
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    let watch = move || signals.forever().for_each(|_| end());
    std::thread::Builder::new().name("signals".into()).spawn(watch)?;
    Ok(())
}

#[cfg(not(unix))]
fn watch_signals() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(end)
}

/// What a signal does.
fn end() {
    if IS_NOTED.load(SeqCst) && !WAS_INTERRUPTED.swap(true, SeqCst) {
        return;
    }
    atomic_file::remove_unfinished();
    std::process::exit(EXIT_CODE.into());
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "what a signal does can only be asked of the system")]
fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with a null pointer for the new action it only writes the old one; zeros are one.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction == libc::SIG_IGN
    }
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
