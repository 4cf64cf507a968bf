//! What a run learns from and what it is measured on: lines of a corpus, or fresh ones drawn.

use std::collections::HashSet;

use super::corpus::{Corpus, CorpusLines};
use super::validation::ValidationSet;
use crate::Result;
use crate::model::GptConfig;
use crate::model::training_log::TrainSettings;
use crate::random::Stream;
use crate::text::{Additions, Distribution, LineBatch, Vocabulary};

/// The lines of a run and the network that suits them.
pub(super) struct Data {
    pub config: GptConfig,
    pub training: TrainingLines,
    pub validation: ValidationSet,
}

impl Data {
    pub(super) fn new(settings: &TrainSettings) -> Result<Self> {
        match &settings.corpus {
            Some(description) => {
                let corpus = Corpus::read(&description.path)?;
                let config = corpus.config(settings.preset)?;
                let count = settings.validation_lines;
                let held_out = corpus.held_out(count);
                let validation = ValidationSet::new(held_out, settings.distribution, &config)?;
                let training = corpus.training(description, &config, settings.seed)?;
                Ok(Self { config, training: TrainingLines::Read(Box::new(training)), validation })
            }
            None => Self::drawn(settings),
        }
    }

    fn drawn(settings: &TrainSettings) -> Result<Self> {
        let distribution = settings.distribution.expect("the settings were checked");
        let config = GptConfig::addition(settings.preset, distribution.max_line_len() + 1);
        let held_out = HeldOut::draw(distribution, settings.seed, settings.validation_lines);
        let text = held_out.text(distribution);
        let validation = ValidationSet::new(&text, Some(distribution), &config)?;
        let source = LineSource::new(&config, distribution, settings.seed)?;
        Ok(Self { config, training: TrainingLines::Drawn(Box::new(source.avoiding(&held_out))), validation })
    }
}

/// What a step is taken on.
pub struct Batch {
    /// Its lines.
    pub lines: LineBatch,
    /// Whether they are seen for the first time.
    pub(super) first_seen: bool,
}

pub(super) enum TrainingLines {
    Drawn(Box<LineSource>),
    Read(Box<CorpusLines>),
}

impl TrainingLines {
    pub(super) fn next_batch(&mut self, lines: usize) -> Result<Batch> {
        match self {
            Self::Drawn(source) => Ok(Batch { lines: source.next_batch(lines)?, first_seen: true }),
            Self::Read(source) => {
                let first_seen = source.seen < source.lines;
                Ok(Batch { lines: source.next_batch(lines)?, first_seen })
            }
        }
    }

    /// Where the lines are, for [`TrainingLines::seek`]: words of the generator, or lines read.
    pub(super) fn position(&self) -> u128 {
        match self {
            Self::Drawn(source) => source.additions.position(),
            Self::Read(source) => source.seen.into(),
        }
    }

    pub(super) fn seek(&mut self, position: u128) {
        match self {
            Self::Drawn(source) => source.additions.seek(position),
            Self::Read(source) => source.seen = position as u64,
        }
    }
}

/// Distinct lines that are held out of training, as their operands.
pub(super) struct HeldOut(Vec<(u64, u64)>);

impl HeldOut {
    /// The first `wanted` different lines of a seed, but no more than a quarter of all
    /// the lines there are: with few digits training needs something to learn from.
    pub(super) fn draw(distribution: Distribution, seed: u64, wanted: usize) -> Self {
        let most = (distribution.distinct_lines() / 4).max(1);
        let count = wanted.min(usize::try_from(most).unwrap_or(usize::MAX));
        let mut additions = Additions::with_stream(distribution, seed, Stream::Validation);
        let (mut lines, mut known) = (Vec::with_capacity(count), HashSet::with_capacity(count));
        while lines.len() < count {
            let operands = additions.next_operands();
            if known.insert(operands) {
                lines.push(operands);
            }
        }
        Self(lines)
    }

    /// Their text, each with its newline.
    pub(super) fn text(&self, distribution: Distribution) -> Vec<u8> {
        let mut text = Vec::new();
        for &(a, b) in &self.0 {
            distribution.append_line(a, b, &mut text);
        }
        text
    }
}

/// An endless source of batches of lines.
pub struct LineSource {
    additions: Additions,
    distribution: Distribution,
    avoided: HashSet<(u64, u64)>,
    vocabulary: Vocabulary,
    length: usize,
    text: Vec<u8>,
}

impl LineSource {
    /// Lines of a distribution and a seed, for networks of this config.
    ///
    /// # Errors
    /// [`crate::Error::Model`] if the config's vocabulary makes no sense.
    pub fn new(config: &GptConfig, distribution: Distribution, seed: u64) -> Result<Self> {
        Ok(Self {
            additions: Additions::with_stream(distribution, seed, Stream::Training),
            distribution,
            avoided: HashSet::new(),
            vocabulary: config.vocabulary()?,
            length: config.block_size,
            text: Vec::new(),
        })
    }

    /// The same source without lines that are held out: they are drawn and passed over.
    pub(super) fn avoiding(mut self, held_out: &HeldOut) -> Self {
        self.avoided = held_out.0.iter().copied().collect();
        self
    }

    /// The next `lines` lines.
    ///
    /// # Errors
    /// [`crate::Error::LineTooLong`] if the config's block is too short for them.
    pub fn next_batch(&mut self, lines: usize) -> Result<LineBatch> {
        self.text.clear();
        let mut drawn = 0;
        while drawn < lines {
            let (a, b) = self.additions.next_operands();
            if !self.avoided.contains(&(a, b)) {
                self.distribution.append_line(a, b, &mut self.text);
                drawn += 1;
            }
        }
        LineBatch::from_text(&self.text, &self.vocabulary, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Preset;
    use crate::text::Operands;

    #[test]
    fn held_out_lines_differ_and_leave_enough() {
        let draw = |digits, wanted| {
            let distribution = Distribution::new(digits, Operands::Leading).unwrap();
            HeldOut::draw(distribution, 1, wanted).0
        };
        for (digits, wanted, got) in [(1, 4096, 20), (2, 4096, 2025), (2, 64, 64), (18, 500, 500)] {
            let lines = draw(digits, wanted);
            assert_eq!(lines.len(), got);
            assert_eq!(lines.iter().collect::<HashSet<_>>().len(), got);
        }
    }

    /// With one digit every line comes up soon.
    #[test]
    fn training_never_sees_a_held_out_line() {
        let distribution = Distribution::new(1, Operands::Uniform).unwrap();
        let config = GptConfig::addition(Preset::Pico, distribution.max_line_len() + 1);
        let held_out = HeldOut::draw(distribution, 1, 4096);
        let mut source = LineSource::new(&config, distribution, 1).unwrap().avoiding(&held_out);
        source.next_batch(1000).unwrap();
        let text = held_out.text(distribution);
        let held_out: HashSet<&[u8]> = text.split_inclusive(|&c| c == b'\n').collect();
        let seen: HashSet<&[u8]> = source.text.split_inclusive(|&c| c == b'\n').collect();
        assert_eq!((held_out.len(), seen.len()), (25, 75));
        assert!(seen.is_disjoint(&held_out));
    }
}
