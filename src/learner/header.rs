//! Settings as an archive's header has them.

use super::settings::LearnerSettings;
use crate::model::GptConfig;
use crate::{Error, Result};

/// The number of what a learner computes from its settings; it rises with every change of that.
const DEFINITION: u8 = 3;
/// The one before: a step on every batch, and no word of it.
const WITHOUT_STRIDE: u8 = 2;

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<usize> {
        self.take().map(|bytes| usize::from(u16::from_le_bytes(bytes)))
    }
}

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
        let settings = Self::parse(bytes).ok_or_else(|| nonsense(""))?;
        let config = GptConfig::from_json(settings.config.to_json().as_bytes());
        config.and_then(|_| settings.check()).map_err(|e| nonsense(&format!(": {e}")))?;
        Ok(settings)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        let definition = fields.u8()?;
        let (n_layer, n_head) = (fields.u8()?.into(), fields.u8()?.into());
        let (n_embd, block_size, batch_lines) = (fields.u16()?, fields.u16()?, fields.u16()?);
        let warmup = u32::from_le_bytes(fields.take()?);
        let steps = u64::from_le_bytes(fields.take()?);
        let mut numbers = [0.0; 14];
        for number in &mut numbers {
            *number = f32::from_le_bytes(fields.take()?);
        }
        let seed = u64::from_le_bytes(fields.take()?);
        let replay = fields.u8()?;
        let stride = if definition == WITHOUT_STRIDE { 1 } else { fields.u8()? };
        let (start, end) = (fields.u8()?.into(), fields.u8()?.into());
        let vocab: String = fields.0.iter().map(|&byte| char::from(byte)).collect();
        let config = GptConfig {
            model_type: "gpt".into(),
            n_layer,
            n_head,
            n_embd,
            vocab_size: fields.0.len(),
            block_size,
            vocab,
            start,
            end,
        };
        let mut settings = Self { batch_lines, warmup, steps, seed, replay, stride, ..Self::new(config) };
        for (to, number) in settings.numbers().into_iter().zip(numbers) {
            *to = number;
        }
        Some(settings)
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
