//! The first layer's queries, keys and values: a table of what each token brings with it.

use super::attention::add_value;
use super::state::{Scratch, Seen};
use crate::network::packed::Packed;
use crate::simd::{LANES, Lanes, Vector};
use crate::text::Token;

/// The start of a position: the residual stream, and queries, keys and values of the first layer,
/// from the records of the tokens.
#[inline(always)]
pub(super) fn embed<L: Lanes>(
    l: L,
    model: &Packed,
    tokens: &[Token],
    position: usize,
    stream: &mut [Vector],
    seen: &mut Seen,
    scratch: &mut Scratch,
) {
    let Packed { shape, layout, .. } = model;
    let records: [&[[u32; 8]]; LANES] = std::array::from_fn(|lane| model.record(position, tokens[lane]));
    let eight = |index: usize| l.gather(std::array::from_fn(|lane| &records[lane][index]));
    for (index, vectors) in stream.chunks_mut(8).enumerate() {
        store_all(l, vectors, eight(index));
    }
    for (index, vectors) in scratch.queries.chunks_mut(8).enumerate() {
        store_all(l, vectors, eight(layout.queries + index));
    }
    for (index, vectors) in scratch.record.chunks_exact_mut(8).enumerate() {
        store_all(l, vectors, eight(layout.keys + index));
    }
    let scales = &scratch.record[8 * (layout.scales - layout.keys)..];
    scratch.query_scale.copy_from_slice(&scales[..shape.heads]);
    see(l, model, position, &scratch.record, seen);
}

/// Puts a position's keys, values and their scales, from the records' part behind the queries, beside
/// those of the positions before it.
#[inline(always)]
pub(super) fn see<L: Lanes>(l: L, model: &Packed, position: usize, record: &[Vector], seen: &mut Seen) {
    let Packed { shape, layout, .. } = model;
    let quads = shape.head_quads();
    let values = &record[8 * (layout.values - layout.keys)..];
    let scales = &record[8 * (layout.scales - layout.keys)..];
    for head in 0..shape.heads {
        let at = head * shape.block_size + position;
        let of_head = head * quads..(head + 1) * quads;
        seen.keys[at * quads..][..quads].copy_from_slice(&record[of_head.clone()]);
        seen.key_scale[at] = scales[shape.heads + head];
        seen.value_scale[at] = scales[2 * shape.heads + head];
        let to = seen.values_of(shape, head, position).chunks_mut(4);
        for (to, bytes) in to.zip(&values[of_head]) {
            for (byte, to) in to.iter_mut().enumerate() {
                add_value(l, to, position, l.load_i(bytes), byte);
            }
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
