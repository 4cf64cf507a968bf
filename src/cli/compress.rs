//! `surprisal compress`: bytes to an archive.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use blake3::{Hash, Hasher};
use serde_json::json;
use surprisal::Learner;
use surprisal::archive::MAGIC;
use surprisal::model::Preset;
use surprisal::network::Device;
use surprisal::{
    ArchiveStats, CompressOptions, Compressor, Decompressor, Finished, LineRange, Model, Models,
};

use super::files::{FileOptions, needs_file};
use super::input::{self, LinesOf, Source, for_each_chunk};
use super::learning::{LearnArgs, SharedLog};
use super::level::LevelOption;
use super::model::ModelOption;
use super::output::{Content, Guard, Output, Target};
use super::progress::Progress;
use super::streams::print;
use super::text::{count, decimal, grouped, ratio};
use super::{DeviceOption, Running, for_each, model_on_device, print_failure, say, usage};

/// What is appended to names.
pub const SUFFIX: &str = ".sur";

const WRITING: &str = "cannot write the archive";

/// What coded a file.
struct CoderName {
    name: String,
    /// Of a model.
    identity: Option<String>,
}

impl CoderName {
    fn of(model: &Model) -> Self {
        Self { name: model.name().to_owned(), identity: Some(model.identity().to_string()) }
    }
}

/// A file that was coded, before its output has its name.
struct Compressed {
    coder: CoderName,
    output: Output,
    summary: ArchiveStats,
    learning: Option<Learning>,
    hash: Hash,
}

/// What `--learn` came to.
struct Learning {
    learner: Box<Learner>,
    lines: u64,
    /// Bytes of the archive without `--learn`.
    bytes_without: u64,
}

/// Compress files.
///
/// FILE becomes FILE.sur and is kept. Of the level's models the one is used that codes the first lines
/// best; decompressing needs no level. At the end a line on stderr says what became of it; bits per
/// line and per token are of the whole archive, all framing counted.
///
/// --learn pays for many lines that share a rule and repeat little of each other, of which no bundled model
/// knows; logs, tables and text are mostly better off without. Where the learner codes no block the archive is
/// the one that compress writes without --learn. The last line says how many lines it coded, and the bytes without.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  surprisal compress sums.txt              sums.txt -> sums.txt.sur
  surprisal compress --verify --rm *.txt   every file, checked, its original removed
  surprisal corpus --lines 1000 | surprisal compress > sums.sur
  surprisal compress -1 sums.txt           faster, a little larger
  surprisal compress --lines 1..65536 -o part.sur sums.txt
  surprisal compress -m runs/nano --embed-model sums.txt
  surprisal compress --learn sums.txt      no model: learn while coding, slowly

--json prints an object for each file, one on a line: file, file_renamed (the name is not Unicode text and was changed to be shown),
output, output_renamed, model, identity (null where a
learner coded), bytes_in,
bytes_out, ratio, lines, modelled_lines, tokens, bits_per_line, bits_per_token (null unless the
model coded all lines), learned_lines and bytes_without_learning (null without --learn), blocks, fallback_blocks, seconds, megabytes_per_second, verified.
Of a file that fails: file, file_renamed, error. Of a failure before the first file: error.")]
pub struct Args {
    #[command(flatten)]
    files: FileOptions,
    #[command(flatten)]
    level: LevelOption,
    #[command(flatten)]
    model: ModelOption,
    /// Put the model into the archive, so that it can be read without the folder
    #[arg(long)]
    embed_model: bool,
    #[command(flatten)]
    learning: LearnArgs,
    /// Decode what was written and compare before the file gets its name
    #[arg(long)]
    verify: bool,
    /// Say on stdout, in JSON, what became of each file
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    running: Running,
}

impl Args {
    /// Compresses each file.
    pub fn run(self) -> Result<ExitCode> {
        let files = self.files.inputs()?;
        if let (2.., Some(option)) = (files.len(), self.learning.of_one_input()) {
            return Err(usage(&format!("{option} is for one input, but there are more")));
        }
        if self.learning.learn.is_some() && self.device.is_cuda() {
            return Err(usage("--learn runs on the CPU: leave --device out"));
        }
        let targets = files.iter().map(|file| self.files.target(file, archive_of));
        let targets = targets.collect::<Result<Vec<Target>>>()?;
        if targets.contains(&Target::Stdout) {
            let needing = [(self.verify, "--verify"), (self.json, "--json")];
            if let Some((_, option)) = needing.iter().find(|(given, _)| *given) {
                return Err(needs_file(option));
            }
        }
        let models = self.model.models()?;
        let device = match self.learning.learn {
            Some(_) => Device::CPU,
            None => self.device.open(&files, DeviceOption::CODES_FROM)?,
        };
        let mut guard = Guard::new(&self.model.inputs(&files), self.files.force, self.running.quiet);
        let jobs: Vec<_> = files.iter().zip(&targets).collect();
        for_each(&jobs, |(file, target)| {
            let done = self.compress_file(file, target, &models, &device, &mut guard);
            print_failure(self.json, Some(file), done.with_context(|| input::name(file)))
        })
    }

