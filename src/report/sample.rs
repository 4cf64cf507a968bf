//! Links 3 and 4 on a sample: running the float network, or the slow definition of the exact one,
//! over every line would cost many times what compressing costs.
//!
//! The sample is every so-manieth line. What is estimated is not the cross-entropy itself, which
//! varies from line to line, but its difference to that by the integer probabilities, which hardly
//! does; and of those the sum over all lines is known. So the estimate is that sum plus the
//! difference, with a standard error far below what the links differ by.

use serde::Serialize;

use super::ledger::Noted;
use crate::model::Model;
use crate::network::ExactModel;
use crate::text::Token;

/// Cross-entropies on some of the lines.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// By the network in floating point; none without the feature `train`.
    pub floating: Option<Estimate>,
    /// Why there is none, or nothing.
    pub floating_missing: Option<&'static str>,
    /// By the exact network before it rounds to integers: the scalar definition, on fewer lines.
    pub unrounded: Estimate,
}

/// A network and the integer probabilities on the same lines.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Estimate {
    /// Lines: every `stride`-th that the model coded.
    pub lines: u64,
    /// See there.
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
        let differences: Vec<f64> = bits
            .iter()
            .zip(sample)
            .map(|(bits, line)| bits - line.bits)
            .collect();
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
    let fewer: Vec<Noted> = sample.iter().step_by(FEWER).cloned().collect();
    let unrounded = unrounded_bits(model.exact(), &fewer, threads);
    let floating = floating_bits(model, sample)?;
    Ok(Some(Sample {
        floating_missing: floating
            .is_none()
            .then_some("this program was built without the feature `train`"),
        floating: floating.map(|bits| Estimate::new(sample, &bits, stride)),
        unrounded: Estimate::new(&fewer, &unrounded, FEWER * stride),
    }))
}

/// Bits of each line by the scalar definition, before it rounds to integers.
fn unrounded_bits(model: &ExactModel, sample: &[Noted], threads: usize) -> Vec<f64> {
    let share = sample.len().div_ceil(threads.max(1));
    std::thread::scope(|scope| {
        let parts = sample.chunks(share).map(|lines| {
            scope.spawn(move || -> Vec<f64> {
                lines
                    .iter()
                    .map(|line| unrounded_line(model, &line.text))
                    .collect()
            })
        });
        let parts: Vec<_> = parts.collect();
        let joined = parts.into_iter().map(|part| part.join().expect("does not panic"));
        joined.flatten().collect()
    })
}

fn unrounded_line(model: &ExactModel, line: &[u8]) -> f64 {
    let vocabulary = model.vocabulary();
    let tokens = line
        .iter()
        .map(|&c| vocabulary.token(c).expect("the line was coded"));
    let inputs: Vec<Token> = std::iter::once(vocabulary.start())
        .chain(tokens.clone())
        .collect();
    let weights = model.unrounded(&inputs);
    let targets = tokens.chain([vocabulary.end()]);
    let bits = weights.iter().zip(targets).map(|(weights, token)| {
        let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        (total / f64::from(weights[usize::from(token)])).log2()
    });
    bits.sum()
}

/// Lines of one batch of the float network.
#[cfg(feature = "train")]
const BATCH_LINES: usize = 256;

/// Bits of each line by the network in floating point.
#[cfg(feature = "train")]
fn floating_bits(model: &Model, sample: &[Noted]) -> crate::Result<Option<Vec<f64>>> {
    use candle_core::Device;

    let (config, weights) = model.files();
    let checkpoint = crate::model::Checkpoint::from_bytes(config, weights)?;
    let run = || -> candle_core::Result<Vec<f64>> {
        let gpt = crate::gpt::Gpt::from_checkpoint(&checkpoint, &Device::Cpu)?;
        let mut bits = Vec::new();
        for lines in sample.chunks(BATCH_LINES) {
            let length = lines.iter().map(|line| line.text.len() + 1).max().unwrap_or(1);
            let text: Vec<u8> = lines
                .iter()
                .flat_map(|line| line.text.iter().copied().chain([b'\n']))
                .collect();
            let batch =
                crate::train::batch_of_lines(&text, model.exact().vocabulary(), length, &Device::Cpu)?;
            let nats: Vec<f32> = gpt.surprisals(&batch)?.to_vec1()?;
            let line = |nats: &[f32]| nats.iter().map(|&n| f64::from(n)).sum::<f64>();
            bits.extend(
                nats.chunks(length)
                    .map(|nats| line(nats) / std::f64::consts::LN_2),
            );
        }
        Ok(bits)
    };
    run()
        .map(Some)
        .map_err(|e| crate::Error::model(format!("the float network: {e}")))
}

#[cfg(not(feature = "train"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
fn floating_bits(_model: &Model, _sample: &[Noted]) -> crate::Result<Option<Vec<f64>>> {
    Ok(None)
}
