//! Sixteen lines through the network and back, whatever the instruction set.
//!
//! A lane is a line, as in the coder's kernel: lines never touch until their gradients are added
//! up. [`Sixteen`] takes a position at a time ([`Sixteen::forward`]), which is how a decoder has to
//! go, and keeps what the gradient needs, so that learning costs no second way forward.

mod attention;
mod backward;
mod dispatch;
mod forward;
mod math;
mod norm;
mod orthogonal;
mod product;

pub(super) use dispatch::{Targets, backward, forward, orthogonalise};
pub(super) use orthogonal::Room as OrthogonalRoom;

use super::shape::{Places, Shape};
use crate::simd::{LANES, Vector};
use crate::text::Token;
use attention::Heads;

/// What a LayerNorm keeps of every position: x̂ and r.
struct NormTape {
    normal: Vec<Vector>,
    r: Vec<Vector>,
}

/// What a layer keeps of every position.
struct LayerTape {
    norm1: NormTape,
    /// Queries, keys, values.
    qkv: Vec<Vector>,
    /// Attention weights; see [`Heads::weights_at`].
    weights: Vec<Vector>,
    mixed: Vec<Vector>,
    norm2: NormTape,
    /// The hidden layer behind GELU, and GELU's slopes.
    active: Vec<Vector>,
    slopes: Vec<Vector>,
}

/// Sixteen lines in lockstep, and what the gradient needs of every position so far.
pub(super) struct Sixteen {
    /// Whether weights and activations are rounded as in the exact network.
    pub rounded: bool,
    shape: Shape,
    places: Places,
    /// The tokens that went in.
    tokens: Vec<[Token; LANES]>,
    layers: Vec<LayerTape>,
    norm: NormTape,
    /// 2^(logit − greatest) of every symbol, and 1/Σ of them.
    powers: Vec<Vector>,
    shares: Vec<Vector>,
    room: Room,
    /// The gradient, in the order of the parameters.
    gradient: Vec<Vector>,
}

/// Room for what nobody needs afterwards.
struct Room {
    stream: Vec<Vector>,
    normed: Vec<Vector>,
    update: Vec<Vector>,
    hidden: Vec<Vector>,
    by_line: Vec<Vector>,
    logits: Vec<Vector>,
    /// The stream's gradient at every position.
    dstream: Vec<Vector>,
    dqkv: Vec<Vector>,
    /// The gradients of vectors (biases, gains), each line's own.
    dvectors: Vec<Vector>,
    /// The gradient of the mixed values at every position.
    dmixed: Vec<Vector>,
    /// The gradients of attention's scores, as [`LayerTape::weights`].
    slopes: Vec<Vector>,
}

fn room(len: usize) -> Vec<Vector> {
    vec![Vector::ZERO; len]
}

impl NormTape {
    fn new(shape: &Shape) -> Self {
        Self {
            normal: room(shape.block * shape.width),
            r: room(shape.block),
        }
    }
}

impl Sixteen {
    /// Room for sixteen lines.
    pub fn new(shape: Shape) -> Self {
        let (block, c, inner) = (shape.block, shape.width, shape.inner());
        let places = shape.places();
        let layer = |_| LayerTape {
            norm1: NormTape::new(&shape),
            qkv: room(block * 3 * c),
            weights: room(heads(&shape).weights_at(block)),
            mixed: room(block * c),
            norm2: NormTape::new(&shape),
            active: room(block * inner),
            slopes: room(block * inner),
        };
        let room = Room {
            stream: room(c),
            normed: room(c),
            update: room(c),
            hidden: room(inner),
            by_line: room(c),
            logits: room(shape.vocab.next_multiple_of(8)),
            dstream: room(block * c),
            dqkv: room(block * 3 * c),
            dvectors: room(places.len - places.vectors),
            dmixed: room(block * c),
            slopes: room(heads(&shape).weights_at(block)),
        };
        Self {
            rounded: false,
            tokens: Vec::new(),
            layers: (0..shape.layers).map(layer).collect(),
            norm: NormTape::new(&shape),
            powers: self::room(block * shape.vocab),
            shares: self::room(block),
            room,
            gradient: self::room(places.len / LANES),
            shape,
            places,
        }
    }

    /// About how many bytes one of these takes.
    pub fn bytes(shape: &Shape) -> usize {
        let (block, c) = (shape.block, shape.width);
        let weights = heads(shape).weights_at(block);
        let layer = block * (14 * c + 2) + weights;
        let rest = block * (6 * c + shape.vocab + 2) + weights + 16 * c * (shape.layers + 1);
        let vectors = shape.layers * layer + rest;
        vectors * size_of::<Vector>() + shape.places().len * size_of::<f32>()
    }

    /// Begins with new lines.
    pub fn start(&mut self) {
        self.tokens.clear();
    }

    /// The gradient that [`backward`] made.
    pub fn gradient(&mut self) -> &mut [Vector] {
        &mut self.gradient
    }
}

fn heads(shape: &Shape) -> Heads {
    Heads {
        count: shape.heads,
        dim: shape.head_dim(),
    }
}

impl Sixteen {
    /// The probability of a token behind a position of a line, before it is rounded.
    pub fn probability(&self, position: usize, line: usize, token: Token) -> f32 {
        let power = self.powers[position * self.shape.vocab + usize::from(token)].0[line];
        f32::from_bits(power) * f32::from_bits(self.shares[position].0[line])
    }
}
