//! Attention: queries, keys and values, and what a position mixes of all that were seen.

use super::rows::{exp2, normed, quads_of, scaled, unsigned_quads_of};
use super::state::{Scratch, Seen};
use crate::network::math::EXP2_COARSE;
use crate::network::packed::PackedLinear;
use crate::network::parameters::{KEY_ZERO, QUERY_MAX, Shape, TILE, VALUE_MAX};
use crate::network::quantize::softmax_factor;
use crate::network::scalar::weight_range;
use crate::simd::{Lanes, Vector};

impl Seen {
    /// A head's values at this position and the three that it shares vectors with.
    #[inline(always)]
    pub(super) fn values_of(&mut self, shape: &Shape, head: usize, position: usize) -> &mut [Vector] {
        let at = head * shape.block_size.div_ceil(4) + position / 4;
        &mut self.values[at * shape.head_dim..][..shape.head_dim]
    }
}

/// Puts a value at this position, byte `byte` of `bytes`, beside those at the positions before it.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn add_value<L: Lanes>(to: &mut Vector, position: usize, bytes: L::I, byte: usize) {
    // SAFETY: as promised by the caller.
    unsafe {
        let moved = L::move_byte(bytes, 8 * byte as u32, 8 * (position % 4) as u32);
        let before = if position.is_multiple_of(4) {
            L::splat_i(0)
        } else {
            L::load_i(to)
        };
        L::store_i(to, L::or_i(before, moved));
    }
}

/// Queries, keys and values of a layer behind the first.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn attend<L: Lanes>(
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
        for (tile, to) in qkv.tiles().zip(features.as_chunks_mut::<TILE>().0) {
            for (to, y) in to.iter_mut().zip(row.product(&tile, &scratch.inputs)) {
                L::store(to, y);
            }
        }
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
            quads_of::<L>(
                of_head(keys),
                round,
                KEY_ZERO as u8,
                &mut seen.keys[at * quads..][..quads],
            );

            let (scale, round) = scaled::<L>(of_head(values), VALUE_MAX);
            L::store(&mut seen.value_scale[at], scale);
            for (to, value) in seen
                .values_of(shape, head, position)
                .iter_mut()
                .zip(of_head(values))
            {
                add_value::<L>(to, position, L::round(L::mul(L::load(value), round)), 0);
            }
        }
    }
}

#[inline(always)]
fn slice(features: &[Vector], from: usize, len: usize) -> &[Vector] {
    &features[from..from + len]
}

/// Attention of this position over all that were seen, into the scratch's features.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn attention<L: Lanes>(shape: &Shape, position: usize, seen: &Seen, scratch: &mut Scratch) {
    let (positions, quads) = (position + 1, shape.head_quads());
    let Scratch {
        features,
        queries,
        query_scale,
        weights,
        rounded,
        ..
    } = scratch;
    let range = weight_range(positions);
    for head in 0..shape.heads {
        let at = head * shape.block_size;
        let queries = &queries[head * quads..][..quads];
        let keys = &seen.keys[at * quads..][..positions * quads];
        let key_scale = &seen.key_scale[at..][..positions];
        let value_scale = &seen.value_scale[at..][..positions];
        let fours = positions.div_ceil(4);
        let values = &seen.values[head * shape.head_dim * shape.block_size.div_ceil(4)..];
        // SAFETY: as promised by the caller.
        unsafe {
            // The usual sizes have loops of their own, without loops inside.
            let max = match quads {
                1 => scores::<L, 1>(queries, keys, key_scale, weights),
                2 => scores::<L, 2>(queries, keys, key_scale, weights),
                4 => scores::<L, 4>(queries, keys, key_scale, weights),
                _ => scores_of_any_size::<L>(queries, keys, key_scale, weights),
            };
            let query_scale = L::load(&query_scale[head]);
            let (mut total, mut scaled_total) = (L::splat(0.0), L::splat(0.0));
            for (weight, value_scale) in weights.iter_mut().zip(value_scale) {
                let exponent = L::mul(L::sub(L::load(weight), max), query_scale);
                let unscaled = exp2::<L, 3>(exponent, &EXP2_COARSE);
                let scaled = L::mul(unscaled, L::load(value_scale));
                total = L::add(total, unscaled);
                scaled_total = L::add(scaled_total, scaled);
                L::store(weight, scaled);
            }
            weights[positions..4 * fours].fill(Vector::ZERO);
            let factor = L::div(L::splat(range), scaled_total);
            let unit = L::div(scaled_total, L::mul(L::splat(range), total));
            unsigned_quads_of::<L>(&weights[..4 * fours], factor, rounded);
            let to = &mut features[head * shape.head_dim..][..shape.head_dim];
            mix::<L>(&rounded[..fours], &values[..fours * shape.head_dim], unit, to);
        }
    }
}

