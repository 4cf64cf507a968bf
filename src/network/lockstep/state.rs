//! What a tile of sixteen lines keeps between positions, and room to compute in.

use super::kv_cache::KvCache;
use crate::model::Shape;
use crate::network::packed::RecordLayout;
use crate::network::parameters::TILE;
use crate::simd::{LANES, Lanes, Vector};

pub(super) struct Tile {
    /// The residual stream, (width), and room up to a whole tile.
    pub stream: Vec<Vector>,
    /// For each layer.
    pub caches: Vec<KvCache>,
    /// The number of each line's prefix, while the table has it.
    pub prefix: [usize; LANES],
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
            stream: Vector::zeros(shape.width.next_multiple_of(TILE)),
            caches: (0..shape.layers).map(|_| KvCache::new(shape)).collect(),
            prefix: [0; LANES],
        }
    }
}

impl Scratch {
    pub fn new(shape: &Shape) -> Self {
        let layout = RecordLayout::new(shape);
        let quads_of_positions = shape.block_size.div_ceil(4);
        Self {
            record: Vector::zeros(8 * (layout.len - layout.keys)),
            inputs: Vector::zeros(4 * shape.width + LANES),
            features: Vector::zeros((3 * shape.width).next_multiple_of(TILE)),
            queries: Vector::zeros(shape.heads * shape.head_quads()),
            query_scale: Vector::zeros(shape.heads),
            weights: Vector::zeros(4 * quads_of_positions),
            rounded: Vector::zeros(quads_of_positions),
            hidden: Vector::zeros(2 * shape.width),
            logits: Vector::zeros(shape.vocab),
            lefts: Vector::zeros(shape.cdf_stride()),
        }
    }
}

/// Stores as many of eight vectors as there is room for.
#[inline(always)]
pub(super) fn store_all<L: Lanes>(l: L, to: &mut [Vector], words: [L::I; 8]) {
    for (to, words) in to.iter_mut().zip(words) {
        l.store_i(to, words);
    }
}
