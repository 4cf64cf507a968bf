//! The network's loss on lines that training never sees.

use super::Trainer;
use crate::Result;
use crate::model::GptConfig;
use crate::text::{Distribution, LineBatch, Token, is_sum, lines_of};

/// Lines of one batch, but for the last.
const BATCH_LINES: usize = 512;

pub(super) struct ValidationSet {
    batches: Vec<LineBatch>,
    /// The token of `=` if all lines are sums.
    equals: Option<Token>,
    /// Entropy of their distribution, nats a line.
    entropy: Option<f64>,
}

pub(super) struct Validation {
    /// Mean loss, nats a token.
    pub loss: f64,
    /// What the lines cost above the entropy of their distribution, nats a token, if that is known.
    /// The entropy of a line is spread over the tokens that these lines have: where the number of
    /// tokens varies, that of a few thousand lines is off its mean by more than a good model is off
    /// the entropy.
    pub excess: Option<f64>,
    /// Mean loss at each position, nats a line.
    pub loss_by_position: Vec<f64>,
    /// Share of lines whose answer (all tokens behind `=`) is right at every token, each given the
    /// right ones before; none if the lines are not sums.
    pub sum_accuracy: Option<f64>,
}

impl ValidationSet {
    /// A set of the lines of a text. `distribution` is what they were drawn from, if that is known.
    pub(super) fn new(text: &[u8], distribution: Option<Distribution>, config: &GptConfig) -> Result<Self> {
        let vocabulary = config.vocabulary()?;
        let lines: Vec<&[u8]> = lines_of(text).collect();
        let batches = lines
            .chunks(BATCH_LINES)
            .map(|lines| LineBatch::new(lines.iter().copied(), &vocabulary, config.block_size))
            .collect::<Result<_>>()?;
        let are_sums = lines.iter().all(|line| is_sum(line));
        Ok(Self {
            batches,
            equals: vocabulary.token(b'=').filter(|_| are_sums),
            entropy: distribution.map(Distribution::entropy_nats),
        })
    }

    /// Evaluates a network.
    ///
    /// # Errors
    /// As [`Trainer::differentiate`].
    pub(super) fn evaluate(&self, trainer: &mut Trainer) -> Result<Validation> {
        let length = self.batches[0].block;
        let mut by_position = vec![0.0; length];
        let (mut tokens, mut lines, mut right) = (0, 0, 0);
        for batch in &self.batches {
            let predictions = trainer.gradients.predict(batch)?;
            for (predictions, targets) in predictions.chunks(length).zip(batch.targets.chunks(length)) {
                let (mut in_answer, mut all_right) = (false, true);
                for ((prediction, target), sum) in predictions.iter().zip(targets).zip(&mut by_position) {
                    let Some(prediction) = prediction else {
                        break;
                    };
                    *sum += prediction.nats;
                    tokens += 1;
                    all_right &= !in_answer || prediction.is_best;
                    in_answer |= *target == self.equals;
                }
                right += usize::from(all_right);
                lines += 1;
            }
        }
        let tokens = f64::from(tokens);
        let nats = by_position.iter().sum::<f64>();
        by_position.iter_mut().for_each(|l| *l /= lines as f64);
        Ok(Validation {
            loss: nats / tokens,
            excess: self.entropy.map(|entropy| (nats - entropy * lines as f64) / tokens),
            loss_by_position: by_position,
            sum_accuracy: self.equals.map(|_| right as f64 / lines as f64),
        })
    }
}
