//! The kernel: a group of lines in lockstep, position by position, sixteen lines side by side.
//!
//! It computes what [`super::scalar`] defines, with the same operations in the same order for each
//! line. Written once over [`Lanes`]; each instruction set compiles its own copy.
//!
//! Layers are the outer loop and tiles of sixteen lines the inner one, so that a layer's weights
//! stay in the first-level cache while all tiles of the group pass. The key/value cache of a tile
//! is laid out so that attention reads it from front to back.

use super::lanes::{HalfVector, LANES, Lanes, Vector};
use super::math::{EXP2_COARSE, EXP2_FINE, EXP2_MIN, ROUND, gelu};
use super::packed::{Packed, PackedHead, PackedLayer, PackedLinear};
use super::parameters::{
    ACTIVATION_MAX, ACTIVATION_ZERO, EPSILON, HEAD_MAX, HIDDEN_MAX, KEY_ZERO, PRECISION, QUERY_MAX,
    SCALE_FLOOR, Shape, TILE, VALUE_MAX,
};
use super::quantize::softmax_factor;
use super::scalar::weight_range;
use crate::model::Token;

/// The state of a group of lines, and room to compute in.
pub(crate) struct Lockstep {
    /// Positions taken so far.
    position: usize,
    tiles: Vec<Tile>,
    scratch: Scratch,
}

/// Sixteen lines.
struct Tile {
    /// The residual stream, (width).
    stream: Vec<Vector>,
    /// What attention sees, for each layer.
    seen: Vec<Seen>,
}

/// The key/value cache of a layer.
struct Seen {
    /// (heads, positions, head_quads): four bytes each.
    keys: Vec<Vector>,
    /// (heads, positions).
    key_scale: Vec<Vector>,
    /// (width, positions / 4): a feature at four positions each.
    values: Vec<Vector>,
    /// (heads, positions).
    value_scale: Vec<Vector>,
}

/// What one tile needs for one position only.
struct Scratch {
    /// Rounded inputs of a product, four bytes each.
    inputs: Vec<Vector>,
    /// Queries, keys and values; then what attention mixes.
    features: Vec<Vector>,
    /// Rounded queries, (heads, head_quads).
    queries: Vec<Vector>,
    /// (heads).
    query_scale: Vec<Vector>,
    /// Attention scores, then weights, (positions).
    weights: Vec<Vector>,
    /// Rounded weights, (positions / 4).
    rounded: Vec<Vector>,
    /// The hidden layer.
    hidden: Vec<HalfVector>,
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
        let tile = || Tile { stream: zeros(shape.width), seen: (0..shape.layers).map(|_| seen()).collect() };
        let scratch = Scratch {
            inputs: zeros(4 * shape.width + LANES),
            features: zeros(3 * shape.width),
            queries: zeros(shape.heads * shape.head_quads()),
            query_scale: zeros(shape.heads),
            weights: zeros(4 * quads_of_positions),
            rounded: zeros(quads_of_positions),
            hidden: vec![HalfVector::ZERO; 4 * shape.width],
            logits: zeros(shape.cdf_stride()),
        };
        Self { position: 0, tiles: (0..lines.div_ceil(LANES)).map(|_| tile()).collect(), scratch }
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
        let tokens = tokens.chunks_exact(LANES);
        let tiles = &mut self.tiles[..tokens.len()];
        for (index, layer) in model.layers.iter().enumerate() {
            for (tile, tokens) in tiles.iter_mut().zip(tokens.clone()) {
                let Tile { stream, seen } = tile;
                let seen = &mut seen[index];
                // SAFETY: the processor has the instruction set, as promised by the caller.
                unsafe {
                    match &layer.qkv {
                        None => embed::<L>(model, tokens, position, stream, seen, scratch),
                        Some(qkv) => attend::<L>(qkv, &model.shape, position, stream, seen, scratch),
                    }
                    attention::<L>(&model.shape, position, seen, scratch);
                    symmetric::<L>(&scratch.features[..stream.len()], &mut scratch.inputs)
                        .update(&layer.projection, &scratch.inputs, stream);
                    hidden::<L>(layer, stream, scratch).update(&layer.contract, &scratch.inputs, stream);
                }
            }
        }
        let rows = rows.chunks_exact_mut(LANES * model.shape.cdf_stride() / 8);
        for (tile, rows) in tiles.iter().zip(rows) {
            // SAFETY: as above.
            unsafe {
                logits::<L>(&model.head, &tile.stream, scratch);
                cumulative::<L>(model.shape.vocab, &mut scratch.logits, rows);
            }
        }
        self.position += 1;
    }
}

