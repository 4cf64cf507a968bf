//! The MLP's hidden layer.

use super::rows::{RowScale, normed};
use super::state::Scratch;
use crate::network::math::gelu;
use crate::network::packed::PackedLayer;
use crate::network::parameters::{HIDDEN_MAX, TILE};
use crate::simd::{Lanes, Vector};

/// The hidden layer behind its GELU, rounded into the scratch's inputs.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn hidden<L: Lanes>(
    layer: &PackedLayer,
    stream: &[Vector],
    scratch: &mut Scratch,
) -> RowScale<L> {
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
