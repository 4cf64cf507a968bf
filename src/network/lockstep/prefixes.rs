//! What the network computes for the first tokens of a line is a function of few tokens: the start
//! symbol and one, two, three characters. So it is a table, filled by the kernel itself, and the
//! first steps of a group look up what they would compute.
//!
//! A record holds, for each layer, keys, values and scales as in [`RecordLayout`], and then the row
//! of cumulative probabilities.

use super::kv_cache::{KvCache, append_kv};
use super::state::{Scratch, store_all};
use crate::model::Shape;
use crate::network::packed::{Packed, RecordLayout};
use crate::simd::{LANES, Lanes, array};
use crate::text::Token;

/// The table. Lines whose first token is not the start symbol are not in it.
pub(crate) struct Prefixes {
    pub start: Token,
    /// For each position the records of all prefixes that end there, by their tokens as digits.
    pub positions: Vec<Vec<[u32; 8]>>,
}

impl Prefixes {
    /// Whether lines that begin with these tokens are in the table.
    pub fn contains(&self, first: &[Token]) -> bool {
        first.iter().all(|&token| token == self.start)
    }

    /// The records of a tile's lines after these tokens.
    #[inline(always)]
    pub fn records(
        &self,
        shape: &Shape,
        position: usize,
        tokens: &[Token],
        prefix: &mut [usize; LANES],
    ) -> [&[[u32; 8]]; LANES] {
        for (prefix, &token) in prefix.iter_mut().zip(tokens) {
            *prefix = if position == 0 { 0 } else { *prefix * shape.vocab + usize::from(token) };
        }
        let len = record_len(shape);
        array(|lane| &self.positions[position][prefix[lane] * len..][..len])
    }
}

/// Eights of words of a record.
pub(super) fn record_len(shape: &Shape) -> usize {
    let layout = RecordLayout::new(shape);
    shape.layers * (layout.len - layout.keys) + shape.cdf_stride() / 8
}

/// A step of a tile by the records of its lines' prefixes.
#[inline(always)]
pub(super) fn lookup_prefix<L: Lanes>(
    l: L,
    model: &Packed,
    records: [&[[u32; 8]]; LANES],
    position: usize,
    caches: &mut [KvCache],
    scratch: &mut Scratch,
    rows: &mut [[u32; 8]],
) {
    let mut at = 0;
    for cache in caches {
        for vectors in scratch.record.chunks_exact_mut(8) {
            let words = l.gather(array(|lane| &records[lane][at]));
            store_all(l, vectors, words);
            at += 1;
        }
        append_kv(l, &model.shape, &model.layout, position, &scratch.record, cache);
    }
    for (row, record) in rows.chunks_exact_mut(model.shape.cdf_stride() / 8).zip(records) {
        row.copy_from_slice(&record[at..]);
    }
}
