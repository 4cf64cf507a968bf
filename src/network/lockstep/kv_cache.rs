//! The key/value cache of a layer, of the sixteen lines of a tile.

use crate::model::Shape;
use crate::network::packed::{RecordLayout, append};
use crate::simd::{Lanes, Vector};

/// Keys and values of all positions so far.
pub(super) struct KvCache {
    /// (heads, positions, head_quads): four bytes each.
    pub keys: Vec<Vector>,
    /// (heads, positions).
    pub key_scale: Vec<Vector>,
    /// (heads, positions / 4, head_dim): a feature at four positions each.
    pub values: Vec<Vector>,
    /// (heads, positions).
    pub value_scale: Vec<Vector>,
}

impl KvCache {
    pub fn new(shape: &Shape) -> Self {
        Self {
            keys: Vector::zeros(shape.heads * shape.block_size * shape.head_quads()),
            key_scale: Vector::zeros(shape.heads * shape.block_size),
            values: Vector::zeros(shape.width * shape.block_size.div_ceil(4)),
            value_scale: Vector::zeros(shape.heads * shape.block_size),
        }
    }

    /// A head's values at this position and the three that it shares vectors with.
    #[inline(always)]
    pub fn values_of(&mut self, shape: &Shape, head: usize, position: usize) -> &mut [Vector] {
        let at = head * shape.block_size.div_ceil(4) + position / 4;
        &mut self.values[at * shape.head_dim..][..shape.head_dim]
    }

    /// Appends the keys, values and scales of a line (a lane) at a position, as a record has them.
    pub fn record(&self, shape: &Shape, lane: usize, position: usize, records: &mut Vec<[u32; 8]>) {
        let (quads, head_dim) = (shape.head_quads(), shape.head_dim);
        let at = (0..shape.heads).map(|head| head * shape.block_size + position);
        let keys = at.clone().flat_map(|at| &self.keys[at * quads..][..quads]);
        append(records, keys.map(|key| key.0[lane]));

        let byte = |head: usize, i: usize| {
            let at = head * shape.block_size.div_ceil(4) + position / 4;
            let feature = (i < head_dim).then(|| self.values[at * head_dim + i].0[lane]);
            feature.map_or(0, |word| word.to_le_bytes()[position % 4])
        };
        let word = |head, quad: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| byte(head, 4 * quad + i)));
        append(records, (0..shape.heads).flat_map(|head| (0..quads).map(move |quad| word(head, quad))));

        // The scales of the queries are not needed again.
        let key_scales = at.clone().map(|at| self.key_scale[at].0[lane]);
        let value_scales = at.map(|at| self.value_scale[at].0[lane]);
        append(records, (0..shape.heads).map(|_| 0).chain(key_scales).chain(value_scales));
    }
}

/// Puts a value at this position, byte `byte` of `bytes`, beside those at the positions before it.
#[inline(always)]
pub(super) fn append_value<L: Lanes>(l: L, to: &mut Vector, position: usize, bytes: L::I, byte: usize) {
    let moved = l.move_byte(bytes, 8 * byte as u32, 8 * (position % 4) as u32);
    let before = if position.is_multiple_of(4) { l.splat_i(0) } else { l.load_i(to) };
    l.store_i(to, l.or_i(before, moved));
}

/// Puts a position's keys, values and their scales, from the records' part behind the queries, beside
/// those of the positions before it.
#[inline(always)]
pub(super) fn append_kv<L: Lanes>(
    l: L,
    shape: &Shape,
    layout: &RecordLayout,
    position: usize,
    record: &[Vector],
    cache: &mut KvCache,
) {
    let quads = shape.head_quads();
    let values = &record[8 * (layout.values - layout.keys)..];
    let scales = &record[8 * (layout.scales - layout.keys)..];
    for head in 0..shape.heads {
        let at = head * shape.block_size + position;
        let of_head = head * quads..(head + 1) * quads;
        cache.keys[at * quads..][..quads].copy_from_slice(&record[of_head.clone()]);
        cache.key_scale[at] = scales[shape.heads + head];
        cache.value_scale[at] = scales[2 * shape.heads + head];
        let to = cache.values_of(shape, head, position).chunks_mut(4);
        for (to, bytes) in to.zip(&values[of_head]) {
            for (byte, to) in to.iter_mut().enumerate() {
                append_value(l, to, position, l.load_i(bytes), byte);
            }
        }
    }
}