/// The scale of a row of rounded inputs, for each line.
struct RowScale<L: Lanes>(L::F);

impl<L: Lanes> RowScale<L> {
    /// Calls `each` with every output of a product and its index.
    ///
    /// # Safety
    /// The processor has the instruction set `L`.
    #[inline(always)]
    unsafe fn product(&self, linear: &PackedLinear, inputs: &[Vector], mut each: impl FnMut(usize, L::F)) {
        let inputs = &inputs[..linear.quads];
        let outputs = linear.scale.iter().zip(&linear.bias).zip(&linear.correction);
        let mut outputs = outputs.enumerate();
        for tile in linear.tiles.chunks_exact(linear.quads) {
            // SAFETY: as promised by the caller; the quantiser made the weights.
            let sums = unsafe { L::products(inputs, tile) };
            for (sum, (index, ((&scale, &bias), &correction))) in sums.into_iter().zip(outputs.by_ref().take(TILE)) {
                // SAFETY: as above.
                unsafe {
                    let sum = L::float(L::sub_i(sum, L::splat_i(correction)));
                    let scaled = L::mul(L::mul(sum, L::splat(scale)), self.0);
                    each(index, L::add(scaled, L::splat(bias)));
                }
            }
        }
    }

    /// Adds a product to the residual stream.
    ///
    /// # Safety
    /// The processor has the instruction set `L`.
    #[inline(always)]
    unsafe fn update(&self, linear: &PackedLinear, inputs: &[Vector], stream: &mut [Vector]) {
        // SAFETY: as promised by the caller.
        unsafe {
            self.product(linear, inputs, |index, y| {
                let x = &mut stream[index];
                L::store(x, L::add(L::load(x), y));
            });
        }
    }
}

/// Position 0 of a line's way: the residual stream, and queries, keys and values of the first layer,
/// from the records of the tokens.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn embed<L: Lanes>(
    model: &Packed,
    tokens: &[Token],
    position: usize,
    stream: &mut [Vector],
    seen: &mut Seen,
    scratch: &mut Scratch,
) {
    let Packed { shape, layout, .. } = model;
    let records: [&[[u32; 8]]; LANES] = std::array::from_fn(|lane| model.record(position, tokens[lane]));
    // SAFETY: as promised by the caller, for all calls.
    unsafe {
        let eight = |index: usize| L::gather(records.map(|record| &record[index]));
        for (index, vectors) in stream.chunks_mut(8).enumerate() {
            store_all::<L>(vectors, eight(index));
        }
        for (index, vectors) in scratch.queries.chunks_mut(8).enumerate() {
            store_all::<L>(vectors, eight(layout.queries + index));
        }
        let quads = shape.head_quads();
        for index in 0..layout.values - layout.keys {
            for (word, key) in (8 * index..shape.heads * quads).zip(eight(layout.keys + index)) {
                let (head, quad) = (word / quads, word % quads);
                L::store_i(&mut seen.keys[(head * shape.block_size + position) * quads + quad], key);
            }
        }
        for index in 0..layout.scales - layout.values {
            for (word, bytes) in (8 * index..shape.width.div_ceil(4)).zip(eight(layout.values + index)) {
                for byte in 0..(shape.width - 4 * word).min(4) {
                    seen.add_value::<L>(shape, position, 4 * word + byte, bytes, byte);
                }
            }
        }
        for index in 0..layout.len - layout.scales {
            for (word, scale) in (8 * index..3 * shape.heads).zip(eight(layout.scales + index)) {
                let head = word % shape.heads;
                let to = match word / shape.heads {
                    0 => &mut scratch.query_scale[head],
                    1 => &mut seen.key_scale[head * shape.block_size + position],
                    _ => &mut seen.value_scale[head * shape.block_size + position],
                };
                L::store_i(to, scale);
            }
        }
    }
}

