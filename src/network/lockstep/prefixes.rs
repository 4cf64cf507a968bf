//! What the network computes for the first tokens of a line is a function of few tokens: the start
//! symbol and one, two, three characters. So it is a table, filled by the kernel itself, and the
//! first steps of a group look up what they would compute.
//!
//! A record holds, for each layer, keys, values and scales as in [`RecordLayout`], and then the row
//! of cumulative probabilities.

use super::embed::{see, store_all};
use super::state::{Scratch, Seen, Tile};
use crate::network::packed::{Packed, RecordLayout, append};
use crate::network::parameters::Shape;
use crate::simd::{LANES, Lanes};
use crate::text::Token;

/// The table. Lines whose first token is not the start symbol are not in it.
pub(crate) struct Prefixes {
    start: Token,
    /// For each position the records of all prefixes that end there, by their tokens as digits.
    positions: Vec<Vec<[u32; 8]>>,
}

impl Prefixes {
    /// The table of lines that begin with this symbol, without any position.
    pub fn new(start: Token) -> Self {
        Self {
            start,
            positions: Vec::new(),
        }
    }

    /// Adds the records of the next position.
    pub fn push(&mut self, records: Vec<[u32; 8]>) {
        self.positions.push(records);
    }

    /// The symbol that all its lines begin with.
    pub fn start(&self) -> Token {
        self.start
    }

    /// Whether lines that begin with these tokens are in the table.
    pub fn cover(&self, first: &[Token]) -> bool {
        first.iter().all(|&token| token == self.start)
    }

    /// Positions that it holds.
    pub fn len(&self) -> usize {
        self.positions.len()
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
            *prefix = if position == 0 {
                0
            } else {
                *prefix * shape.vocab + usize::from(token)
            };
        }
        let len = record_len(shape);
        std::array::from_fn(|lane| &self.positions[position][prefix[lane] * len..][..len])
    }
}

/// Eights of words of a record.
pub(super) fn record_len(shape: &Shape) -> usize {
    let layout = RecordLayout::new(shape);
    shape.layers * (layout.len - layout.keys) + shape.cdf_stride() / 8
}

/// Appends what attention sees of a line (a lane of a tile) at a position.
pub(super) fn append_record(
    shape: &Shape,
    tile: &Tile,
    lane: usize,
    position: usize,
    records: &mut Vec<[u32; 8]>,
) {
    let (quads, head_dim) = (shape.head_quads(), shape.head_dim);
    for seen in &tile.seen {
        let places = (0..shape.heads).map(|head| head * shape.block_size + position);
        let keys = places.clone().flat_map(|at| &seen.keys[at * quads..][..quads]);
        append(records, keys.map(|key| key.0[lane]));

        let byte = |head: usize, i: usize| {
            let at = head * shape.block_size.div_ceil(4) + position / 4;
            let feature = (i < head_dim).then(|| seen.values[at * head_dim + i].0[lane]);
            feature.map_or(0, |word| word.to_le_bytes()[position % 4])
        };
        let word = |head, quad: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| byte(head, 4 * quad + i)));
        append(
            records,
            (0..shape.heads).flat_map(|head| (0..quads).map(move |quad| word(head, quad))),
        );

        // The scales of the queries are not needed again.
        let key_scales = places.clone().map(|at| seen.key_scale[at].0[lane]);
        let value_scales = places.map(|at| seen.value_scale[at].0[lane]);
        append(
            records,
            (0..shape.heads).map(|_| 0).chain(key_scales).chain(value_scales),
        );
    }
}

/// A step of a tile by the records of its lines' prefixes.
#[inline(always)]
pub(super) fn recall<L: Lanes>(
    l: L,
    model: &Packed,
    records: [&[[u32; 8]]; LANES],
    position: usize,
    seen: &mut [Seen],
    scratch: &mut Scratch,
    rows: &mut [[u32; 8]],
) {
    let mut at = 0;
    for seen in seen {
        for vectors in scratch.record.chunks_exact_mut(8) {
            let words = l.gather(std::array::from_fn(|lane| &records[lane][at]));
            store_all(l, vectors, words);
            at += 1;
        }
        see(l, model, position, &scratch.record, seen);
    }
    for (row, record) in rows.chunks_exact_mut(model.shape.cdf_stride() / 8).zip(records) {
        row.copy_from_slice(&record[at..]);
    }
}
