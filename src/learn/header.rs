//! Settings as an archive's header has them.

use super::settings::Settings;
use crate::model::GptConfig;
use crate::{Error, Result};

/// The number of what a learner computes from its settings; it rises with every change of that.
const DEFINITION: u8 = 2;

/// Takes fields off the front.
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

    fn f32(&mut self) -> Option<f32> {
        self.take().map(f32::from_le_bytes)
    }
}

impl Settings {
    /// The bytes of a header's settings (docs/format.md).
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let config = &self.config;
        let mut out = vec![DEFINITION, config.n_layer as u8, config.n_head as u8];
        for size in [config.n_embd, config.block_size, self.batch_lines] {
            out.extend((size as u16).to_le_bytes());
        }
        out.extend(self.warmup.to_le_bytes());
        out.extend(self.steps.to_le_bytes());
        for number in self.numbers() {
            out.extend(number.to_le_bytes());
        }
        out.extend(self.seed.to_le_bytes());
        out.push(self.replay);
        // Symbols are U+0000 to U+00FF, each one byte.
        let byte = |symbol: char| symbol as u32 as u8;
        out.extend([byte(config.start), byte(config.end)]);
        out.extend(config.vocab.chars().map(byte));
        out
    }

    fn numbers(&self) -> [f32; 14] {
        [
            self.rate,
            self.embedding_rate,
            self.matrix_rate,
            self.matrix_beta,
            self.first_weight,
            self.final_share,
            self.beta1,
            self.beta2,
            self.weight_decay,
            self.clip,
            self.token_deviation,
            self.position_deviation,
            self.matrix_deviation,
            self.head_deviation,
        ]
    }

    /// Reads what [`Settings::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it makes no sense, [`Error::Invalid`] if a later version wrote it.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if let Some(&definition) = bytes.first().filter(|&&definition| definition != DEFINITION) {
            return Err(Error::invalid(format!(
                "learners of definition {definition} are not known to this program (it knows {DEFINITION}): use the version that wrote the archive"
            )));
        }
        let nonsense = |what: &str| Error::damaged(format!("the learner makes no sense{what}"), "header");
        let settings = Self::parse(bytes).ok_or_else(|| nonsense(""))?;
        let config = GptConfig::from_json(settings.config.to_json().as_bytes());
        config
            .and_then(|_| settings.check())
            .map_err(|e| nonsense(&format!(": {e}")))?;
        Ok(settings)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes.get(1..)?);
        let (n_layer, n_head) = (fields.u8()?.into(), fields.u8()?.into());
        let (n_embd, block_size, batch_lines) = (fields.u16()?, fields.u16()?, fields.u16()?);
        let warmup = u32::from_le_bytes(fields.take()?);
        let steps = u64::from_le_bytes(fields.take()?);
        let mut numbers = [0.0; 14];
        for number in &mut numbers {
            *number = fields.f32()?;
        }
        let [
            rate,
            embedding_rate,
            matrix_rate,
            matrix_beta,
            first_weight,
            final_share,
            beta1,
            beta2,
            weight_decay,
            clip,
            token_deviation,
            position_deviation,
            matrix_deviation,
            head_deviation,
        ] = numbers;
        let seed = u64::from_le_bytes(fields.take()?);
        let replay = fields.u8()?;
        let (start, end) = (fields.u8()?.into(), fields.u8()?.into());
        let vocab: String = fields.0.iter().map(|&byte| char::from(byte)).collect();
        Some(Self {
            config: GptConfig {
                model_type: "gpt".into(),
                n_layer,
                n_head,
                n_embd,
                vocab_size: fields.0.len(),
                block_size,
                vocab,
                start,
                end,
            },
            batch_lines,
            rate,
            embedding_rate,
            matrix_rate,
            matrix_beta,
            first_weight,
            warmup,
            steps,
            final_share,
            beta1,
            beta2,
            weight_decay,
            clip,
            token_deviation,
            position_deviation,
            matrix_deviation,
            head_deviation,
            seed,
            replay,
        })
    }
}
