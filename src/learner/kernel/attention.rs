//! Causal attention of one position over all up to it, and its gradient. Sums over features and
//! over positions go from first to last.

use std::ops::Range;

use crate::learner::math::{EXP2_MIN, LOG2_E};
use crate::model::Shape;
use crate::simd::math::{EXP2_FINE, exp2_of_lanes};
use crate::simd::{Lanes, Vector, array};

/// Positions or features whose sums go side by side.
const SIDE: usize = 4;

/// Heads and their features.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub count: usize,
    pub dim: usize,
}

/// Which of a position's three rows.
#[derive(Clone, Copy)]
enum Part {
    Query,
    Key,
    Value,
}

impl Heads {
    /// Of a network.
    #[inline(always)]
    pub fn of(shape: &Shape) -> Self {
        Self { count: shape.heads, dim: shape.head_dim }
    }

    #[inline(always)]
    fn width(self) -> usize {
        self.count * self.dim
    }

    /// 1/√dim.
    #[inline(always)]
    fn scale(self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    /// Where a head's features of a position begin among all positions' queries, keys and values.
    #[inline(always)]
    fn at(self, position: usize, part: Part, head: usize) -> usize {
        (3 * position + part as usize) * self.width() + head * self.dim
    }

    /// A head's features of a position, among all positions' queries, keys and values.
    #[inline(always)]
    fn row(self, qkv: &[Vector], position: usize, part: Part, head: usize) -> &[Vector] {
        &qkv[self.at(position, part, head)..][..self.dim]
    }

    /// Where the weights of a position begin: those of head 0 for positions 0 to itself, then
    /// those of head 1, and so on.
    #[inline(always)]
    pub fn weights_at(self, position: usize) -> usize {
        self.count * position * (position + 1) / 2
    }

    /// Where the weight of a position's `head` for an earlier position stands.
    #[inline(always)]
    fn weight_at(self, position: usize, head: usize, earlier: usize) -> usize {
        self.weights_at(position) + head * (position + 1) + earlier
    }
}

/// Attention of the last position in `qkv`: its weights, and the mix of values in `mixed`.
#[inline(always)]
pub(super) fn forward<L: Lanes>(
    l: L,
    heads: Heads,
    position: usize,
    qkv: &[Vector],
    weights: &mut [Vector],
    mixed: &mut [Vector],
) {
    let positions = position + 1;
    for head in 0..heads.count {
        let weights = &mut weights[head * positions..][..positions];
        let query = heads.row(qkv, position, Part::Query, head);
        dots(l, heads, head, Part::Key, qkv, query, weights);
        softmax(l, weights, heads.scale() * LOG2_E);
        let mixed = &mut mixed[head * heads.dim..][..heads.dim];
        mix(
            l,
            0..positions,
            #[inline(always)]
            |key| (&weights[key], heads.row(qkv, key, Part::Value, head)),
            mixed,
        );
    }
}

/// The products of `with` and each position's row.
#[inline(always)]
fn dots<L: Lanes>(
    l: L,
    heads: Heads,
    head: usize,
    part: Part,
    qkv: &[Vector],
    with: &[Vector],
    out: &mut [Vector],
) {
    for block in 0..out.len().div_ceil(SIDE) {
        let first = block * SIDE;
        let end = (first + SIDE).min(out.len());
        // The last block does its last position again where it is not full.
        let rows: [&[Vector]; SIDE] = array(
            #[inline(always)]
            |i| heads.row(qkv, (first + i).min(end - 1), part, head),
        );
        let mut sums = [l.splat(0.0); SIDE];
        for d in 0..with.len() {
            let with = l.load(&with[d]);
            for i in 0..SIDE {
                sums[i] = l.add(sums[i], l.mul(with, l.load(&rows[i][d])));
            }
        }
        for (out, sum) in out[first..end].iter_mut().zip(sums) {
            l.store(out, sum);
        }
    }
}

/// Scores times `factor` to weights that add up to 1.
#[inline(always)]
fn softmax<L: Lanes>(l: L, scores: &mut [Vector], factor: f32) {
    let mut max = l.splat(f32::MIN);
    for score in &mut *scores {
        let scaled = l.mul(l.load(score), l.splat(factor));
        max = l.max(scaled, max);
        l.store(score, scaled);
    }
    let mut sum = l.splat(0.0);
    for score in &mut *scores {
        let e = exp2_of_lanes(l, l.sub(l.load(score), max), &EXP2_FINE, EXP2_MIN);
        sum = l.add(sum, e);
        l.store(score, e);
    }
    let inv_sum = l.div(l.splat(1.0), sum);
    for e in scores {
        let weight = l.mul(l.load(e), inv_sum);
        l.store(e, weight);
    }
}

/// Σ weight·row over positions, in their order; `term` gives both of a position.
#[inline(always)]
fn mix<'a, L: Lanes>(
    l: L,
    positions: Range<usize>,
    term: impl Fn(usize) -> (&'a Vector, &'a [Vector]),
    out: &mut [Vector],
) {
    for (block, out) in out.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
        let mut sums = [l.splat(0.0); SIDE];
        for position in positions.clone() {
            let (weight, row) = term(position);
            let (weight, row) = (l.load(weight), &row[block * SIDE..][..SIDE]);
            for i in 0..SIDE {
                sums[i] = l.add(sums[i], l.mul(weight, l.load(&row[i])));
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            l.store(out, sum);
        }
    }
}

