//! How a learner codes a corpus: how the surprisal falls, when each position emerges, and what the
//! archive has in the end.
//!
//! ```text
//! corpus ──► Compressor    ┐
//! archive ─► Decompressor  ┴─► LearningWatch, its observer ──► LearningRun, one for each preset
//! ```
//!
//! Each line is coded before it is learned from, so that the losses add up to the archive: the
//! archive is the area under the learning curve.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::code_length::{CodeLength, Curve};
use super::facts::{CorpusFacts, Floor, archive_json, label};
use super::numbers::{grouped, signed_percent};
use super::windows::{self, LearningWindow, Windows};
use crate::archive::{
    self, ArchiveStats, BlockKind, BlockStats, CompressOptions, Compressor, Event, Observer,
};
use crate::host::Instant;
use crate::learner::LearnerSettings;
use crate::model::Preset;
use crate::text::Survey;
use crate::{Error, Model, Result};

/// Losses and coded bytes agree within this part of the losses, and the framing.
const LIMIT: f64 = 0.0002;

/// How a learner did.
#[derive(Clone, Debug, Serialize)]
pub struct LearningRun {
    /// Its preset, or how many layers it has and how wide they are.
    pub preset: String,
    /// Numbers that are learned.
    pub parameters: usize,
    /// All of its settings.
    pub settings: LearnerSettings,
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
    /// Whether they differ by no more than 0.02 % and the framing; none if the learner coded nothing.
    pub holds: Option<bool>,
    /// The verdict in words.
    pub sentence: String,
    /// What the archive is made of, which `compress --learn` writes with these settings if a block of it is learned.
    #[serde(serialize_with = "archive_json")]
    pub archive: ArchiveStats,
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
    /// Its place in an addition, as that of the account of a model.
    pub label: String,
    /// The part that no learner can take away, in bits; none where the floor is not known.
    pub aleatoric_bits: Option<f64>,
    /// Mean bits of its tokens in the last window.
    pub last_bits: f64,
    /// The line that was learned from, counted from 1, at which it emerges: the first of the first window
    /// from which on it costs less than [`super::EMERGED_BITS`] above its aleatoric bits (above none where they are not known).
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

impl BundledCode {
    /// Codes a corpus with a model; none unless that codes more than half of the lines.
    ///
    /// # Errors
    /// [`Error::Io`] if reading fails.
    pub fn measure(model: &Arc<Model>, threads: usize, corpus: &mut impl Read) -> Result<Option<Self>> {
        let started = Instant::now();
        let options = CompressOptions::default().with_coder(model).with_threads(threads);
        let mut compressor = Compressor::with_options(io::sink(), options)?;
        io::copy(corpus, &mut compressor).map_err(Error::from_io)?;
        let summary = compressor.finish()?.stats;
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

/// Notes how a learner codes. Decoding takes the same steps as coding, and so tells the same.
///
/// ```
/// use std::io::Write;
/// use surprisal::{CompressOptions, Compressor, LearnOptions};
/// use surprisal::model::Preset;
/// use surprisal::report::LearningWatch;
/// use surprisal::text::Survey;
///
/// let text = &include_bytes!("../../corpora/uniform-8-10k.txt")[..28 * 500];
/// let mut survey = Survey::recognising();
/// survey.update(text);
/// let (watch, observer) = LearningWatch::new(None);
/// let options = CompressOptions::default()
///     .with_coder(LearnOptions::default().with_preset(Preset::Pico))
///     .with_observer(observer);
/// let mut compressor = Compressor::with_options(Vec::new(), options)?;
/// compressor.write_all(text)?;
/// let finished = compressor.finish()?;
/// let run = watch.finish(finished.learner.unwrap().settings(), finished.stats.bytes_out, &survey);
/// assert_eq!(run.archive.bytes_out, finished.output.len() as u64);
/// assert!((run.archive.coded_len as f64 / run.loss_bytes - 1.0).abs() < 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LearningWatch {
    record: Arc<Mutex<Record>>,
    started: Instant,
}

impl LearningWatch {
    /// Begins, and gives the observer of what codes or decodes one archive, from its first block on; `also` is told of
    /// every event first. Of a learner that has a substitute, blocks are told late: leave that out.
    pub fn new(also: Option<Observer>) -> (Self, Observer) {
        let record = Arc::new(Mutex::new(Record::default()));
        let notes = Arc::clone(&record);
        let observer = Observer::new(move |event| {
            if let Some(also) = &also {
                also.tell(event);
            }
            notes.lock().unwrap_or_else(PoisonError::into_inner).note(event);
        });
        (Self { record, started: Instant::now() }, observer)
    }

