//! Causal attention of one position over all up to it, and its gradient. Sums over features and
//! over positions go from first to last.

use super::math::exp2;
use crate::learner::math::LOG2_E;
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

    /// Where the weights of a position begin: those of head 0 for positions 0 to itself, then
    /// those of head 1, and so on.
    pub fn weights_at(self, position: usize) -> usize {
        self.count * position * (position + 1) / 2
    }
}

/// Attention of the last position in `qkv`: its weights, and the mix of values in `mixed`.
///
/// # Safety
/// The processor has the lanes' instruction set.
#[inline(always)]
pub(super) unsafe fn forward<L: Lanes>(
    heads: Heads,
    position: usize,
    qkv: &[Vector],
    weights: &mut [Vector],
    mixed: &mut [Vector],
) {
    let seen = position + 1;
    // SAFETY: as promised by the caller.
    unsafe {
        for head in 0..heads.count {
            let weights = &mut weights[head * seen..][..seen];
            let query = &qkv[heads.at(position, Part::Query, head)..][..heads.dim];
            dots::<L>(heads, head, Part::Key, qkv, query, weights);
            softmax::<L>(weights, heads.scale() * LOG2_E);
            let mixed = &mut mixed[head * heads.dim..][..heads.dim];
            mix::<L>(heads, head, Part::Value, qkv, weights, mixed);
        }
    }
}

/// The products of `with` and each position's row.
///
/// # Safety
/// As [`forward`].
#[inline(always)]
unsafe fn dots<L: Lanes>(
    heads: Heads,
    head: usize,
    part: Part,
    qkv: &[Vector],
    with: &[Vector],
    out: &mut [Vector],
) {
    // SAFETY: as promised by the caller.
    unsafe {
        for (block, out) in out.chunks_mut(SIDE).enumerate() {
            // The last block does its last position again where it is not full.
            let rows: [&[Vector]; SIDE] = std::array::from_fn(|i| {
                let position = block * SIDE + i.min(out.len() - 1);
                &qkv[heads.at(position, part, head)..][..with.len()]
            });
            let mut sums = [L::splat(0.0); SIDE];
            for d in 0..with.len() {
                let with = L::load(&with[d]);
                for i in 0..SIDE {
                    sums[i] = L::add(sums[i], L::mul(with, L::load(&rows[i][d])));
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                L::store(out, sum);
            }
        }
    }
}

/// Scores times `factor` to weights that add up to 1.
///
/// # Safety
/// As [`forward`].
#[inline(always)]
unsafe fn softmax<L: Lanes>(scores: &mut [Vector], factor: f32) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut max = L::splat(f32::MIN);
        for score in &mut *scores {
            let scaled = L::mul(L::load(score), L::splat(factor));
            max = L::max(scaled, max);
            L::store(score, scaled);
        }
        let mut sum = L::splat(0.0);
        for score in &mut *scores {
            let e = exp2::<L>(L::sub(L::load(score), max));
            sum = L::add(sum, e);
            L::store(score, e);
        }
        let share = L::div(L::splat(1.0), sum);
        for e in scores {
            let weight = L::mul(L::load(e), share);
            L::store(e, weight);
        }
    }
}

/// Σ weight_j·row_j over positions.
///
/// # Safety
/// As [`forward`].
#[inline(always)]
unsafe fn mix<L: Lanes>(
    heads: Heads,
    head: usize,
    part: Part,
    qkv: &[Vector],
    weights: &[Vector],
    out: &mut [Vector],
) {
    // SAFETY: as promised by the caller.
    unsafe {
        for (block, out) in out.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
            let mut sums = [L::splat(0.0); SIDE];
            for (position, weight) in weights.iter().enumerate() {
                let row = &qkv[heads.at(position, part, head) + block * SIDE..][..SIDE];
                let weight = L::load(weight);
                for i in 0..SIDE {
                    sums[i] = L::add(sums[i], L::mul(weight, L::load(&row[i])));
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                L::store(out, sum);
            }
        }
    }
}