/// From the gradient `dmixed` of a position's mix: its query's gradient, and into `slopes` those of
/// its scores over √dim, which [`backward_to_keys`] goes on from.
#[inline(always)]
pub(super) fn backward<L: Lanes>(
    l: L,
    heads: Heads,
    position: usize,
    (qkv, weights): (&[Vector], &[Vector]),
    dmixed: &[Vector],
    slopes: &mut [Vector],
    dqkv: &mut [Vector],
) {
    let positions = position + 1;
    let scale = l.splat(heads.scale());
    for head in 0..heads.count {
        let weights = &weights[head * positions..][..positions];
        let slopes = &mut slopes[head * positions..][..positions];
        let dmixed = &dmixed[head * heads.dim..][..heads.dim];
        dots(l, heads, head, Part::Value, qkv, dmixed, slopes);
        softmax_backward(l, weights, slopes);
        let dquery = &mut dqkv[heads.at(position, Part::Query, head)..][..heads.dim];
        mix(
            l,
            0..positions,
            #[inline(always)]
            |key| (&slopes[key], heads.row(qkv, key, Part::Key, head)),
            dquery,
        );
        for d in dquery.iter_mut().chain(slopes) {
            let scaled = l.mul(l.load(d), scale);
            l.store(d, scaled);
        }
    }
}

/// The gradients of a position's key and value, from the `positions` from it on that have attended to
/// it: Σ slope·query and Σ weight·dmixed, queries in order. `weights`, `slopes` and `dmixed` are those
/// of all positions.
#[inline(always)]
pub(super) fn backward_to_keys<L: Lanes>(
    l: L,
    heads: Heads,
    position: usize,
    (qkv, weights): (&[Vector], &[Vector]),
    (dmixed, slopes): (&[Vector], &[Vector]),
    dqkv: &mut [Vector],
) {
    let queries = position..qkv.len() / (3 * heads.width());
    for head in 0..heads.count {
        let dkey = &mut dqkv[heads.at(position, Part::Key, head)..][..heads.dim];
        mix(
            l,
            queries.clone(),
            #[inline(always)]
            |query| {
                let row = heads.row(qkv, query, Part::Query, head);
                (&slopes[heads.weight_at(query, head, position)], row)
            },
            dkey,
        );
        let dvalue = &mut dqkv[heads.at(position, Part::Value, head)..][..heads.dim];
        mix(
            l,
            queries.clone(),
            #[inline(always)]
            |query| {
                let row = &dmixed[query * heads.width() + head * heads.dim..][..heads.dim];
                (&weights[heads.weight_at(query, head, position)], row)
            },
            dvalue,
        );
    }
}

/// From the gradients of weights to those of scores: s_j = a_j·(d_j − Σ a·d).
#[inline(always)]
fn softmax_backward<L: Lanes>(l: L, weights: &[Vector], gradients: &mut [Vector]) {
    let mut along = l.splat(0.0);
    for (a, d) in weights.iter().zip(&*gradients) {
        along = l.add(along, l.mul(l.load(a), l.load(d)));
    }
    for (a, d) in weights.iter().zip(gradients) {
        let slope = l.mul(l.load(a), l.sub(l.load(d), along));
        l.store(d, slope);
    }
}
