//! Settings as an archive's header has them.

use bytes::{Buf, TryGetError};

use super::settings::LearnerSettings;
use crate::model::GptConfig;
use crate::{Error, Result};

/// The number of what a learner computes from its settings; it rises with every change of that.
const DEFINITION: u8 = 3;
/// The one before: a step on every batch, and no word of it.
const WITHOUT_STRIDE: u8 = 2;

impl LearnerSettings {
    /// The bytes of a header's settings (docs/format.md).
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let config = &self.config;
        let mut out = vec![DEFINITION, config.n_layer as u8, config.n_head as u8];
        for size in [config.n_embd, config.block_size, self.batch_lines] {
            out.extend((size as u16).to_le_bytes());
        }
        out.extend(self.warmup.to_le_bytes());
        out.extend(self.steps.to_le_bytes());
        for number in self.clone().numbers() {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.seed.to_le_bytes());
        out.extend([self.replay, self.stride]);
        // Symbols are U+0000 to U+00FF, each one byte.
        let byte = |symbol: char| symbol as u32 as u8;
        out.extend([byte(config.start), byte(config.end)]);
        out.extend(config.vocab.chars().map(byte));
        out
    }

    /// In the order of the header's bytes.
    fn numbers(&mut self) -> [&mut f32; 14] {
        [
            &mut self.rate,
            &mut self.embedding_rate,
            &mut self.matrix_rate,
            &mut self.matrix_beta,
            &mut self.first_weight,
            &mut self.final_share,
            &mut self.beta1,
            &mut self.beta2,
            &mut self.weight_decay,
            &mut self.clip,
            &mut self.token_deviation,
            &mut self.position_deviation,
            &mut self.matrix_deviation,
            &mut self.head_deviation,
        ]
    }

    /// Reads what [`LearnerSettings::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it makes no sense, [`Error::Version`] if it is of a definition that this version does not know.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let known = u16::from(WITHOUT_STRIDE)..=u16::from(DEFINITION);
        if let Some(found) = bytes.first().map(|&byte| byte.into()).filter(|found| !known.contains(found)) {
            return Err(Error::Version { what: "the learner's definition", found, known });
        }
        let nonsense = |what: &str| Error::damaged(format!("the learner makes no sense{what}"), "header");
        let settings = Self::parse(bytes).map_err(|_| nonsense(""))?;
        let config = GptConfig::from_json(settings.config.to_json().as_bytes());
        config.and_then(|_| settings.check()).map_err(|e| nonsense(&format!(": {e}")))?;
        Ok(settings)
    }

    fn parse(mut bytes: &[u8]) -> Result<Self, TryGetError> {
        let definition = bytes.try_get_u8()?;
        let (n_layer, n_head) = (bytes.try_get_u8()?.into(), bytes.try_get_u8()?.into());
        let [n_embd, block_size, batch_lines] =
            [bytes.try_get_u16_le()?, bytes.try_get_u16_le()?, bytes.try_get_u16_le()?].map(usize::from);
        let (warmup, steps) = (bytes.try_get_u32_le()?, bytes.try_get_u64_le()?);
        let mut numbers = [0.0; 14];
        for number in &mut numbers {
            *number = bytes.try_get_f32_le()?;
        }
        let (seed, replay) = (bytes.try_get_u64_le()?, bytes.try_get_u8()?);
        let stride = if definition == WITHOUT_STRIDE { 1 } else { bytes.try_get_u8()? };
        let (start, end) = (bytes.try_get_u8()?.into(), bytes.try_get_u8()?.into());
        let vocab: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        let config = GptConfig {
            model_type: "gpt".into(),
            n_layer,
            n_head,
            n_embd,
            vocab_size: bytes.len(),
            block_size,
            vocab,
            start,
            end,
        };
        let mut settings = Self { batch_lines, warmup, steps, seed, replay, stride, ..Self::new(config) };
        for (to, number) in settings.numbers().into_iter().zip(numbers) {
            *to = number;
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Preset;

    /// Another definition computes other numbers from the same settings: its archives must not be decoded
    /// into something else.
    #[test]
    fn unknown_definitions_are_refused() {
        let settings = LearnerSettings::new(GptConfig::addition(Preset::Pico, 28));
        let mut bytes = settings.to_bytes();
        assert_eq!(LearnerSettings::from_bytes(&bytes).unwrap(), settings);
        for definition in [0, 1, 4, 255] {
            bytes[0] = definition;
            let error = LearnerSettings::from_bytes(&bytes).unwrap_err();
            let Error::Version { found, .. } = error else { panic!("{error}") };
            assert_eq!(found, u16::from(definition));
        }
    }
}
