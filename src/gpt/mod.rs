//! The GPT of the float world: minGPT's network in candle, with autodiff.
//!
//! Pre-LayerNorm, learned positions, tanh-GELU, biases everywhere but in the untied head. Rows of
//! all activations are tokens: (B·T, C), where B lines of T tokens stand one after the other; only
//! attention knows where a line begins.
//!
//! On the CPU, LayerNorm, GELU and attention are single fused operations with their own backward
//! pass ([`ops`]); on other devices they are composed of candle's.

mod dropout;
pub mod ops;

pub use dropout::Dropout;

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::model::{self, Checkpoint, GptConfig};

/// Tokens of whole lines, ready for the network.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Inputs: the start symbol, then the line's characters. (B, T), u32.
    pub inputs: Tensor,
    /// What follows each input: the line's characters, then the end symbol. (B·T), u32.
    pub targets: Tensor,
    /// 1 where a target counts, 0 behind the end of a short line. (B·T), f32.
    pub weights: Tensor,
}

/// The network with its variables.
pub struct Gpt {
    config: GptConfig,
    vars: BTreeMap<String, Var>,
    device: Device,
}

impl Gpt {
    /// A network that knows nothing, drawn from a seed as GPT-2 does it: matrices and embeddings
    /// from N(0, 0.02), projections into the residual stream from N(0, 0.02/√(2·layers)), biases
    /// 0, LayerNorm gains 1.
    ///
    /// # Errors
    /// Whatever candle reports.
    pub fn init(config: &GptConfig, seed: u64, device: &Device) -> Result<Self> {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(INIT_STREAM);
        let residual_std = 0.02 / (2.0 * config.n_layer as f64).sqrt();
        let tensor = |(name, shape): (String, Vec<usize>)| {
            let count = shape.iter().product();
            let is_norm = name.contains(".ln_");
            let values = match name.as_str() {
                n if n.ends_with(".bias") => vec![0.0; count],
                _ if is_norm => vec![1.0; count],
                n if n.ends_with(".c_proj.weight") => normal(&mut rng, residual_std, count),
                _ => normal(&mut rng, 0.02, count),
            };
            let var = Var::from_tensor(&Tensor::from_vec(values, shape, device)?)?;
            Ok((name, var))
        };
        let vars = config
            .tensor_shapes()
            .into_iter()
            .map(tensor)
            .collect::<Result<_>>()?;
        Ok(Self {
            config: config.clone(),
            vars,
            device: device.clone(),
        })
    }

    /// A network with the weights of a checkpoint.
    ///
    /// # Errors
    /// Whatever candle reports.
    pub fn from_checkpoint(checkpoint: &Checkpoint, device: &Device) -> Result<Self> {
        let var = |(name, tensor): (&String, &model::Tensor)| {
            let tensor = Tensor::from_slice(&tensor.values, tensor.shape.as_slice(), device)?;
            Ok((name.clone(), Var::from_tensor(&tensor)?))
        };
        let vars = checkpoint.tensors().iter().map(var).collect::<Result<_>>()?;
        Ok(Self {
            config: checkpoint.config().clone(),
            vars,
            device: device.clone(),
        })
    }

    /// The weights as they are now.
    ///
    /// # Errors
    /// [`crate::Error`] if candle fails or a weight is no longer finite.
    pub fn to_checkpoint(&self) -> crate::Result<Checkpoint> {
        let read = |(name, var): (&String, &Var)| {
            let values = var.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?;
            Ok((
                name.clone(),
                model::Tensor {
                    shape: var.dims().to_vec(),
                    values,
                },
            ))
        };
        let tensors = self.vars.iter().map(read).collect::<Result<_>>();
        let tensors = tensors.map_err(|e| crate::Error::Training(e.to_string()))?;
        Checkpoint::new(self.config.clone(), tensors)
    }

