//! The account of bits: one number carried from the entropy of a corpus through loss, cross-entropy,
//! integer probabilities and coded bits to bytes, with every difference named.
//!
//! ```text
//! corpus ──► Reporter ──► the Compressor itself, into nothing ──► size, byte for byte
//!               │              │ looks on: ledger (positions, worst lines, a sample, the floor)
//!               ▼              ▼
//!            Account ◄── chain, sample (float network), two_part, peers
//!               │
//!               └──► figures (SVG) ──► page (HTML)
//! ```
//!
//! The surprisals are noted in the pass that codes, so the network runs once. Bits that chance put
//! into a line are called aleatoric, the rest epistemic: learning can take only the latter away.
//! Logarithms are taken here and nowhere in the exact world, which decides bytes.

mod chain;
mod claim;
mod curve;
mod explain;
pub mod figures;
pub mod learning;
mod ledger;
mod numbers;
mod page;
mod peers;
mod sample;
mod two_part;

pub use chain::Link;
pub use claim::Claim;
pub use explain::{END, LineAccount, TokenAccount, explain};
pub use numbers::{grouped, percent, signed, signed_percent};
pub use page::{learning_page, page};
pub use peers::{Peer, PeerResult};
pub use sample::{Estimate, Sample};
pub use two_part::{TwoPart, XzPoint};

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use crate::archive::{self, Summary};
use crate::model::training_log::TrainingLog;
use crate::network::Device;
use crate::text::{Distribution, Recogniser};
use crate::{CompressOptions, Compressor, Model, Result};
use ledger::{Ledger, Noted, PositionNotes};

/// Lines that are shown token by token, beside the worst.
const SHOWN_LINES: usize = 10;
/// Symbols of a distribution that are kept for them: all of the addition corpora's.
const SHOWN_SYMBOLS: usize = 14;

/// Everything that is known of a corpus and a model: plain data. As JSON it is what `surprisal
/// report --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// The model.
    pub model: ModelFacts,
    /// The corpus.
    pub corpus: CorpusFacts,
    /// The entropy of the lines, if it is known.
    pub floor: Floor,
    /// The chain.
    pub links: Vec<Link>,
    /// What the chain says of the claim.
    pub claim: Claim,
    /// What links 3 and 4 are estimated from; none if the model coded nothing.
    pub sample: Option<Sample>,
    /// What the archive is made of.
    pub archive: ArchiveFacts,
    /// Weights and data together.
    pub two_part: TwoPart,
    /// The positions of a line, first to last.
    pub positions: Vec<Position>,
    /// The lines that cost most, worst first.
    pub worst_lines: Vec<LineAccount>,
    /// Lines from all over the corpus.
    pub sample_lines: Vec<LineAccount>,
    /// Payload bits of the lines so far.
    pub code_length: Vec<CodeLength>,
    /// Seconds that coding took, reading the corpus among them, on so many threads.
    pub seconds: f64,
    /// Threads that coded.
    pub threads: usize,
    /// What other compressors make of it; none if they were not asked.
    pub peers: Option<Vec<PeerResult>>,
    /// How the model came to be; none if it brought no log.
    #[serde(skip)]
    pub training: Option<TrainingLog>,
}

/// The model of an account.
#[derive(Clone, Debug, Serialize)]
pub struct ModelFacts {
    /// Its name.
    pub name: String,
    /// The first 16 hexadecimal digits of its identity.
    pub identity: String,
    /// Trained numbers.
    pub parameters: usize,
}

/// The corpus of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CorpusFacts {
    /// Its bytes.
    pub bytes: u64,
    /// Its lines; a last one without a newline counts.
    pub lines: u64,
    /// Lines that the model coded.
    pub modelled_lines: u64,
    /// Tokens that the model coded: characters of those lines and their ends.
    pub tokens: u64,
}

/// What the archive that `compress` writes is made of, in bytes: all but the blocks add up to `bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ArchiveFacts {
    /// All of it.
    pub bytes: u64,
    /// What the range coder wrote.
    pub coded_bytes: u64,
    /// Lines that the model cannot code, in blocks that it codes.
    pub beside_bytes: u64,
    /// Blocks stored by zstd or as they are.
    pub fallback_bytes: u64,
    /// Headers, inner sizes of payloads, index and trailer, as `surprisal list` counts them.
    pub framing_bytes: u64,
    /// Blocks that the model coded.
    pub modelled_blocks: u64,
    /// Blocks stored by zstd.
    pub zstd_blocks: u64,
    /// Blocks stored as they are.
    pub raw_blocks: u64,
}

