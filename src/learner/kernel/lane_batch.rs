//! The state of sixteen lines on their way through the network, and what the gradient needs of it.

use super::attention::Heads;
use crate::learner::layout::Places;
use crate::model::Shape;
use crate::simd::{LANES, Vector};
use crate::text::Token;

/// What a LayerNorm keeps of every position: x̂ and r.
pub(super) struct NormTape {
    pub normal: Vec<Vector>,
    pub r: Vec<Vector>,
}

/// What a layer keeps of every position.
pub(super) struct LayerTape {
    pub norm1: NormTape,
    /// Queries, keys, values.
    pub qkv: Vec<Vector>,
    /// Attention weights; see [`Heads::weights_at`].
    pub weights: Vec<Vector>,
    pub mixed: Vec<Vector>,
    pub norm2: NormTape,
    /// The hidden layer behind GELU, and GELU's slopes.
    pub active: Vec<Vector>,
    pub slopes: Vec<Vector>,
}

/// Sixteen lines in lockstep, and what the gradient needs of every position so far.
pub(in crate::learner) struct LaneBatch {
    /// Whether weights and activations are rounded as in the exact network.
    pub rounded: bool,
    pub shape: Shape,
    pub places: Places,
    /// The tokens that went in.
    pub tokens: Vec<[Token; LANES]>,
    pub(super) layers: Vec<LayerTape>,
    pub(super) norm: NormTape,
    /// 2^(logit − greatest) of every symbol, and 1/Σ of them.
    pub exps: Vec<Vector>,
    pub inv_sums: Vec<Vector>,
    pub(super) scratch: Scratch,
    /// The gradient, in the order of the parameters.
    pub gradient: Vec<Vector>,
}

/// What is used and forgotten at each position, or in each gradient.
pub(super) struct Scratch {
    pub stream: Vec<Vector>,
    pub normed: Vec<Vector>,
    pub update: Vec<Vector>,
    pub hidden: Vec<Vector>,
    pub by_line: Vec<Vector>,
    pub logits: Vec<Vector>,
    /// The stream's gradient at every position.
    pub dstream: Vec<Vector>,
    pub dqkv: Vec<Vector>,
    /// The gradients of vectors (biases, gains), each line's own.
    pub dvectors: Vec<Vector>,
    /// The gradient of the mixed values at every position.
    pub dmixed: Vec<Vector>,
    /// The gradients of attention's scores, as [`LayerTape::weights`].
    pub slopes: Vec<Vector>,
}

impl NormTape {
    fn new(shape: &Shape) -> Self {
        Self { normal: Vector::zeros(shape.block_size * shape.width), r: Vector::zeros(shape.block_size) }
    }
}

impl LaneBatch {
    /// For networks of this shape.
    pub fn new(shape: Shape) -> Self {
        let (block, c, inner) = (shape.block_size, shape.width, shape.inner());
        let places = shape.places();
        let layer = |_| LayerTape {
            norm1: NormTape::new(&shape),
            qkv: Vector::zeros(block * 3 * c),
            weights: Vector::zeros(Heads::of(&shape).weights_at(block)),
            mixed: Vector::zeros(block * c),
            norm2: NormTape::new(&shape),
            active: Vector::zeros(block * inner),
            slopes: Vector::zeros(block * inner),
        };
        let scratch = Scratch {
            stream: Vector::zeros(c),
            normed: Vector::zeros(c),
            update: Vector::zeros(c),
            hidden: Vector::zeros(inner),
            by_line: Vector::zeros(c),
            logits: Vector::zeros(shape.vocab.next_multiple_of(8)),
            dstream: Vector::zeros(block * c),
            dqkv: Vector::zeros(block * 3 * c),
            dvectors: Vector::zeros(places.len - places.vectors),
            dmixed: Vector::zeros(block * c),
            slopes: Vector::zeros(Heads::of(&shape).weights_at(block)),
        };
        Self {
            rounded: false,
            tokens: Vec::new(),
            layers: (0..shape.layers).map(layer).collect(),
            norm: NormTape::new(&shape),
            exps: Vector::zeros(block * shape.vocab),
            inv_sums: Vector::zeros(block),
            scratch,
            gradient: Vector::zeros(places.len / LANES),
            shape,
            places,
        }
    }

    /// About how many bytes one of these takes.
    pub fn bytes(shape: &Shape) -> usize {
        let (block, c) = (shape.block_size, shape.width);
        let weights = Heads::of(shape).weights_at(block);
        let layer = block * (14 * c + 2) + weights;
        let rest = block * (6 * c + shape.vocab + 2) + weights + 16 * c * (shape.layers + 1);
        let vectors = shape.layers * layer + rest;
        vectors * size_of::<Vector>() + shape.places().len * size_of::<f32>()
    }

    /// Begins with new lines.
    pub fn start(&mut self) {
        self.tokens.clear();
    }

    /// The probability of a token behind a position of a line, before it is rounded.
    pub fn probability(&self, position: usize, line: usize, token: Token) -> f32 {
        let exp = self.exps[position * self.shape.vocab + usize::from(token)].0[line];
        f32::from_bits(exp) * f32::from_bits(self.inv_sums[position].0[line])
    }
}
