//! The account of a model on a corpus: surprisals are noted in the very pass that codes.

use std::io::{self, Write};
use std::sync::Arc;

use super::account::{Account, Coding};
use super::chain::Chain;
use super::explain::{LineAccount, explain, text_of};
use super::facts::{CorpusFacts, Floor, label};
use super::ledger::{Ledger, Noted, PositionNotes};
use super::modelled::{ModelRun, Position};
use super::peers::PeerResult;
use super::sample;
use super::two_part::{self, TwoPart};
use crate::archive::{self, ArchiveStats};
use crate::host::Instant;
use crate::model::training_log::TrainingLog;
use crate::network::Device;
use crate::{CompressOptions, Compressor, Model, Result};

/// Lines that are shown token by token, beside the worst.
const SHOWN_LINES: usize = 10;
/// Symbols of a distribution that are kept for them: all of the addition corpora's.
const SHOWN_SYMBOLS: usize = 14;

/// Makes the account of what is written to it, in bounded memory.
///
/// ```
/// use std::io::Write;
/// use surprisal::Models;
/// use surprisal::network::Device;
/// use surprisal::report::{Coding, Reporter};
///
/// let models = Models::bundled();
/// let mut reporter = Reporter::new(models.default_model(), Device::CPU, 1)?;
/// reporter.write_all(include_bytes!("../../corpora/uniform-8-10k.txt"))?;
/// let account = reporter.finish()?.account(None)?;
/// assert_eq!(account.floor.bits_per_line.map(f64::round), Some(53.0));
/// let Coding::Model(run) = account.coding else { panic!() };
/// let [integer, coder] = [5, 6].map(|link| run.links[link].bits.unwrap());
/// assert!((coder / integer - 1.0).abs() < 0.0002);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reporter {
    compressor: Compressor<io::Sink, Ledger>,
    model: Arc<Model>,
    threads: usize,
    started: Instant,
    /// What xz is measured on.
    beginning: Vec<u8>,
}

impl Reporter {
    /// Begins an account of a corpus by a model on a device.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if what the compressor writes to fails, which the sink here never does.
    pub fn new(model: &Arc<Model>, device: Device, threads: usize) -> Result<Self> {
        let options = CompressOptions::default().with_coder(model).with_threads(threads).with_device(device);
        Ok(Self {
            compressor: Compressor::recorded(io::sink(), options, Ledger::default())?,
            model: Arc::clone(model),
            threads,
            started: Instant::now(),
            beginning: Vec::new(),
        })
    }

    /// Ends the corpus: all of it is coded then.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if what the compressor writes to fails, which the sink here never does.
    pub fn finish(self) -> Result<Coded> {
        let (finished, ledger) = self.compressor.finish_recorded()?;
        Ok(Coded {
            stats: finished.stats,
            ledger,
            model: self.model,
            threads: self.threads,
            seconds: self.started.elapsed().as_secs_f64(),
            beginning: self.beginning,
        })
    }
}

/// A corpus that was coded, and all that was noted of it.
pub struct Coded {
    stats: ArchiveStats,
    ledger: Ledger,
    model: Arc<Model>,
    threads: usize,
    seconds: f64,
    beginning: Vec<u8>,
}

impl Coded {
    /// Gives the account. `peers` are what other compressors made of the same bytes.
    ///
    /// # Errors
    /// [`crate::Error`] if the model's files do not make a float network.
    pub fn account(self, peers: Option<Vec<PeerResult>>) -> Result<Account> {
        let Self { stats, ledger, model, threads, .. } = &self;
        let corpus = CorpusFacts {
            modelled_lines: Some(stats.modelled_lines),
            tokens: Some(stats.tokens),
            ..CorpusFacts::new(stats.bytes_in, stats.lines, &ledger.recogniser)
        };
        let floor = Floor::new(&ledger.recogniser, corpus.lines);
        let training = TrainingLog::parse(model.log());
        let sample = sample::measure(model, &ledger.sample, ledger.sample_stride, *threads)?;
        let model_bytes = archive::model_to_bytes(model)?.len() as u64;
        let two_part =
            TwoPart::new(model_bytes, stats.bytes_out, stats.lines, &self.beginning, peers.as_deref());
        let chain = Chain {
            stats,
            floor: &floor,
            log: match &training {
                _ if model.log().is_empty() => Err("the model brings no training.jsonl".into()),
                Err(error) => Err(error.to_string()),
                Ok(log) => log.records.last().map(|last| (log, last)).ok_or("its log has no record".into()),
            },
            sample: sample.as_ref(),
            integer_bits: ledger.integer_bits(),
            two_part: &two_part,
        };
        let run = ModelRun {
            model: Arc::clone(model),
            links: chain.links(),
            claim: chain.claim(),
            positions: positions(ledger, &floor, corpus.digits),
            worst_lines: explained(model, &ledger.worst)?,
            sample_lines: explained(model, &evenly_spaced(&ledger.sample))?,
            code_length: ledger.curve.until(stats.lines, ledger.stats.payload_len),
            sample,
            archive: *stats,
            two_part,
            seconds: self.seconds,
            training: training.ok(),
        };
        let (floor_bytes, coding) = (floor.bytes(corpus.lines), Coding::Model(Box::new(run)));
        Ok(Account { corpus, floor, floor_bytes, coding, peers, threads: *threads })
    }
}

impl Write for Reporter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let len = self.compressor.write(data)?;
        let room = two_part::PREFIX - self.beginning.len();
        self.beginning.extend_from_slice(&data[..len.min(room)]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.compressor.flush()
    }
}

fn positions(ledger: &Ledger, floor: &Floor, digits: Option<u32>) -> Vec<Position> {
    let position = |(position, notes): (usize, &PositionNotes<Noted>)| {
        let bits = notes.bits / notes.tokens.max(1) as f64;
        let aleatoric = floor.at(position);
        let worst = notes.worst.as_ref();
        Position {
            position,
            label: label(position, digits),
            tokens: notes.tokens,
            bits,
            aleatoric_bits: aleatoric,
            epistemic_bits: aleatoric.map(|aleatoric| bits - aleatoric),
            worst_bits: worst.map_or(0.0, |(bits, _)| *bits),
            worst_line: worst.map_or(0, |(_, line)| line.line + 1),
            worst_text: worst.map_or(String::new(), |(_, line)| text_of(&line.text)),
        }
    };
    ledger.positions.iter().enumerate().map(position).collect()
}

/// Some lines of a sample, from its beginning to its end.
fn evenly_spaced(sample: &[Noted]) -> Vec<Noted> {
    let count = SHOWN_LINES.min(sample.len());
    (0..count).map(|i| sample[i * sample.len() / count].clone()).collect()
}

fn explained(model: &Model, lines: &[Noted]) -> Result<Vec<LineAccount>> {
    let explained = |noted: &Noted| {
        let mut line = explain(model.exact(), &noted.text)?;
        for token in &mut line.tokens {
            token.distribution.truncate(SHOWN_SYMBOLS);
        }
        Ok(LineAccount { line: Some(noted.line + 1), ..line })
    };
    lines.iter().map(explained).collect()
}
