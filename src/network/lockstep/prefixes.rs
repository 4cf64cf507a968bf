//! What the network computes for the first tokens of a line is a function of few tokens: the start
//! symbol and one, two, three characters. So it is a table, filled by the kernel itself, and the
//! first steps of a group look up what they would compute.
//!
//! A record holds, for each layer, keys, values and scales as in [`RecordLayout`], and then the row
//! of cumulative probabilities.

use super::embed::{see, store_all};
use super::{Lockstep, Scratch, Tile};
use crate::network::isa::{self, Isa};
use crate::network::packed::{Packed, RecordLayout, append};
use crate::network::parameters::Shape;
use crate::simd::lanes::{LANES, Lanes};
use crate::text::Token;

/// The most records of a position.
const MOST: usize = 4096;
/// The most work that filling the table may take for a position: records times weights.
const MOST_WORK: usize = 1 << 26;
/// Lines that fill the table at a time.
const LINES: usize = 64;

/// The table. Lines whose first token is not the start symbol are not in it.
#[derive(Default)]
pub(crate) struct Prefixes {
    start: Token,
    /// For each position the records of all prefixes that end there, by their tokens as digits.
    positions: Vec<Vec<[u32; 8]>>,
}

impl Prefixes {
    /// Fills a model's table.
    pub fn fill(isa: Isa, model: &mut Packed, start: Token) {
        model.prefixes = Self {
            start,
            positions: Vec::new(),
        };
        let mut count = 1;
        while model.prefixes.positions.len() < model.shape.block_size
            && count <= MOST
            && count * model.weights() <= MOST_WORK
        {
            let records = next_position(isa, model, count);
            model.prefixes.positions.push(records);
            count *= model.shape.vocab;
        }
    }

    /// Whether lines that begin with these tokens are in the table.
    pub fn cover(&self, first: &[Token]) -> bool {
        first.iter().all(|&token| token == self.start)
    }

    /// Positions that it holds.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    fn record(&self, shape: &Shape, position: usize, prefix: usize) -> &[[u32; 8]] {
        let len = record_len(shape);
        &self.positions[position][prefix * len..][..len]
    }
}

/// Eights of words of a record.
fn record_len(shape: &Shape) -> usize {
    let layout = RecordLayout::new(shape);
    shape.layers * (layout.len - layout.keys) + shape.cdf_stride() / 8
}

/// The records of the first position that the table does not hold yet.
fn next_position(isa: Isa, model: &Packed, count: usize) -> Vec<[u32; 8]> {
    let (shape, position) = (&model.shape, model.prefixes.len());
    let eights = shape.cdf_stride() / 8;
    let lines = count.next_multiple_of(LANES).min(LINES);
    let mut state = Lockstep::new(shape, lines);
    let mut rows = vec![[0; 8]; lines * eights];
    let mut records = Vec::with_capacity(count * record_len(shape));
    for first in (0..count).step_by(lines) {
        state.restart();
        let mut divisor = count;
        for at in 0..=position {
            let digit = |line: usize| ((first + line).min(count - 1) / divisor % shape.vocab) as Token;
            let token = |line: usize| {
                if at == 0 {
                    model.prefixes.start
                } else {
                    digit(line)
                }
            };
            let tokens: Vec<Token> = (0..lines).map(token).collect();
            isa::step(isa, &mut state, model, &tokens, &mut rows);
            divisor /= shape.vocab;
        }
        for line in 0..lines.min(count - first) {
            state.append_record(shape, position, line, &mut records);
            records.extend(&rows[line * eights..][..eights]);
        }
    }
    records
}

impl Lockstep {
    /// Appends what attention sees of a line at a position.
    fn append_record(&self, shape: &Shape, position: usize, line: usize, records: &mut Vec<[u32; 8]>) {
        let (quads, head_dim) = (shape.head_quads(), shape.head_dim);
        let (tile, lane) = (&self.tiles[line / LANES], line % LANES);
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
}

/// A step of a tile by the table.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn recall<L: Lanes>(
    model: &Packed,
    tokens: &[Token],
    position: usize,
    tile: &mut Tile,
    scratch: &mut Scratch,
    rows: &mut [[u32; 8]],
) {
    let shape = &model.shape;
    for (prefix, &token) in tile.prefix.iter_mut().zip(tokens) {
        *prefix = if position == 0 {
            0
        } else {
            *prefix * shape.vocab + usize::from(token)
        };
    }
    let records: [&[[u32; 8]]; LANES] =
        std::array::from_fn(|lane| model.prefixes.record(shape, position, tile.prefix[lane]));
    let mut at = 0;
    for seen in &mut tile.seen {
        // SAFETY: as promised by the caller.
        unsafe {
            for vectors in scratch.record.chunks_exact_mut(8) {
                store_all::<L>(vectors, L::gather(std::array::from_fn(|lane| &records[lane][at])));
                at += 1;
            }
            see::<L>(model, position, &scratch.record, seen);
        }
    }
    for (row, record) in rows.chunks_exact_mut(shape.cdf_stride() / 8).zip(records) {
        row.copy_from_slice(&record[at..]);
    }
}