/// The entropy of the lines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Floor {
    /// What they look drawn from; none if that is not known.
    pub distribution: Option<Distribution>,
    /// Its entropy, bits a line.
    pub bits_per_line: Option<f64>,
    /// The parts of it at each position of a line, bits: they add up to it.
    pub bits_by_position: Option<Vec<f64>>,
    /// What a departure from it would be worth that went unnoticed, at most, bits a line.
    pub resolution_bits_per_line: Option<f64>,
    /// Why it is recognised, or why not.
    pub reason: String,
}

/// A position of a line, from 0.
#[derive(Clone, Debug, Serialize)]
pub struct Position {
    /// Its number.
    pub position: usize,
    /// Its place in an addition: `a1` … `a8`, `+`, `b1` …, `=`, `c1` …, `end` (of a `natural` line with
    /// a short sum the end is where others have their last digit); the number where the lines are none.
    pub label: String,
    /// Tokens there: lines that reach it.
    pub tokens: u64,
    /// Mean surprisal of those tokens, in bits.
    pub bits: f64,
    /// The part that no model can take away, in bits; none where the floor is not known.
    pub aleatoric_bits: Option<f64>,
    /// The rest.
    pub epistemic_bits: Option<f64>,
    /// The token that cost most here, in bits.
    pub worst_bits: f64,
    /// The line that it is in, from 1.
    pub worst_line: u64,
    /// That line.
    pub worst_text: String,
}

/// A point of the code length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CodeLength {
    /// Lines so far.
    pub lines: u64,
    /// Bits of their payloads.
    pub bits: f64,
}

