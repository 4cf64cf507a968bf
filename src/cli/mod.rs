//! The command line: a file for every verb, and what they share.
//!
//! Arguments are parsed by clap into plain structs; each verb resolves its own (which files, which
//! model, how many threads) and then runs. Errors are [`anyhow`]'s here and nowhere else.

mod compress;
mod corpus;
mod decompress;
mod explain;
mod files;
mod generate;
mod input;
mod interrupt;
mod learning;
mod level;
mod list;
mod model;
mod models;
mod output;
mod progress;
mod report;
mod selftest;
mod streams;
mod text;
#[cfg(feature = "train")]
mod train;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand};
pub use streams::{print_usage, say};
use surprisal::network::{Device, DeviceChoice, Isa};
use surprisal::{DecompressOptions, Decompressor, Model, Models};

const AFTER_HELP: &str = "\
Examples:
  surprisal corpus --lines 100000 -o sums.txt   make lines to compress
  surprisal compress sums.txt                   sums.txt -> sums.txt.sur
  surprisal decompress -c sums.txt.sur | head   sums.txt.sur -> stdout
  surprisal verify sums.txt.sur --against sums.txt
  surprisal list -v sums.txt.sur                what is in it, block by block
  surprisal report sums.txt                     where its bits are, from loss to file size
  surprisal explain 17282456+79546852=096829308 one line, token by token
  surprisal selftest                            whether this machine computes the right bytes

Exit codes:
  0  success (also when the reader of the output goes away)
  1  failure: a file cannot be read or written, an archive is damaged, a model is missing
  2  usage: the arguments make no sense
  130  interrupted; no unfinished file is left, and a training can be resumed
With --json a failure is an object on stdout, too: error, and file where it is one file's.

Environment:
  SURPRISAL_ISA  the kernel to run: scalar, portable, neon, neon-dotprod, avx2, avx512 or avx512-vnni; the bytes are the same
  NO_COLOR       if set, and not empty: no colours in a terminal
  CUDA_DEVICE_MAX_CONNECTIONS  streams that a GPU runs beside each other; 32 if not set";

/// A lossless compressor whose output size is a model's loss.
///
/// A trained GPT predicts every character of a line and a range coder writes what is left to know.
/// Anything the model does not know is kept too, by zstd: any bytes come back exactly.
#[derive(Parser)]
#[command(name = "surprisal", version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    #[command(visible_alias = "c")]
    Compress(compress::Args),
    #[command(visible_alias = "d")]
    Decompress(decompress::Args),
    #[command(visible_alias = "t")]
    Verify(verify::Args),
    #[command(visible_alias = "l")]
    List(list::Args),
    Report(Box<report::Args>),
    Explain(explain::Args),
    Models(models::Args),
    Corpus(corpus::Args),
    #[cfg(feature = "train")]
    Train(Box<train::Args>),
    Selftest(selftest::Args),
    Generate(generate::Args),
}

/// Parses the arguments.
///
/// # Errors
/// What clap has to say: also the help, if that was asked for.
pub fn parse() -> Result<Cli> {
    Cli::try_parse().or_else(|error| {
        if error.exit_code() == 0 {
            streams::require_stdout()?;
        }
        Err(error.into())
    })
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// What failed, with its causes. A failure of one file among many is printed at once and shows
    /// in the exit code only.
    pub fn run(self) -> Result<ExitCode> {
        let is_json = self.verb.is_json();
        print_failure(is_json, None, self.verb.run())
    }
}

impl Verb {
    /// Whether what becomes of it is to be told in JSON.
    fn is_json(&self) -> bool {
        match self {
            Verb::Compress(args) => args.json,
            Verb::Verify(args) => args.json,
            Verb::List(args) => args.json,
            Verb::Report(args) => args.json,
            Verb::Explain(args) => args.json,
            Verb::Models(args) => args.json,
            Verb::Selftest(args) => args.json,
            _ => false,
        }
    }

    fn run(self) -> Result<ExitCode> {
        // A kernel that does not exist is refused; the library would take the best instead.
        Isa::chosen()?;
        #[cfg(feature = "train")]
        if let Verb::Train(args) = &self {
            args.limit_candle();
        }
        interrupt::watch()?;
        let done = |()| ExitCode::SUCCESS;
        match self {
            Verb::Compress(args) => args.run(),
            Verb::Decompress(args) => args.run(),
            Verb::Verify(args) => args.run(),
            Verb::List(args) => args.run(),
            Verb::Report(args) => args.run(),
            Verb::Explain(args) => args.run().map(done),
            Verb::Models(args) => args.run().map(done),
            Verb::Corpus(args) => args.run().map(done),
            #[cfg(feature = "train")]
            Verb::Train(args) => args.run(),
            Verb::Selftest(args) => args.run(),
            Verb::Generate(args) => args.run().map(done),
        }
    }
}

/// An error in how the program was called, as clap prints its own.
fn usage(message: &str) -> anyhow::Error {
    Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).into()
}

