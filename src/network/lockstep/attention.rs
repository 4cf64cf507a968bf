//! Attention: queries, keys and values, and what a position mixes of all positions so far.

use super::kv_cache::{KvCache, append_kv, append_value};
use super::rows::{normalise, quantize, quantize_unsigned, scale_of_row};
use super::state::{Scratch, store_all};
use crate::model::Shape;
use crate::network::math::EXP2_MIN;
use crate::network::packed::{Packed, PackedLinear};
use crate::network::parameters::{KEY_ZERO, QUERY_MAX, TILE, VALUE_MAX};
use crate::network::quantize::softmax_factor;
use crate::network::scalar::weight_range;
use crate::simd::math::{EXP2_COARSE, exp2_of_lanes};
use crate::simd::{LANES, Lanes, Vector, array};
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
    cache: &mut KvCache,
    scratch: &mut Scratch,
) {
    let Packed { shape, layout, .. } = model;
    let records: [&[[u32; 8]]; LANES] = array(|lane| model.record(position, tokens[lane]));
    let words = |index: usize| l.gather(array(|lane| &records[lane][index]));
    for (index, vectors) in stream.chunks_mut(8).enumerate() {
        store_all(l, vectors, words(index));
    }
    for (index, vectors) in scratch.queries.chunks_mut(8).enumerate() {
        store_all(l, vectors, words(layout.queries + index));
    }
    for (index, vectors) in scratch.record.chunks_exact_mut(8).enumerate() {
        store_all(l, vectors, words(layout.keys + index));
    }
    let scales = &scratch.record[8 * (layout.scales - layout.keys)..];
    scratch.query_scale.copy_from_slice(&scales[..shape.heads]);
    append_kv(l, shape, layout, position, &scratch.record, cache);
}

/// Queries, keys and values of a layer behind the first.
#[inline(always)]
pub(super) fn project_qkv<L: Lanes>(
    l: L,
    qkv: &PackedLinear,
    shape: &Shape,
    position: usize,
    stream: &[Vector],
    cache: &mut KvCache,
    scratch: &mut Scratch,
) {
    let (quads, head_dim) = (shape.head_quads(), shape.head_dim);
    let row = normalise(l, stream, &mut scratch.features, &mut scratch.inputs);
    let features = &mut scratch.features;
    for (tile, to) in qkv.tiles().zip(features.as_chunks_mut::<TILE>().0) {
        for (to, y) in to.iter_mut().zip(row.product(l, &tile, &scratch.inputs)) {
            l.store(to, y);
        }
    }
    let (queries, rest) = features.split_at(shape.width);
    let (keys, values) = rest.split_at(shape.width);
    let factor = l.splat(softmax_factor(head_dim));
    for head in 0..shape.heads {
        let at = head * shape.block_size + position;
        let of_head = |features| slice(features, head * head_dim, head_dim);

        let (scale, round) = scale_of_row(l, of_head(queries), QUERY_MAX);
        l.store(&mut scratch.query_scale[head], l.mul(scale, factor));
        let to = &mut scratch.queries[head * quads..][..quads];
        quantize(l, of_head(queries), round, 0, to);

        let (scale, round) = scale_of_row(l, of_head(keys), QUERY_MAX);
        l.store(&mut cache.key_scale[at], scale);
        quantize(l, of_head(keys), round, KEY_ZERO as u8, &mut cache.keys[at * quads..][..quads]);

        let (scale, round) = scale_of_row(l, of_head(values), VALUE_MAX);
        l.store(&mut cache.value_scale[at], scale);
        for (to, value) in cache.values_of(shape, head, position).iter_mut().zip(of_head(values)) {
            append_value(l, to, position, l.round(l.mul(l.load(value), round)), 0);
        }
    }
}

#[inline(always)]
fn slice(features: &[Vector], from: usize, len: usize) -> &[Vector] {
    &features[from..from + len]
}

