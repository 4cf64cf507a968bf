//! Weights in f32 with their names: what training writes, PyTorch reads and the wall quantises.

use std::collections::BTreeMap;
use std::path::Path;

use super::{GptConfig, Tensor, tensors};
use crate::atomic_file::write_whole;
use crate::{Error, Result};

/// The file in a model folder that says the network's shape.
pub const CONFIG_FILE: &str = "config.json";
/// The file in a model folder that holds the weights.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// The file in a model folder that tells how the loss fell.
pub const LOG_FILE: &str = "training.jsonl";

/// A trained network in floating point: its shape and all of its tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    config: GptConfig,
    tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// Puts a checkpoint together.
    ///
    /// # Errors
    /// [`Error::Model`] unless the tensors are exactly those of the config, finite and of the
    /// right shapes.
    pub fn new(config: GptConfig, mut tensors: BTreeMap<String, Tensor>) -> Result<Self> {
        let shapes = config.tensor_shapes();
        for layer in 0..config.n_layer {
            // Some trainings have no bias here: the same as a bias of zero.
            let name = format!("transformer.h.{layer}.attn.c_attn.bias");
            let shape = shapes[&name].clone();
            tensors.entry(name).or_insert_with(|| Tensor { values: vec![0.0; shape[0]], shape });
        }
        for (name, shape) in &shapes {
            let tensor = tensors
                .get(name)
                .ok_or_else(|| Error::model(format!("{WEIGHTS_FILE} has no tensor '{name}'")))?;
            if tensor.shape != *shape || tensor.values.len() != shape.iter().product::<usize>() {
                return Err(Error::model(format!(
                    "tensor '{name}' has shape {:?}, config.json asks for {shape:?}",
                    tensor.shape
                )));
            }
            if tensor.values.iter().any(|v| !v.is_finite()) {
                return Err(Error::model(format!("tensor '{name}' holds a value that is not finite")));
            }
        }
        if let Some(name) = tensors.keys().find(|name| !shapes.contains_key(*name)) {
            return Err(Error::model(format!(
                "{WEIGHTS_FILE} holds '{name}', which a GPT of this config has not"
            )));
        }
        Ok(Self { config, tensors })
    }

    /// A checkpoint from the bytes of its two files in the plain form, as [`Checkpoint::save`] writes them. Tensors that minGPT keeps as buffers
    /// (`*.attn.bias`, the causal mask) are passed over.
    ///
    /// # Errors
    /// [`Error::Model`] if they make no sense.
    pub fn from_bytes(config: &[u8], weights: &[u8]) -> Result<Self> {
        let config = GptConfig::from_json(config)?;
        let tensors = tensors::from_bytes(weights, |name| !name.ends_with(".attn.bias"))
            .map_err(|what| Error::model(format!("{WEIGHTS_FILE}: {what}")))?;
        Self::new(config, tensors)
    }

    /// The weights as the bytes of a safetensors file. The same weights give the same bytes.
    pub fn weights_to_bytes(&self) -> Vec<u8> {
        tensors::to_bytes(&self.tensors, None)
    }

    /// Writes `config.json` and `model.safetensors` into an existing folder, each in one move.
    ///
    /// # Errors
    /// [`Error::ModelFile`] if that fails.
    pub fn save(&self, folder: &Path) -> Result<()> {
        write_whole(&folder.join(WEIGHTS_FILE), &self.weights_to_bytes())?;
        write_whole(&folder.join(CONFIG_FILE), self.config.to_json().as_bytes())
    }

    /// The network's shape.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// All tensors, sorted by name.
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// The values of a tensor that the config promises.
    ///
    /// # Panics
    /// If there is no such tensor in a GPT: that is a slip in the caller's code.
    pub fn values(&self, name: &str) -> &[f32] {
        &self.tensors[name].values
    }

    /// As [`Checkpoint::values`], to change them.
    pub(super) fn values_mut(&mut self, name: &str) -> &mut [f32] {
        &mut self.tensors.get_mut(name).expect("a tensor of the config").values
    }
}
