//! Causal attention of one position over all up to it, and its gradient. Sums over features and
//! over positions go from first to last.

use crate::learner::math::{EXP2_MIN, LOG2_E};
use crate::model::Shape;
use crate::simd::math::{EXP2_FINE, exp2_of_lanes};
use crate::simd::{Lanes, Vector};

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
    pub fn of(shape: &Shape) -> Self {
        Self { count: shape.heads, dim: shape.head_dim }
    }

    fn width(self) -> usize {
        self.count * self.dim
    }

    /// 1/√dim.
    fn scale(self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }

    /// Where a head's features of a position begin among all positions' queries, keys and values.
    fn at(self, position: usize, part: Part, head: usize) -> usize {
        (3 * position + part as usize) * self.width() + head * self.dim
    }

    /// A head's features of each position, among all positions' queries, keys and values.
    fn rows(self, qkv: &[Vector], part: Part, head: usize) -> impl Iterator<Item = &[Vector]> + Clone {
        qkv[self.at(0, part, head)..].chunks(3 * self.width())
    }

    /// Where the weights of a position begin: those of head 0 for positions 0 to itself, then
    /// those of head 1, and so on.
    pub fn weights_at(self, position: usize) -> usize {
        self.count * position * (position + 1) / 2
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
    let seen = position + 1;
    for head in 0..heads.count {
        let weights = &mut weights[head * seen..][..seen];
        let query = &qkv[heads.at(position, Part::Query, head)..][..heads.dim];
        dots(l, heads, head, Part::Key, qkv, query, weights);
        softmax(l, weights, heads.scale() * LOG2_E);
        let mixed = &mut mixed[head * heads.dim..][..heads.dim];
        mix(l, weights.iter().zip(heads.rows(qkv, Part::Value, head)), mixed);
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
    for (block, out) in out.chunks_mut(SIDE).enumerate() {
        // The last block does its last position again where it is not full.
        let rows: [&[Vector]; SIDE] = std::array::from_fn(|i| {
            let position = block * SIDE + i.min(out.len() - 1);
            &qkv[heads.at(position, part, head)..][..with.len()]
        });
        let mut sums = [l.splat(0.0); SIDE];
        for d in 0..with.len() {
            let with = l.load(&with[d]);
            for i in 0..SIDE {
                sums[i] = l.add(sums[i], l.mul(with, l.load(&rows[i][d])));
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
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

/// Σ weight·row over the terms, in their order.
#[inline(always)]
fn mix<'a, L: Lanes>(
    l: L,
    terms: impl Iterator<Item = (&'a Vector, &'a [Vector])> + Clone,
    out: &mut [Vector],
) {
    for (block, out) in out.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
        let mut sums = [l.splat(0.0); SIDE];
        for (weight, row) in terms.clone() {
            let weight = l.load(weight);
            let row = &row[block * SIDE..][..SIDE];
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
    let seen = position + 1;
    let scale = l.splat(heads.scale());
    for head in 0..heads.count {
        let weights = &weights[head * seen..][..seen];
        let slopes = &mut slopes[head * seen..][..seen];
        let dmixed = &dmixed[head * heads.dim..][..heads.dim];
        dots(l, heads, head, Part::Value, qkv, dmixed, slopes);
        softmax_backward(l, weights, slopes);
        let dquery = &mut dqkv[heads.at(position, Part::Query, head)..][..heads.dim];
        mix(l, slopes.iter().zip(heads.rows(qkv, Part::Key, head)), dquery);
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
    for head in 0..heads.count {
        let weight_at = |query| heads.weights_at(query) + head * (query + 1) + position;
        let queries = heads.rows(qkv, Part::Query, head).enumerate().skip(position);
        let dkey = &mut dqkv[heads.at(position, Part::Key, head)..][..heads.dim];
        mix(l, queries.map(|(query, row)| (&slopes[weight_at(query)], row)), dkey);
        let dmixed = dmixed[head * heads.dim..].chunks(heads.width()).enumerate().skip(position);
        let dvalue = &mut dqkv[heads.at(position, Part::Value, head)..][..heads.dim];
        mix(l, dmixed.map(|(query, row)| (&weights[weight_at(query)], row)), dvalue);
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