/// Attention of this position over all positions so far, into the scratch's features.
#[inline(always)]
pub(super) fn attention<L: Lanes>(
    l: L,
    shape: &Shape,
    position: usize,
    cache: &KvCache,
    scratch: &mut Scratch,
) {
    let (positions, quads) = (position + 1, shape.head_quads());
    let Scratch { features, queries, query_scale, weights, rounded, .. } = scratch;
    let range = weight_range(positions);
    for head in 0..shape.heads {
        let at = head * shape.block_size;
        let queries = &queries[head * quads..][..quads];
        let keys = &cache.keys[at * quads..][..positions * quads];
        let key_scale = &cache.key_scale[at..][..positions];
        let value_scale = &cache.value_scale[at..][..positions];
        let fours = positions.div_ceil(4);
        let values = &cache.values[head * shape.head_dim * shape.block_size.div_ceil(4)..];
        // The usual sizes have loops of their own, without loops inside.
        let max = match quads {
            1 => scores::<L, 1>(l, queries, keys, key_scale, weights),
            2 => scores::<L, 2>(l, queries, keys, key_scale, weights),
            4 => scores::<L, 4>(l, queries, keys, key_scale, weights),
            _ => scores_of_any_size(l, queries, keys, key_scale, weights),
        };
        let query_scale = l.load(&query_scale[head]);
        let (mut total, mut scaled_total) = (l.splat(0.0), l.splat(0.0));
        for (weight, value_scale) in weights.iter_mut().zip(value_scale) {
            let exponent = l.mul(l.sub(l.load(weight), max), query_scale);
            let unscaled = exp2_of_lanes(l, exponent, &EXP2_COARSE, EXP2_MIN);
            let scaled = l.mul(unscaled, l.load(value_scale));
            total = l.add(total, unscaled);
            scaled_total = l.add(scaled_total, scaled);
            l.store(weight, scaled);
        }
        weights[positions..4 * fours].fill(Vector::ZERO);
        let factor = l.div(l.splat(range), scaled_total);
        let unit = l.div(scaled_total, l.mul(l.splat(range), total));
        quantize_unsigned(l, &weights[..4 * fours], factor, rounded);
        let to = &mut features[head * shape.head_dim..][..shape.head_dim];
        mix(l, &rounded[..fours], &values[..fours * shape.head_dim], unit, to);
    }
}

/// Scores of all keys, each of `N` quads, before the query's scale; gives the largest.
#[inline(always)]
fn scores<L: Lanes, const N: usize>(
    l: L,
    queries: &[Vector],
    keys: &[Vector],
    key_scale: &[Vector],
    to: &mut [Vector],
) -> L::F {
    let mut query = [l.splat_i(0); N];
    for (query, from) in query.iter_mut().zip(queries) {
        *query = l.load_i(from);
    }
    let start = key_zero_correction(l, queries);
    let mut max = l.splat(f32::MIN);
    for ((key, scale), to) in keys.as_chunks::<N>().0.iter().zip(key_scale).zip(to) {
        let mut sum = start;
        for (key, query) in key.chunks_exact(2).zip(query.chunks_exact(2)) {
            let key = [l.load_i(&key[0]), l.load_i(&key[1])];
            sum = l.dot_two(sum, key, [query[0], query[1]]);
        }
        if N % 2 == 1 {
            sum = l.dot(sum, l.load_i(&key[N - 1]), query[N - 1]);
        }
        let score = l.mul(l.float(sum), l.load(scale));
        max = l.max(score, max);
        l.store(to, score);
    }
    max
}

/// As [`scores`] for keys of any number of quads.
#[inline(always)]
fn scores_of_any_size<L: Lanes>(
    l: L,
    queries: &[Vector],
    keys: &[Vector],
    key_scale: &[Vector],
    to: &mut [Vector],
) -> L::F {
    let start = key_zero_correction(l, queries);
    let mut max = l.splat(f32::MIN);
    for ((key, scale), to) in keys.chunks_exact(queries.len()).zip(key_scale).zip(to) {
        let mut sum = start;
        for (key, query) in key.iter().zip(queries) {
            sum = l.dot(sum, l.load_i(key), l.load_i(query));
        }
        let score = l.mul(l.float(sum), l.load(scale));
        max = l.max(score, max);
        l.store(to, score);
    }
    max
}

/// Where the sums of a score start: keys are stored with 64 added, and this takes that off.
#[inline(always)]
fn key_zero_correction<L: Lanes>(l: L, queries: &[Vector]) -> L::I {
    const { assert!(KEY_ZERO == 0x40) };
    let mut sum = l.splat_i(0);
    for query in queries {
        sum = l.dot(sum, l.splat_i(0x4040_4040), l.load_i(query));
    }
    l.sub_i(l.splat_i(0), sum)
}

/// Σ weight · value for each feature of a head, times `unit`.
#[inline(always)]
fn mix<L: Lanes>(l: L, weights: &[Vector], values: &[Vector], unit: L::F, to: &mut [Vector]) {
    let head_dim = to.len();
    let (fours, rest) = to.as_chunks_mut::<4>();
    let first_of_rest = 4 * fours.len();
    for (index, to) in fours.iter_mut().enumerate() {
        for (to, sum) in to.iter_mut().zip(l.mix_four(weights, values, head_dim, 4 * index)) {
            l.store(to, l.mul(l.float(sum), unit));
        }
    }
    for (index, to) in rest.iter_mut().enumerate() {
        let mut sum = l.mix_zero();
        for (weight, values) in weights.iter().zip(values.chunks_exact(head_dim)) {
            sum = l.mix(sum, l.load_i(weight), &values[first_of_rest + index]);
        }
        l.store(to, l.mul(l.float(l.mixed(sum)), unit));
    }
}