    fn compress_file(
        &self,
        file: &Path,
        target: &Target,
        models: &Models,
        device: &Device,
        guard: &mut Guard,
    ) -> Result<()> {
        let (source, output) = self.files.open(file, target, Content::Archive, guard)?;
        let log = self.learning.open(guard)?;
        self.remark(file, models);
        let original = source.original().cloned();
        let started = Instant::now();
        let Compressed { coder, mut output, summary, learning, hash } = match self.learning.learn {
            Some(preset) => self.compress_learning(preset, models, file, source, output, log.clone())?,
            None => self.compress_with_model(models, device, file, source, output)?,
        };
        let seconds = started.elapsed().as_secs_f64();
        if self.verify {
            self.check(&mut output, hash, models, device)?;
        }
        if let Some(log) = log {
            log.lock().expect("no observer panicked").finish()?;
        }
        if let Some(learning) = &learning {
            self.learning.save(&learning.learner)?;
        }
        self.files.finish(output, original.as_ref())?;
        let summary = CompressSummary { file, target, summary, learning, seconds };
        if self.json {
            let line = summary.to_json(&coder, self.verify).to_string() + "\n";
            print(&line)?;
        } else if !self.running.quiet {
            say(&summary.to_text());
        }
        Ok(())
    }

    /// Says what a user may not have meant.
    fn remark(&self, file: &Path, models: &Models) {
        if self.running.quiet {
            return;
        }
        let name = input::name(file);
        let weights = models.default_model().files().1;
        let is_bundled = models.iter().skip(1).any(|model| model.files().1 == weights);
        if let (Some(folder), false) = (self.model.folder(), self.embed_model || is_bundled) {
            let folder = folder.display();
            say(&format!(
                "{name}: only with the model in {folder} can the archive be read; --embed-model puts it in"
            ));
        }
    }

    fn compress_with_model(
        &self,
        models: &Models,
        device: &Device,
        file: &Path,
        source: Source,
        output: Output,
    ) -> Result<Compressed> {
        let length = self.length(&source);
        let (model, source) = self.choose_and_read(models, source)?;
        self.running.announce(file, &model_on_device(&model, device))?;
        let progress = Progress::new(&input::name(file), length, self.running.progress());
        let options = CompressOptions::default()
            .with_coder(&model)
            .with_threads(self.running.threads())
            .with_embed_model(self.embed_model)
            .with_device(device.clone());
        let mut compressor = Compressor::with_options(output, options).context(WRITING)?;
        let hash = self.copy_hashing(file, source, &mut compressor, |_, len| progress.advance(len as u64))?;
        let finished = compressor.finish().context(WRITING)?;
        super::tell_failure(device);
        let (output, summary) = (finished.output, finished.stats);
        Ok(Compressed { coder: CoderName::of(&model), output, summary, learning: None, hash })
    }

    fn compress_learning(
        &self,
        preset: Preset,
        models: &Models,
        file: &Path,
        mut source: Source,
        output: Output,
        log: Option<SharedLog>,
    ) -> Result<Compressed> {
        let name = format!("learning {}", preset.name());
        self.running.announce(file, &name)?;
        let progress = Progress::new(&input::name(file), self.length(&source), self.running.progress());
        // Of some lines what stands in the others says nothing.
        let survey = if self.files.lines.is_none() { source.survey()? } else { None };
        let (substitute, source) = self.choose_and_read(models, source)?;
        let threads = self.running.threads();
        let options = self.learning.options(preset, survey, &substitute, threads, &progress, log);
        let mut compressor = Compressor::with_options(output, options).context(WRITING)?;
        let hash = self.copy_hashing(file, source, &mut compressor, |compressor, _| {
            progress.at_least(compressor.bytes_coded());
        })?;
        let Finished { output, stats, is_learned, learner, substitute: without, .. } =
            compressor.finish().context(WRITING)?;
        let learning = learner.zip(without).map(|(learner, without)| Learning {
            learner,
            lines: if is_learned { stats.modelled_lines } else { 0 },
            bytes_without: without.bytes_out,
        });
        let coder = if is_learned { CoderName { name, identity: None } } else { CoderName::of(&substitute) };
        Ok(Compressed { coder, output, summary: stats, learning, hash })
    }

    /// Bytes that are to be compressed, where that is known.
    fn length(&self, source: &Source) -> Option<u64> {
        source.len().filter(|_| self.files.lines.is_none())
    }

    /// The model for the lines that are wanted, and these.
    fn choose_and_read(&self, models: &Models, source: Source) -> Result<(Arc<Model>, impl Read + use<>)> {
        let lines = LinesOf::new(source, self.files.lines.unwrap_or(LineRange::ALL));
        self.model.choose_and_read(models, self.level.0, lines, self.running.threads())
    }