/// Stores as many of eight vectors as there is room for.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn store_all<L: Lanes>(to: &mut [Vector], words: [L::I; 8]) {
    for (to, words) in to.iter_mut().zip(words) {
        // SAFETY: as promised by the caller.
        unsafe { L::store_i(to, words) };
    }
}

impl Seen {
    /// Puts a feature of this position's values, byte `byte` of `bytes`, beside those of the
    /// positions before it.
    ///
    /// # Safety
    /// The processor has the instruction set `L`.
    #[inline(always)]
    unsafe fn add_value<L: Lanes>(&mut self, shape: &Shape, position: usize, feature: usize, bytes: L::I, byte: usize) {
        let to = &mut self.values[feature * shape.block_size.div_ceil(4) + position / 4];
        // SAFETY: as promised by the caller.
        unsafe {
            let moved = L::move_byte(bytes, 8 * byte as u32, 8 * (position % 4) as u32);
            let before = if position % 4 == 0 { L::splat_i(0) } else { L::load_i(to) };
            L::store_i(to, L::or_i(before, moved));
        }
    }
}

/// Queries, keys and values of a layer behind the first.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn attend<L: Lanes>(
    qkv: &PackedLinear,
    shape: &Shape,
    position: usize,
    stream: &[Vector],
    seen: &mut Seen,
    scratch: &mut Scratch,
) {
    let (quads, head_dim) = (shape.head_quads(), shape.head_dim);
    // SAFETY: as promised by the caller, for all calls.
    unsafe {
        let row = normed::<L>(stream, &mut scratch.features, &mut scratch.inputs);
        let features = &mut scratch.features;
        row.product(qkv, &scratch.inputs, |index, y| L::store(&mut features[index], y));
        let (queries, rest) = features.split_at(shape.width);
        let (keys, values) = rest.split_at(shape.width);
        let factor = L::splat(softmax_factor(head_dim));
        for head in 0..shape.heads {
            let at = head * shape.block_size + position;
            let of_head = |features| slice(features, head * head_dim, head_dim);

            let (scale, round) = scaled::<L>(of_head(queries), QUERY_MAX);
            L::store(&mut scratch.query_scale[head], L::mul(scale, factor));
            let to = &mut scratch.queries[head * quads..][..quads];
            quads_of::<L>(of_head(queries), round, 0, to);

            let (scale, round) = scaled::<L>(of_head(keys), QUERY_MAX);
            L::store(&mut seen.key_scale[at], scale);
            quads_of::<L>(of_head(keys), round, KEY_ZERO, &mut seen.keys[at * quads..][..quads]);

            let (scale, round) = scaled::<L>(of_head(values), VALUE_MAX);
            L::store(&mut seen.value_scale[at], scale);
            for (i, value) in of_head(values).iter().enumerate() {
                let rounded = L::round(L::mul(L::load(value), round));
                seen.add_value::<L>(shape, position, head * head_dim + i, rounded, 0);
            }
        }
    }
}

#[inline(always)]
fn slice(features: &[Vector], from: usize, len: usize) -> &[Vector] {
    &features[from..from + len]
}

/// The scale of a row whose largest magnitude becomes `max`, and the factor that makes it so.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn scaled<L: Lanes>(features: &[Vector], max: f32) -> (L::F, L::F) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut largest = L::splat(SCALE_FLOOR);
        for feature in features {
            largest = L::max(L::abs(L::load(feature)), largest);
        }
        (L::div(largest, L::splat(max)), L::div(L::splat(max), largest))
    }
}