    /// The network's shape.
    pub fn config(&self) -> &GptConfig {
        &self.config
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// All variables, sorted by name.
    pub fn vars(&self) -> &BTreeMap<String, Var> {
        &self.vars
    }

    /// Logits of the symbol after each input.
    ///
    /// `inputs`: (B, T) tokens; returns (B·T, V).
    ///
    /// # Errors
    /// Whatever candle reports, for instance a token out of range.
    pub fn forward(&self, inputs: &Tensor) -> Result<Tensor> {
        self.forward_with(inputs, &mut Dropout::none())
    }

    fn forward_with(&self, inputs: &Tensor, dropout: &mut Dropout) -> Result<Tensor> {
        let length = inputs.dim(1)?;
        let (wte, wpe) = (self.var("transformer.wte"), self.var("transformer.wpe"));
        let mut x = dropout.apply(ops::embedding(inputs, wte, wpe)?)?; // (B·T, C)
        for layer in 0..self.config.n_layer {
            let attention = ops::Inner::Attention {
                length,
                heads: self.config.n_head,
            };
            x = self.residual(
                layer,
                ["ln_1", "attn.c_attn", "attn.c_proj"],
                attention,
                &x,
                dropout,
            )?;
            x = self.residual(
                layer,
                ["ln_2", "mlp.c_fc", "mlp.c_proj"],
                ops::Inner::Gelu,
                &x,
                dropout,
            )?;
        }
        let normed = self.layer_norm("transformer.ln_f", &x)?;
        normed.matmul(&self.var("lm_head").t()?) // (B·T, V)
    }

    /// Surprisal of every target in nats, (B·T); 0 where a target does not count.
    ///
    /// # Errors
    /// Whatever candle reports.
    pub fn surprisals(&self, batch: &Batch) -> Result<Tensor> {
        self.surprisals_with(batch, &mut Dropout::none())
    }

    fn surprisals_with(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Tensor> {
        let logits = self.forward_with(&batch.inputs, dropout)?; // (B·T, V)
        ops::surprisals(&logits, &batch.targets, &batch.weights)
    }

    /// Mean surprisal of the targets that count: the loss, in nats a token.
    ///
    /// # Errors
    /// Whatever candle reports.
    pub fn loss(&self, batch: &Batch) -> Result<Tensor> {
        self.training_loss(batch, &mut Dropout::none())
    }

    /// The loss of a network that drops features, as it does while it learns.
    ///
    /// # Errors
    /// Whatever candle reports.
    pub fn training_loss(&self, batch: &Batch, dropout: &mut Dropout) -> Result<Tensor> {
        let counted = f64::from(batch.weights.sum_all()?.to_scalar::<f32>()?);
        self.surprisals_with(batch, dropout)?.sum_all()? / counted
    }

    /// Half a layer: x + W₂·f(W₁·norm(x) + b₁) + b₂; (B·T, C) → (B·T, C).
    fn residual(
        &self,
        layer: usize,
        parts: [&str; 3],
        inner: ops::Inner,
        x: &Tensor,
        dropout: &mut Dropout,
    ) -> Result<Tensor> {
        let [norm, first, second] = parts.map(|part| format!("transformer.h.{layer}.{part}"));
        let parameters = ops::Parameters {
            gain: self.var(&norm),
            bias: self.bias(&norm),
            w1: self.var(&first),
            b1: self.bias(&first),
            w2: self.var(&second),
            b2: self.bias(&second),
        };
        if dropout.is_off() {
            return ops::residual(x, &parameters, inner);
        }
        ops::composed_residual(x, &parameters, inner, |dropped| dropout.apply(dropped))
    }

    fn layer_norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        ops::layer_norm(x, self.var(name), self.bias(name))
    }

    fn var(&self, name: &str) -> &Tensor {
        self.vars[&format!("{name}.weight")].as_tensor()
    }

    fn bias(&self, name: &str) -> &Tensor {
        self.vars[&format!("{name}.bias")].as_tensor()
    }
}

/// The ChaCha8 stream that initial weights are drawn from (corpora use stream 0).
const INIT_STREAM: u64 = 3;

/// `count` draws from N(0, std), by Box and Muller's transform.
fn normal(rng: &mut ChaCha8Rng, std: f64, count: usize) -> Vec<f32> {
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let draw = |_| {
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        (std * radius * (std::f64::consts::TAU * uniform()).cos()) as f32
    };
    (0..count).map(draw).collect()
}

#[cfg(test)]
mod tests;
