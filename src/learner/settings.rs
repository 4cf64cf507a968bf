//! Everything that both sides have to know before the first line: it stands in an archive's header.

use super::kernel::LaneBatch;
use super::optim::{Arithmetic, MuonSettings, OptimiserSettings};
use crate::model::GptConfig;
use crate::model::Shape;
use crate::schedule::{Schedule, ScheduleForm, WarmupOrder};
use crate::simd::LANES;
use crate::text::Vocabulary;
use crate::{Error, Result};

/// The most bytes that a learner may take; a header that asks for more is refused.
const MEMORY_MAX: usize = 160 << 20;

/// How a learner learns.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LearnerSettings {
    /// The network's shape and its symbols.
    pub config: GptConfig,
    /// Lines of a batch: what a step is taken on.
    pub batch_lines: usize,
    /// The highest learning rate.
    pub rate: f32,
    /// The embeddings' learning rate is so many times that of all else.
    pub embedding_rate: f32,
    /// The rate of the layers' matrices, which Muon moves, is so many times that of all else.
    pub matrix_rate: f32,
    /// Decay of their gradients' mean.
    pub matrix_beta: f32,
    /// What the first position of a line counts in the gradient; the last counts 1, those between
    /// rise with the fourth power of their place. The more of a line is known, the more of what follows
    /// can be learned, and the less of its gradient is noise.
    pub first_weight: f32,
    /// Steps of linear warm-up to it.
    pub warmup: u32,
    /// Steps over which the rate falls along a straight line from there; 0 where their number
    /// is unknown: then it falls ever more slowly, with the root of the steps.
    pub steps: u64,
    /// What is left of the highest rate at the end.
    pub final_share: f32,
    /// Decay of the gradient's mean.
    pub beta1: f32,
    /// Decay of its squares' mean.
    pub beta2: f32,
    /// Decay of the matrices of linear layers, times the rate.
    pub weight_decay: f32,
    /// The gradient's norm is cut down to this.
    pub clip: f32,
    /// Deviation of the tokens' embeddings at first.
    pub token_deviation: f32,
    /// Deviation of the positions' embeddings at first.
    pub position_deviation: f32,
    /// Deviation of the matrices at first.
    pub matrix_deviation: f32,
    /// Deviation of the head at first.
    pub head_deviation: f32,
    /// What initial parameters and replayed lines are drawn from.
    pub seed: u64,
    /// Further steps for each batch, on lines that came before.
    pub replay: u8,
    /// Where nothing more is learned, a step is taken on the first of two batches, then on the first of
    /// four, up to the first of so many, a power of two. 1 takes one on each, always.
    pub stride: u8,
}

impl LearnerSettings {
    /// What suits a network of this shape. Narrow networks learn at higher rates, from larger weights;
    /// matrices, which Muon moves, at one rate whatever their width.
    pub fn new(config: GptConfig) -> Self {
        let (rate, matrix_deviation) = match config.n_embd {
            0..=16 => (9e-3, 0.1),
            17..=32 => (4.5e-3, 0.075),
            33..=48 => (3e-3, 0.06),
            49..=128 => (1.2e-3, 0.04),
            _ => (8e-4, 0.03),
        };
        Self {
            config,
            batch_lines: 32,
            rate,
            embedding_rate: 1.0,
            matrix_rate: 0.018 / rate,
            matrix_beta: 0.95,
            first_weight: 0.05,
            warmup: 200,
            steps: 0,
            final_share: 0.1,
            beta1: 0.9,
            beta2: 0.98,
            weight_decay: 0.1,
            clip: 1.0,
            token_deviation: 0.06,
            position_deviation: 0.06,
            matrix_deviation,
            head_deviation: 0.02,
            seed: 1,
            replay: 0,
            stride: 8,
        }
    }

    /// Fits batches and schedule to a corpus of so many lines, or of unknown length: short ones get
    /// smaller batches, which is more steps, and a shorter warm-up.
    ///
    /// # Errors
    /// [`Error::Setting`] if memory does not do for the preset.
    pub(crate) fn fit(mut self, lines: Option<u64>, batch_lines: Option<usize>) -> Result<Self> {
        self.batch_lines = batch_lines.unwrap_or(match lines {
            Some(0..4_000) => 8,
            Some(4_000..12_000) => 16,
            _ => self.batch_lines,
        });
        self.fit_block()?;
        if let Some(lines) = lines {
            let batches = lines.div_ceil(self.batch_lines as u64);
            self.steps = (batches * (1 + u64::from(self.replay))).max(1);
            self.warmup = u64::from(self.warmup).min(self.steps / 8) as u32;
        }
        Ok(self)
    }