    /// All that was noted of an archive of so many bytes; `survey` is one of its content that looked for its
    /// distribution.
    pub fn finish(self, settings: &LearnerSettings, archive_bytes: u64, survey: &Survey) -> LearningRun {
        let seconds = self.started.elapsed().as_secs_f64();
        let (corpus, floor) = CorpusFacts::of(survey);
        let record = std::mem::take(&mut *self.record.lock().unwrap_or_else(PoisonError::into_inner));
        let archive = ArchiveStats { bytes_out: archive_bytes, ..record.stats };
        let loss_bytes = record.loss_bits / 8.0;
        let (window_lines, windows) = record.windows.finish();
        let apart = archive.coded_len as f64 - loss_bytes;
        let holds = apart.abs() <= LIMIT * loss_bytes + archive.framing() as f64;
        let preset = preset_name(settings);
        let floor_bytes = floor.bytes(corpus.lines);
        LearningRun {
            parameters: settings.config.parameters(),
            modelled_lines: record.lines,
            tokens: record.tokens,
            loss_bytes,
            slot_bytes: record.slot_bits / 8.0,
            coded_above_loss_percent: (loss_bytes > 0.0).then(|| 100.0 * apart / loss_bytes),
            holds: (record.lines > 0).then_some(holds),
            sentence: sentence(&preset, &archive, record.lines, loss_bytes),
            above_floor_bytes: floor_bytes.map(|floor| archive_bytes as f64 - floor),
            archive,
            seconds,
            megabytes_per_second: corpus.bytes as f64 / 1e6 / seconds.max(1e-9),
            window_lines,
            batches: windows.iter().map(|window| window.batches).sum(),
            steps: windows.iter().map(|window| window.steps).sum(),
            positions: positions(&windows, &floor, corpus.digits),
            windows,
            code_length: record.curve.until(corpus.lines, archive.payload_len),
            preset,
            settings: settings.clone(),
        }
    }
}

/// What a run says of the claim that the archive is as long as its losses.
fn sentence(preset: &str, archive: &ArchiveStats, lines: u64, loss_bytes: f64) -> String {
    if lines == 0 {
        return format!("{preset} coded no line: there is nothing to weigh.");
    }
    format!(
        "Coding while learning, {preset}: the logged losses add up to {} bytes, the range coder wrote {} ({}), and with {} of \
         framing{} the archive has {}.",
        grouped(loss_bytes.round() as u64),
        grouped(archive.coded_len),
        signed_percent(100.0 * (archive.coded_len as f64 - loss_bytes) / loss_bytes),
        grouped(archive.framing()),
        match archive.beside_len + archive.fallback_len {
            0 => String::new(),
            rest => format!(" and {} that it did not code", grouped(rest)),
        },
        grouped(archive.bytes_out),
    )
}

/// The preset of a learner of this size.
fn preset_name(settings: &LearnerSettings) -> String {
    let config = &settings.config;
    let size = (config.n_layer, config.n_head, config.n_embd);
    match Preset::ALL.iter().find(|preset| preset.dimensions() == size) {
        Some(preset) => preset.name().to_owned(),
        None => format!("{} layers, {} wide", size.0, size.2),
    }
}

fn positions(windows: &[LearningWindow], floor: &Floor, digits: Option<u32>) -> Vec<LearningPosition> {
    let position = |position: usize| {
        let aleatoric_bits = floor.at(position);
        let last = windows.iter().rev().find_map(|window| window.bits_at(position));
        LearningPosition {
            position,
            label: label(position, digits),
            aleatoric_bits,
            last_bits: last.unwrap_or(0.0),
            emerges_at: windows::emergence(windows, position, aleatoric_bits.unwrap_or(0.0)),
        }
    };
    let count = windows.iter().map(|window| window.positions.len()).max();
    (0..count.unwrap_or(0)).map(position).collect()
}

/// Lines between two points of the code length.
const CURVE_STRIDE: u64 = 256;

/// Notes, in the order of an archive: batches of a block, then the block.
#[derive(Default)]
struct Record {
    windows: Windows,
    /// Of the present block.
    batches: Vec<LearningWindow>,
    /// Bits of the lines that stand in the archive as the learner coded them: their loss, and by
    /// their slots.
    loss_bits: f64,
    slot_bits: f64,
    lines: u64,
    tokens: u64,
    stats: ArchiveStats,
    curve: Curve,
}

impl Record {
    fn note(&mut self, event: Event) {
        match event {
            Event::Batch(batch) => self.batches.push(batch.into()),
            Event::Block(block) => self.block(block),
            Event::Lines(_) => {}
        }
    }

