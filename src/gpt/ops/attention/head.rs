//! One head over one line, forward and backward, from three products and two softmax loops.
//!
//! Scores stand as (keys, queries), a lane a query, so that the softmax over keys goes down a
//! column: queries side by side and no sum across a register. Keys that come after all queries of
//! a register are left out; those that come after some are masked. Everything is first copied
//! into matrices padded to whole registers; what stands in the padding is finite and never read
//! out.

use pulp::Simd;

use super::super::math::{at, at_mut, exp};
use super::super::product::{Columns, Rows, tile};

/// Rows of the scratch matrices are padded to a multiple of this: the most lanes of a register.
const LANES: usize = 16;

/// Rows of a block of a product.
const BLOCK: usize = 8;

/// Which head, and how it lies in its line.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// Tokens of a line, T.
    pub length: usize,
    /// Features of a head, hs.
    pub features: usize,
    /// The head's first feature in a line's rows.
    pub first: usize,
    /// Features of a row of the residual stream, C.
    pub width: usize,
}

/// Room for a head's matrices, to be used again for the next head of the same shape.
///
/// `t` stands for a matrix transposed to (hs, T). The others are (T, hs), but for `p` and `ds`,
/// which have a row for each key and a column for each query.
pub(super) struct Scratch {
    q: Vec<f32>,
    qt: Vec<f32>,
    k: Vec<f32>,
    kt: Vec<f32>,
    v: Vec<f32>,
    vt: Vec<f32>,
    g: Vec<f32>,
    gt: Vec<f32>,
    out: Vec<f32>,
    outt: Vec<f32>,
    p: Vec<f32>,
    ds: Vec<f32>,
}

impl Scratch {
    pub(super) fn new(length: usize, features: usize) -> Self {
        let (length, features) = padded(length, features);
        let [q, qt, k, kt, v, vt, g, gt, out, outt] = std::array::from_fn(|_| vec![0.0; features * length]);
        let [p, ds] = std::array::from_fn(|_| vec![0.0; length * length]);
        Self {
            q,
            qt,
            k,
            kt,
            v,
            vt,
            g,
            gt,
            out,
            outt,
            p,
            ds,
        }
    }
}

fn padded(length: usize, features: usize) -> (usize, usize) {
    (length.next_multiple_of(LANES), features.next_multiple_of(LANES))
}

/// softmax(q·kᵀ/√hs)·v of a line (T, 3C) into the head's columns of `y` (T, C).
#[inline(always)]
pub(super) fn forward<S: Simd>(simd: S, head: Head, line: &[f32], y: &mut [f32], s: &mut Scratch) {
    let (width, stride) = (head.width, 3 * head.width);
    head.transpose(line, stride, &mut s.qt);
    head.transpose(&line[width..], stride, &mut s.kt);
    head.copy(&line[2 * width..], stride, &mut s.v);

    head.scores(simd, &s.kt, &s.qt, &mut s.p);
    head.softmax(simd, &mut s.p);
    head.sum_over_keys(simd, &s.v, &s.p, &mut s.outt);
    head.store_transposed(&s.outt, y, width);
}

