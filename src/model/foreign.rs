//! Checkpoints in the forms in which others store them: other types of numbers, Hugging Face's GPT-2 with its transposed
//! weights and its `config.json`, a head tied to the embedding, names as DDP and `torch.compile` make them. And the name
//! of what is no safetensors file at all.
//!
//! Only what a model folder holds is read so ([`Checkpoint::load`]); an archive carries the plain form.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::SafeTensors;
use serde::Deserialize;

use super::{CONFIG_FILE, Checkpoint, GptConfig, Tensor, WEIGHTS_FILE, tensors};
use crate::{Error, Result};

const EMBEDDING: &str = "transformer.wte.weight";
const HEAD: &str = "lm_head.weight";

impl Checkpoint {
    /// A checkpoint from the bytes of its two files, in any of the forms that docs/training.md lists: what
    /// [`Checkpoint::from_bytes`] takes, and others.
    ///
    /// # Errors
    /// [`Error::Model`] if they make no sense.
    pub fn from_foreign(config: &[u8], weights: &[u8]) -> Result<Self> {
        let in_weights = |what: String| Error::model(format!("{WEIGHTS_FILE}: {what}"));
        // Not before: a header of 640 bytes begins as a pickle does.
        let file = SafeTensors::deserialize(weights).map_err(|e| match kind_of(weights) {
            Some(kind) => Error::model(format!("{WEIGHTS_FILE} {kind}")),
            None => in_weights(tensors::phrase(&e)),
        })?;
        let (config, is_tied) = read_config(config)?;
        let is_buffer = |name: &str| name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
        let found = tensors::of_file(&file, |name| !is_buffer(name), &tensors::FLOATS).map_err(in_weights)?;
        let shapes = config.tensor_shapes();
        let mut tensors = rename(found, &shapes).map_err(in_weights)?;
        untie(&mut tensors, is_tied).map_err(in_weights)?;
        transpose(&mut tensors, &shapes).map_err(in_weights)?;
        Self::new(config, tensors)
    }
}

/// The parts of a name that DDP and `torch.compile` put in.
const WRAPPERS: [&str; 2] = ["module", "_orig_mod"];

/// Gives tensors the names that the config's have: without wrappers, with `transformer.` in front. A name
/// that does not become one of those stays as it is.
fn rename(
    found: BTreeMap<String, Tensor>,
    shapes: &BTreeMap<String, Vec<usize>>,
) -> Result<BTreeMap<String, Tensor>, String> {
    let mut tensors = BTreeMap::new();
    for (name, tensor) in found {
        let parts: Vec<&str> = name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
        let bare = parts.join(".");
        let plain = [format!("transformer.{bare}"), bare].into_iter().find(|name| shapes.contains_key(name));
        let plain = plain.unwrap_or(name);
        if tensors.contains_key(&plain) {
            return Err(format!("two of its tensors are '{plain}'"));
        }
        tensors.insert(plain, tensor);
    }
    Ok(tensors)
}

/// Gives the head and the embedding a tensor each, where the file has one for both: PyTorch's
/// `save_pretrained` leaves out the head, `save_model` the embedding. `is_tied` is what the config says of it.
fn untie(tensors: &mut BTreeMap<String, Tensor>, is_tied: Option<bool>) -> Result<(), String> {
    if is_tied == Some(false) {
        return Ok(());
    }
    let of = |name| tensors.get(name).cloned();
    match (of(EMBEDDING), of(HEAD)) {
        (Some(both), None) => drop(tensors.insert(HEAD.into(), both)),
        (None, Some(both)) => drop(tensors.insert(EMBEDDING.into(), both)),
        (Some(embedding), Some(head)) if is_tied == Some(true) && embedding != head => {
            return Err(format!(
                "'{HEAD}' is not '{EMBEDDING}', but {CONFIG_FILE} has them tied: if it is right, add \"tie_word_embeddings\": false"
            ));
        }
        _ => {}
    }
    Ok(())
}

