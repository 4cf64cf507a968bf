//! `surprisal report`: the account of bits.

mod files;
mod input;
mod learning;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use rayon::prelude::*;
use surprisal::model::Preset;
use surprisal::network::Device;
use surprisal::report::{Account, Peer, PeerResult, Reporter, to_text};

use super::input::for_each_chunk;
use super::learning::LearnerOptions;
use super::model::ModelOption;
use super::output::{Guard, folder_parser};
use super::progress::Progress;
use super::streams::print;
use super::text::shown_lines;
use super::{DeviceOption, Running, for_each, in_pool, model_on_device, print_failure, usage};
use files::Files;
use input::{Corpus, Rereadable};

/// Account for every bit between a model's loss and the size of an archive.
///
/// The chain has eight links: the entropy of the lines (where they look drawn from a known
/// distribution), the loss as the training logged it, the cross-entropy of the network in floating
/// point, of the exact network, of its integer probabilities, what the range coder wrote, the archive,
/// and archive and model together. The sizes are those of what `compress` writes; nothing is
/// written. A text is coded once; an archive is decoded and coded again.
///
/// With --learn it codes while learning, once with each preset, and tells how the surprisal fell, at
/// which line each position of a line emerged, and what the archive has that compress --learn writes with
/// the same options. Of an archive that was coded so it tells the same without --learn, by decoding it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  surprisal report sums.txt
  surprisal report sums.txt.sur --html report.html
  surprisal corpus --lines 100000 | surprisal report --json | jq .claim
  surprisal report --learn=pico,tiny,nano sums.txt --html learning.html

--json prints one object: file; corpus (bytes, lines, digits of an operand, and by a model modelled_lines and tokens); floor
(distribution, bits_per_line, bits_by_position, resolution_bits_per_line, reason) and floor_bytes; threads; peers (name, bytes,
seconds). What is not known is null. By a model it has: model (name, identity, parameters); links: link, name, bits, bits_per_line,
bits_per_token, nats_per_token, bytes, standard_error_bits, difference_bits and difference_percent (to the last link that is
known), why; claim (holds, percent, sentence); sample (floating and unrounded: lines, stride, and in bits a
line bits, integer_bits, above_integer, standard_error; floating_missing); archive (bytes, coded_bytes, beside_bytes,
fallback_bytes, framing_bytes, blocks of each kind); two_part (model_bytes, bytes_per_line, xz, break_even_lines);
positions: position, label, tokens, bits, aleatoric_bits, epistemic_bits, worst_bits, worst_line,
worst_text; worst_lines and sample_lines: line, text, bits, tokens as `explain` has them;
code_length (lines, bits); seconds.

With --learn, or of an archive that was coded while learning, it has: runs: preset, parameters, settings, modelled_lines,
tokens, loss_bytes, slot_bytes, coded_above_loss_percent, holds, sentence, archive (as above), above_floor_bytes, seconds,
megabytes_per_second, window_lines, batches, steps (batches that a step was taken on), windows (lines, window_lines, batches, steps,
tokens, bits, slot_bits, bits_by_position), positions (position, label, aleatoric_bits, last_bits, emerges_at), code_length; and
bundled, the two-part code (model, model_bytes, archive_bytes, seconds).")]
pub struct Args {
    /// A text or an archive; none or - is stdin
    #[arg(value_name = "CORPUS")]
    corpus: Option<PathBuf>,
    #[command(flatten)]
    model: ModelOption,
    /// Account for coding while learning, with one preset after the other: pico, tiny, nano, micro,
    /// mini; nano if none is named
    #[arg(long, value_name = "PRESET[,PRESET…]", num_args = 0..=1, require_equals = true, default_missing_value = "nano", value_delimiter = ',', conflicts_with = "model")]
    learn: Option<Vec<Preset>>,
    #[command(flatten)]
    learner: LearnerOptions,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Write a page with all figures
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the figures into this folder
    #[arg(long, value_name = "DIR", value_parser = folder_parser())]
    svg: Option<PathBuf>,
    /// Overwrite files
    #[arg(short, long)]
    force: bool,
    /// Measure other compressors, too: slow, and done anyway with --html and --svg
    #[arg(long, conflicts_with = "no_peers")]
    peers: bool,
    /// Do not measure other compressors
    #[arg(long)]
    no_peers: bool,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    running: Running,
}