/// The output as [`forward`] has it, and the gradient of a line from that of the output, `g` (T, C),
/// into the head's columns of `dline`.
///
/// The weights p are computed again; then with dp = g·vᵀ: ds = p·(dp − Σ p·dp)/√hs, dq = ds·k,
/// dk = dsᵀ·q, dv = pᵀ·g.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    simd: S,
    head: Head,
    line: &[f32],
    g: &[f32],
    y: &mut [f32],
    dline: &mut [f32],
    s: &mut Scratch,
) {
    let (width, stride) = (head.width, 3 * head.width);
    head.copy(line, stride, &mut s.q);
    head.transpose(line, stride, &mut s.qt);
    head.copy(&line[width..], stride, &mut s.k);
    head.transpose(&line[width..], stride, &mut s.kt);
    head.transpose(&line[2 * width..], stride, &mut s.vt);
    head.copy(&line[2 * width..], stride, &mut s.v);
    head.copy(g, width, &mut s.g);
    head.transpose(g, width, &mut s.gt);

    head.scores(simd, &s.kt, &s.qt, &mut s.p);
    head.softmax(simd, &mut s.p);
    head.sum_over_keys(simd, &s.v, &s.p, &mut s.outt);
    head.store_transposed(&s.outt, y, width);
    head.scores(simd, &s.vt, &s.gt, &mut s.ds); // dp
    head.softmax_backward(simd, &s.p, &mut s.ds);

    head.sum_over_keys(simd, &s.k, &s.ds, &mut s.outt);
    head.store_transposed(&s.outt, dline, stride);
    head.sum_over_queries(simd, &s.ds, &s.q, &mut s.out);
    head.store(&s.out, &mut dline[width..], stride);
    head.sum_over_queries(simd, &s.p, &s.g, &mut s.out);
    head.store(&s.out, &mut dline[2 * width..], stride);
}

impl Head {
    fn padded(self) -> (usize, usize) {
        padded(self.length, self.features)
    }

    /// Σ over features of a key's (`kt`) times a query's (`qt`), where the query may see the key.
    #[inline(always)]
    fn scores<S: Simd>(self, simd: S, kt: &[f32], qt: &[f32], scores: &mut [f32]) {
        let (length, _) = self.padded();
        for query in (0..self.length).step_by(S::F32_LANES) {
            for key in (0..self.visible::<S>(query)).step_by(BLOCK) {
                let keys = Columns {
                    rows: &kt[key..],
                    stride: length,
                };
                let sums = tile(simd, 0..self.features, keys, &qt[query..], length);
                put::<S>(sums, &mut scores[key * length + query..], length);
            }
        }
    }

    /// Keys that some query of the register from `query` on sees, and the rest of their block:
    /// sums over queries take whole blocks, and count on zeros where a query does not see a key.
    fn visible<S: Simd>(self, query: usize) -> usize {
        let end = (query + S::F32_LANES).next_multiple_of(BLOCK);
        self.length.min(end)
    }

    /// Σ over keys of their rows (T, hs) times their weights for a query; into (hs, T).
    #[inline(always)]
    fn sum_over_keys<S: Simd>(self, simd: S, rows: &[f32], weights: &[f32], out: &mut [f32]) {
        let (length, features) = self.padded();
        for query in (0..self.length).step_by(S::F32_LANES) {
            for feature in (0..self.features).step_by(BLOCK) {
                let values = Columns {
                    rows: &rows[feature..],
                    stride: features,
                };
                let keys = 0..self.visible::<S>(query);
                let sums = tile(simd, keys, values, &weights[query..], length);
                put::<S>(sums, &mut out[feature * length + query..], length);
            }
        }
    }

    /// Σ over queries of their rows (T, hs) times the weight of a key for them; into (T, hs).
    #[inline(always)]
    fn sum_over_queries<S: Simd>(self, simd: S, weights: &[f32], rows: &[f32], out: &mut [f32]) {
        let (length, features) = self.padded();
        for key in (0..self.length).step_by(BLOCK) {
            let weights = Rows::<BLOCK>::new(&weights[key * length..], length, self.length);
            for feature in (0..self.features).step_by(S::F32_LANES) {
                let sums = tile(simd, key..self.length, weights, &rows[feature..], features);
                put::<S>(sums, &mut out[key * features + feature..], features);
            }
        }
    }