    /// Copies everything into a compressor; the hash is of all bytes if it is to be verified.
    fn copy_hashing<W: Write>(
        &self,
        file: &Path,
        source: impl Read,
        compressor: &mut W,
        advance: impl Fn(&W, usize),
    ) -> Result<Hash> {
        let mut hasher = Hasher::new();
        let mut is_start = true;
        for_each_chunk(source, "cannot read it", |data| {
            if std::mem::take(&mut is_start) && data.starts_with(&MAGIC) && !self.running.quiet {
                say(&format!("{}: it is an archive already, compressed once more", input::name(file)));
            }
            if self.verify {
                hasher.update(data);
            }
            let written = compressor.write_all(data);
            written.map_err(surprisal::Error::from_io).context(WRITING)?;
            advance(compressor, data.len());
            Ok(())
        })?;
        Ok(hasher.finalize())
    }

    /// Decodes what was written and compares it with what was read.
    fn check(&self, output: &mut Output, expected: Hash, models: &Models, device: &Device) -> Result<()> {
        let Some(written) = output.reopen()? else {
            bail!("--verify can read only a file again, and the output is none");
        };
        let length = written.metadata().map(|m| m.len()).ok();
        let progress = Progress::new("verifying", length, self.running.progress());
        let input = progress.watch(std::io::BufReader::with_capacity(input::BUFFER, written));
        let failed = "verification failed, nothing was kept";
        let options = self.running.decompress_options(models, device);
        let decoder = Decompressor::with_options(input, options).context(failed)?;
        let mut hasher = Hasher::new();
        for_each_chunk(decoder, failed, |data| {
            hasher.update(data);
            Ok(())
        })?;
        if hasher.finalize() != expected {
            bail!("{failed}: the archive decodes to other bytes; please report this");
        }
        Ok(())
    }
}

/// The name of a file's archive.
fn archive_of(file: &Path) -> Result<PathBuf> {
    let mut name = file.as_os_str().to_owned();
    name.push(SUFFIX);
    Ok(name.into())
}

/// What became of a file.
struct CompressSummary<'a> {
    file: &'a Path,
    target: &'a Target,
    summary: ArchiveStats,
    learning: Option<Learning>,
    seconds: f64,
}

impl CompressSummary<'_> {
    fn bits_per_line(&self) -> Option<f64> {
        ratio(8 * self.summary.bytes_out, self.summary.lines)
    }

    /// Only where the model coded everything does the archive's size say what a token takes.
    fn bits_per_token(&self) -> Option<f64> {
        let ArchiveStats { bytes_out, tokens, .. } = self.summary;
        ratio(8 * bytes_out, tokens).filter(|_| self.lines_outside() == 0)
    }

    fn lines_outside(&self) -> u64 {
        self.summary.lines.saturating_sub(self.summary.modelled_lines)
    }

    fn megabytes_per_second(&self) -> f64 {
        self.summary.bytes_in as f64 / 1e6 / self.seconds.max(1e-9)
    }

    fn to_text(&self) -> String {
        let ArchiveStats { bytes_in, bytes_out, lines, .. } = self.summary;
        let mut parts = vec![
            count(lines, "line"),
            format!("{} -> {} bytes", grouped(bytes_in), grouped(bytes_out)),
            format!("ratio {}", decimal(ratio(bytes_in, bytes_out), 3)),
        ];
        parts.extend(self.bits_per_line().map(|bits| format!("{bits:.3} bits per line")));
        parts.extend(self.bits_per_token().map(|bits| format!("{bits:.4} bits per token")));
        if self.lines_outside() > 0 {
            parts.push(count(self.lines_outside(), "line") + " outside the model");
        }
        if let Some(Learning { lines, bytes_without, .. }) = &self.learning {
            parts.push(count(*lines, "line") + " by the learner");
            parts.push(match lines {
                0 => "so this is the archive without --learn".into(),
                _ => count(*bytes_without, "byte") + " without --learn",
            });
        }
        parts.push(format!("{:.2} MB/s", self.megabytes_per_second()));
        format!("{}: {}", input::name(self.file), parts.join(", "))
    }

    fn to_json(&self, coder: &CoderName, verified: bool) -> serde_json::Value {
        let ArchiveStats { bytes_in, bytes_out, lines, modelled_lines, tokens, .. } = self.summary;
        let mut value = json!({
            "model": coder.name,
            "identity": coder.identity,
            "bytes_in": bytes_in,
            "bytes_out": bytes_out,
            "ratio": ratio(bytes_in, bytes_out),
            "lines": lines,
            "modelled_lines": modelled_lines,
            "tokens": tokens,
            "bits_per_line": self.bits_per_line(),
            "bits_per_token": self.bits_per_token(),
            "learned_lines": self.learning.as_ref().map(|learning| learning.lines),
            "bytes_without_learning": self.learning.as_ref().map(|learning| learning.bytes_without),
            "blocks": self.summary.blocks(),
            "fallback_blocks": self.summary.fallback_blocks(),
            "seconds": self.seconds,
            "megabytes_per_second": self.megabytes_per_second(),
            "verified": verified,
        });
        input::put_name(&mut value, "file", self.file);
        let output = match self.target {
            Target::Stdout => Path::new("-"),
            Target::File(path) => path,
        };
        input::put_name(&mut value, "output", output);
        value
    }
}