impl Args {
    /// Makes the account and prints it.
    pub fn run(&self) -> Result<ExitCode> {
        let file = self.corpus.clone().unwrap_or_else(|| "-".into());
        for_each(&[file], |file| print_failure(self.json, Some(file), self.report(file)))
    }

    fn report(&self, file: &Path) -> Result<()> {
        let name = super::input::name(file);
        let inputs = self.model.inputs(&[file.to_owned()]);
        let mut guard = Guard::new(&inputs, self.force, self.running.quiet);
        let files = Files::open(self.html.as_deref(), self.svg.as_deref(), &mut guard)?;
        if self.learn.is_some() && self.device.is_cuda() {
            return Err(usage("--learn runs on the CPU: leave --device out"));
        }
        let presets = self.learn.as_deref().unwrap_or_default();
        if let Some(preset) = (1..presets.len()).find_map(|i| presets[..i].iter().find(|&&p| p == presets[i]))
        {
            return Err(usage(&format!("--learn: {} is named twice", preset.name())));
        }
        let made = in_pool(self.running.threads(), || self.make(file))?;
        let account = made.with_context(|| name.clone())?;
        files.write(&name, &account)?;
        let text = if self.json {
            let mut value = serde_json::to_value(&account).expect("plain data");
            super::input::put_name(&mut value, "file", file);
            value.to_string() + "\n"
        } else {
            shown_lines(&to_text(&name, &account))
        };
        print(&text)
    }

    /// Makes the account that the corpus and the options ask for.
    fn make(&self, file: &Path) -> Result<Account> {
        let is_read_again = self.measures_peers() || self.learn.is_some();
        let device = self.device.open(&[file.to_owned()], DeviceOption::CODES_FROM)?;
        let decoding = self.running.decompress_options(&self.model.models()?, &device);
        let corpus = Corpus::open(file, &self.model, decoding, is_read_again, self.running.progress())?;
        if self.learn.is_none() && !corpus.is_learned() {
            return self.by_model(file, corpus, device);
        }
        let (survey, learners, rereadable) =
            learning::learners(file, corpus, self.learn.as_deref(), &self.learner, &self.running)?;
        let peers = self.peer_results(&rereadable)?;
        let threads = self.running.threads();
        Ok(Account::of_learners(&survey, learners, peers, threads))
    }

    fn measures_peers(&self) -> bool {
        self.peers || !self.no_peers && (self.html.is_some() || self.svg.is_some())
    }

    fn by_model(&self, file: &Path, mut corpus: Corpus, device: Device) -> Result<Account> {
        let threads = self.running.threads();
        let coder = model_on_device(&corpus.model, &device);
        self.running.announce(file, &coder)?;
        let mut reporter = Reporter::new(&corpus.model, device.clone(), threads)?;
        for_each_chunk(&mut corpus, "cannot read it", |chunk| {
            reporter.write_all(chunk).context("cannot code it")
        })?;
        let coded = reporter.finish()?;
        super::tell_failure(&device);
        let results = self.peer_results(&corpus.rereadable)?;
        Ok(coded.account(results)?)
    }

    /// What other compressors make of it, if they are to be asked: each on one thread, as many at once as there are
    /// threads in the present pool.
    fn peer_results(&self, corpus: &Rereadable) -> Result<Option<Vec<PeerResult>>> {
        if !self.measures_peers() {
            return Ok(None);
        }
        let bytes = corpus.len * Peer::ALL.len() as u64;
        let progress = Progress::new("other compressors", Some(bytes), self.running.progress());
        let measure = |peer: &Peer| {
            let mut input = progress.watch(corpus.open()?);
            let result = peer.measure(&mut input);
            result.context(peer.name)
        };
        let mut results = Peer::ALL.par_iter().map(measure).collect::<Result<Vec<_>>>()?;
        results.sort_by_key(|result| result.bytes);
        Ok(Some(results))
    }
}