/// Rounds features times `factor`, plus `zero`, to bytes, four to a word; behind the last feature
/// stand bytes of 0.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn quads_of<L: Lanes>(features: &[Vector], factor: L::F, zero: i32, to: &mut [Vector]) {
    // SAFETY: as promised by the caller.
    unsafe {
        let zero = L::splat_h(zero as i16);
        let rounded = |feature: &Vector| L::add_h(L::pack(L::round(L::mul(L::load(feature), factor))), zero);
        let (whole, rest) = features.split_at(features.len() / 4 * 4);
        for (to, four) in to.iter_mut().zip(whole.chunks_exact(4)) {
            L::store_i(to, L::quads([rounded(&four[0]), rounded(&four[1]), rounded(&four[2]), rounded(&four[3])]));
        }
        if !rest.is_empty() {
            let mut four = [L::splat_h(0); 4];
            for (to, feature) in four.iter_mut().zip(rest) {
                *to = rounded(feature);
            }
            L::store_i(&mut to[whole.len() / 4], L::quads(four));
        }
    }
}

/// Rounding of a row to 64 ± 63 into `inputs`.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn symmetric<L: Lanes>(features: &[Vector], inputs: &mut [Vector]) -> RowScale<L> {
    // SAFETY: as promised by the caller.
    unsafe {
        let (scale, factor) = scaled::<L>(features, ACTIVATION_MAX);
        quads_of::<L>(features, factor, ACTIVATION_ZERO, inputs);
        RowScale(scale)
    }
}

/// Sum of f(value) in four striped parts.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn striped_sum<L: Lanes>(values: &[Vector], f: impl Fn(L::F) -> L::F) -> L::F {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut parts = [L::splat(0.0); 4];
        let fours = values.chunks_exact(4);
        let rest = fours.remainder();
        for four in fours {
            for (part, value) in parts.iter_mut().zip(four) {
                *part = L::add(*part, f(L::load(value)));
            }
        }
        for (part, value) in parts.iter_mut().zip(rest) {
            *part = L::add(*part, f(L::load(value)));
        }
        L::add(L::add(parts[0], parts[1]), L::add(parts[2], parts[3]))
    }
}

/// Takes the mean off a row, into `centred`; gives 1/√(variance + ε).
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn centre<L: Lanes>(stream: &[Vector], centred: &mut [Vector]) -> L::F {
    // SAFETY: as promised by the caller.
    unsafe {
        let width = L::splat(stream.len() as f32);
        let mean = L::div(striped_sum::<L>(stream, |v| v), width);
        for (to, value) in centred.iter_mut().zip(stream) {
            L::store(to, L::sub(L::load(value), mean));
        }
        let variance = L::div(striped_sum::<L>(&centred[..stream.len()], |v| L::mul(v, v)), width);
        L::div(L::splat(1.0), L::sqrt(L::add(variance, L::splat(EPSILON))))
    }
}

/// LayerNorm and rounding of a row into `inputs`. `centred` is room for the row without its mean.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn normed<L: Lanes>(stream: &[Vector], centred: &mut [Vector], inputs: &mut [Vector]) -> RowScale<L> {
    // SAFETY: as promised by the caller.
    unsafe {
        let rstd = centre::<L>(stream, centred);
        let row = symmetric::<L>(&centred[..stream.len()], inputs);
        RowScale(L::mul(row.0, rstd))
    }
}

/// The hidden layer behind its GELU, rounded into the scratch's inputs.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn hidden<L: Lanes>(layer: &PackedLayer, stream: &[Vector], scratch: &mut Scratch) -> RowScale<L> {
    let Scratch { hidden, inputs, features, .. } = scratch;
    let places = layer.places;
    // SAFETY: as promised by the caller.
    unsafe {
        let row = normed::<L>(stream, features, inputs);
        let clamp = L::splat_h(gelu::clamp(places) as i16);
        let coefficients = gelu::COEFFICIENTS.map(|c| L::splat_h(c));
        let (offset, zero) = (L::splat_h(gelu::OFFSET_Q11), L::splat_h(0));
        let mut largest = zero;
        row.product(&layer.expand, inputs, |index, y| {
            let x = L::pack(L::round(y));
            let v = L::shift_left_h(L::abs_min_h(x, clamp), 13 - places);
            let mut h = coefficients[0];
            for &c in &coefficients[1..] {
                h = L::add_h(L::mul_q15(h, v), c);
            }
            let h = L::shift_right_h(L::add_h(L::mul_q15(h, v), offset), 11 - places);
            let g = L::add_saturating_h(L::max_h(x, zero), h);
            largest = L::max_h(g, largest);
            L::store_h(&mut hidden[index], g);
        });
        let factor = L::div(L::splat(HIDDEN_MAX * 32768.0), L::float(L::widen(largest)));
        let factor = L::pack(L::truncate(factor));
        for (to, four) in inputs.iter_mut().zip(hidden.chunks_exact(4)) {
            let rounded = |i: usize| L::mul_q15(L::load_h(&four[i]), factor);
            L::store_i(to, L::quads([rounded(0), rounded(1), rounded(2), rounded(3)]));
        }
        let unit = L::splat(32768.0 / (1u32 << places) as f32);
        RowScale(L::div(unit, L::float(L::widen(factor))))
    }
}