    /// A block is done, and says what became of its batches.
    fn block(&mut self, block: &BlockStats) {
        let batches = std::mem::take(&mut self.batches);
        let is_coded = block.kind == BlockKind::Learned;
        if is_coded || block.kind == BlockKind::ZstdLearned {
            batches.iter().for_each(|batch| self.windows.add(batch));
        }
        if is_coded {
            self.coded(&batches);
        }
        self.stats += block;
        self.curve.add(self.stats.lines, 8.0 * self.stats.payload_len as f64);
    }

    /// Adds the batches of a block that stands in the archive as they were coded.
    fn coded(&mut self, batches: &[LearningWindow]) {
        let payload = 8.0 * self.stats.payload_len as f64;
        let (mut lines, mut bits, mut last) = (0, 0.0, 0);
        for batch in batches {
            lines += batch.window_lines;
            bits += batch.slot_bits;
            if lines - last >= CURVE_STRIDE {
                self.curve.add(self.stats.lines + lines, payload + bits);
                last = lines;
            }
            self.loss_bits += batch.bits;
            self.tokens += batch.tokens;
        }
        self.slot_bits += bits;
        self.lines += lines;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::BatchRecord;

    /// What was learned from blocks that zstd stored counts as learning, not as coding; what was
    /// forgotten again does not count.
    #[test]
    fn only_what_stands_in_the_archive_is_coded() {
        let mut record = Record::default();
        let mut block = |kind, len| {
            for _ in 0..4 {
                record.note(Event::Batch(&BatchRecord {
                    lines: 256,
                    by_position: vec![(256.0 * std::f64::consts::LN_2, 256)],
                    slot_bits: 257.0,
                    ..BatchRecord::default()
                }));
            }
            record.note(Event::Block(&BlockStats {
                offset: 0,
                kind,
                newlines: 1024,
                content_len: 10_240,
                payload_len: len + 6,
                coded_len: len,
                beside_len: 0,
            }));
        };
        block(BlockKind::Learned, 129);
        block(BlockKind::ZstdLearned, 50);
        block(BlockKind::Raw, 10_240);
        assert_eq!((record.lines, record.tokens), (1024, 1024));
        assert!((record.loss_bits - 1024.0).abs() < 1e-9);
        assert_eq!(record.slot_bits, 4.0 * 257.0);
        assert_eq!((record.stats.coded_len, record.stats.fallback_len), (129, 10_290));
        let learned: Vec<u64> = record.windows.finish().1.iter().map(|window| window.lines).collect();
        assert_eq!(learned, [1024, 2048]);
        let points = record.curve.until(3072, record.stats.payload_len);
        assert_eq!((points[1].lines, points[1].bits), (256, 257.0));
        assert_eq!(points.last().unwrap().lines, 3072);
    }
}
