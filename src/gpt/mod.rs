//! The GPT in candle: minGPT's network, composed of candle's operations, with autodiff.
//!
//! It is the reference that the learner's kernel is held to, and what training falls back on where
//! the kernel does not compute: with dropout, and on a GPU.
//!
//! Pre-LayerNorm, learned positions, tanh-GELU, biases everywhere but in the untied head. Shapes
//! stand at line ends: B lines, T tokens a line, C features, nh heads of hs features, V symbols.
//! Activations are (B·T, C), line after line; only attention knows where a line begins.
//!
//! LayerNorm and softmax are written out: `candle_nn::LayerNorm` and `ops::softmax_last_dim` have
//! no backward pass, and candle drops their gradients without an error.

mod dropout;

pub use dropout::Dropout;

use std::collections::BTreeMap;

use crate::model::{self, Checkpoint, GptConfig};
use crate::text::LineBatch;
use candle_core::{D, Device, Result, Tensor, Var};

/// The network with its variables.
pub struct Gpt {
    config: GptConfig,
    vars: BTreeMap<String, Var>,
    device: Device,
}

impl Gpt {
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
        Ok(Self { config: checkpoint.config().clone(), vars, device: device.clone() })
    }

    /// All variables, sorted by name.
    pub fn vars(&self) -> &BTreeMap<String, Var> {
        &self.vars
    }

    /// Logits of the symbol after each input: (B·T, V).
    ///
    /// # Errors
    /// Whatever candle reports, for instance a token out of range.
    pub fn forward(&self, batch: &LineBatch, dropout: &mut Dropout) -> Result<Tensor> {
        let inputs: Vec<u32> = batch.inputs.iter().map(|&token| token.into()).collect();
        let inputs = Tensor::new(inputs, &self.device)?; // (B·T)
        let (lines, length) = (batch.lines(), batch.block);
        let (wte, wpe) = (self.weight("transformer.wte"), self.weight("transformer.wpe"));
        let width = self.config.n_embd;
        let tokens = wte.embedding(&inputs)?.reshape((lines, length, width))?; // (B, T, C)
        let x = tokens.broadcast_add(&wpe.narrow(0, 0, length)?)?; // (B, T, C)
        let mut x = dropout.apply(x.reshape((lines * length, width))?)?; // (B·T, C)
        for layer in 0..self.config.n_layer {
            let name = |part: &str| format!("transformer.h.{layer}.{part}");
            let normed = self.layer_norm(&name("ln_1"), &x)?;
            let attended = self.attention(&name("attn"), &normed, length, dropout)?;
            x = (x + dropout.apply(attended)?)?;
            let normed = self.layer_norm(&name("ln_2"), &x)?;
            let hidden = self.linear(&name("mlp.c_fc"), &normed)?.gelu()?; // (B·T, 4C)
            let update = self.linear(&name("mlp.c_proj"), &hidden)?; // (B·T, C)
            x = (x + dropout.apply(update)?)?;
        }
        let normed = self.layer_norm("transformer.ln_f", &x)?;
        normed.matmul(&self.weight("lm_head").t()?) // (B·T, V)
    }

    /// ln p of every symbol after each input: (B·T, V).
    ///
    /// # Errors
    /// As [`Gpt::forward`].
    pub fn log_probabilities(&self, batch: &LineBatch, dropout: &mut Dropout) -> Result<Tensor> {
        candle_nn::ops::log_softmax(&self.forward(batch, dropout)?, D::Minus1)
    }

    /// Surprisal of every target in nats, (B·T); 0 where there is none.
    ///
    /// # Errors
    /// As [`Gpt::forward`].
    pub fn surprisals(&self, batch: &LineBatch, dropout: &mut Dropout) -> Result<Tensor> {
        let (targets, counts): (Vec<u32>, Vec<f32>) =
            batch.targets.iter().map(|target| target.map_or((0, 0.0), |token| (token.into(), -1.0))).unzip();
        let rows = targets.len();
        let targets = Tensor::from_vec(targets, (rows, 1), &self.device)?;
        let chosen = self.log_probabilities(batch, dropout)?.gather(&targets, 1)?; // (B·T, 1)
        chosen.squeeze(1)? * Tensor::from_vec(counts, rows, &self.device)?
    }

    /// Mean surprisal of the targets: the loss, in nats a token.
    ///
    /// # Errors
    /// As [`Gpt::forward`].
    pub fn loss(&self, batch: &LineBatch, dropout: &mut Dropout) -> Result<Tensor> {
        self.surprisals(batch, dropout)?.sum_all()? / batch.tokens() as f64
    }

    /// Causal self-attention within lines of `length` tokens: (B·T, C) → (B·T, C).
    fn attention(&self, name: &str, x: &Tensor, length: usize, dropout: &mut Dropout) -> Result<Tensor> {
        let (rows, width) = x.dims2()?;
        let (heads, dim) = (self.config.n_head, self.config.head_dim());
        let qkv = self.linear(&format!("{name}.c_attn"), x)?; // (B·T, 3C)
        let part = |i: usize| {
            let part = qkv.narrow(1, i * width, width)?.reshape((rows / length, length, heads, dim))?;
            part.transpose(1, 2)?.contiguous() // (B, nh, T, hs)
        };
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let scores = (q.matmul(&k.transpose(2, 3)?.contiguous()?)? / (dim as f64).sqrt())?; // (B, nh, T, T)
        let scores = scores.broadcast_add(&causal_mask(length, &self.device)?)?;
        let weights = dropout.apply(candle_nn::ops::softmax(&scores, D::Minus1)?)?; // (B, nh, T, T)
        let mixed = weights.matmul(&v)?.transpose(1, 2)?.contiguous()?; // (B, T, nh, hs)
        self.linear(&format!("{name}.c_proj"), &mixed.reshape((rows, width))?)
    }

    /// (x − mean)/√(variance + ε)·gain + bias of each row: (B·T, C) → (B·T, C).
    fn layer_norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?; // (B·T, 1)
        let normed = centred.broadcast_div(&(variance + 1e-5)?.sqrt()?)?;
        normed.broadcast_mul(self.weight(name))?.broadcast_add(self.bias(name))
    }

    fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight(name).t()?)?.broadcast_add(self.bias(name))
    }

    fn weight(&self, name: &str) -> &Tensor {
        self.vars[&format!("{name}.weight")].as_tensor()
    }

    fn bias(&self, name: &str) -> &Tensor {
        self.vars[&format!("{name}.bias")].as_tensor()
    }
}

/// 0 where a position sees another, −∞ where that comes later: (T, T).
fn causal_mask(length: usize, device: &Device) -> Result<Tensor> {
    let hidden = |i: usize| {
        if i % length > i / length { f32::NEG_INFINITY } else { 0.0 }
    };
    let mask: Vec<f32> = (0..length * length).map(hidden).collect();
    Tensor::from_vec(mask, (length, length), device)
}

#[cfg(test)]
mod tests;