/// Attention of this position over all that were seen, into the scratch's features.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn attention<L: Lanes>(shape: &Shape, position: usize, seen: &Seen, scratch: &mut Scratch) {
    let (positions, quads) = (position + 1, shape.head_quads());
    let Scratch { features, queries, query_scale, weights, rounded, .. } = scratch;
    let range = weight_range(positions);
    for head in 0..shape.heads {
        let at = head * shape.block_size;
        let queries = &queries[head * quads..][..quads];
        let keys = &seen.keys[at * quads..][..positions * quads];
        let key_scale = &seen.key_scale[at..][..positions];
        let value_scale = &seen.value_scale[at..][..positions];
        // SAFETY: as promised by the caller.
        unsafe {
            // Keys are stored with 64 added: the start of each sum takes that off again.
            let mut start = L::splat_i(0);
            for query in queries {
                start = L::dot(start, L::splat_i(0x4040_4040), L::load_i(query));
            }
            let start = L::sub_i(L::splat_i(0), start);
            let mut max = L::splat(f32::MIN);
            for ((key, scale), to) in keys.chunks_exact(quads).zip(key_scale).zip(&mut *weights) {
                let score = L::mul(L::float(score::<L>(start, queries, key)), L::load(scale));
                max = L::max(score, max);
                L::store(to, score);
            }

            let query_scale = L::load(&query_scale[head]);
            let (mut total, mut scaled_total) = (L::splat(0.0), L::splat(0.0));
            for (weight, value_scale) in weights.iter_mut().zip(value_scale) {
                let exponent = L::mul(L::sub(L::load(weight), max), query_scale);
                let unscaled = exp2::<L, 4>(exponent, &EXP2_COARSE);
                let scaled = L::mul(unscaled, L::load(value_scale));
                total = L::add(total, unscaled);
                scaled_total = L::add(scaled_total, scaled);
                L::store(weight, scaled);
            }
            let fours = positions.div_ceil(4);
            weights[positions..4 * fours].fill(Vector::ZERO);
            let factor = L::div(L::splat(range), scaled_total);
            quads_of::<L>(&weights[..4 * fours], factor, 0, rounded);

            let unit = L::div(scaled_total, L::mul(L::splat(range), total));
            let stride = shape.block_size.div_ceil(4);
            let first = head * shape.head_dim;
            let values = seen.values[first * stride..].chunks_exact(stride);
            for (values, to) in values.zip(&mut features[first..first + shape.head_dim]) {
                let mut sum = L::mix_zero();
                for (weights, values) in rounded[..fours].iter().zip(values) {
                    sum = L::mix(sum, L::load_i(weights), values);
                }
                L::store(to, L::mul(L::float(L::mixed(sum)), unit));
            }
        }
    }
}

