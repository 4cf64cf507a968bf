//! The network's loss on the validation set.

use crate::corpus::Distribution;
use crate::gpt::{Batch, Gpt};

/// What a validation set says of a network.
pub(super) struct Validation {
    /// Mean loss, nats a token.
    pub loss: f64,
    /// Mean loss at each position, nats a line.
    pub loss_by_position: Vec<f64>,
    /// Share of lines whose answer (all tokens behind `=`) is right at every token, each given the
    /// right ones before.
    pub sum_accuracy: f64,
}

/// Evaluates a network on batches of lines of a distribution.
pub(super) fn validate(
    gpt: &Gpt,
    batches: &[Batch],
    distribution: Distribution,
) -> candle_core::Result<Validation> {
    let length = gpt.config().block_size;
    let answer = 2 * distribution.digits() as usize + 2;
    let mut by_position = vec![0.0; length];
    let (mut tokens, mut lines, mut right) = (0.0, 0, 0);
    for batch in batches {
        let log_probs = candle_nn::ops::log_softmax(&gpt.forward(&batch.inputs)?.detach(), 1)?;
        let best: Vec<u32> = log_probs.argmax(1)?.to_vec1()?;
        let nats: Vec<f32> = log_probs
            .gather(&batch.targets.unsqueeze(1)?, 1)?
            .flatten_all()?
            .to_vec1()?;
        let targets: Vec<u32> = batch.targets.to_vec1()?;
        let weights: Vec<f32> = batch.weights.to_vec1()?;
        for start in (0..targets.len()).step_by(length) {
            let mut all_right = true;
            for (position, sum) in by_position.iter_mut().enumerate() {
                let i = start + position;
                *sum -= f64::from(nats[i] * weights[i]);
                tokens += f64::from(weights[i]);
                all_right &= position < answer || weights[i] == 0.0 || best[i] == targets[i];
            }
            right += usize::from(all_right);
            lines += 1;
        }
    }
    let loss = by_position.iter().sum::<f64>() / tokens;
    by_position.iter_mut().for_each(|l| *l /= lines as f64);
    Ok(Validation {
        loss,
        loss_by_position: by_position,
        sum_accuracy: right as f64 / lines as f64,
    })
}
