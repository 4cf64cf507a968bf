//! How to compress and decompress. What comes out depends on none of threads, device and observer.

use std::sync::Arc;

use super::lines::LineRange;
use super::observe::Observer;
use crate::Result;
use crate::learner::LearnerSettings;
use crate::model::{GptConfig, Model, Models, Preset};
use crate::network::Device;
use crate::text::Survey;

/// Methods that give options with another value for a field.
macro_rules! setters {
    ($($name:ident: $field:ident: $type:ty;)*) => {$(
        #[doc = concat!("With another [`", stringify!($field), "`](Self::", stringify!($field), ").")]
        #[must_use]
        pub fn $name(mut self, $field: impl Into<$type>) -> Self {
            self.$field = $field.into();
            self
        }
    )*};
}

/// What codes an archive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Coder {
    /// A trained model, which the reader must have, too.
    Model(Arc<Model>),
    /// A network that begins with nothing and learns from every batch of lines behind it: no model is needed.
    Learner(LearnOptions),
}

impl From<&Arc<Model>> for Coder {
    fn from(model: &Arc<Model>) -> Self {
        Self::Model(Arc::clone(model))
    }
}

impl From<LearnOptions> for Coder {
    fn from(options: LearnOptions) -> Self {
        Self::Learner(options)
    }
}

/// How to compress: by the bundled default model, on one thread, unless set otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompressOptions {
    /// What codes.
    pub coder: Coder,
    /// Threads; at least one.
    pub threads: usize,
    /// Whether the archive carries its model.
    pub embed_model: bool,
    /// Where a model runs.
    pub device: Device,
    /// Is told of every batch and block.
    pub observer: Option<Observer>,
}

impl Default for CompressOptions {
    fn default() -> Self {
        Self {
            coder: Models::bundled().default_model().into(),
            threads: 1,
            embed_model: false,
            device: Device::CPU,
            observer: None,
        }
    }
}

impl CompressOptions {
    setters! {
        with_coder: coder: Coder;
        with_threads: threads: usize;
        with_embed_model: embed_model: bool;
        with_device: device: Device;
        with_observer: observer: Option<Observer>;
    }
}

/// How to learn while coding.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LearnOptions {
    /// The size of the network.
    pub preset: Preset,
    /// Lines of a batch; the preset's own if none.
    pub batch_lines: Option<usize>,
    /// The highest learning rate; the preset's own if none.
    pub rate: Option<f32>,
    /// What the first weights are drawn from.
    pub seed: u64,
    /// Further steps for each batch, on lines that came before.
    pub replay: u8,
    /// With no progress, learn from every second batch only, then from every fourth, at most from every `stride`-th (a
    /// power of two up to 64); the preset's own if none.
    pub stride: Option<u8>,
    /// A look at the whole content. Without it the first 4 MiB tell what symbols there are, and the
    /// learning rate falls without knowing how much is to come.
    pub survey: Option<Arc<Survey>>,
    /// The model that codes the archive instead where the learner codes no block of it (or none of its first 32 MiB,
    /// behind which it gives up). Without one the learner's archive is written all the same.
    pub substitute: Option<Arc<Model>>,
}

impl Default for LearnOptions {
    fn default() -> Self {
        Self {
            preset: Preset::Nano,
            batch_lines: None,
            rate: None,
            seed: 1,
            replay: 0,
            stride: None,
            survey: None,
            substitute: Some(Arc::clone(Models::bundled().default_model())),
        }
    }
}

impl LearnOptions {
    setters! {
        with_preset: preset: Preset;
        with_batch_lines: batch_lines: Option<usize>;
        with_rate: rate: Option<f32>;
        with_seed: seed: u64;
        with_replay: replay: u8;
        with_stride: stride: Option<u8>;
        with_substitute: substitute: Option<Arc<Model>>;
    }

    /// Tells what the whole content looks like.
    #[must_use]
    pub fn with_survey(mut self, survey: impl Into<Option<Survey>>) -> Self {
        self.survey = survey.into().map(Arc::new);
        self
    }

    /// The settings of a learner of such lines as `survey` saw, of which `lines` will come; none if that is not known.
    ///
    /// # Errors
    /// [`crate::Error::Setting`] with what is out of range.
    pub fn settings(&self, survey: &Survey, lines: Option<u64>) -> Result<LearnerSettings> {
        let (block_size, vocabulary) = (survey.common_len() + 1, survey.learner_vocabulary());
        let mut settings =
            LearnerSettings::new(GptConfig::with_vocabulary(self.preset, block_size, &vocabulary));
        if let Some(rate) = self.rate {
            settings.rate = rate;
        }
        if let Some(stride) = self.stride {
            settings.stride = stride;
        }
        settings.seed = self.seed;
        settings.replay = self.replay;
        settings.fit(lines, self.batch_lines)
    }
}

/// How to decompress: with the bundled models, all lines, on one thread, unless set otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DecompressOptions {
    /// The models that archives may have been made with; those that they carry are used, too.
    pub models: Models,
    /// Threads; at least one.
    pub threads: usize,
    /// Lines that are wanted: blocks without any of them are read past and not decoded.
    pub lines: LineRange,
    /// Whether reading goes on behind damage with the next block that is whole. What is missing then,
    /// [`super::Decompressor::missing`] tells.
    pub salvage: bool,
    /// Whether reading ends behind the first archive, whatever follows it.
    pub first_only: bool,
    /// Where a model runs.
    pub device: Device,
    /// Is told of every batch and block. A learner then learns from blocks that nothing depends on, too.
    pub observer: Option<Observer>,
}

impl Default for DecompressOptions {
    fn default() -> Self {
        Self {
            models: Models::bundled(),
            threads: 1,
            lines: LineRange::ALL,
            salvage: false,
            first_only: false,
            device: Device::CPU,
            observer: None,
        }
    }
}

impl DecompressOptions {
    setters! {
        with_models: models: Models;
        with_threads: threads: usize;
        with_lines: lines: LineRange;
        with_salvage: salvage: bool;
        with_first_only: first_only: bool;
        with_device: device: Device;
        with_observer: observer: Option<Observer>;
    }
}
