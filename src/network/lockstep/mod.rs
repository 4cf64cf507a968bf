//! The kernel: a group of lines in lockstep, position by position, sixteen lines side by side.
//!
//! It computes what [`super::scalar`] defines, with the same operations in the same order for each
//! line. Written once over [`Lanes`]; each instruction set compiles its own copy.
//!
//! Layers are the outer loop and tiles of sixteen lines the inner one, so that a layer's weights
//! stay in the first-level cache while all tiles of the group pass. The key/value cache of a tile
//! is laid out so that attention reads it from front to back.

mod attention;
mod embed;
mod head;
mod prefixes;
mod rows;

use super::math::gelu;
use super::packed::{Packed, PackedLayer, PackedLinear, PackedTile, RecordLayout};
use super::parameters::{HIDDEN_MAX, Shape, TILE};
use crate::simd::lanes::{LANES, Lanes, PairVector, Vector};
use crate::text::Token;
use attention::{attend, attention};
use embed::embed;
use head::{cumulative, logits};
pub(crate) use prefixes::Prefixes;
use prefixes::recall;
use rows::{normed, symmetric};

/// The state of a group of lines, and room to compute in.
pub(crate) struct Lockstep {
    /// Positions taken so far.
    position: usize,
    /// Whether the lines are in the table of prefixes.
    known: bool,
    tiles: Vec<Tile>,
    scratch: Scratch,
}

/// Sixteen lines.
struct Tile {
    /// The residual stream, (width), and room up to a whole tile.
    stream: Vec<Vector>,
    /// What attention sees, for each layer.
    seen: Vec<Seen>,
    /// The number of each line's prefix, while the table has it.
    prefix: [usize; LANES],
}

/// The key/value cache of a layer.
struct Seen {
    /// (heads, positions, head_quads): four bytes each.
    keys: Vec<Vector>,
    /// (heads, positions).
    key_scale: Vec<Vector>,
    /// (heads, positions / 4, head_dim): a feature at four positions each.
    values: Vec<Vector>,
    /// (heads, positions).
    value_scale: Vec<Vector>,
}

/// What one tile needs for one position only.
struct Scratch {
    /// What the tokens bring with them, from the keys on.
    record: Vec<Vector>,
    /// Rounded inputs of a product, four bytes each.
    inputs: Vec<Vector>,
    /// Queries, keys and values, up to a whole tile; then what attention mixes.
    features: Vec<Vector>,
    /// Rounded queries, (heads, head_quads).
    queries: Vec<Vector>,
    /// (heads).
    query_scale: Vec<Vector>,
    /// Attention scores, then weights, (positions).
    weights: Vec<Vector>,
    /// Rounded weights, (positions / 4).
    rounded: Vec<Vector>,
    /// The hidden layer, two features each.
    hidden: Vec<PairVector>,
    /// Logits, then cumulative probabilities, (symbols, rounded up to eights).
    logits: Vec<Vector>,
}

impl Lockstep {
    /// Room for `lines` lines.
    pub fn new(shape: &Shape, lines: usize) -> Self {
        let zeros = |n: usize| vec![Vector::ZERO; n];
        let quads_of_positions = shape.block_size.div_ceil(4);
        let seen = || Seen {
            keys: zeros(shape.heads * shape.block_size * shape.head_quads()),
            key_scale: zeros(shape.heads * shape.block_size),
            values: zeros(shape.width * quads_of_positions),
            value_scale: zeros(shape.heads * shape.block_size),
        };
        let tile = || Tile {
            stream: zeros(shape.width.next_multiple_of(TILE)),
            seen: (0..shape.layers).map(|_| seen()).collect(),
            prefix: [0; LANES],
        };
        let layout = RecordLayout::new(shape);
        let scratch = Scratch {
            record: zeros(8 * (layout.len - layout.keys)),
            inputs: zeros(4 * shape.width + LANES),
            features: zeros((3 * shape.width).next_multiple_of(TILE)),
            queries: zeros(shape.heads * shape.head_quads()),
            query_scale: zeros(shape.heads),
            weights: zeros(4 * quads_of_positions),
            rounded: zeros(quads_of_positions),
            hidden: vec![PairVector::ZERO; 2 * shape.width],
            logits: zeros(shape.cdf_stride()),
        };
        let tiles = (0..lines.div_ceil(LANES)).map(|_| tile()).collect();
        Self {
            position: 0,
            known: false,
            tiles,
            scratch,
        }
    }

    /// Forgets all lines: the next step is position 0.
    pub fn restart(&mut self) {
        self.position = 0;
    }

