//! The shape of a GPT, as `config.json` says it.

use serde::{Deserialize, Serialize};

use super::Shape;
use crate::text::Vocabulary;
use crate::{Error, Result};

/// Widths, depth, block size and vocabulary of a GPT: everything that is not a weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GptConfig {
    /// Always `gpt`: minGPT's architecture.
    pub model_type: String,
    /// Layers (transformer blocks).
    pub n_layer: usize,
    /// Attention heads of a layer.
    pub n_head: usize,
    /// Width: features of the residual stream.
    pub n_embd: usize,
    /// Number of symbols; the length of `vocab`.
    pub vocab_size: usize,
    /// Positions: the most tokens the network looks at, the start symbol among them.
    pub block_size: usize,
    /// The symbols, one character each, in the order of their tokens.
    pub vocab: String,
    /// The symbol that opens every line.
    #[serde(default = "default_start")]
    pub start: char,
    /// The symbol that stands for the end of a line.
    #[serde(default = "default_end")]
    pub end: char,
}

fn default_start() -> char {
    's'
}

fn default_end() -> char {
    'e'
}

/// Limits that keep every size computation far from overflow and a hostile file from asking for
/// much memory. They also bound the exact network's integers (docs/exactness.md).
const MAX_LAYERS: usize = 64;
const MAX_WIDTH: usize = 1024;
pub(crate) const MAX_BLOCK: usize = 256;

impl GptConfig {
    /// A network of a preset's size over the addition vocabulary.
    pub fn addition(preset: Preset, block_size: usize) -> Self {
        Self::with_vocabulary(preset, block_size, &Vocabulary::addition())
    }

    /// A network of a preset's size over any vocabulary.
    pub fn with_vocabulary(preset: Preset, block_size: usize, vocabulary: &Vocabulary) -> Self {
        let (n_layer, n_head, n_embd) = preset.dimensions();
        let symbol = |token| char::from(vocabulary.symbols()[usize::from(token)]);
        Self {
            model_type: "gpt".into(),
            n_layer,
            n_head,
            n_embd,
            vocab_size: vocabulary.len(),
            block_size,
            vocab: vocabulary.symbols().iter().map(|&b| char::from(b)).collect(),
            start: symbol(vocabulary.start()),
            end: symbol(vocabulary.end()),
        }
    }

    /// Reads `config.json`'s text.
    ///
    /// # Errors
    /// [`Error::Model`] with what is missing or out of range.
    pub fn from_json(text: &[u8]) -> Result<Self> {
        let config: Self =
            serde_json::from_slice(text).map_err(|e| Error::model(format!("config.json: {e}")))?;
        config.check()?;
        Ok(config)
    }

