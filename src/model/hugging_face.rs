//! A checkpoint as a folder of Hugging Face's transformers: `GPT2LMHeadModel` and a tokenizer of single bytes.
//!
//! `AutoModelForCausalLM.from_pretrained` and `AutoTokenizer.from_pretrained` load it, and [`Checkpoint::load`] takes it
//! back with the same weights: its `config.json` keeps the symbols, which transformers passes over.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::foreign::is_linear;
use super::{CONFIG_FILE, Checkpoint, GptConfig, WEIGHTS_FILE, tensors};
use crate::Result;
use crate::atomic_file::write_whole;

impl Checkpoint {
    /// Names of the files that [`Checkpoint::save_hugging_face`] writes.
    pub const HUGGING_FACE_FILES: [&str; 5] =
        [CONFIG_FILE, WEIGHTS_FILE, "generation_config.json", "tokenizer.json", "tokenizer_config.json"];

    /// Writes the files of a Hugging Face model into an existing folder.
    ///
    /// # Errors
    /// [`Error::Model`](crate::Error::Model) if the symbols make no vocabulary, [`Error::ModelFile`](crate::Error::ModelFile) if
    /// a file cannot be written.
    pub fn save_hugging_face(&self, folder: &Path) -> Result<()> {
        let symbols = Symbols::of(self.config())?;
        let mut weights = self.tensors().clone();
        for (_, tensor) in weights.iter_mut().filter(|(name, _)| is_linear(name)) {
            *tensor = tensor.transposed();
        }
        let framework = [("format".to_owned(), "pt".to_owned())].into();
        let text = |value: Value| serde_json::to_vec_pretty(&value).expect("plain data");
        let generation = json!({ "bos_token_id": symbols.start, "eos_token_id": symbols.end, "pad_token_id": symbols.end });
        let contents = [
            text(symbols.model_config(self.config())),
            tensors::to_bytes(&weights, Some(framework)),
            text(generation),
            text(symbols.tokenizer()),
            text(symbols.tokenizer_config(self.config().block_size)),
        ];
        let mut files = Self::HUGGING_FACE_FILES.iter().zip(contents);
        files.try_for_each(|(name, content)| write_whole(&folder.join(name), &content))
    }
}

/// The symbols as the tokenizer has them, in the order of their tokens: bytes in the alphabet of GPT-2's byte-level
/// tokenizer, start and end by names, for no text has them.
struct Symbols {
    names: Vec<String>,
    start: usize,
    end: usize,
}

impl Symbols {
    fn of(config: &GptConfig) -> Result<Self> {
        let vocabulary = config.vocabulary()?;
        let (start, end) = (usize::from(vocabulary.start()), usize::from(vocabulary.end()));
        let name = |(token, &byte): (usize, &u8)| match token {
            _ if token == start => "<start>".to_owned(),
            _ if token == end => "<end>".to_owned(),
            _ => byte_level(byte).to_string(),
        };
        let names = vocabulary.symbols().iter().enumerate().map(name).collect();
        Ok(Self { names, start, end })
    }

    /// `GPT2Config`, and the symbols as this project's own `config.json` has them.
    fn model_config(&self, config: &GptConfig) -> Value {
        json!({
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "dtype": "float32",
            "vocab_size": config.vocab_size,
            "n_positions": config.block_size,
            "n_embd": config.n_embd,
            "n_layer": config.n_layer,
            "n_head": config.n_head,
            "n_inner": config.n_inner(),
            "activation_function": "gelu_new",
            "layer_norm_epsilon": 1e-5,
            "attn_pdrop": 0.0,
            "embd_pdrop": 0.0,
            "resid_pdrop": 0.0,
            "tie_word_embeddings": false,
            "bos_token_id": self.start,
            "eos_token_id": self.end,
            "pad_token_id": self.end,
            "vocab": config.vocab,
            "start": config.start,
            "end": config.end,
        })
    }

    /// A symbol a byte, behind the start symbol. Without an unknown token, so that a text that the model does not have
    /// is an error.
    fn tokenizer(&self) -> Value {
        let vocab: Map<String, Value> =
            self.names.iter().enumerate().map(|(token, name)| (name.clone(), token.into())).collect();
        let special = |token: usize| {
            json!({
                "id": token, "content": self.names[token], "special": true,
                "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            })
        };
        let start = &self.names[self.start];
        let start_symbol = json!({ "SpecialToken": { "id": start, "type_id": 0 } });
        let text = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [special(self.start), special(self.end)],
            "normalizer": null,
            "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
                { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false },
                { "type": "Split", "pattern": { "Regex": "." }, "behavior": "Isolated", "invert": false },
            ] },
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [start_symbol, text("A")],
                "pair": [start_symbol, text("A"), text("B")],
                "special_tokens": { start: { "id": start, "ids": [self.start], "tokens": [start] } },
            },
            "decoder": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false },
            "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "<unknown>" },
        })
    }

    fn tokenizer_config(&self, block_size: usize) -> Value {
        json!({
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": self.names[self.start],
            "eos_token": self.names[self.end],
            "pad_token": self.names[self.end],
            "clean_up_tokenization_spaces": false,
            "model_max_length": block_size,
        })
    }
}

/// The character that stands for a byte in GPT-2's byte-level tokenizer (`bytes_to_unicode` of its `encoder.py`): printable
/// ones of Latin-1 stand for themselves, the others for those from U+0100 on.
fn byte_level(byte: u8) -> char {
    let is_printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..);
    if is_printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|&byte| !is_printable(byte)).count();
    char::from_u32(0x100 + before as u32).expect("below U+0200")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `bytes_to_unicode()` has them.
    #[test]
    fn the_alphabet_is_that_of_gpt_2() {
        let known = [(b'0', '0'), (b' ', 'Ġ'), (b'\n', 'Ċ'), (0, 'Ā'), (0x7f, 'ġ'), (0xad, 'Ń'), (0xff, 'ÿ')];
        for (byte, character) in known {
            assert_eq!(byte_level(byte), character, "{byte}");
        }
        let all: std::collections::BTreeSet<char> = (0..=u8::MAX).map(byte_level).collect();
        assert_eq!(all.len(), 256);
    }
}