    /// Scores become attention weights, 0 where the key comes after the query.
    #[inline(always)]
    fn softmax<S: Simd>(self, simd: S, scores: &mut [f32]) {
        let (length, _) = self.padded();
        let scale = simd.splat_f32s(1.0 / (self.features as f32).sqrt());
        for query in (0..self.length).step_by(S::F32_LANES) {
            let keys = self.visible::<S>(query);
            let mut max = simd.splat_f32s(f32::NEG_INFINITY);
            for key in 0..keys {
                let larger = simd.max_f32s(max, at::<S>(scores, key * length + query));
                max = simd.select_f32s(seen(simd, key, query), larger, max);
            }
            let mut sum = simd.splat_f32s(0.0);
            for key in 0..keys {
                let p = at_mut::<S>(scores, key * length + query);
                let weight = exp(simd, simd.mul_f32s(simd.sub_f32s(*p, max), scale));
                *p = simd.select_f32s(seen(simd, key, query), weight, simd.splat_f32s(0.0));
                sum = simd.add_f32s(sum, *p);
            }
            let norm = simd.div_f32s(simd.splat_f32s(1.0), sum);
            for key in 0..keys {
                let p = at_mut::<S>(scores, key * length + query);
                *p = simd.mul_f32s(*p, norm);
            }
        }
    }

    /// Gradients of the weights `p` become those of the scores: p·(dp − Σ p·dp)/√hs.
    #[inline(always)]
    fn softmax_backward<S: Simd>(self, simd: S, p: &[f32], dp: &mut [f32]) {
        let (length, _) = self.padded();
        let scale = simd.splat_f32s(1.0 / (self.features as f32).sqrt());
        for query in (0..self.length).step_by(S::F32_LANES) {
            let rows = (0..self.visible::<S>(query)).map(|key| key * length + query);
            let mut mean = simd.splat_f32s(0.0);
            for i in rows.clone() {
                mean = simd.mul_add_e_f32s(at::<S>(p, i), at::<S>(dp, i), mean);
            }
            for i in rows {
                let (p, dp) = (at::<S>(p, i), at_mut::<S>(dp, i));
                *dp = simd.mul_f32s(simd.mul_f32s(p, scale), simd.sub_f32s(*dp, mean));
            }
        }
    }

    /// The head's columns of rows `stride` apart, to (T, hs).
    #[inline(always)]
    fn copy(self, rows: &[f32], stride: usize, out: &mut [f32]) {
        let (_, features) = self.padded();
        for (row, out) in rows.chunks(stride).zip(out.chunks_exact_mut(features)) {
            out[..self.features].copy_from_slice(&row[self.first..][..self.features]);
        }
    }

    /// The head's columns of rows `stride` apart, to (hs, T).
    #[inline(always)]
    fn transpose(self, rows: &[f32], stride: usize, out: &mut [f32]) {
        let (length, _) = self.padded();
        for (t, row) in rows.chunks(stride).enumerate() {
            for (i, &value) in row[self.first..][..self.features].iter().enumerate() {
                out[i * length + t] = value;
            }
        }
    }

    /// (T, hs) to the head's columns of rows `stride` apart.
    #[inline(always)]
    fn store(self, values: &[f32], rows: &mut [f32], stride: usize) {
        let (_, features) = self.padded();
        for (row, values) in rows.chunks_mut(stride).zip(values.chunks_exact(features)) {
            row[self.first..][..self.features].copy_from_slice(&values[..self.features]);
        }
    }

    /// (hs, T) to the head's columns of rows `stride` apart.
    #[inline(always)]
    fn store_transposed(self, values: &[f32], rows: &mut [f32], stride: usize) {
        let (length, _) = self.padded();
        for (t, row) in rows.chunks_mut(stride).enumerate() {
            for (i, out) in row[self.first..][..self.features].iter_mut().enumerate() {
                *out = values[i * length + t];
            }
        }
    }
}

/// Which queries of the register from `query` on see a key.
#[inline(always)]
fn seen<S: Simd>(simd: S, key: usize, query: usize) -> S::m32s {
    let first = key.saturating_sub(query) as u32;
    simd.mask_between_m32s(first, S::F32_LANES as u32).mask()
}

/// A tile of one register's columns into rows `stride` apart.
#[inline(always)]
fn put<S: Simd>(tile: [[S::f32s; 1]; BLOCK], out: &mut [f32], stride: usize) {
    for (n, sums) in tile.iter().enumerate() {
        *at_mut::<S>(out, n * stride) = sums[0];
    }
}
