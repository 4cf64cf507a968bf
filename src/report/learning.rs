//! The account of coding while learning: how the surprisal falls, when each position emerges, and
//! what the archive has in the end.
//!
//! ```text
//! corpus ──► Survey ──► Corpus (lines, floor)
//!        ──► LearningReporter, the LearningCompressor itself ──► LearningRun, one for each preset
//! archive ─► Decompressor, LearningWatch looks on ──► LearningRun and the corpus
//!        ──► BundledCode, Peer ──► what others make of it
//!                    all of it ──► LearningAccount ──► figures ──► page
//! ```
//!
//! Each line is coded before it is learned from, so that the losses add up to the archive: the
//! archive is the area under the learning curve.

mod record;
mod windows;

pub use windows::{EMERGED_BITS, LearningWindow, WINDOW};

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::{ArchiveFacts, CodeLength, Floor, PeerResult, floor, grouped, label, signed_percent};
use crate::archive::{self, CompressOptions, Compressor, Decompressor, LearnOptions, LearningCompressor};
use crate::learner::Settings;
use crate::model::Preset;
use crate::text::{Distribution, Operands, Survey};
use crate::{Error, Model, Result};
use record::Shared;

/// Losses and coded bytes agree within this part of the losses, and the framing.
const LIMIT: f64 = 0.0002;

/// Everything that is known of a corpus coded while learning: plain data. As JSON it is what
/// `surprisal report --learn --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct LearningAccount {
    /// The corpus.
    pub corpus: Corpus,
    /// The entropy of its lines, if it is known.
    pub floor: Floor,
    /// The same of all lines, in bytes.
    pub floor_bytes: Option<f64>,
    /// How each learner did.
    pub runs: Vec<LearningRun>,
    /// What the model does that needs no learning; none where it does not suit most lines.
    pub bundled: Option<BundledCode>,
    /// What other compressors make of it; none if they were not asked.
    pub peers: Option<Vec<PeerResult>>,
    /// What another one made of such lines once; none of other lines.
    pub recorded: Option<RecordedPeer>,
    /// Threads that learned.
    pub threads: usize,
}

/// What a corpus is, beside what codes it.
#[derive(Clone, Debug, Serialize)]
pub struct Corpus {
    /// Its bytes.
    pub bytes: u64,
    /// Its lines; a last one without a newline counts.
    pub lines: u64,
    /// Digits of an operand, if the first line is a right sum.
    pub digits: Option<u32>,
    /// The entropy of its lines, if it is known.
    #[serde(skip)]
    pub floor: Floor,
}

impl From<&Survey> for Corpus {
    fn from(survey: &Survey) -> Self {
        let (recogniser, lines) = (survey.recogniser(), survey.lines_and_rest());
        Self {
            bytes: survey.bytes(),
            lines,
            digits: recogniser.digits(),
            floor: floor(&recogniser, lines),
        }
    }
}

impl Corpus {
    /// The entropy of all of its lines, in bytes, if it is known.
    pub fn floor_bytes(&self) -> Option<f64> {
        Some(self.floor.bits_per_line? * self.lines as f64 / 8.0)
    }
}

/// How a learner did.
#[derive(Clone, Debug, Serialize)]
pub struct LearningRun {
    /// Its preset, or how many layers it has and how wide they are.
    pub preset: String,
    /// Numbers that are learned.
    pub parameters: usize,
    /// All of its settings.
    pub settings: Settings,
    /// Lines that stand in the archive as it coded them.
    pub modelled_lines: u64,
    /// Tokens of those lines.
    pub tokens: u64,
    /// The sum of their losses, before probabilities are rounded, in bytes.
    pub loss_bytes: f64,
    /// The same by the slots of the range coder.
    pub slot_bytes: f64,
    /// Bytes that the range coder wrote above the losses, in per cent of these; none without lines.
    pub coded_above_loss_percent: Option<f64>,
    /// Whether they differ by no more than 0.02 % and the framing.
    pub holds: bool,
    /// What the archive is made of, which `compress --learn` writes with these settings.
    pub archive: ArchiveFacts,
    /// Bytes of the archive above the floor; none where that is not known.
    pub above_floor_bytes: Option<f64>,
    /// Seconds that it took, reading among them.
    pub seconds: f64,
    /// Millions of bytes of content a second.
    pub megabytes_per_second: f64,
    /// Lines of a window, a batch more at most; the last one takes what is left, too.
    pub window_lines: u64,
    /// Batches of all windows.
    pub batches: u64,
    /// Those of them that a step was taken on.
    pub steps: u64,
    /// The learning curve.
    pub windows: Vec<LearningWindow>,
    /// The positions of a line, first to last.
    pub positions: Vec<LearningPosition>,
    /// Payload bits of the lines so far.
    pub code_length: Vec<CodeLength>,
}

