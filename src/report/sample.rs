//! Links 3 and 4 on a sample: running the float network, or the slow definition of the exact one,
//! over every line would cost many times what compressing costs.
//!
//! The sample is every n-th line. What is estimated is not the cross-entropy itself, which
//! varies from line to line, but its difference to that by the integer probabilities, which hardly
//! does; and of those the sum over all lines is known. So the estimate is that sum plus the
//! difference, with a standard error far below what the links differ by.

use rayon::prelude::*;
use serde::Serialize;

use super::ledger::Noted;
use crate::host::Threads;
use crate::learner::{Backprop, Prediction};
use crate::model::{Checkpoint, Model};
use crate::network::ExactModel;
use crate::text::{LineBatch, Token};

/// Cross-entropies on some of the lines.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// By the network in floating point; none if the learner's kernel does not compute its shape.
    pub floating: Option<Estimate>,
    /// Why there is none, or nothing.
    pub floating_missing: Option<&'static str>,
    /// By the exact network before it rounds to integers: the scalar definition, on fewer lines.
    pub unrounded: Estimate,
}

/// A network and the integer probabilities on the same lines.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Estimate {
    /// Lines.
    pub lines: u64,
    /// Each stands for so many that the model coded.
    pub stride: u64,
    /// Bits a line by the network.
    pub bits: f64,
    /// Bits a line by the integer probabilities.
    pub integer_bits: f64,
    /// What the network takes above those, bits a line.
    pub above_integer: f64,
    /// Standard error of that difference, bits a line.
    pub standard_error: f64,
}

impl Estimate {
    /// Of the bits of each line of a sample.
    fn new(sample: &[Noted], bits: &[f64], stride: usize) -> Self {
        let n = bits.len() as f64;
        let differences: Vec<f64> = bits.iter().zip(sample).map(|(bits, line)| bits - line.bits).collect();
        let mean = differences.iter().sum::<f64>() / n;
        let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
        Self {
            lines: sample.len() as u64,
            stride: stride as u64,
            bits: bits.iter().sum::<f64>() / n,
            integer_bits: sample.iter().map(|line| line.bits).sum::<f64>() / n,
            above_integer: mean,
            standard_error: (squares / (n - 1.0).max(1.0) / n).sqrt(),
        }
    }
}

/// The scalar definition is slower than the float network, and agrees with the integers better: it
/// gets so many times fewer lines.
const FEWER: usize = 4;

/// Measures a sample; none if it is empty.
///
/// # Errors
/// [`crate::Error`] if the float network cannot be made of the model's files.
pub(super) fn measure(
    model: &Model,
    sample: &[Noted],
    stride: usize,
    threads: usize,
) -> crate::Result<Option<Sample>> {
    if sample.is_empty() {
        return Ok(None);
    }
    let threads = Threads::new(threads)?;
    let fewer: Vec<Noted> = sample.iter().step_by(FEWER).cloned().collect();
    let unrounded = |line: &Noted| unrounded_bits(model.exact(), &line.text);
    let unrounded: Vec<f64> = threads.install(|| fewer.par_iter().map(unrounded).collect());
    let floating = threads.install(|| floating_bits(model, sample))?;
    Ok(Some(Sample {
        floating_missing: floating
            .is_none()
            .then_some("the network's width is no multiple of 16, or its heads' none of 4"),
        floating: floating.map(|bits| Estimate::new(sample, &bits, stride)),
        unrounded: Estimate::new(&fewer, &unrounded, FEWER * stride),
    }))
}

/// Bits of a line by the scalar definition, before it rounds to integers.
fn unrounded_bits(model: &ExactModel, line: &[u8]) -> f64 {
    let vocabulary = model.vocabulary();
    let tokens = line.iter().map(|&c| vocabulary.token(c).expect("the line was coded"));
    let inputs: Vec<Token> = std::iter::once(vocabulary.start()).chain(tokens.clone()).collect();
    let weights = model.unrounded(&inputs);
    let targets = tokens.chain([vocabulary.end()]);
    let bits = weights.iter().zip(targets).map(|(weights, token)| {
        let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        (total / f64::from(weights[usize::from(token)])).log2()
    });
    bits.sum()
}

/// Lines of one batch of the float network.
const BATCH_LINES: usize = 256;

/// Bits of each line by the network in floating point, as the learner's kernel computes it; none if the
/// kernel does not compute networks of this shape.
fn floating_bits(model: &Model, sample: &[Noted]) -> crate::Result<Option<Vec<f64>>> {
    let (config, weights) = model.files();
    let checkpoint = Checkpoint::from_bytes(config, weights)?;
    let config = checkpoint.config();
    if !Backprop::supports(config) {
        return Ok(None);
    }
    let mut network = Backprop::new(config)?;
    network.load(&checkpoint);
    let mut bits = Vec::new();
    for lines in sample.chunks(BATCH_LINES) {
        let lines = lines.iter().map(|line| &line.text[..]);
        let batch = LineBatch::new(lines, model.exact().vocabulary(), config.block_size)?;
        let predictions = network.predict(&batch);
        let nats = |line: &[Option<Prediction>]| line.iter().flatten().map(|p| p.nats).sum::<f64>();
        let lines = predictions.chunks(batch.block);
        bits.extend(lines.map(|line| nats(line) / std::f64::consts::LN_2));
    }
    Ok(Some(bits))
}
