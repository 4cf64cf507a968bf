//! What a tile of sixteen lines keeps between positions, and room to compute in.

use super::super::packed::RecordLayout;
use super::super::parameters::{Shape, TILE};
use crate::simd::{LANES, Vector};

fn zeros(n: usize) -> Vec<Vector> {
    vec![Vector::ZERO; n]
}

/// Sixteen lines.
pub(super) struct Tile {
    /// The residual stream, (width), and room up to a whole tile.
    pub stream: Vec<Vector>,
    /// What attention sees, for each layer.
    pub seen: Vec<Seen>,
    /// The number of each line's prefix, while the table has it.
    pub prefix: [usize; LANES],
}

/// The key/value cache of a layer.
pub(super) struct Seen {
    /// (heads, positions, head_quads): four bytes each.
    pub keys: Vec<Vector>,
    /// (heads, positions).
    pub key_scale: Vec<Vector>,
    /// (heads, positions / 4, head_dim): a feature at four positions each.
    pub values: Vec<Vector>,
    /// (heads, positions).
    pub value_scale: Vec<Vector>,
}

/// What one tile needs for one position only.
pub(super) struct Scratch {
    /// What the tokens bring with them, from the keys on.
    pub record: Vec<Vector>,
    /// Rounded inputs of a product, four bytes each.
    pub inputs: Vec<Vector>,
    /// Queries, keys and values, up to a whole tile; then what attention mixes.
    pub features: Vec<Vector>,
    /// Rounded queries, (heads, head_quads).
    pub queries: Vec<Vector>,
    /// (heads).
    pub query_scale: Vec<Vector>,
    /// Attention scores, then weights, (positions).
    pub weights: Vec<Vector>,
    /// Rounded weights, (positions / 4).
    pub rounded: Vec<Vector>,
    /// The hidden layer, two features each.
    pub hidden: Vec<Vector>,
    /// Logits in bits, then 2^(logit − greatest), (symbols).
    pub logits: Vec<Vector>,
    /// The left ends of the symbols' slots, (symbols, rounded up to eights).
    pub lefts: Vec<Vector>,
}

impl Tile {
    pub fn new(shape: &Shape) -> Self {
        Self {
            stream: zeros(shape.width.next_multiple_of(TILE)),
            seen: (0..shape.layers).map(|_| Seen::new(shape)).collect(),
            prefix: [0; LANES],
        }
    }
}

impl Seen {
    fn new(shape: &Shape) -> Self {
        Self {
            keys: zeros(shape.heads * shape.block_size * shape.head_quads()),
            key_scale: zeros(shape.heads * shape.block_size),
            values: zeros(shape.width * shape.block_size.div_ceil(4)),
            value_scale: zeros(shape.heads * shape.block_size),
        }
    }
}

impl Scratch {
    pub fn new(shape: &Shape) -> Self {
        let layout = RecordLayout::new(shape);
        let quads_of_positions = shape.block_size.div_ceil(4);
        Self {
            record: zeros(8 * (layout.len - layout.keys)),
            inputs: zeros(4 * shape.width + LANES),
            features: zeros((3 * shape.width).next_multiple_of(TILE)),
            queries: zeros(shape.heads * shape.head_quads()),
            query_scale: zeros(shape.heads),
            weights: zeros(4 * quads_of_positions),
            rounded: zeros(quads_of_positions),
            hidden: zeros(2 * shape.width),
            logits: zeros(shape.vocab),
            lefts: zeros(shape.cdf_stride()),
        }
    }
}
