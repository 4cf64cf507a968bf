//! The head: logits, and the probabilities that they stand for.

use super::rows::{centre, scale_of};
use super::state::Scratch;
use crate::network::math::EXP2_MIN;
use crate::network::packed::PackedHead;
use crate::network::parameters::{HEAD_MAX, PRECISION};
use crate::simd::math::{cumulative, scatter_rows};
use crate::simd::{Lanes, Vector};

/// Rows of cumulative probabilities of what follows, from the residual stream.
#[inline(always)]
pub(super) fn probabilities<L: Lanes>(
    l: L,
    head: &PackedHead,
    stream: &[Vector],
    scratch: &mut Scratch,
    rows: &mut [[u32; 8]],
) {
    let Scratch { inputs, features, logits, lefts, .. } = scratch;
    let (rstd, largest) = centre(l, stream, features);
    let centred = &features[..stream.len()];
    let (scale, factor) = scale_of(l, largest, HEAD_MAX);
    let scale = l.mul(scale, rstd);
    let rounded = |feature: &Vector| l.round(l.mul(l.load(feature), factor));
    for (to, pair) in inputs.iter_mut().zip(centred.chunks(2)) {
        let second = pair.get(1).map_or(l.splat_i(0), rounded);
        l.store_i(to, l.pairs(l.pack(rounded(&pair[0]), second)));
    }
    let inputs = &inputs[..head.per_symbol];
    let symbols = head.pairs.chunks_exact(head.per_symbol).zip(&head.scale).zip(&head.bias);
    for (((weights, &symbol_scale), &bias), to) in symbols.zip(&mut *logits) {
        let mut sum = l.splat_i(0);
        for (input, &weight) in inputs.iter().zip(weights) {
            sum = l.dot_pairs(sum, l.load_i(input), l.splat_i(weight));
        }
        let scaled = l.mul(l.mul(l.float(sum), l.splat(symbol_scale)), scale);
        l.store(to, l.add(scaled, l.splat(bias)));
    }
    cumulative(l, logits, EXP2_MIN, PRECISION, lefts);
    scatter_rows(l, lefts, rows);
}
