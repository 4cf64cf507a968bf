//! `surprisal decompress`: an archive to its bytes, or to some of its lines.

use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use surprisal::network::Device;
use surprisal::{DecompressOptions, Decompressor, Error, Index, LineRange, Models};

use super::compress::SUFFIX;
use super::files::FileOptions;
use super::input::{self, BUFFER, Source};
use super::model::ModelOption;
use super::output::{Content, Guard, Output};
use super::progress::Progress;
use super::text::count;
use super::{DeviceOption, Running, coder_text, for_each, tell_failure};

/// Decompress archives.
///
/// FILE.sur becomes FILE and is kept. Of a damaged archive no file is written, unless with --salvage; on stdout
/// appears what is intact before the damage.
///
/// With --lines only the blocks that hold the lines are read of a file, on the CPU.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  surprisal decompress sums.txt.sur                 sums.txt.sur -> sums.txt
  surprisal decompress -c sums.txt.sur | head
  surprisal decompress --lines 5000..5010 sums.txt.sur   eleven lines, to stdout
  surprisal decompress --salvage -c damaged.sur     what is whole of it, to stdout
  surprisal decompress -m runs/nano sums.txt.sur")]
pub struct Args {
    #[command(flatten)]
    files: FileOptions,
    #[command(flatten)]
    model: ModelOption,
    /// Of a damaged archive write every block that is whole, say which lines are missing, and exit with 1.
    /// Behind a damaged block of an archive made with --learn only those that zstd stores can be had
    #[arg(long, conflicts_with_all = ["rm", "lines"])]
    salvage: bool,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    running: Running,
}

impl Args {
    /// Decompresses each archive.
    pub fn run(self) -> Result<ExitCode> {
        let files = self.files.inputs()?;
        let models = self.model.models()?;
        let device = self.device.open(&files, DeviceOption::DECODES_FROM)?;
        let mut guard = Guard::new(&self.model.inputs(&files), self.files.force, self.running.quiet);
        for_each(&files, |file| {
            let done = self.decompress_file(file, &models, &device, &mut guard);
            done.with_context(|| input::name(file))
        })
    }

    fn decompress_file(
        &self,
        file: &Path,
        models: &Models,
        device: &Device,
        guard: &mut Guard,
    ) -> Result<()> {
        let target = self.files.target(file, content_of)?;
        let (source, mut output) = self.files.open(file, &target, Content::Text, guard)?;
        let original = source.original().cloned();
        let progress = Progress::new(&input::name(file), source.len(), self.running.progress());
        let mut salvaged = Ok(());
        let written = match (self.files.lines, source) {
            (Some(lines), Source::File(file, _)) => {
                let options = self.running.decompress_options(models, device);
                write_lines(file, &options.with_lines(lines), &mut output)
            }
            (lines, source) => {
                let input = progress.watch(BufReader::with_capacity(BUFFER, source));
                let options = self.running.decompress_options(models, device);
                let options = options.with_lines(lines.unwrap_or(LineRange::ALL)).with_salvage(self.salvage);
                Decompressor::with_options(input, options).and_then(|mut decoder| {
                    self.running.announce(file, &coder_text(&decoder, device))?;
                    io::copy(&mut decoder, &mut output).map_err(Error::from_io)?;
                    salvaged = say_missing(&mut decoder);
                    Ok(())
                })
            }
        };
        tell_failure(device);
        written.or_else(|error| explain(error, &mut output))?;
        drop(progress);
        self.files.finish(output, original.as_ref())?;
        salvaged
    }
}

/// Most runs of missing blocks that a message names.
const NAMED: usize = 20;

/// The error of an archive of which something is missing.
fn say_missing<R: io::Read>(decoder: &mut Decompressor<R>) -> Result<()> {
    let Some(damage) = decoder.damage() else {
        return Ok(());
    };
    let missing = decoder.missing();
    let mut named: Vec<_> = missing.iter().take(NAMED).map(ToString::to_string).collect();
    if missing.len() > NAMED {
        named.push(format!("{} more", missing.len() - NAMED));
    }
    let missing = if named.is_empty() { "nothing".to_owned() } else { named.join(", ") };
    let blocks = count(decoder.stats().blocks(), "block");
    Err(anyhow::Error::new(damage).context(format!("salvaged {blocks}; missing: {missing}")))
}

/// The name of an archive's content.
fn content_of(file: &Path) -> Result<PathBuf> {
    if file.extension().is_some_and(|extension| extension == &SUFFIX[1..]) {
        return Ok(file.with_extension(""));
    }
    bail!("its name does not end in {SUFFIX}: name the output with -o, or use -c")
}

/// Writes some lines, reading only what is needed for them; without an index all that stands before them.
fn write_lines(mut file: File, options: &DecompressOptions, output: &mut Output) -> surprisal::Result<()> {
    match Index::read(&mut file) {
        Ok(index) => index.write_lines(&mut file, options, output),
        Err(Error::Damaged { .. }) => {
            file.rewind()?;
            let input = BufReader::with_capacity(BUFFER, file);
            let mut decoder = Decompressor::with_options(input, options.clone())?;
            io::copy(&mut decoder, output).map_err(Error::from_io)?;
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Says of damage what became of the output.
fn explain(error: Error, output: &mut Output) -> Result<()> {
    if !matches!(error, Error::Damaged { .. }) {
        return Err(error.into());
    }
    let what = match output.safe_path() {
        Some(path) => format!("{} was not written, use -c to get what precedes the damage", path.display()),
        None => {
            output.flush().context("cannot write the output")?;
            "what precedes the damage was written".to_owned()
        }
    };
    Err(anyhow::Error::new(error).context(what))
}
