//! GELU and rounding of sixteen lines at once; see `learner/math.rs` and `learner/rounding.rs`.

use crate::learner::math::{EXP2_MIN, gelu as constants};
use crate::learner::rounding::RowKind;
use crate::network::SCALE_FLOOR;
use crate::simd::math::{EXP2_FINE, exp2_of_lanes};
use crate::simd::{Lanes, Vector};

/// GELU of every feature, and its slope.
#[inline(always)]
pub(super) fn gelu<L: Lanes>(l: L, values: &mut [Vector], slopes: &mut [Vector]) {
    let (zero, one) = (l.splat(0.0), l.splat(1.0));
    for (value, to) in values.iter_mut().zip(slopes) {
        let x = l.load(value);
        let clamped = l.max(x, l.splat(-constants::CLAMP));
        let clamped = l.sub(zero, l.max(l.sub(zero, clamped), l.splat(-constants::CLAMP)));
        let square = l.mul(clamped, clamped);
        let z = l.add(l.splat(constants::Z1), l.mul(l.splat(constants::Z3), square));
        let e = exp2_of_lanes(l, l.mul(clamped, z), &EXP2_FINE, EXP2_MIN);
        let s = l.div(one, l.add(one, e));
        let slope = l.mul(l.mul(clamped, s), l.mul(e, s));
        let steepness = l.add(l.splat(constants::D1), l.mul(l.splat(constants::D3), square));
        l.store(to, l.add(s, l.mul(slope, steepness)));
        l.store(value, l.mul(x, s));
    }
}

/// Rounds a row of each line.
#[inline(always)]
pub(super) fn round<L: Lanes>(l: L, kind: RowKind, row: &mut [Vector]) {
    let mut most = l.splat(SCALE_FLOOR);
    for x in &*row {
        let x = l.load(x);
        let size = if kind == RowKind::Hidden { x } else { l.abs(x) };
        most = l.max(size, most);
    }
    let (most, levels) = (l.add(most, l.splat(kind.offset())), l.splat(kind.levels()));
    let (factor, unit) = (l.div(levels, most), l.div(most, levels));
    for x in row {
        let rounded = l.float(l.round(l.mul(l.load(x), factor)));
        l.store(x, l.mul(rounded, unit));
    }
}

/// to += x.
#[inline(always)]
pub(super) fn add<L: Lanes>(l: L, to: &mut [Vector], x: &[Vector]) {
    for (to, x) in to.iter_mut().zip(x) {
        let sum = l.add(l.load(to), l.load(x));
        l.store(to, sum);
    }
}