/// Makes the account of what is written to it, in bounded memory.
///
/// ```
/// use std::io::Write;
/// use surprisal::Models;
/// use surprisal::report::Reporter;
///
/// let models = Models::bundled();
/// let mut reporter = Reporter::new(models.default_model(), 1)?;
/// reporter.write_all(include_bytes!("../../corpora/uniform-8-10k.txt"))?;
/// let account = reporter.finish()?.account(None)?;
/// assert_eq!(account.floor.bits_per_line.map(f64::round), Some(53.0));
/// let [integer, coder] = [5, 6].map(|link| account.links[link].bits.unwrap());
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
    /// Begins an account of a corpus by a model.
    ///
    /// # Errors
    /// [`crate::Error::Io`] only if memory fails.
    pub fn new(model: &Arc<Model>, threads: usize) -> Result<Self> {
        Self::on(Device::CPU, model, threads)
    }

    /// As [`Reporter::new`], coding on a device.
    ///
    /// # Errors
    /// As there.
    pub fn on(device: Device, model: &Arc<Model>, threads: usize) -> Result<Self> {
        let options = CompressOptions {
            threads,
            embed_model: false,
            device,
        };
        Ok(Self {
            compressor: Compressor::observed(io::sink(), model, options, Ledger::default())?,
            model: Arc::clone(model),
            threads,
            started: Instant::now(),
            beginning: Vec::new(),
        })
    }

    /// Ends the corpus: all of it is coded then.
    ///
    /// # Errors
    /// [`crate::Error::Io`] only if memory fails.
    pub fn finish(self) -> Result<Coded> {
        let (_, summary, ledger) = self.compressor.finish_observed()?;
        Ok(Coded {
            summary,
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
    summary: Summary,
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
        let (summary, ledger) = (&self.summary, &self.ledger);
        let model = &self.model;
        let model_bytes = archive::model_to_bytes(model)?.len() as u64;
        let log = TrainingLog::parse(model.log());
        let no_log = match (&log, model.log().is_empty()) {
            (_, true) => "the model brings no training.jsonl".into(),
            (Err(error), false) => error.to_string(),
            (Ok(_), false) => "its log has no record".into(),
        };
        let corpus = corpus_facts(summary);
        let archive = ledger.parts.of_archive(summary.bytes_out);
        let floor = floor(&ledger.recogniser, corpus.lines);
        let sample = sample::measure(model, &ledger.sample, ledger.sample_stride(), self.threads)?;
        let two_part = TwoPart::new(
            model_bytes,
            archive.bytes,
            corpus.lines,
            &self.beginning,
            peers.as_deref(),
        );
        let log = log.ok();
        let facts = chain::Facts {
            corpus: &corpus,
            archive: &archive,
            floor: &floor,
            log: log.as_ref(),
            no_log: &no_log,
            sample: sample.as_ref(),
            integer_bits: ledger.integer_bits(),
            two_part: &two_part,
        };
        let (links, claim) = (facts.chain(), facts.claim());
        Ok(Account {
            model: ModelFacts {
                name: model.name().to_owned(),
                identity: model.identity().to_string(),
                parameters: model.config().parameters(),
            },
            positions: positions(ledger, floor.distribution),
            worst_lines: explained(model, &ledger.worst)?,
            sample_lines: explained(model, &spread(&ledger.sample))?,
            code_length: ledger.curve.until(corpus.lines, ledger.parts.payload),
            corpus,
            floor,
            links,
            claim,
            sample,
            archive,
            two_part,
            seconds: self.seconds,
            threads: self.threads,
            peers,
            training: log,
        })
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

fn corpus_facts(summary: &Summary) -> CorpusFacts {
    CorpusFacts {
        bytes: summary.bytes_in,
        lines: summary.lines,
        modelled_lines: summary.modelled_lines,
        tokens: summary.tokens,
    }
}

fn floor(recogniser: &Recogniser, lines: u64) -> Floor {
    match recogniser.conclude() {
        Err(reason) => Floor {
            distribution: None,
            bits_per_line: None,
            bits_by_position: None,
            resolution_bits_per_line: None,
            reason,
        },
        Ok(found) => {
            let [digits, pairs, lags] = found.deviations;
            let d = found.distribution;
            Floor {
                distribution: Some(d),
                bits_per_line: Some(d.entropy_bits()),
                bits_by_position: Some(d.entropy_by_position()),
                resolution_bits_per_line: Some(found.resolution),
                reason: format!(
                    "all {} lines are right sums of {}-digit {} operands; their digits, pairs of digits and \
                     neighbouring lines depart from chance by {digits:+.1}, {pairs:+.1} and {lags:+.1} standard \
                     deviations of chi-square",
                    grouped(lines),
                    d.digits(),
                    d.operands()
                ),
            }
        }
    }
}

fn positions(ledger: &Ledger, distribution: Option<Distribution>) -> Vec<Position> {
    let digits = ledger.recogniser.digits();
    let parts = distribution.map(Distribution::entropy_by_position);
    let position = |(position, notes): (usize, &PositionNotes)| {
        let bits = notes.bits / notes.tokens.max(1) as f64;
        let aleatoric = parts
            .as_ref()
            .map(|parts| parts.get(position).copied().unwrap_or(0.0));
        let (worst_bits, worst) = match &notes.worst {
            Some((bits, line)) => (*bits, Some(line)),
            None => (0.0, None),
        };
        Position {
            position,
            label: label(position, digits),
            tokens: notes.tokens,
            bits,
            aleatoric_bits: aleatoric,
            epistemic_bits: aleatoric.map(|aleatoric| bits - aleatoric),
            worst_bits,
            worst_line: worst.map_or(0, |line| line.line + 1),
            worst_text: worst.map_or(String::new(), |line| text_of(&line.text)),
        }
    };
    ledger.positions.iter().enumerate().map(position).collect()
}

/// What stands at a position of an addition.
fn label(position: usize, digits: Option<u32>) -> String {
    let Some(digits) = digits else {
        return position.to_string();
    };
    let d = digits as usize;
    match position {
        p if p < d => format!("a{}", p + 1),
        p if p == d => "+".into(),
        p if p <= 2 * d => format!("b{}", p - d),
        p if p == 2 * d + 1 => "=".into(),
        p if p == 3 * d + 3 => END.into(),
        p => format!("c{}", p - 2 * d - 1),
    }
}

fn text_of(line: &[u8]) -> String {
    line.iter().copied().map(char::from).collect()
}

/// Some lines of a sample, from its beginning to its end.
fn spread(sample: &[Noted]) -> Vec<Noted> {
    let count = SHOWN_LINES.min(sample.len());
    (0..count)
        .map(|i| sample[i * sample.len() / count].clone())
        .collect()
}

fn explained(model: &Model, lines: &[Noted]) -> Result<Vec<LineAccount>> {
    let one = |noted: &Noted| {
        let mut line = explain(model.exact(), &noted.text)?;
        for token in &mut line.tokens {
            token.distribution.truncate(SHOWN_SYMBOLS);
        }
        Ok(LineAccount {
            line: Some(noted.line + 1),
            ..line
        })
    };
    lines.iter().map(one).collect()
}
