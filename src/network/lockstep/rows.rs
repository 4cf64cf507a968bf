//! Operations on a row of features: the LayerNorm, and rounding to integers with a common scale.

use crate::network::packed::{PackedLinear, PackedTile};
use crate::network::parameters::{ACTIVATION_MAX, ACTIVATION_ZERO, EPSILON, SCALE_FLOOR, TILE};
use crate::simd::{Lanes, Vector};

/// The scale of a row of rounded inputs, for each line.
pub(super) struct RowScale<L: Lanes>(pub L::F);

impl<L: Lanes> RowScale<L> {
    /// A tile of a product's outputs.
    #[inline(always)]
    pub fn product(&self, l: L, tile: &PackedTile<'_>, inputs: &[Vector]) -> [L::F; TILE] {
        let mut y = [self.0; TILE];
        let sums = l.products(&tile.outputs.start, &inputs[..tile.weights.len()], tile.weights);
        for (i, y) in y.iter_mut().enumerate() {
            let scaled = l.mul(l.mul(l.float(sums[i]), l.splat(tile.outputs.scale[i])), self.0);
            *y = l.add(scaled, l.splat(tile.outputs.bias[i]));
        }
        y
    }

    /// Adds a product to the residual stream, which has room for whole tiles.
    #[inline(always)]
    pub fn update(&self, l: L, linear: &PackedLinear, inputs: &[Vector], stream: &mut [Vector]) {
        for (tile, stream) in linear.tiles().zip(stream.as_chunks_mut::<TILE>().0) {
            for (x, y) in stream.iter_mut().zip(self.product(l, &tile, inputs)) {
                l.store(x, l.add(l.load(x), y));
            }
        }
    }
}

/// The scale of a row whose largest magnitude becomes `max`, and the factor that makes it so.
#[inline(always)]
pub(super) fn scale_of_row<L: Lanes>(l: L, features: &[Vector], max: f32) -> (L::F, L::F) {
    let mut largest = l.splat(SCALE_FLOOR);
    for feature in features {
        largest = l.max(l.abs(l.load(feature)), largest);
    }
    scale_of(l, largest, max)
}

/// As [`scale_of_row`] where the largest magnitude is known.
#[inline(always)]
pub(super) fn scale_of<L: Lanes>(l: L, largest: L::F, max: f32) -> (L::F, L::F) {
    (l.div(largest, l.splat(max)), l.div(l.splat(max), largest))
}

/// Four features times `factor`.
#[inline(always)]
fn scaled<L: Lanes>(l: L, [a, b, c, d]: &[Vector; 4], factor: L::F) -> [L::F; 4] {
    [l.mul(l.load(a), factor), l.mul(l.load(b), factor), l.mul(l.load(c), factor), l.mul(l.load(d), factor)]
}

/// Rounds features times `factor` to signed bytes, plus `zero`, four to a word. Bytes behind the last
/// feature meet weights of 0.
#[inline(always)]
pub(super) fn quantize<L: Lanes>(l: L, features: &[Vector], factor: L::F, zero: u8, to: &mut [Vector]) {
    let (whole, rest) = features.as_chunks::<4>();
    let mut last = [Vector::ZERO; 4];
    last[..rest.len()].copy_from_slice(rest);
    let last = if rest.is_empty() { &[][..] } else { &[last][..] };
    for (to, four) in to.iter_mut().zip(whole.iter().chain(last)) {
        l.store_i(to, l.round_to_bytes(scaled(l, four, factor), zero));
    }
}

/// As [`quantize`] for whole fours of features that are not negative, to unsigned bytes.
#[inline(always)]
pub(super) fn quantize_unsigned<L: Lanes>(l: L, features: &[Vector], factor: L::F, to: &mut [Vector]) {
    for (to, four) in to.iter_mut().zip(features.as_chunks::<4>().0) {
        l.store_i(to, l.round_to_unsigned_bytes(scaled(l, four, factor)));
    }
}

/// Rounding of a row to 64 ± 63 into `inputs`.
#[inline(always)]
pub(super) fn quantize_row<L: Lanes>(l: L, features: &[Vector], inputs: &mut [Vector]) -> RowScale<L> {
    let (scale, factor) = scale_of_row(l, features, ACTIVATION_MAX);
    quantize(l, features, factor, ACTIVATION_ZERO as u8, inputs);
    RowScale(scale)
}

/// Sum of f(value) in four striped parts.
#[inline(always)]
pub(super) fn striped_sum<L: Lanes>(l: L, values: &[Vector], mut f: impl FnMut(L::F) -> L::F) -> L::F {
    let mut parts = [l.splat(0.0); 4];
    let fours = values.chunks_exact(4);
    let rest = fours.remainder();
    for four in fours {
        for (part, value) in parts.iter_mut().zip(four) {
            *part = l.add(*part, f(l.load(value)));
        }
    }
    for (part, value) in parts.iter_mut().zip(rest) {
        *part = l.add(*part, f(l.load(value)));
    }
    l.add(l.add(parts[0], parts[1]), l.add(parts[2], parts[3]))
}

/// Takes the mean off a row, into `centred`; gives 1/√(variance + ε) and the largest magnitude.
#[inline(always)]
pub(super) fn centre<L: Lanes>(l: L, stream: &[Vector], centred: &mut [Vector]) -> (L::F, L::F) {
    let width = l.splat(stream.len() as f32);
    let mean = l.div(striped_sum(l, stream, |v| v), width);
    for (to, value) in centred.iter_mut().zip(stream) {
        l.store(to, l.sub(l.load(value), mean));
    }
    let mut largest = l.splat(SCALE_FLOOR);
    let squares = striped_sum(l, &centred[..stream.len()], |v| {
        largest = l.max(l.abs(v), largest);
        l.mul(v, v)
    });
    let variance = l.add(l.div(squares, width), l.splat(EPSILON));
    (l.div(l.splat(1.0), l.sqrt(variance)), largest)
}

/// LayerNorm and rounding of a row into `inputs`. `centred` is room for the row without its mean.
#[inline(always)]
pub(super) fn normalise<L: Lanes>(
    l: L,
    stream: &[Vector],
    centred: &mut [Vector],
    inputs: &mut [Vector],
) -> RowScale<L> {
    let (rstd, largest) = centre(l, stream, centred);
    let (scale, factor) = scale_of(l, largest, ACTIVATION_MAX);
    quantize(l, &centred[..stream.len()], factor, ACTIVATION_ZERO as u8, inputs);
    RowScale(l.mul(scale, rstd))
}