/// Whether a tensor is the weights of a linear layer within a transformer block, which Hugging Face stores as `Conv1D`.
pub(super) fn is_linear(name: &str) -> bool {
    name.ends_with(".weight") && name.contains(".c_")
}

/// Turns the weights of linear layers that are stored as Hugging Face's GPT-2 does, (in, out), its `Conv1D`, into (out,
/// in). A square one does not tell which it is, so all go by the first layer's `c_attn`.
///
/// # Errors
/// If another one is not stored like that.
fn transpose(
    tensors: &mut BTreeMap<String, Tensor>,
    shapes: &BTreeMap<String, Vec<usize>>,
) -> Result<(), String> {
    let transposed = |name: &str| -> Vec<usize> { shapes[name].iter().rev().copied().collect() };
    let first = "transformer.h.0.attn.c_attn.weight";
    if tensors.get(first).is_none_or(|tensor| tensor.shape != transposed(first)) {
        return Ok(());
    }
    let is_known = |name: &str| is_linear(name) && shapes.contains_key(name);
    for (name, tensor) in tensors.iter_mut().filter(|(name, _)| is_known(name)) {
        let expected = transposed(name);
        if tensor.shape != expected {
            return Err(format!(
                "tensor '{name}' has shape {:?}, and as '{first}' is stored (in, out) it should have {expected:?}",
                tensor.shape
            ));
        }
        *tensor = tensor.transposed();
    }
    Ok(())
}

/// The network's shape, and whether the config says that its head is tied to the embedding.
fn read_config(text: &[u8]) -> Result<(GptConfig, Option<bool>)> {
    #[derive(Deserialize)]
    struct Kind {
        model_type: String,
    }
    if let Some(kind) = kind_of(text) {
        return Err(Error::model(format!("{CONFIG_FILE} {kind}")));
    }
    let in_config = |what: String| Error::model(format!("{CONFIG_FILE}: {what}"));
    match serde_json::from_slice(text) {
        Ok(Kind { model_type }) if model_type == "gpt2" => {
            let config: Gpt2Config = serde_json::from_slice(text).map_err(|e| in_config(e.to_string()))?;
            config.check().map_err(in_config)?;
            let is_tied = config.tie_word_embeddings.unwrap_or(true);
            Ok((config.plain()?, Some(is_tied)))
        }
        Ok(Kind { model_type }) if model_type != "gpt" => Err(in_config(format!(
            "model_type is '{model_type}', only 'gpt' and Hugging Face's 'gpt2' are known"
        ))),
        _ => Ok((GptConfig::from_json(text)?, None)),
    }
}

/// Hugging Face's `GPT2Config`, as far as it decides the network, and the symbols, which it does not have.
#[derive(Deserialize)]
struct Gpt2Config {
    n_layer: usize,
    n_head: usize,
    n_embd: usize,
    vocab_size: usize,
    n_positions: Option<usize>,
    n_ctx: Option<usize>,
    n_inner: Option<usize>,
    activation_function: Option<String>,
    layer_norm_epsilon: Option<f64>,
    scale_attn_weights: Option<bool>,
    scale_attn_by_inverse_layer_idx: Option<bool>,
    tie_word_embeddings: Option<bool>,
    vocab: Option<String>,
    start: Option<char>,
    end: Option<char>,
}

/// Hugging Face's names of the GELU with a hyperbolic tangent, the network's own.
const ACTIVATIONS: [&str; 3] = ["gelu_new", "gelu_pytorch_tanh", "gelu_fast"];

