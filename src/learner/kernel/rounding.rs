//! [`super::super::rounding`] of sixteen lines at once.

use crate::learner::rounding::Row;
use crate::network::SCALE_FLOOR;
use crate::simd::{Lanes, Vector};

/// Rounds a row of each line.
///
/// # Safety
/// The processor has the lanes' instruction set.
#[inline(always)]
pub(super) unsafe fn round<L: Lanes>(kind: Row, row: &mut [Vector]) {
    // SAFETY: as promised by the caller.
    unsafe {
        let mut most = L::splat(SCALE_FLOOR);
        for x in &*row {
            let x = L::load(x);
            let size = if kind == Row::Hidden { x } else { L::abs(x) };
            most = L::max(size, most);
        }
        let (most, levels) = (L::add(most, L::splat(kind.offset())), L::splat(kind.levels()));
        let (factor, unit) = (L::div(levels, most), L::div(most, levels));
        for x in row {
            let rounded = L::float(L::round(L::mul(L::load(x), factor)));
            L::store(x, L::mul(rounded, unit));
        }
    }
}
