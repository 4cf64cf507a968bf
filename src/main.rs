//! The program: parse, run, say what went wrong.

#![deny(unsafe_code)]

use std::io::ErrorKind;
use std::process::ExitCode;

mod cli;

// Training allocates and frees tensors of megabytes at every step. glibc gives such memory back to
// the kernel each time, and page faults take a large share of the run.
#[cfg(feature = "candle")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code of a failure that is not one of usage (which clap has as 2).
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    #[cfg(feature = "gpu")]
    let_streams_run_side_by_side();
    let run = cli::parse().and_then(cli::Cli::run);
    run.unwrap_or_else(|error| exit_code(&error))
}

/// A CUDA driver lets eight streams run beside each other, unless it is told otherwise before it starts. Decoding on a GPU has
/// two for each thread (docs/gpu.md).
#[cfg(feature = "gpu")]
fn let_streams_run_side_by_side() {
    const STREAMS: &str = "CUDA_DEVICE_MAX_CONNECTIONS";
    if std::env::var_os(STREAMS).is_none() {
        // SAFETY: the program has one thread yet, so nothing else looks at the environment.
        #[allow(unsafe_code, reason = "the driver reads the environment")]
        unsafe {
            std::env::set_var(STREAMS, "32");
        }
    }
}

/// Says what is wrong, unless a closed pipe is all, and gives the exit code.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    if let Some(usage) = error.downcast_ref::<clap::Error>() {
        return match cli::print_usage(usage) {
            Err(error) => exit_code(&error),
            Ok(()) => ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(FAILURE)),
        };
    }
    cli::say(&format!("surprisal: {}", one_line(error)));
    ExitCode::from(FAILURE)
}

/// Whether the reader of the output has gone: no failure, as with other filters.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>();
        let io = io.or(match cause.downcast_ref() {
            Some(surprisal::Error::Io(io)) => Some(io),
            _ => None,
        });
        io.is_some_and(|io| io.kind() == ErrorKind::BrokenPipe)
    })
}

/// The error and its causes after colons. A cause that the text before already ends with (where an
/// error prints its source itself) is not said twice.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.as_ref() as &dyn std::error::Error;
    while let Some(next) = cause.source() {
        let text = next.to_string();
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        cause = next;
    }
    line.replace(['\n', '\r'], " ")
}