/// A position of a line, from 0, while it is learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LearningPosition {
    /// Its number.
    pub position: usize,
    /// Its place in an addition, as [`super::Position::label`].
    pub label: String,
    /// The part that no learner can take away, in bits; none where the floor is not known.
    pub aleatoric_bits: Option<f64>,
    /// Mean bits of its tokens in the last window.
    pub last_bits: f64,
    /// The line that was learned from, counted from 1, at which it emerges: the first of the first window
    /// from which on it costs less than [`EMERGED_BITS`] above its aleatoric bits (above none where they are not known).
    pub emerges_at: Option<u64>,
}

/// The two-part code: weights that were trained elsewhere, and data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BundledCode {
    /// The model's name.
    pub model: String,
    /// Bytes of the model as an archive carries it.
    pub model_bytes: u64,
    /// Bytes of the archive without it.
    pub archive_bytes: u64,
    /// Seconds that coding took.
    pub seconds: f64,
}

/// What a compressor that this program does not have made of a corpus once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RecordedPeer {
    /// Its name, with its setting.
    pub name: &'static str,
    /// Lines that it was given, and bytes that it made of them.
    pub lines: u64,
    /// Those bytes.
    pub bytes: u64,
    /// As many bytes a line for this corpus.
    pub scaled_bytes: f64,
}

impl LearningAccount {
    /// Puts it together.
    pub fn new(
        corpus: Corpus,
        runs: Vec<LearningRun>,
        bundled: Option<BundledCode>,
        peers: Option<Vec<PeerResult>>,
        threads: usize,
    ) -> Self {
        Self {
            floor: corpus.floor.clone(),
            floor_bytes: corpus.floor_bytes(),
            recorded: RecordedPeer::of(&corpus),
            corpus,
            runs,
            bundled,
            peers,
            threads,
        }
    }
}

impl LearningRun {
    /// How many batches a step was taken on, in words.
    pub fn steps_text(&self) -> String {
        match self.steps == self.batches {
            true => grouped(self.steps),
            false => format!("{} on {}", grouped(self.steps), grouped(self.batches)),
        }
    }

    /// What the run says of the claim, in a sentence.
    pub fn sentence(&self) -> String {
        let Some(percent) = self.coded_above_loss_percent else {
            return format!("{} coded no line: there is nothing to weigh.", self.preset);
        };
        format!(
            "Coding while learning, {}: the logged losses add up to {} bytes, the range coder wrote {} ({}), and with \
             {} of framing{} the archive has {}.",
            self.preset,
            grouped(self.loss_bytes.round() as u64),
            grouped(self.archive.coded_bytes),
            signed_percent(percent),
            grouped(self.archive.framing_bytes),
            match self.archive.beside_bytes + self.archive.fallback_bytes {
                0 => String::new(),
                rest => format!(" and {} that it did not code", grouped(rest)),
            },
            grouped(self.archive.bytes),
        )
    }
}

impl RecordedPeer {
    /// zpaq -m5 on a million uniform lines of 8 digits (the table of the README, by
    /// `benches/peers.sh`).
    const ZPAQ: (&str, u64, u64) = ("zpaq -m5", 1_000_000, 10_091_542);

    fn of(corpus: &Corpus) -> Option<Self> {
        let (name, lines, bytes) = Self::ZPAQ;
        let same = Distribution::new(8, Operands::Uniform).ok();
        let is_same = corpus.floor.distribution.is_some() && corpus.floor.distribution == same;
        is_same.then(|| Self {
            name,
            lines,
            bytes,
            scaled_bytes: bytes as f64 / lines as f64 * corpus.lines as f64,
        })
    }
}

impl BundledCode {
    /// Codes a corpus with a model; none unless that codes more than half of the lines.
    ///
    /// # Errors
    /// [`Error::Io`] if reading fails.
    pub fn measure(model: &Arc<Model>, threads: usize, corpus: &mut impl Read) -> Result<Option<Self>> {
        let started = Instant::now();
        let options = CompressOptions {
            threads,
            ..CompressOptions::default()
        };
        let mut compressor = Compressor::new(io::sink(), model, options)?;
        io::copy(corpus, &mut compressor).map_err(Error::from_io)?;
        let (_, summary) = compressor.finish()?;
        let model_bytes = archive::model_to_bytes(model)?.len() as u64;
        let suits = 2 * summary.modelled_lines > summary.lines;
        Ok(suits.then(|| Self {
            model: model.name().to_owned(),
            model_bytes,
            archive_bytes: summary.bytes_out,
            seconds: started.elapsed().as_secs_f64(),
        }))
    }
}

/// Codes what is written to it while learning, as [`LearningCompressor`] does, and notes how it goes.
///
/// ```
/// use std::io::Write;
/// use surprisal::LearnOptions;
/// use surprisal::model::Preset;
/// use surprisal::report::learning::LearningReporter;
/// use surprisal::text::Survey;
///
/// let text = &include_bytes!("../../corpora/uniform-8-10k.txt")[..28 * 500];
/// let mut survey = Survey::recognising();
/// survey.update(text);
/// let options = LearnOptions { preset: Preset::Pico, ..LearnOptions::default() };
/// let mut reporter = LearningReporter::new(Vec::new(), options);
/// reporter.write_all(text)?;
/// let (archive, run) = reporter.finish(&(&survey).into())?;
/// assert_eq!(run.archive.bytes, archive.len() as u64);
/// assert!((run.archive.coded_bytes as f64 / run.loss_bytes - 1.0).abs() < 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LearningReporter<W: Write> {
    compressor: LearningCompressor<W>,
    record: Shared,
    started: Instant,
}