/// Scores of all keys, each of `N` quads, before the query's scale; gives the largest.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn scores<L: Lanes, const N: usize>(
    queries: &[Vector],
    keys: &[Vector],
    key_scale: &[Vector],
    to: &mut [Vector],
) -> L::F {
    // SAFETY: as promised by the caller; keys are at most 127, queries at most 63.
    unsafe {
        let mut query = [L::splat_i(0); N];
        for (query, from) in query.iter_mut().zip(queries) {
            *query = L::load_i(from);
        }
        let start = start_of::<L>(queries);
        let mut max = L::splat(f32::MIN);
        for ((key, scale), to) in keys.as_chunks::<N>().0.iter().zip(key_scale).zip(to) {
            let mut sum = start;
            for (key, query) in key.chunks_exact(2).zip(query.chunks_exact(2)) {
                let key = [L::load_i(&key[0]), L::load_i(&key[1])];
                sum = L::dot_two(sum, key, [query[0], query[1]]);
            }
            if N % 2 == 1 {
                sum = L::dot(sum, L::load_i(&key[N - 1]), query[N - 1]);
            }
            let score = L::mul(L::float(sum), L::load(scale));
            max = L::max(score, max);
            L::store(to, score);
        }
        max
    }
}

/// As [`scores`] for keys of any number of quads.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn scores_of_any_size<L: Lanes>(
    queries: &[Vector],
    keys: &[Vector],
    key_scale: &[Vector],
    to: &mut [Vector],
) -> L::F {
    // SAFETY: as promised by the caller; keys are at most 127, queries at most 63.
    unsafe {
        let start = start_of::<L>(queries);
        let mut max = L::splat(f32::MIN);
        for ((key, scale), to) in keys.chunks_exact(queries.len()).zip(key_scale).zip(to) {
            let mut sum = start;
            for (key, query) in key.iter().zip(queries) {
                sum = L::dot(sum, L::load_i(key), L::load_i(query));
            }
            let score = L::mul(L::float(sum), L::load(scale));
            max = L::max(score, max);
            L::store(to, score);
        }
        max
    }
}

/// Where the sums of a score start: keys are stored with 64 added, and this takes that off.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn start_of<L: Lanes>(queries: &[Vector]) -> L::I {
    const { assert!(KEY_ZERO == 0x40) };
    // SAFETY: as promised by the caller.
    unsafe {
        let mut sum = L::splat_i(0);
        for query in queries {
            sum = L::dot(sum, L::splat_i(0x4040_4040), L::load_i(query));
        }
        L::sub_i(L::splat_i(0), sum)
    }
}

/// Σ weight · value for each feature of a head, times `unit`.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn mix<L: Lanes>(weights: &[Vector], values: &[Vector], unit: L::F, to: &mut [Vector]) {
    let head_dim = to.len();
    let (fours, rest) = to.as_chunks_mut::<4>();
    let first_of_rest = 4 * fours.len();
    // SAFETY: as promised by the caller; the weights add up to at most 255.
    unsafe {
        // Four features at a time: each weight is loaded once for all of them.
        for (index, to) in fours.iter_mut().enumerate() {
            let mut sums = [L::mix_zero(); 4];
            for (weight, values) in weights.iter().zip(values.chunks_exact(head_dim)) {
                let weight = L::load_i(weight);
                for (sum, value) in sums.iter_mut().zip(&values[4 * index..4 * index + 4]) {
                    *sum = L::mix(*sum, weight, value);
                }
            }
            for (to, sum) in to.iter_mut().zip(sums) {
                L::store(to, L::mul(L::float(L::mixed(sum)), unit));
            }
        }
        for (index, to) in rest.iter_mut().enumerate() {
            let mut sum = L::mix_zero();
            for (weight, values) in weights.iter().zip(values.chunks_exact(head_dim)) {
                sum = L::mix(sum, L::load_i(weight), &values[first_of_rest + index]);
            }
            L::store(to, L::mul(L::float(L::mixed(sum)), unit));
        }
    }
}
