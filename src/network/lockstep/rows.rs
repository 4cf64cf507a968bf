//! Operations on a row of features: the LayerNorm, and rounding to integers with a common scale.

use crate::network::math::{EXP2_MIN, ROUND};
use crate::network::packed::{PackedLinear, PackedTile};
use crate::network::parameters::{ACTIVATION_MAX, ACTIVATION_ZERO, EPSILON, SCALE_FLOOR, TILE};
use crate::simd::{Lanes, Vector};

/// The scale of a row of rounded inputs, for each line.
pub(super) struct RowScale<L: Lanes>(pub L::F);

impl<L: Lanes> RowScale<L> {
    /// A tile of a product's outputs.
    ///
    /// # Safety
    /// The processor has the instruction set `L`.
    #[inline(always)]
    pub unsafe fn product(&self, tile: &PackedTile<'_>, inputs: &[Vector]) -> [L::F; TILE] {
        let mut y = [self.0; TILE];
        // SAFETY: as promised by the caller; the quantiser made the weights.
        unsafe {
            let sums = L::products(&tile.outputs.start, &inputs[..tile.weights.len()], tile.weights);
            for (i, y) in y.iter_mut().enumerate() {
                let scaled = L::mul(L::mul(L::float(sums[i]), L::splat(tile.outputs.scale[i])), self.0);
                *y = L::add(scaled, L::splat(tile.outputs.bias[i]));
            }
        }
        y
    }

    /// Adds a product to the residual stream, which has room for whole tiles.
    ///
    /// # Safety
    /// The processor has the instruction set `L`.
    #[inline(always)]
    pub unsafe fn update(&self, linear: &PackedLinear, inputs: &[Vector], stream: &mut [Vector]) {
        for (tile, stream) in linear.tiles().zip(stream.as_chunks_mut::<TILE>().0) {
            // SAFETY: as promised by the caller.
            unsafe {
                for (x, y) in stream.iter_mut().zip(self.product(&tile, inputs)) {
                    L::store(x, L::add(L::load(x), y));
                }
            }
        }
    }
}

/// The scale of a row whose largest magnitude becomes `max`, and the factor that makes it so.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn scaled<L: Lanes>(features: &[Vector], max: f32) -> (L::F, L::F) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut largest = L::splat(SCALE_FLOOR);
        for feature in features {
            largest = L::max(L::abs(L::load(feature)), largest);
        }
        scale_of::<L>(largest, max)
    }
}

/// As [`scaled`] where the largest magnitude is known.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn scale_of<L: Lanes>(largest: L::F, max: f32) -> (L::F, L::F) {
    // SAFETY: as promised by the caller.
    unsafe { (L::div(largest, L::splat(max)), L::div(L::splat(max), largest)) }
}

/// Four features times `factor` as 16-bit integers, two each.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn rounded<L: Lanes>(four: &[Vector; 4], factor: L::F) -> [L::H; 2] {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut integers = [L::splat_i(0); 4];
        for (integer, feature) in integers.iter_mut().zip(four) {
            *integer = L::round(L::mul(L::load(feature), factor));
        }
        let [a, b, c, d] = integers;
        [L::pack(a, b), L::pack(c, d)]
    }
}

/// Rounds features times `factor` to signed bytes, plus `zero`, four to a word. Bytes behind the last
/// feature meet weights of 0.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn quads_of<L: Lanes>(features: &[Vector], factor: L::F, zero: u8, to: &mut [Vector]) {
    let (whole, rest) = features.as_chunks::<4>();
    let mut last = [Vector::ZERO; 4];
    last[..rest.len()].copy_from_slice(rest);
    let last = if rest.is_empty() { &[][..] } else { &[last][..] };
    // SAFETY: as promised by the caller.
    unsafe {
        let zeros = L::splat_i(i32::from_le_bytes([zero; 4]));
        for (to, four) in to.iter_mut().zip(whole.iter().chain(last)) {
            let [a, b] = rounded::<L>(four, factor);
            let bytes = L::quads(a, b);
            L::store_i(
                to,
                if zero == 0 {
                    bytes
                } else {
                    L::add_bytes(bytes, zeros)
                },
            );
        }
    }
}