    /// Whether a learner can be made of them.
    ///
    /// # Errors
    /// [`Error::Setting`] with what is out of range.
    pub fn check(&self) -> Result<()> {
        let shape = self.shape()?;
        let lines = self.batch_lines;
        Error::unless((1..=4096).contains(&lines), "number of batch lines", lines, "1 to 4096")?;
        let stride = self.stride;
        let fits = stride.is_power_of_two() && stride <= 64;
        Error::unless(fits, "stride", stride, "1, 2, 4, 8, 16, 32 or 64 batches")?;
        let most = [
            ("learning rate", self.rate, 1.0),
            ("final share of the learning rate", self.final_share, 1.0),
            ("decay of first moments", self.beta1, 0.9999),
            ("decay of second moments", self.beta2, 0.999_999),
            ("weight decay", self.weight_decay, 1.0),
            ("rate of matrices, as a multiple of the learning rate", self.matrix_rate, 100.0),
            ("decay of the matrices' mean gradient", self.matrix_beta, 0.9999),
            ("weight of the first position", self.first_weight, 1.0),
            ("rate of embeddings, as a multiple of the learning rate", self.embedding_rate, 100.0),
            ("clip", self.clip, 1e6),
            ("deviation of the tokens' first weights", self.token_deviation, 10.0),
            ("deviation of the positions' first weights", self.position_deviation, 10.0),
            ("deviation of the matrices' first weights", self.matrix_deviation, 10.0),
            ("deviation of the head's first weights", self.head_deviation, 10.0),
        ];
        for (what, value, most) in most {
            Error::unless((0.0..=most).contains(&value), what, value, format!("0 to {most}"))?;
        }
        for (what, value) in [("weight of the first position", self.first_weight), ("clip", self.clip)] {
            Error::unless(value > 0.0, what, value, "positive")?;
        }
        let bytes = self.memory(&shape);
        let mib = |bytes| format!("{} MiB", bytes >> 20);
        let wanted =
            format!("at most {}: fewer lines a batch, or shorter ones, or a smaller preset", mib(MEMORY_MAX));
        Error::unless(bytes <= MEMORY_MAX, "memory of a learner", mib(bytes), wanted)
    }

    /// Fits batches and blocks of positions into memory: halves the lines of a batch, down to sixteen, then
    /// shortens the block.
    ///
    /// # Errors
    /// As [`LearnerSettings::check`], also if not even short blocks fit.
    pub(crate) fn fit_block(&mut self) -> Result<()> {
        let fits = |settings: &Self| Ok::<_, Error>(settings.memory(&settings.shape()?) <= MEMORY_MAX);
        while self.batch_lines > LANES && !fits(self)? {
            self.batch_lines = (self.batch_lines / 2).next_multiple_of(LANES);
        }
        while self.config.block_size > 16 && !fits(self)? {
            self.config.block_size -= 8;
        }
        self.check()
    }

    /// About how many bytes a learner takes.
    fn memory(&self, shape: &Shape) -> usize {
        let groups = self.batch_lines.div_ceil(LANES);
        // Parameters, two moments, all three as they were before a block, and what Muon multiplies.
        groups * LaneBatch::bytes(shape) + 9 * shape.places().len * size_of::<f32>()
    }

    pub(super) fn shape(&self) -> Result<Shape> {
        Shape::supported(&self.config)
    }

    /// The learning rate over the steps.
    pub(super) fn schedule(&self) -> Schedule {
        Schedule {
            form: if self.steps == 0 { ScheduleForm::InverseRoot } else { ScheduleForm::Linear },
            peak: self.rate.into(),
            warmup: self.warmup.into(),
            warmup_order: WarmupOrder::Quotient,
            steps: self.steps,
            final_share: self.final_share.into(),
        }
    }

    /// What is asked of the optimiser.
    pub(super) fn optimiser(&self) -> OptimiserSettings {
        OptimiserSettings {
            beta1: self.beta1.into(),
            beta2: self.beta2.into(),
            weight_decay: self.weight_decay.into(),
            clip: self.clip.into(),
            embedding_rate: self.embedding_rate.into(),
            muon: Some(MuonSettings { rate: self.matrix_rate.into(), beta: self.matrix_beta }),
            arithmetic: Arithmetic::Learner,
        }
    }

    /// What a position of a line counts in the gradient.
    pub(super) fn weight_of(&self, position: usize) -> f32 {
        let place = position as f32 / (self.config.block_size as f32 - 1.0).max(1.0);
        let square = place * place;
        self.first_weight + (1.0 - self.first_weight) * (square * square)
    }

    pub(super) fn vocabulary(&self) -> Result<Vocabulary> {
        self.config.vocabulary()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Preset;

    #[test]
    fn what_is_out_of_range_is_named() {
        type Change = fn(&mut LearnerSettings);
        let bad: [(Change, &str); 8] = [
            (|s| s.batch_lines = 0, "batch lines"),
            (|s| s.stride = 3, "stride"),
            (|s| s.rate = f32::NAN, "the learning rate"),
            (|s| s.beta1 = 1.0, "first moments"),
            (|s| s.first_weight = 0.0, "first position"),
            (|s| s.clip = 0.0, "clip"),
            (|s| s.config.n_embd = 24, "width"),
            (|s| s.config.block_size = 1 << 20, "memory"),
        ];
        let good = LearnerSettings::new(GptConfig::addition(Preset::Pico, 28));
        good.check().unwrap();
        for (change, what) in bad {
            let mut settings = good.clone();
            change(&mut settings);
            let error = settings.check().unwrap_err();
            assert!(matches!(error, Error::Setting { .. }) && error.to_string().contains(what), "{error}");
        }
    }
}
