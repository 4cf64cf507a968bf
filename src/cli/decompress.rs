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
    /// Only these lines, to stdout unless -o is given: both ends count from 1 and are included;
    /// 7.. is all from line 7 on, ..7 the first seven, 7 just one. Of a file only the blocks that
    /// hold them are read, on the CPU
    #[arg(long, value_name = "FROM..TO", conflicts_with = "rm", value_parser = parse_lines)]
    lines: Option<LineRange>,
    /// Of a damaged archive write every block that is whole, say which lines are missing, and exit with 1.
    /// Behind a damaged block of an archive made with --learn only those that zstd stores can be had
    #[arg(long, conflicts_with_all = ["rm", "lines"])]
    salvage: bool,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    running: Running,
}

fn parse_lines(text: &str) -> Result<LineRange, String> {
    let number = |part: &str, default| match part {
        "" => Ok(default),
        part => part.parse::<u64>().map_err(|e| format!("'{part}': {e}")),
    };
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    if from.is_empty() && to.is_empty() {
        return Err("a range is FROM..TO, FROM.. or ..TO".into());
    }
    LineRange::new(number(from, 1)?, number(to, u64::MAX)?).map_err(|e| e.to_string())
}

impl Args {
    /// Decompresses each archive.
    pub fn run(self) -> Result<ExitCode> {
        let files = self.files.inputs()?;
        let models = self.model.models()?;
        let device = self.device.open()?;
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
        // Lines go to stdout, as what comes from stdin does.
        let named_after = if self.lines.is_some() { Path::new("-") } else { file };
        let target = self.files.target(named_after, content_of)?;
        let (source, mut output) = self.files.open(file, &target, Content::Text, guard)?;
        let original = source.original().cloned();
        let progress = Progress::new(&input::name(file), source.len(), self.running.progress());
        let mut salvaged = Ok(());
        let written = match (self.lines, source) {
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
        let original = original.filter(|_| self.lines.is_none());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_lines() {
        let range = |from, to| Ok(LineRange::new(from, to).unwrap());
        assert_eq!(parse_lines("3..5"), range(3, 5));
        assert_eq!(parse_lines("3.."), range(3, u64::MAX));
        assert_eq!(parse_lines("..5"), range(1, 5));
        assert_eq!(parse_lines("4"), range(4, 4));
        for bad in ["", "..", "0..4", "5..3", "a..b", "-1..2", "1...2"] {
            assert!(parse_lines(bad).is_err(), "{bad}");
        }
    }
}
