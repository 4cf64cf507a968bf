//! The quantised parameters: what the wall lets through, and all that decides an archive's bytes.

use crate::model::Shape;
use crate::text::{Token, Vocabulary};

/// Fraction bits of a probability: they are integers that add up to 2^20.
pub const PRECISION: usize = 20;

/// Largest magnitude of a rounded activation in a product: activations are 64 ± 63.
pub(crate) const ACTIVATION_MAX: f32 = 63.0;
/// What is added to a signed activation to make it unsigned.
pub(crate) const ACTIVATION_ZERO: i32 = 64;
/// Largest unsigned activation, behind GELU.
pub(crate) const HIDDEN_MAX: f32 = 127.0;
/// Largest magnitude of a rounded weight.
pub(crate) const WEIGHT_MAX: f32 = 127.0;
/// Inputs of a product come in chains of sixteen, which a 16-bit accumulator can hold.
pub(crate) const CHAIN: usize = 16;
/// The most that the magnitudes of eight weights may add up to that share a 16-bit accumulator:
/// 258 · 127 ≤ 32,767.
pub(crate) const CHAIN_SUM_MAX: i32 = 258;
/// Outputs of a product come in tiles of four.
pub(crate) const TILE: usize = 4;
/// Largest magnitude of a rounded query or key.
pub(crate) const QUERY_MAX: f32 = 63.0;
/// What is added to a key to make it unsigned.
pub(crate) const KEY_ZERO: i32 = 64;
/// Largest magnitude of a rounded value.
pub(crate) const VALUE_MAX: f32 = 127.0;
/// Largest magnitude of a rounded activation or weight of the head, which takes 16 bits.
pub(crate) const HEAD_MAX: f32 = 1023.0;
/// The smallest magnitude that a row is scaled by, so that nothing is divided by zero.
pub(crate) const SCALE_FLOOR: f32 = 1e-20;
/// Added to the variance by LayerNorm.
pub(crate) const EPSILON: f32 = 1e-5;

impl Shape {
    /// Groups of four features that a head's queries and keys take.
    pub fn head_quads(&self) -> usize {
        self.head_dim.div_ceil(4)
    }

    /// 32-bit words of a row of cumulative probabilities: the vocabulary, rounded up to eights.
    pub fn cdf_stride(&self) -> usize {
        self.vocab.next_multiple_of(8)
    }
}

/// A product with 8-bit weights: y = ((Σ a·w − zero·Σ w) · scale) · row scale + bias.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Linear {
    /// Inputs, rounded up to whole chains.
    pub inputs: usize,
    /// Outputs that count.
    pub outputs: usize,
    /// Weights, (outputs rounded up to whole tiles, inputs); 0 where there is nothing.
    pub weights: Vec<i8>,
    /// What the activations' zero adds to every sum, (outputs).
    pub correction: Vec<i32>,
    /// Scale of each output.
    pub scale: Vec<f32>,
    /// Bias of each output.
    pub bias: Vec<f32>,
}

/// The head: a product with 16-bit weights; logits in bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    /// Inputs, rounded up to an even number.
    pub inputs: usize,
    /// Weights, (symbols rounded up to whole tiles, inputs).
    pub weights: Vec<i16>,
    /// Scale of each symbol.
    pub scale: Vec<f32>,
    /// Bias of each symbol.
    pub bias: Vec<f32>,
}

/// Queries, keys and values of one token at one position, rounded per head.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attended {
    /// (heads, head_dim), within ±63.
    pub queries: Vec<i8>,
    /// (heads, head_dim), within ±63.
    pub keys: Vec<i8>,
    /// (heads, head_dim), within ±127.
    pub values: Vec<i8>,
    /// Scale of each head's queries; the softmax's 1/√d and its change to base 2 are in it.
    pub query_scale: Vec<f32>,
    /// Scale of each head's keys.
    pub key_scale: Vec<f32>,
    /// Scale of each head's values.
    pub value_scale: Vec<f32>,
}

/// What a token at a position brings with it: its embedding, and what the first layer's attention
/// makes of it. Both are a function of the pair alone, so they are tables.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Embedded {
    /// Token and position embedding, added up: the residual stream's start, (width).
    pub stream: Vec<f32>,
    /// Queries, keys and values of the first layer.
    pub attended: Attended,
}

/// A layer behind its queries, keys and values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layer {
    /// To queries, keys and values, with the LayerNorm before it; none in the first layer.
    pub qkv: Option<Linear>,
    /// From attention back to the residual stream.
    pub projection: Linear,
    /// To the hidden layer, with the LayerNorm before it; in units of 2^−fraction_bits.
    pub expand: Linear,
    /// Fraction bits of the hidden layer.
    pub fraction_bits: u32,
    /// From the hidden layer back to the residual stream.
    pub contract: Linear,
}

/// All parameters of an exact network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameters {
    pub shape: Shape,
    pub vocabulary: Vocabulary,
    /// (block_size · vocab), position-major.
    pub embedded: Vec<Embedded>,
    pub layers: Vec<Layer>,
    pub head: Head,
}

impl Parameters {
    pub fn embedded(&self, position: usize, token: Token) -> &Embedded {
        &self.embedded[position * self.shape.vocab + token as usize]
    }

    /// blake3 of every parameter in its little-endian form: two exact models with the same identity
    /// give the same bytes. The number in front is the definition's: it rises with every change of
    /// what is computed from the same parameters.
    pub fn identity(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"surprisal exact model 3");
        let s = self.shape;
        for n in [s.layers, s.heads, s.width, s.head_dim, s.block_size, s.vocab] {
            hasher.update(&(n as u64).to_le_bytes());
        }
        hasher.update(self.vocabulary.symbols());
        hasher.update(&[self.vocabulary.start(), self.vocabulary.end()]);
        let mut hash = HashWriter(&mut hasher);
        for e in &self.embedded {
            hash.floats(&e.stream);
            let a = &e.attended;
            [&a.queries, &a.keys, &a.values].into_iter().for_each(|bytes| hash.bytes(bytes));
            [&a.query_scale, &a.key_scale, &a.value_scale].into_iter().for_each(|scales| hash.floats(scales));
        }
        for layer in &self.layers {
            let products = layer.qkv.iter().chain([&layer.projection, &layer.expand, &layer.contract]);
            products.for_each(|linear| hash.linear(linear));
            hash.0.update(&layer.fraction_bits.to_le_bytes());
        }
        for weight in &self.head.weights {
            hash.0.update(&weight.to_le_bytes());
        }
        hash.floats(&self.head.scale);
        hash.floats(&self.head.bias);
        *hasher.finalize().as_bytes()
    }
}

/// Writes parameters to a hash, little-endian.
struct HashWriter<'a>(&'a mut blake3::Hasher);

impl HashWriter<'_> {
    fn bytes(&mut self, bytes: &[i8]) {
        let bytes: Vec<u8> = bytes.iter().map(|&b| b as u8).collect();
        self.0.update(&bytes);
    }

    fn floats(&mut self, floats: &[f32]) {
        for float in floats {
            self.0.update(&float.to_le_bytes());
        }
    }

    fn linear(&mut self, linear: &Linear) {
        for n in [linear.inputs, linear.outputs] {
            self.0.update(&(n as u64).to_le_bytes());
        }
        self.bytes(&linear.weights);
        self.floats(&linear.scale);
        self.floats(&linear.bias);
    }
}
