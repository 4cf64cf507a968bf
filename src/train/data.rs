//! What a run learns from and what it is measured on.

use super::corpus::{Corpus, CorpusLines};
use super::lines::{HeldOut, LineSource};
use super::validation::ValidationSet;
use crate::Result;
use crate::model::GptConfig;
use crate::model::training_log::TrainSettings;
use crate::text::LineBatch;

/// The lines of a run and the network that suits them.
pub(super) struct Data {
    pub config: GptConfig,
    pub training: TrainingLines,
    pub validation: ValidationSet,
}

impl Data {
    /// The lines that the settings ask for, from the beginning.
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

/// Where training lines come from.
pub(super) enum TrainingLines {
    Drawn(Box<LineSource>),
    Read(Box<CorpusLines>),
}

impl TrainingLines {
    /// The next batch, and whether its lines are seen for the first time.
    pub(super) fn next_batch(&mut self, lines: usize) -> Result<(LineBatch, bool)> {
        match self {
            Self::Drawn(source) => Ok((source.next_batch(lines)?, true)),
            Self::Read(source) => {
                let is_first = source.is_first_epoch();
                Ok((source.next_batch(lines)?, is_first))
            }
        }
    }

    /// Where the lines are, for [`TrainingLines::seek`]: words of the generator, or lines read.
    pub(super) fn position(&self) -> u128 {
        match self {
            Self::Drawn(source) => source.position(),
            Self::Read(source) => source.seen().into(),
        }
    }

    pub(super) fn seek(&mut self, position: u128) {
        match self {
            Self::Drawn(source) => source.seek(position),
            Self::Read(source) => source.seek(position as u64),
        }
    }
}
