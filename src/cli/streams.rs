//! Standard streams: what is printed, and whether they were there when the program started.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use anyhow::{Context, Result, bail};

use super::text::{shown, shown_lines};

static STDIN_WAS_CLOSED: AtomicBool = AtomicBool::new(false);
static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Notes which streams are closed. Before `main` runs, the standard library puts `/dev/null` in their
/// place, where output would be lost without an error: so this runs before that.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "only functions of the C library run this early")]
mod before_main {
    use super::{Relaxed, STDIN_WAS_CLOSED, STDOUT_WAS_CLOSED};

    #[used]
    #[unsafe(link_section = ".init_array")]
    static NOTE_CLOSED: extern "C" fn() = note_closed;

    extern "C" fn note_closed() {
        // SAFETY: asking for the flags of any number is harmless.
        let is_closed = |fd| unsafe { libc::fcntl(fd, libc::F_GETFD) } == -1;
        STDIN_WAS_CLOSED.store(is_closed(0), Relaxed);
        STDOUT_WAS_CLOSED.store(is_closed(1), Relaxed);
    }
}

/// # Errors
/// If there is no stdin to read.
pub fn require_stdin() -> Result<()> {
    if STDIN_WAS_CLOSED.load(Relaxed) {
        bail!("stdin is closed: name a file");
    }
    Ok(())
}

/// # Errors
/// If there is no stdout to write to.
pub fn require_stdout() -> Result<()> {
    if STDOUT_WAS_CLOSED.load(Relaxed) {
        bail!("cannot write to stdout: it is closed");
    }
    Ok(())
}

/// Prints to stdout.
///
/// # Errors
/// If that fails.
pub fn print(text: &str) -> Result<()> {
    require_stdout()?;
    let mut stdout = io::stdout();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.context("cannot write to stdout")
}

/// Prints the help that was asked for, or an error of usage, which has arguments in it.
///
/// # Errors
/// If the help cannot be printed.
pub fn print_usage(usage: &clap::Error) -> Result<()> {
    if usage.use_stderr() {
        let _ = write!(io::stderr(), "{}", shown_lines(&usage.render().to_string()));
        return Ok(());
    }
    usage.print().and_then(|()| io::stdout().flush()).context("cannot write to stdout")
}

/// A line on stderr. A closed stderr is no reason to fail.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{}", shown(line));
}