/// As [`quads_of`] for whole fours of features that are not negative, to unsigned bytes.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn unsigned_quads_of<L: Lanes>(features: &[Vector], factor: L::F, to: &mut [Vector]) {
    for (to, four) in to.iter_mut().zip(features.as_chunks::<4>().0) {
        // SAFETY: as promised by the caller.
        unsafe {
            let [a, b] = rounded::<L>(four, factor);
            L::store_i(to, L::quads_unsigned(a, b));
        }
    }
}

/// Rounding of a row to 64 ± 63 into `inputs`.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn symmetric<L: Lanes>(features: &[Vector], inputs: &mut [Vector]) -> RowScale<L> {
    // SAFETY: as promised by the caller.
    unsafe {
        let (scale, factor) = scaled::<L>(features, ACTIVATION_MAX);
        quads_of::<L>(features, factor, ACTIVATION_ZERO as u8, inputs);
        RowScale(scale)
    }
}

/// Sum of f(value) in four striped parts.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn striped_sum<L: Lanes>(values: &[Vector], mut f: impl FnMut(L::F) -> L::F) -> L::F {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut parts = [L::splat(0.0); 4];
        let fours = values.chunks_exact(4);
        let rest = fours.remainder();
        for four in fours {
            for (part, value) in parts.iter_mut().zip(four) {
                *part = L::add(*part, f(L::load(value)));
            }
        }
        for (part, value) in parts.iter_mut().zip(rest) {
            *part = L::add(*part, f(L::load(value)));
        }
        L::add(L::add(parts[0], parts[1]), L::add(parts[2], parts[3]))
    }
}

/// Takes the mean off a row, into `centred`; gives 1/√(variance + ε) and the largest magnitude.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn centre<L: Lanes>(stream: &[Vector], centred: &mut [Vector]) -> (L::F, L::F) {
    // SAFETY: as promised by the caller.
    unsafe {
        let width = L::splat(stream.len() as f32);
        let mean = L::div(striped_sum::<L>(stream, |v| v), width);
        for (to, value) in centred.iter_mut().zip(stream) {
            L::store(to, L::sub(L::load(value), mean));
        }
        let mut largest = L::splat(SCALE_FLOOR);
        let squares = striped_sum::<L>(&centred[..stream.len()], |v| {
            largest = L::max(L::abs(v), largest);
            L::mul(v, v)
        });
        let variance = L::add(L::div(squares, width), L::splat(EPSILON));
        (L::div(L::splat(1.0), L::sqrt(variance)), largest)
    }
}

/// LayerNorm and rounding of a row into `inputs`. `centred` is room for the row without its mean.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn normed<L: Lanes>(
    stream: &[Vector],
    centred: &mut [Vector],
    inputs: &mut [Vector],
) -> RowScale<L> {
    // SAFETY: as promised by the caller.
    unsafe {
        let (rstd, largest) = centre::<L>(stream, centred);
        let (scale, factor) = scale_of::<L>(largest, ACTIVATION_MAX);
        quads_of::<L>(&centred[..stream.len()], factor, ACTIVATION_ZERO as u8, inputs);
        RowScale(L::mul(scale, rstd))
    }
}

/// [`crate::network::math::exp2`].
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn exp2<L: Lanes, const N: usize>(x: L::F, coefficients: &[f32; N]) -> L::F {
    // SAFETY: as promised by the caller.
    unsafe {
        let round = L::splat(ROUND);
        let x = L::max(x, L::splat(EXP2_MIN));
        let shifted = L::add(x, round);
        let f = L::sub(x, L::sub(shifted, round));
        let mut p = L::splat(coefficients[N - 1]);
        for &c in coefficients[..N - 1].iter().rev() {
            p = L::add(L::mul(p, f), L::splat(c));
        }
        L::scale_by_power(p, shifted)
    }
}
