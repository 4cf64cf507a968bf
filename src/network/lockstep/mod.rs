//! The kernel: a group of lines in lockstep, position by position, sixteen lines side by side.
//!
//! It computes what [`super::scalar`] defines, with the same operations in the same order for each
//! line. Written once over [`Lanes`]; each instruction set compiles its own copy.
//!
//! Layers are the outer loop and tiles of sixteen lines the inner one, so that a layer's weights
//! stay in the first-level cache while all tiles of the group pass. The key/value cache of a tile
//! is laid out so that attention reads it from front to back.

mod attention;
mod head;
mod kv_cache;
mod mlp;
mod prefixes;
mod rows;
mod state;

use super::packed::Packed;
use crate::model::Shape;
use crate::simd::{Isa, LANES, Lanes, compiled};
use crate::text::Token;
use attention::{attention, embed, project_qkv};
use head::probabilities;
use mlp::hidden;
pub(crate) use prefixes::Prefixes;
use prefixes::{lookup_prefix, record_len};
use rows::quantize_row;
use state::{Scratch, Tile};

/// The most records of a position.
const MOST: usize = 4096;
/// The most work that filling the table may take for a position: records times weights.
const MOST_WORK: usize = 1 << 26;
/// Lines that fill the table at a time.
const LINES: usize = 64;

/// The state of a group of lines, and room to compute in.
pub(crate) struct Lockstep {
    /// Positions taken so far; set to 0, it forgets all lines.
    pub position: usize,
    /// Whether the lines begin as those in the table of prefixes.
    has_prefix: bool,
    tiles: Vec<Tile>,
    scratch: Scratch,
}

impl Lockstep {
    /// Room for `lines` lines.
    pub fn new(shape: &Shape, lines: usize) -> Self {
        let tiles = (0..lines.div_ceil(LANES)).map(|_| Tile::new(shape)).collect();
        Self { position: 0, has_prefix: false, tiles, scratch: Scratch::new(shape) }
    }
}

/// Takes the next token of each line, whole tiles of them, and writes a row of cumulative
/// probabilities for each: the left ends of the symbols' slots, then 2^20 up to the stride.
#[inline(always)]
fn step_in<L: Lanes>(
    l: L,
    state: &mut Lockstep,
    model: &Packed,
    prefixes: &Prefixes,
    tokens: &[Token],
    rows: &mut [[u32; 8]],
) {
    let (position, scratch) = (state.position, &mut state.scratch);
    state.position += 1;
    let tokens_of_tiles = tokens.chunks_exact(LANES);
    let rows = rows.chunks_exact_mut(LANES * model.shape.cdf_stride() / 8);
    let tiles = &mut state.tiles[..tokens_of_tiles.len()];
    if position == 0 {
        state.has_prefix = prefixes.contains(tokens);
    }
    if state.has_prefix && position < prefixes.positions.len() {
        for ((tile, tokens), rows) in tiles.iter_mut().zip(tokens_of_tiles).zip(rows) {
            let records = prefixes.records(&model.shape, position, tokens, &mut tile.prefix);
            lookup_prefix(l, model, records, position, &mut tile.caches, scratch, rows);
        }
        return;
    }
    let width = model.shape.width;
    for (index, layer) in model.layers.iter().enumerate() {
        for (tile, tokens) in tiles.iter_mut().zip(tokens_of_tiles.clone()) {
            let Tile { stream, caches, .. } = tile;
            let cache = &mut caches[index];
            match &layer.qkv {
                None => embed(l, model, tokens, position, &mut stream[..width], cache, scratch),
                Some(qkv) => project_qkv(l, qkv, &model.shape, position, &stream[..width], cache, scratch),
            }
            attention(l, &model.shape, position, cache, scratch);
            let row = quantize_row(l, &scratch.features[..width], &mut scratch.inputs);
            row.update(l, &layer.projection, &scratch.inputs, stream);
            let row = hidden(l, layer, &stream[..width], scratch);
            row.update(l, &layer.contract, &scratch.inputs, stream);
        }
    }
    for (tile, rows) in tiles.iter().zip(rows) {
        probabilities(l, &model.head, &tile.stream[..width], scratch, rows);
    }
}

compiled!(
    /// [`step_in`].
    pub(crate) fn step(
        state: &mut Lockstep,
        model: &Packed,
        prefixes: &Prefixes,
        tokens: &[Token],
        rows: &mut [[u32; 8]],
    ) = step_in
);

/// The table of prefixes of a model: filled position by position, each by the kernel with what is there already. The
/// definition, which is no kernel, has an empty one.
pub(crate) fn fill_prefixes(isa: Isa, model: &Packed, start: Token) -> Prefixes {
    let mut prefixes = Prefixes { start, positions: Vec::new() };
    let mut count = 1;
    while isa != Isa::Scalar
        && prefixes.positions.len() < model.shape.block_size
        && count <= MOST
        && count * model.weights() <= MOST_WORK
    {
        let records = next_position(isa, model, &prefixes, count);
        prefixes.positions.push(records);
        count *= model.shape.vocab;
    }
    prefixes
}

/// The records of the first position that the table does not hold yet.
fn next_position(isa: Isa, model: &Packed, prefixes: &Prefixes, count: usize) -> Vec<[u32; 8]> {
    let (shape, position) = (&model.shape, prefixes.positions.len());
    let eights = shape.cdf_stride() / 8;
    let lines = count.next_multiple_of(LANES).min(LINES);
    let mut state = Lockstep::new(shape, lines);
    let mut rows = vec![[0; 8]; lines * eights];
    let mut records = Vec::with_capacity(count * record_len(shape));
    for first in (0..count).step_by(lines) {
        state.position = 0;
        let mut divisor = count;
        for at in 0..=position {
            let digit = |line: usize| ((first + line).min(count - 1) / divisor % shape.vocab) as Token;
            let token = |line: usize| {
                if at == 0 { prefixes.start } else { digit(line) }
            };
            let tokens: Vec<Token> = (0..lines).map(token).collect();
            step(isa, &mut state, model, prefixes, &tokens, &mut rows);
            divisor /= shape.vocab;
        }
        for line in 0..lines.min(count - first) {
            for cache in &state.tiles[line / LANES].caches {
                cache.record(shape, line % LANES, position, &mut records);
            }
            records.extend(&rows[line * eights..][..eights]);
        }
    }
    records
}
