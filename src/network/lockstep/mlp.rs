//! The MLP's hidden layer.

use super::rows::{RowScale, normalise};
use super::state::Scratch;
use crate::network::math::gelu;
use crate::network::packed::PackedLayer;
use crate::network::parameters::{HIDDEN_MAX, TILE};
use crate::simd::{Lanes, Vector};

/// The hidden layer behind its GELU, rounded into the scratch's inputs.
#[inline(always)]
pub(super) fn hidden<L: Lanes>(
    l: L,
    layer: &PackedLayer,
    stream: &[Vector],
    scratch: &mut Scratch,
) -> RowScale<L> {
    let Scratch { hidden, inputs, features, .. } = scratch;
    let fraction_bits = layer.fraction_bits;
    let row = normalise(l, stream, features, inputs);
    let clamp = l.splat_h(gelu::clamp(fraction_bits) as i16);
    let zero = l.splat_h(0);
    let mut coefficients = [zero; 5];
    for (to, c) in coefficients.iter_mut().zip(gelu::coefficients(fraction_bits)) {
        *to = l.splat_h(c);
    }
    let mut largest = zero;
    for (tile, to) in layer.expand.tiles().zip(hidden.as_chunks_mut::<{ TILE / 2 }>().0) {
        let y = row.product(l, &tile, inputs);
        // Step by step for all outputs at once, so that none waits for the one before it.
        let (mut x, mut v) = ([zero; TILE / 2], [zero; TILE / 2]);
        for i in 0..TILE / 2 {
            x[i] = l.pack(l.round(y[2 * i]), l.round(y[2 * i + 1]));
            v[i] = l.shift_left_h(l.abs_min_h(x[i], clamp), 13 - fraction_bits);
        }
        let mut h = [coefficients[0]; TILE / 2];
        for &c in &coefficients[1..] {
            for (h, &v) in h.iter_mut().zip(&v) {
                *h = l.add_h(l.mul_q15(*h, v), c);
            }
        }
        for i in 0..TILE / 2 {
            let g = l.add_saturating_h(l.max_h(x[i], zero), h[i]);
            largest = l.max_h(g, largest);
            l.store_h(&mut to[i], g);
        }
    }
    let [a, b] = l.widen(largest);
    let largest = l.max(l.float(a), l.float(b));
    let factor = l.truncate(l.div(l.splat(HIDDEN_MAX * 32768.0), largest));
    let factor = l.pack(factor, factor);
    let quads = layer.expand.outputs.div_ceil(4);
    for (to, four) in inputs.iter_mut().zip(hidden.chunks_exact(2)).take(quads) {
        let rounded = |i: usize| l.mul_q15(l.load_h(&four[i]), factor);
        l.store_i(to, l.quads(rounded(0), rounded(1)));
    }
    let unit = l.splat(32768.0 / (1u32 << fraction_bits) as f32);
    RowScale(l.div(unit, l.float(l.widen(factor)[0])))
}