    /// The text of `config.json`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a config is plain data") + "\n"
    }

    pub(super) fn check(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::model(format!("config.json: {what}")));
        if self.model_type != "gpt" {
            return wrong(format!("model_type is '{}', only 'gpt' is known", self.model_type));
        }
        for (name, value, max) in [
            ("n_layer", self.n_layer, MAX_LAYERS),
            ("n_embd", self.n_embd, MAX_WIDTH),
            ("n_head", self.n_head, self.n_embd),
            ("block_size", self.block_size, MAX_BLOCK),
        ] {
            if !(1..=max).contains(&value) {
                return wrong(format!("{name} is {value}, not within 1 to {max}"));
            }
        }
        if !self.n_embd.is_multiple_of(self.n_head) {
            return wrong(format!("n_embd {} is not a multiple of n_head {}", self.n_embd, self.n_head));
        }
        let symbols = self.vocab.chars().count();
        if symbols != self.vocab_size {
            return wrong(format!("vocab has {symbols} symbols, vocab_size is {}", self.vocab_size));
        }
        self.vocabulary().map(|_| ())
    }

    /// The vocabulary. Symbols are the characters U+0000 to U+00FF, each standing for one byte.
    ///
    /// # Errors
    /// [`Error::Model`] if a symbol is no single byte, or as [`Vocabulary::new`].
    pub fn vocabulary(&self) -> Result<Vocabulary> {
        let byte = |c: char| {
            u8::try_from(c).map_err(|_| Error::model(format!("config.json: symbol {c:?} is not one byte")))
        };
        let symbols = self.vocab.chars().map(byte).collect::<Result<Vec<u8>>>()?;
        Vocabulary::new(&symbols, byte(self.start)?, byte(self.end)?)
    }

    /// Its dimensions.
    pub(crate) fn shape(&self) -> Shape {
        Shape {
            layers: self.n_layer,
            heads: self.n_head,
            width: self.n_embd,
            head_dim: self.head_dim(),
            block_size: self.block_size,
            vocab: self.vocab_size,
        }
    }

    /// Features of one attention head.
    pub fn head_dim(&self) -> usize {
        self.n_embd / self.n_head
    }

    /// Features of the hidden layer of the MLP.
    pub fn n_inner(&self) -> usize {
        4 * self.n_embd
    }

    /// The most characters of a line that the network can code: the start symbol takes one of its
    /// positions, and the end of the line is predicted at the last.
    pub fn max_line_len(&self) -> usize {
        self.block_size - 1
    }

    /// Names and shapes of all tensors, sorted by name, as minGPT's `state_dict` has them
    /// (`nn.Linear` weights are (out, in)).
    pub fn tensor_shapes(&self) -> std::collections::BTreeMap<String, Vec<usize>> {
        let (c, inner) = (self.n_embd, self.n_inner());
        let mut shapes = std::collections::BTreeMap::new();
        let mut add = |name: String, shape: &[usize]| shapes.insert(name, shape.to_vec());
        add("transformer.wte.weight".into(), &[self.vocab_size, c]);
        add("transformer.wpe.weight".into(), &[self.block_size, c]);
        for layer in 0..self.n_layer {
            let mut linear = |name: &str, out: usize, input: usize| {
                add(format!("transformer.h.{layer}.{name}.weight"), &[out, input]);
                add(format!("transformer.h.{layer}.{name}.bias"), &[out]);
            };
            linear("attn.c_attn", 3 * c, c);
            linear("attn.c_proj", c, c);
            linear("mlp.c_fc", inner, c);
            linear("mlp.c_proj", c, inner);
            for norm in ["ln_1", "ln_2"] {
                add(format!("transformer.h.{layer}.{norm}.weight"), &[c]);
                add(format!("transformer.h.{layer}.{norm}.bias"), &[c]);
            }
        }
        add("transformer.ln_f.weight".into(), &[c]);
        add("transformer.ln_f.bias".into(), &[c]);
        add("lm_head.weight".into(), &[self.vocab_size, c]);
        shapes
    }

    /// Number of trained parameters.
    pub fn parameters(&self) -> usize {
        self.tensor_shapes().values().map(|shape| shape.iter().product::<usize>()).sum()
    }
}

/// Sizes with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// 2 layers, 4 heads, 16 wide.
    Pico,
    /// 2 layers, 4 heads, 32 wide.
    Tiny,
    /// 3 layers, 3 heads, 48 wide.
    Nano,
    /// 4 layers, 4 heads, 128 wide.
    Micro,
    /// 6 layers, 6 heads, 192 wide.
    Mini,
}

crate::names::impl_names!(
    Preset,
    "preset",
    [Pico = "pico", Tiny = "tiny", Nano = "nano", Micro = "micro", Mini = "mini"]
);

impl Preset {
    /// Layers, heads, width.
    pub fn dimensions(self) -> (usize, usize, usize) {
        match self {
            Self::Pico => (2, 4, 16),
            Self::Tiny => (2, 4, 32),
            Self::Nano => (3, 3, 48),
            Self::Micro => (4, 4, 128),
            Self::Mini => (6, 6, 192),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_have_the_documented_sizes() {
        let parameters = |p| GptConfig::addition(p, 28).parameters();
        assert_eq!(parameters(Preset::Tiny), 27_264);
        assert_eq!(parameters(Preset::Nano), 87_600);
    }

    #[test]
    fn json_round_trip_and_defaults() {
        let config = GptConfig::addition(Preset::Nano, 28);
        assert_eq!(GptConfig::from_json(config.to_json().as_bytes()).unwrap(), config);
        let bare = br#"{"model_type":"gpt","n_layer":2,"n_head":4,"n_embd":32,"vocab_size":14,
            "block_size":28,"vocab":"0123456789se+="}"#;
        assert_eq!(GptConfig::from_json(bare).unwrap().start, 's');
    }

    #[test]
    fn nonsense_is_refused() {
        let good = GptConfig::addition(Preset::Pico, 28);
        let bad: [fn(&mut GptConfig); 7] = [
            |c| c.n_layer = 0,
            |c| c.n_embd = usize::MAX,
            |c| c.n_head = 3,
            |c| c.vocab_size = 15,
            |c| c.block_size = 0,
            |c| c.model_type = "rnn".into(),
            |c| c.vocab = "0123456789se+∞".into(),
        ];
        for change in bad {
            let mut config = good.clone();
            change(&mut config);
            assert!(GptConfig::from_json(config.to_json().as_bytes()).is_err(), "{config:?}");
        }
    }
}