/// What JSON says of a failure, and the file that it was with.
fn failure(file: Option<&Path>, error: &anyhow::Error) -> serde_json::Value {
    let mut value = serde_json::json!({ "error": crate::one_line(error) });
    file.inspect(|file| input::put_name(&mut value, "file", file));
    value
}

/// Prints an error as an object of JSON, where JSON was asked for.
fn print_failure<T>(is_json: bool, file: Option<&Path>, result: Result<T>) -> Result<T> {
    result.inspect_err(|error| {
        if is_json && !crate::is_closed_pipe(error) && !error.is::<clap::Error>() {
            // The error that counts is the first one.
            let _ = streams::print(&format!("{}\n", failure(file, error)));
        }
    })
}

/// Does something for every file; a failure of one does not keep the others from their turn.
fn for_each<'a, T>(items: &'a [T], mut work: impl FnMut(&'a T) -> Result<()>) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for item in items {
        if let Err(error) = work(item) {
            if crate::is_closed_pipe(&error) || error.is::<clap::Error>() {
                return Err(error);
            }
            code = crate::exit_code(&error);
        }
    }
    Ok(code)
}

/// Threads that `-T` asks for.
fn threads(option: u16) -> usize {
    match option {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads.into(),
    }
}

/// Runs something in a pool of threads. Rayon's own pool would have one for every core, or as many as
/// an environment variable says.
fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    Ok(pool.context("cannot start threads")?.install(work))
}

/// Options of how the work is done, not of what comes out.
#[derive(clap::Args)]
struct Running {
    /// Threads; 0 is one for every core. The bytes never depend on it
    #[arg(short = 'T', long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=256))]
    threads: u16,
    /// Say nothing but errors
    #[arg(short, long)]
    quiet: bool,
    /// Say which kernel runs, on how many threads, with which model
    #[arg(short, long, conflicts_with = "quiet")]
    verbose: bool,
    /// Show no progress bar
    #[arg(long)]
    no_progress: bool,
}

impl Running {
    /// Threads that run.
    fn threads(&self) -> usize {
        threads(self.threads)
    }

    /// How to decompress all lines.
    fn decompress_options(&self, models: &Models, device: &Device) -> DecompressOptions {
        DecompressOptions::default()
            .with_models(models.clone())
            .with_threads(self.threads())
            .with_device(device.clone())
    }

    /// Whether a progress bar may show, if stderr is a terminal.
    fn progress(&self) -> bool {
        !self.quiet && !self.no_progress
    }

    /// With `-v`, says what runs on a file; `coder` is what codes it, and where.
    fn announce(&self, file: &Path, coder: &str) -> surprisal::Result<()> {
        if self.verbose {
            let (file, isa, threads) = (input::name(file), Isa::chosen()?, self.threads());
            say(&format!("{file}: kernel {isa}, threads {threads}, {coder}"));
        }
        Ok(())
    }
}

/// Where the network runs that codes.
#[derive(clap::Args)]
struct DeviceOption {
    /// Where the network runs: auto (a CUDA device for large files where there is one), cpu, cuda or cuda:N.
    /// The bytes never depend on it
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: DeviceChoice,
}

impl DeviceOption {
    /// From which length of its input on, in bytes, an H200 codes faster than sixteen cores with AVX-512, its start
    /// included (docs/gpu.md).
    const CODES_FROM: u64 = 4 << 20;
    /// The same of an archive that is decoded.
    const DECODES_FROM: u64 = 32 << 20;

    /// Whether a CUDA device was asked for.
    fn is_cuda(&self) -> bool {
        matches!(self.device, DeviceChoice::Cuda(_))
    }

    /// Opens it. `auto` is a CUDA device where one of these files has at least `from` bytes and there is one.
    fn open(&self, files: &[PathBuf], from: u64) -> surprisal::Result<Device> {
        if self.device != DeviceChoice::Auto {
            return Device::open(self.device);
        }
        let is_large = |file: &PathBuf| std::fs::metadata(file).is_ok_and(|metadata| metadata.len() >= from);
        let gpu = || Device::open(DeviceChoice::Cuda(0)).ok();
        Ok(files.iter().any(is_large).then(gpu).flatten().unwrap_or_default())
    }
}

/// Says that a GPU failed and the CPU did its work.
fn tell_failure(device: &Device) {
    if let Some(failure) = device.failure() {
        say(&format!("surprisal: went on with the CPU, the bytes are the same: {failure}"));
    }
}

/// A model on a device, as `-v` names them.
fn model_on_device(model: &Model, device: &Device) -> String {
    format!("model {} ({}), device {device}", model.name(), model.identity())
}

/// What decodes the archive that is being read, as `-v` names it.
fn coder_text<R: std::io::Read>(decoder: &Decompressor<R>, device: &Device) -> String {
    match (decoder.model(), decoder.learner()) {
        (Some(model), _) => model_on_device(model, device),
        (_, Some(settings)) => format!("learning, {}", learning::shape_text(&settings.config)),
        (None, None) => String::new(),
    }
}
