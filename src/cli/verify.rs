//! `surprisal verify`: decodes and checks, writes nothing.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use surprisal::network::Device;
use surprisal::{ArchiveStats, Decompressor, Models};

use super::input::{self, BUFFER, Source, for_each_chunk};
use super::model::ModelOption;
use super::progress::Progress;
use super::streams::print;
use super::text::count;
use super::{DeviceOption, Running, coder_text, for_each, tell_failure, usage};

/// Check archives without writing anything.
///
/// Every block is decoded and its checksums compared; with --against the bytes are compared with a
/// file's, too.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  surprisal verify *.sur
  surprisal verify sums.txt.sur --against sums.txt

--json prints one object: ok (all of them are) and files, for each of which there are file,
file_renamed (the name is not Unicode text and was changed to be shown), ok, error (null if ok), and if ok archives (one after another in the file), blocks, lines, bytes.")]
pub struct Args {
    /// Archives; none or - is stdin
    #[arg(value_name = "FILE.sur")]
    files: Vec<PathBuf>,
    /// Compare the bytes with this file's
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    #[command(flatten)]
    model: ModelOption,
    /// Say in JSON what was found
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    running: Running,
}

impl Args {
    /// Checks each archive.
    pub fn run(self) -> Result<ExitCode> {
        let files = input::or_stdin(&self.files);
        if files.len() > 1 && self.against.is_some() {
            return Err(usage("--against compares one archive with one file, but there are more archives"));
        }
        let models = self.model.models()?;
        let device = self.device.open(&files, DeviceOption::DECODES_FROM)?;
        let mut found = Vec::new();
        let code = for_each(&files, |file| {
            let result = self.verify_file(file, &models, &device);
            let result = result.with_context(|| input::name(file));
            tell_failure(&device);
            if self.json {
                found.push(to_json(file, result.as_ref()));
            } else if let (Ok((verified, end)), false) = (&result, self.running.quiet) {
                let (lines, bytes) = (count(end.lines(), "line"), count(end.bytes, "byte"));
                let archives = match verified.archives {
                    1 => String::new(),
                    n => format!(" in {n} archives"),
                };
                print(&format!("{}: ok, {lines}, {bytes}{archives}\n", input::name(file)))?;
            }
            result.map(|_| ())
        });
        if self.json {
            let ok = found.iter().all(|file| file["ok"] == true);
            print(&format!("{}\n", json!({ "ok": ok, "files": found })))?;
        }
        code
    }

    fn verify_file(&self, file: &Path, models: &Models, device: &Device) -> Result<(ArchiveStats, Place)> {
        let source = Source::open_archive(file)?;
        let progress = Progress::new(&input::name(file), source.len(), self.running.progress());
        let input = progress.watch(BufReader::with_capacity(BUFFER, source));
        let options = self.running.decompress_options(models, device);
        let mut decoder = Decompressor::with_options(input, options)?;
        self.running.announce(file, &coder_text(&decoder, device))?;
        let mut other = match &self.against {
            Some(path) => Some(Comparison::open(path, file)?),
            None => None,
        };
        let mut place = Place::default();
        for_each_chunk(&mut decoder, "cannot decode it", |data| {
            if let Some(other) = &mut other {
                other.compare(data, place)?;
            }
            place.pass(data);
            Ok(())
        })?;
        if let Some(other) = &mut other {
            other.compare(&[], place)?;
        }
        Ok((decoder.stats(), place))
    }
}

/// A place in the content of an archive, by what came before it.
#[derive(Clone, Copy, Default)]
struct Place {
    bytes: u64,
    newlines: u64,
    is_within_line: bool,
}

impl Place {
    fn pass(&mut self, data: &[u8]) {
        self.bytes += data.len() as u64;
        self.newlines += memchr::memchr_iter(b'\n', data).count() as u64;
        self.is_within_line = data.last().map_or(self.is_within_line, |&last| last != b'\n');
    }

    /// Lines before it. A last line without a newline counts.
    fn lines(&self) -> u64 {
        self.newlines + u64::from(self.is_within_line)
    }
}

/// A file that the content of an archive must equal.
struct Comparison {
    name: String,
    source: BufReader<Source>,
    buffer: Vec<u8>,
}

impl Comparison {
    fn open(path: &Path, archive: &Path) -> Result<Self> {
        if input::is_stdin(path) && input::is_stdin(archive) {
            return Err(usage("the archive and what it is compared with cannot both be stdin"));
        }
        let name = input::name(path);
        let source = Source::open(path).with_context(|| format!("--against {name}"))?;
        Ok(Self { name, source: BufReader::with_capacity(BUFFER, source), buffer: Vec::new() })
    }

    /// Compares the next bytes; `data` is empty at the archive's end. `place` is where they begin.
    fn compare(&mut self, data: &[u8], mut place: Place) -> Result<()> {
        self.buffer.clear();
        let wanted = data.len().max(1) as u64;
        let read = (&mut self.source).take(wanted).read_to_end(&mut self.buffer);
        read.with_context(|| format!("cannot read {}", self.name))?;
        if self.buffer == data {
            return Ok(());
        }
        let same = data.iter().zip(&self.buffer).take_while(|(a, b)| a == b).count();
        place.pass(&data[..same]);
        let (byte, line) = (place.bytes, place.newlines + 1);
        let what = match (data.get(same), self.buffer.get(same)) {
            (None, _) => format!("{} goes on where the archive ends", self.name),
            (_, None) => format!("{} ends where the archive goes on", self.name),
            _ => format!("differs from {}", self.name),
        };
        bail!("{what}: at byte {byte} (from 0), in line {line} (from 1)");
    }
}

fn to_json(file: &Path, result: Result<&(ArchiveStats, Place), &anyhow::Error>) -> Value {
    let mut value = match result {
        Ok((stats, end)) => json!({
            "ok": true,
            "error": null,
            "archives": stats.archives,
            "blocks": stats.blocks(),
            "lines": end.lines(),
            "bytes": end.bytes,
        }),
        Err(error) => json!({ "ok": false, "error": crate::one_line(error) }),
    };
    input::put_name(&mut value, "file", file);
    value
}