/// From the gradient `dmixed` of a position's mix: its query's gradient, and into `slopes` those of
/// its scores over √dim, which [`backward_to_keys`] goes on from.
///
/// # Safety
/// As [`forward`].
#[inline(always)]
pub(super) unsafe fn backward<L: Lanes>(
    heads: Heads,
    position: usize,
    (qkv, weights): (&[Vector], &[Vector]),
    dmixed: &[Vector],
    slopes: &mut [Vector],
    dqkv: &mut [Vector],
) {
    let seen = position + 1;
    // SAFETY: as promised by the caller.
    unsafe {
        let scale = L::splat(heads.scale());
        for head in 0..heads.count {
            let weights = &weights[head * seen..][..seen];
            let slopes = &mut slopes[head * seen..][..seen];
            let dmixed = &dmixed[head * heads.dim..][..heads.dim];
            dots::<L>(heads, head, Part::Value, qkv, dmixed, slopes);
            softmax_backward::<L>(weights, slopes);
            let dquery = &mut dqkv[heads.at(position, Part::Query, head)..][..heads.dim];
            mix::<L>(heads, head, Part::Key, qkv, slopes, dquery);
            for d in dquery.iter_mut().chain(slopes) {
                let scaled = L::mul(L::load(d), scale);
                L::store(d, scaled);
            }
        }
    }
}

/// The gradients of a position's key and value, from the `positions` from it on that have attended to
/// it: Σ slope·query and Σ weight·dmixed, queries in order. `weights`, `slopes` and `dmixed` are those
/// of all positions.
///
/// # Safety
/// As [`forward`].
#[inline(always)]
pub(super) unsafe fn backward_to_keys<L: Lanes>(
    heads: Heads,
    position: usize,
    (qkv, weights): (&[Vector], &[Vector]),
    (dmixed, slopes): (&[Vector], &[Vector]),
    dqkv: &mut [Vector],
) {
    let width = heads.width();
    for head in 0..heads.count {
        let features = head * heads.dim;
        let (queries, values) = (&qkv[features..], &dmixed[features..]);
        // SAFETY: as promised by the caller.
        unsafe {
            let dkey = &mut dqkv[heads.at(position, Part::Key, head)..][..heads.dim];
            mix_queries::<L>(heads, (head, position), slopes, queries, 3 * width, dkey);
            let dvalue = &mut dqkv[heads.at(position, Part::Value, head)..][..heads.dim];
            mix_queries::<L>(heads, (head, position), weights, values, width, dvalue);
        }
    }
}

/// Σ weight_i·row_i over the positions i that attend to one; a row begins `stride` behind the last.
///
/// # Safety
/// As [`forward`].
#[inline(always)]
unsafe fn mix_queries<L: Lanes>(
    heads: Heads,
    (head, position): (usize, usize),
    weights: &[Vector],
    rows: &[Vector],
    stride: usize,
    out: &mut [Vector],
) {
    // SAFETY: as promised by the caller.
    unsafe {
        for (block, out) in out.as_chunks_mut::<SIDE>().0.iter_mut().enumerate() {
            let mut sums = [L::splat(0.0); SIDE];
            let rows = rows.chunks(stride).enumerate().skip(position);
            for (i, row) in rows {
                let weight = L::load(&weights[heads.weights_at(i) + head * (i + 1) + position]);
                let row = &row[block * SIDE..][..SIDE];
                for d in 0..SIDE {
                    sums[d] = L::add(sums[d], L::mul(weight, L::load(&row[d])));
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                L::store(out, sum);
            }
        }
    }
}

/// From the gradients of weights to those of scores: s_j = a_j·(d_j − Σ a·d).
///
/// # Safety
/// As [`forward`].
#[inline(always)]
unsafe fn softmax_backward<L: Lanes>(weights: &[Vector], gradients: &mut [Vector]) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut along = L::splat(0.0);
        for (a, d) in weights.iter().zip(&*gradients) {
            along = L::add(along, L::mul(L::load(a), L::load(d)));
        }
        for (a, d) in weights.iter().zip(gradients) {
            let slope = L::mul(L::load(a), L::sub(L::load(d), along));
            L::store(d, slope);
        }
    }
}