impl Gpt2Config {
    /// Refuses what the network here does not do. What is not said is as in Hugging Face's.
    fn check(&self) -> Result<(), String> {
        if let Some(name) = self.activation_function.as_deref().filter(|name| !ACTIVATIONS.contains(name)) {
            let known = ACTIVATIONS.join(", ");
            return Err(format!(
                "activation_function is '{name}', the network here has GELU by tanh ({known})"
            ));
        }
        let facts = [
            ("layer_norm_epsilon", "1e-5", self.layer_norm_epsilon.is_none_or(|epsilon| epsilon == 1e-5)),
            ("n_inner", "null or 4 n_embd", self.n_inner.is_none_or(|n| n == self.n_embd.saturating_mul(4))),
            ("scale_attn_weights", "true", self.scale_attn_weights != Some(false)),
            ("scale_attn_by_inverse_layer_idx", "false", self.scale_attn_by_inverse_layer_idx != Some(true)),
        ];
        match facts.iter().find(|(_, _, is_so)| !is_so) {
            Some((name, known, _)) => {
                Err(format!("{name} is not {known}: the network here has nothing else"))
            }
            None => Ok(()),
        }
    }

    /// The config in this project's own terms.
    fn plain(self) -> Result<GptConfig> {
        let (Some(vocab), Some(start), Some(end)) = (self.vocab, self.start, self.end) else {
            return Err(Error::model(format!(
                "{CONFIG_FILE} does not say what the tokens stand for, as Hugging Face's never does: add \"vocab\", a string \
                 of their {} characters in order, and \"start\" and \"end\", those of them that open and end a line",
                self.vocab_size
            )));
        };
        let Some(block_size) = self.n_positions.or(self.n_ctx) else {
            return Err(Error::model(format!("{CONFIG_FILE}: missing field `n_positions`")));
        };
        let config = GptConfig {
            model_type: "gpt".into(),
            n_layer: self.n_layer,
            n_head: self.n_head,
            n_embd: self.n_embd,
            vocab_size: self.vocab_size,
            block_size,
            vocab,
            start,
            end,
        };
        match config.check() {
            Err(Error::Model(what)) => Err(Error::Model(what.replace("block_size", "n_positions"))),
            other => other.map(|()| config),
        }
    }
}

const PICKLE: &str = "is a pickle of PyTorch (torch.save), which is not read, for it may hold code: save its state_dict by \
    safetensors.torch.save_file as model.safetensors";
const GGUF: &str =
    "is a GGUF file, which is not read: take the checkpoint that it was made from, in safetensors";
const LFS_POINTER: &str = "is a Git LFS pointer, not the file itself: run git lfs pull in its folder";
const SHARDS: &str = "has the weights in several files: save them as one, model.safetensors";

/// What a file is that is no safetensors file and no JSON, and what to do about it.
fn kind_of(file: &[u8]) -> Option<&'static str> {
    match file {
        [b'P', b'K', 3, 4, ..] | [0x80, 2..=5, ..] => Some(PICKLE),
        [b'G', b'G', b'U', b'F', ..] => Some(GGUF),
        _ => file.starts_with(b"version https://git-lfs").then_some(LFS_POINTER),
    }
}

/// What a file is that stands where a model folder should, and what to do about it.
pub(super) fn about_file(path: &Path) -> String {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut start));
    match read.ok().and_then(|_| kind_of(&start)) {
        Some(kind) => format!("it {kind}, in a folder with its {CONFIG_FILE}"),
        None => format!("it is a file: name the folder that holds {CONFIG_FILE} and {WEIGHTS_FILE}"),
    }
}

/// What to do in a folder without `model.safetensors`, if it holds weights in another file.
pub(super) fn other_weights(folder: &Path) -> Option<String> {
    let entries = folder.read_dir().ok()?;
    let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    // Beside the weights there may be other pickles, of an optimiser.
    names.sort_by_key(|name| (!name.contains("model"), name.clone()));
    let kinds = [
        (".safetensors.index.json", SHARDS),
        (".bin", PICKLE),
        (".pt", PICKLE),
        (".pth", PICKLE),
        (".ckpt", PICKLE),
        (".gguf", GGUF),
    ];
    let about = |name: String| {
        let (_, kind) = kinds.iter().find(|(suffix, _)| name.ends_with(suffix))?;
        Some(format!("there is no such file; {name} {kind}"))
    };
    names.into_iter().find_map(about)
}