impl<W: Write> LearningReporter<W> {
    /// Begins; the archive goes to `output`. An observer of the options is told of every batch.
    pub fn new(output: W, mut options: LearnOptions) -> Self {
        let record = Shared::default();
        let (batches, blocks) = record.observers(options.observer.take());
        options.observer = Some(batches);
        options.blocks = Some(blocks);
        Self {
            compressor: LearningCompressor::new(output, options),
            record,
            started: Instant::now(),
        }
    }

    /// Bytes of content in blocks that are coded.
    pub fn bytes_coded(&self) -> u64 {
        self.compressor.bytes_coded()
    }

    /// Ends the archive and gives back what it was written to, and how it went. `corpus` is what was
    /// written.
    ///
    /// # Errors
    /// As [`LearningCompressor::finish`].
    pub fn finish(self, corpus: &Corpus) -> Result<(W, LearningRun)> {
        let (output, summary, learner) = self.compressor.finish()?;
        let watch = LearningWatch {
            settings: learner.settings().clone(),
            record: self.record,
            started: self.started,
        };
        Ok((output, watch.finish(summary.bytes_out, corpus)))
    }
}

impl<W: Write> Write for LearningReporter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.compressor.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.compressor.flush()
    }
}

/// Looks on while an archive is decoded that was coded while learning: decoding takes the same steps
/// and so tells the same.
pub struct LearningWatch {
    settings: Settings,
    record: Shared,
    started: Instant,
}

impl LearningWatch {
    /// Looks on from here, where nothing but the header was read; none if a model coded the archive.
    pub fn on<R: Read>(archive: &mut Decompressor<R>) -> Option<Self> {
        let settings = archive.learner()?.clone();
        let record = Shared::default();
        let (batches, blocks) = record.observers(None);
        archive.watch(batches, blocks);
        Some(Self {
            settings,
            record,
            started: Instant::now(),
        })
    }

    /// The whole archive was read, and `corpus` came out.
    pub fn finish(self, archive_bytes: u64, corpus: &Corpus) -> LearningRun {
        let seconds = self.started.elapsed().as_secs_f64();
        let record = self.record.take();
        let archive = record.parts.of_archive(archive_bytes);
        let loss_bytes = record.loss_bits / 8.0;
        let (window_lines, windows) = record.windows.finish();
        let apart = archive.coded_bytes as f64 - loss_bytes;
        LearningRun {
            preset: preset_name(&self.settings),
            parameters: self.settings.config.parameters(),
            modelled_lines: record.lines,
            tokens: record.tokens,
            loss_bytes,
            slot_bytes: record.slot_bits / 8.0,
            coded_above_loss_percent: (loss_bytes > 0.0).then(|| 100.0 * apart / loss_bytes),
            holds: apart.abs() <= LIMIT * loss_bytes + archive.framing_bytes as f64,
            above_floor_bytes: corpus.floor_bytes().map(|floor| archive_bytes as f64 - floor),
            archive,
            seconds,
            megabytes_per_second: corpus.bytes as f64 / 1e6 / seconds.max(1e-9),
            window_lines,
            batches: windows.iter().map(|window| window.batches).sum(),
            steps: windows.iter().map(|window| window.steps).sum(),
            positions: positions(&windows, corpus),
            windows,
            code_length: record.curve.until(corpus.lines, record.parts.payload),
            settings: self.settings,
        }
    }
}

/// The preset of a learner of this size.
fn preset_name(settings: &Settings) -> String {
    let config = &settings.config;
    let size = (config.n_layer, config.n_head, config.n_embd);
    match Preset::ALL.iter().find(|preset| preset.dimensions() == size) {
        Some(preset) => preset.name().to_owned(),
        None => format!("{} layers, {} wide", size.0, size.2),
    }
}

fn positions(windows: &[LearningWindow], corpus: &Corpus) -> Vec<LearningPosition> {
    let parts = corpus.floor.bits_by_position.as_ref();
    let count = windows.iter().map(|window| window.bits_by_position.len()).max();
    let position = |position: usize| {
        let aleatoric = parts.map(|parts| parts.get(position).copied().unwrap_or(0.0));
        let last = windows.iter().rev().find_map(|window| {
            let tokens = window.tokens_by_position.get(position).copied().unwrap_or(0);
            (tokens > 0).then(|| window.bits_by_position[position])
        });
        LearningPosition {
            position,
            label: label(position, corpus.digits),
            aleatoric_bits: aleatoric,
            last_bits: last.unwrap_or(0.0),
            emerges_at: windows::emergence(windows, position, aleatoric.unwrap_or(0.0)),
        }
    };
    (0..count.unwrap_or(0)).map(position).collect()
}
