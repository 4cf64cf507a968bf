//! Text to tensors.

use candle_core::{Device, Tensor};

use crate::gpt::Batch;
use crate::text::Vocabulary;

/// Tokens of the lines of `text`, each ended by a newline, padded behind their end with the end
/// symbol to `length`.
pub(crate) fn batch_of_lines(
    text: &[u8],
    vocabulary: &Vocabulary,
    length: usize,
    device: &Device,
) -> candle_core::Result<Batch> {
    let (mut inputs, mut targets, mut weights) = (Vec::new(), Vec::new(), Vec::new());
    for line in text.split_inclusive(|&b| b == b'\n') {
        let characters = line.strip_suffix(b"\n").unwrap_or(line);
        if characters.len() >= length {
            candle_core::bail!(
                "a line of {} characters does not fit a block of {length}",
                characters.len()
            );
        }
        let end = u32::from(vocabulary.end());
        let first = targets.len();
        inputs.push(u32::from(vocabulary.start()));
        for &c in characters {
            let Some(token) = vocabulary.token(c) else {
                candle_core::bail!("the character {:?} is not in the vocabulary", c as char);
            };
            targets.push(u32::from(token));
            inputs.push(u32::from(token));
        }
        targets.push(end);
        weights.resize(targets.len(), 1.0f32);
        inputs.resize(first + length, end);
        targets.resize(first + length, end);
        weights.resize(first + length, 0.0);
    }
    let rows = targets.len();
    Ok(Batch {
        inputs: Tensor::from_vec(inputs, (rows / length, length), device)?,
        targets: Tensor::from_vec(targets, rows, device)?,
        weights: Tensor::from_vec(weights, rows, device)?,
    })
}