/// start + Σ key · query.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn score<L: Lanes>(start: L::I, queries: &[Vector], keys: &[Vector]) -> L::I {
    let mut sum = start;
    let (two_queries, two_keys) = (queries.chunks_exact(2), keys.chunks_exact(2));
    let (query, key) = (two_queries.remainder(), two_keys.remainder());
    // SAFETY: as promised by the caller; keys are at most 127, queries at most 63.
    unsafe {
        for (queries, keys) in two_queries.zip(two_keys) {
            let keys = [L::load_i(&keys[0]), L::load_i(&keys[1])];
            let queries = [L::load_i(&queries[0]), L::load_i(&queries[1])];
            sum = L::dot_two(sum, keys, queries);
        }
        for (query, key) in query.iter().zip(key) {
            sum = L::dot(sum, L::load_i(key), L::load_i(query));
        }
    }
    sum
}

/// [`super::math::exp2`].
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn exp2<L: Lanes, const N: usize>(x: L::F, coefficients: &[f32; N]) -> L::F {
    // SAFETY: as promised by the caller.
    unsafe {
        let round = L::splat(ROUND);
        let x = L::max(x, L::splat(EXP2_MIN));
        let shifted = L::add(x, round);
        let f = L::sub(x, L::sub(shifted, round));
        let mut p = L::splat(coefficients[N - 1]);
        for &c in coefficients[..N - 1].iter().rev() {
            p = L::add(L::mul(p, f), L::splat(c));
        }
        L::scale_by_power(p, shifted)
    }
}

/// Logits in bits, into the scratch.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn logits<L: Lanes>(head: &PackedHead, stream: &[Vector], scratch: &mut Scratch) {
    let Scratch { inputs, features, logits, .. } = scratch;
    // SAFETY: as promised by the caller.
    unsafe {
        let rstd = centre::<L>(stream, features);
        let centred = &features[..stream.len()];
        let (scale, factor) = scaled::<L>(centred, HEAD_MAX);
        let scale = L::mul(scale, rstd);
        let rounded = |feature: &Vector| L::pack(L::round(L::mul(L::load(feature), factor)));
        for (to, pair) in inputs.iter_mut().zip(centred.chunks(2)) {
            let second = pair.get(1).map_or(L::splat_h(0), |feature| rounded(feature));
            L::store_i(to, L::pairs(rounded(&pair[0]), second));
        }
        let inputs = &inputs[..head.per_symbol];
        let symbols = head.pairs.chunks_exact(head.per_symbol).zip(&head.scale).zip(&head.bias);
        for (((weights, &symbol_scale), &bias), to) in symbols.zip(logits) {
            let mut sum = L::splat_i(0);
            for (input, &weight) in inputs.iter().zip(weights) {
                sum = L::dot_pairs(sum, L::load_i(input), L::splat_i(weight));
            }
            let scaled = L::mul(L::mul(L::float(sum), L::splat(symbol_scale)), scale);
            L::store(to, L::add(scaled, L::splat(bias)));
        }
    }
}

/// From logits to rows of cumulative probabilities.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn cumulative<L: Lanes>(vocab: usize, logits: &mut [Vector], rows: &mut [[u32; 8]]) {
    // SAFETY: as promised by the caller.
    unsafe {
        let (symbols, padding) = logits.split_at_mut(vocab);
        let mut max = L::splat(f32::MIN);
        for logit in &*symbols {
            max = L::max(L::load(logit), max);
        }
        let mut total = L::splat(0.0);
        for logit in &mut *symbols {
            let weight = exp2::<L, 6>(L::sub(L::load(logit), max), &EXP2_FINE);
            L::store(logit, total);
            total = L::add(total, weight);
        }
        let factor = L::div(L::splat(((1 << PRECISION) - vocab) as f32), total);
        for (symbol, left) in symbols.iter_mut().enumerate() {
            let slots = L::truncate(L::mul(L::load(left), factor));
            L::store_i(left, L::add_i(slots, L::splat_i(symbol as i32)));
        }
        padding.fill(Vector([1 << PRECISION; LANES]));
        let eights = logits.len() / 8;
        for (index, words) in logits.chunks_exact(8).enumerate() {
            let words: [L::I; 8] = std::array::from_fn(|i| L::load_i(&words[i]));
            let mut rows = rows.chunks_exact_mut(eights).map(|row| &mut row[index]);
            L::scatter(words, std::array::from_fn(|_| rows.next().expect("a row for each lane")));
        }
    }
}