    /// Positions taken so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Takes the next token of each line, whole tiles of them, and writes a row of cumulative
    /// probabilities for each: the left ends of the symbols' slots, then 2^20 up to the stride.
    ///
    /// # Safety
    /// The processor has the instruction set `L`.
    #[inline(always)]
    pub unsafe fn step<L: Lanes>(&mut self, model: &Packed, tokens: &[Token], rows: &mut [[u32; 8]]) {
        let (position, scratch) = (self.position, &mut self.scratch);
        self.position += 1;
        let tokens_of_tiles = tokens.chunks_exact(LANES);
        let rows = rows.chunks_exact_mut(LANES * model.shape.cdf_stride() / 8);
        let tiles = &mut self.tiles[..tokens_of_tiles.len()];
        if position == 0 {
            self.known = model.prefixes.cover(tokens);
        }
        if self.known && position < model.prefixes.len() {
            for ((tile, tokens), rows) in tiles.iter_mut().zip(tokens_of_tiles).zip(rows) {
                // SAFETY: the processor has the instruction set, as promised by the caller.
                unsafe { recall::<L>(model, tokens, position, tile, scratch, rows) };
            }
            return;
        }
        for (index, layer) in model.layers.iter().enumerate() {
            for (tile, tokens) in tiles.iter_mut().zip(tokens_of_tiles.clone()) {
                let Tile { stream, seen, .. } = tile;
                let seen = &mut seen[index];
                let width = model.shape.width;
                // SAFETY: the processor has the instruction set, as promised by the caller.
                unsafe {
                    match &layer.qkv {
                        None => embed::<L>(model, tokens, position, &mut stream[..width], seen, scratch),
                        Some(qkv) => {
                            attend::<L>(qkv, &model.shape, position, &stream[..width], seen, scratch)
                        }
                    }
                    attention::<L>(&model.shape, position, seen, scratch);
                    symmetric::<L>(&scratch.features[..width], &mut scratch.inputs).update(
                        &layer.projection,
                        &scratch.inputs,
                        stream,
                    );
                    hidden::<L>(layer, &stream[..width], scratch).update(
                        &layer.contract,
                        &scratch.inputs,
                        stream,
                    );
                }
            }
        }
        for (tile, rows) in tiles.iter().zip(rows) {
            // SAFETY: as above.
            unsafe {
                logits::<L>(&model.head, &tile.stream[..model.shape.width], scratch);
                cumulative::<L>(model.shape.vocab, &mut scratch.logits, rows);
            }
        }
    }
}

/// The scale of a row of rounded inputs, for each line.
struct RowScale<L: Lanes>(L::F);

impl<L: Lanes> RowScale<L> {
    /// A tile of a product's outputs.
    ///
    /// # Safety
    /// The processor has the instruction set `L`.
    #[inline(always)]
    unsafe fn product(&self, tile: &PackedTile<'_>, inputs: &[Vector]) -> [L::F; TILE] {
        let mut y = [self.0; TILE];
        // SAFETY: as promised by the caller; the quantiser made the weights.
        unsafe {
            let sums = L::products(&tile.outputs.start, &inputs[..tile.weights.len()], tile.weights);
            for (i, y) in y.iter_mut().enumerate() {
                let scaled = L::mul(L::mul(L::float(sums[i]), L::splat(tile.outputs.scale[i])), self.0);
                *y = L::add(scaled, L::splat(tile.outputs.bias[i]));
            }
        }
        y
    }

    /// Adds a product to the residual stream, which has room for whole tiles.
    ///
    /// # Safety
    /// The processor has the instruction set `L`.
    #[inline(always)]
    unsafe fn update(&self, linear: &PackedLinear, inputs: &[Vector], stream: &mut [Vector]) {
        for (tile, stream) in linear.tiles().zip(stream.as_chunks_mut::<TILE>().0) {
            // SAFETY: as promised by the caller.
            unsafe {
                for (x, y) in stream.iter_mut().zip(self.product(&tile, inputs)) {
                    L::store(x, L::add(L::load(x), y));
                }
            }
        }
    }
}

/// The hidden layer behind its GELU, rounded into the scratch's inputs.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn hidden<L: Lanes>(layer: &PackedLayer, stream: &[Vector], scratch: &mut Scratch) -> RowScale<L> {
    let Scratch {
        hidden,
        inputs,
        features,
        ..
    } = scratch;
    let places = layer.places;
    // SAFETY: as promised by the caller.
    unsafe {
        let row = normed::<L>(stream, features, inputs);
        let clamp = L::splat_h(gelu::clamp(places) as i16);
        let zero = L::splat_h(0);
        let mut coefficients = [zero; 5];
        for (to, c) in coefficients.iter_mut().zip(gelu::coefficients(places)) {
            *to = L::splat_h(c);
        }
        let mut largest = zero;
        for (tile, to) in layer.expand.tiles().zip(hidden.as_chunks_mut::<{ TILE / 2 }>().0) {
            let y = row.product(&tile, inputs);
            // Step by step for all outputs at once, so that none waits for the one before it.
            let (mut x, mut v) = ([zero; TILE / 2], [zero; TILE / 2]);
            for i in 0..TILE / 2 {
                x[i] = L::pack(L::round(y[2 * i]), L::round(y[2 * i + 1]));
                v[i] = L::shift_left_h(L::abs_min_h(x[i], clamp), 13 - places);
            }
            let mut h = [coefficients[0]; TILE / 2];
            for &c in &coefficients[1..] {
                for (h, &v) in h.iter_mut().zip(&v) {
                    *h = L::add_h(L::mul_q15(*h, v), c);
                }
            }
            for i in 0..TILE / 2 {
                let g = L::add_saturating_h(L::max_h(x[i], zero), h[i]);
                largest = L::max_h(g, largest);
                L::store_h(&mut to[i], g);
            }
        }
        let [a, b] = L::widen(largest);
        let largest = L::max(L::float(a), L::float(b));
        let factor = L::truncate(L::div(L::splat(HIDDEN_MAX * 32768.0), largest));
        let factor = L::pack(factor, factor);
        let quads = layer.expand.outputs.div_ceil(4);
        for (to, four) in inputs.iter_mut().zip(hidden.chunks_exact(2)).take(quads) {
            let rounded = |i: usize| L::mul_q15(L::load_h(&four[i]), factor);
            L::store_i(to, L::quads(rounded(0), rounded(1)));
        }
        let unit = L::splat(32768.0 / (1u32 << places) as f32);
        RowScale(L::div(unit, L::float(L::widen(factor)[0])))
    }
}
