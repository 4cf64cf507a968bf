//! Products of a matrix with the features of sixteen lines, and the gradient of the matrix.
//!
//! A tile of several outputs stays in registers while the sum's index runs; each output's sum has
//! the one order that is written at its function.

use super::floats;
use crate::simd::{LANES, Lanes, Vector};

/// Outputs of a tile: four of two registers each leave AVX2 enough for the input, the weights and
/// products under way, and hide the latency of a sum.
const TILE: usize = 4;

/// Inputs of a product between two turns of its loop, whose counting would be a tenth of the work.
const UNROLLED: usize = 4;

/// Runs `$body` with `$first` and the constant `$n` over tiles that cover `0..$len`.
macro_rules! in_tiles {
    ($len:expr, $first:ident, $n:ident, $body:expr) => {{
        let len = $len;
        let mut $first = 0;
        while $first + TILE <= len {
            const $n: usize = TILE;
            $body;
            $first += TILE;
        }
        match len - $first {
            1 => {
                const $n: usize = 1;
                $body
            }
            2 => {
                const $n: usize = 2;
                $body
            }
            3 => {
                const $n: usize = 3;
                $body
            }
            _ => {}
        }
    }};
}

/// A matrix as a product walks over it.
#[derive(Clone, Copy)]
struct Walk<'a> {
    w: &'a [f32],
    /// From an output's weight to the next output's, and from an input's to the next input's.
    outputs: usize,
    inputs: usize,
}

impl<'a> Walk<'a> {
    /// Over an output's weights, one behind the other, then the next output's.
    fn by_rows(w: &'a [f32], inputs: usize) -> Self {
        Self {
            w,
            outputs: inputs,
            inputs: 1,
        }
    }
}

/// y_o = start_o + Σ w_ok·x_k, k from first to last; `start` is 0 where there is none.
///
/// # Safety
/// The processor has the lanes' instruction set.
#[inline(always)]
pub(super) unsafe fn product<L: Lanes>(w: &[f32], start: Option<&[f32]>, x: &[Vector], y: &mut [Vector]) {
    let walk = Walk::by_rows(w, x.len());
    // SAFETY: as promised by the caller.
    unsafe { tiles::<L>(walk, start, None, x, y) }
}

/// y_o = (Σ w_ok·x_k)·factor_o, k from first to last.
///
/// # Safety
/// As [`product`].
#[inline(always)]
pub(super) unsafe fn product_scaled<L: Lanes>(w: &[f32], factors: &[Vector], x: &[Vector], y: &mut [Vector]) {
    let walk = Walk::by_rows(w, x.len());
    // SAFETY: as promised by the caller.
    unsafe { tiles::<L>(walk, None, Some(factors), x, y) }
}

/// y_k = start_k + Σ w_ok·x_o, o from first to last.
///
/// # Safety
/// As [`product`].
#[inline(always)]
pub(super) unsafe fn product_transposed<L: Lanes>(
    w: &[f32],
    start: Option<&[f32]>,
    x: &[Vector],
    y: &mut [Vector],
) {
    let walk = Walk {
        w,
        outputs: 1,
        inputs: y.len(),
    };
    // SAFETY: as promised by the caller.
    unsafe { tiles::<L>(walk, start, None, x, y) }
}

/// [`product_transposed`] of all outputs k from `first` on, `y` of them; `w` has as many columns as
/// outputs in all.
///
/// # Safety
/// As [`product`].
#[inline(always)]
pub(super) unsafe fn product_of_columns<L: Lanes>(w: &[f32], first: usize, x: &[Vector], y: &mut [Vector]) {
    let columns = first + y.len();
    assert_eq!(w.len(), x.len() * columns, "a weight for each pair");
    let walk = Walk {
        w: &w[first..],
        outputs: 1,
        inputs: columns,
    };
    // SAFETY: the last output's last weight is `first` behind the last but `first` of `w`, which are
    // those cut off; the rest as promised by the caller.
    unsafe {
        in_tiles!(
            y.len(),
            tile_first,
            N,
            tile::<L, N>(walk, tile_first, None, None, x, y)
        );
    }
}

/// All outputs of a product.
///
/// # Safety
/// As [`product`].
#[inline(always)]
unsafe fn tiles<L: Lanes>(
    walk: Walk,
    start: Option<&[f32]>,
    factors: Option<&[Vector]>,
    x: &[Vector],
    y: &mut [Vector],
) {
    assert_eq!(walk.w.len(), x.len() * y.len(), "a weight for each pair");
    assert!(
        start.is_none_or(|start| start.len() == y.len()),
        "a start for each output"
    );
    assert!(
        factors.is_none_or(|factors| factors.len() == y.len()),
        "a factor for each output"
    );
    // SAFETY: the lengths were just checked; the rest as promised by the caller.
    unsafe {
        in_tiles!(y.len(), first, N, tile::<L, N>(walk, first, start, factors, x, y));
    }
}

/// `N` outputs of a product, from `first` on.
///
/// # Safety
/// As [`product`]; there are as many outputs, a start and a factor for each, if any, and a weight for each pair
/// of input and output.
#[inline(always)]
unsafe fn tile<L: Lanes, const N: usize>(
    walk: Walk,
    first: usize,
    start: Option<&[f32]>,
    factors: Option<&[Vector]>,
    x: &[Vector],
    y: &mut [Vector],
) {
    // SAFETY: every index is below what the caller promised: (N − 1 + first)·outputs and
    // (x.len() − 1)·inputs add up to the place of the last weight of these outputs.
    unsafe {
        let mut sums = [L::splat(0.0); N];
        if let Some(start) = start {
            for (n, sum) in sums.iter_mut().enumerate() {
                *sum = L::splat(*start.get_unchecked(first + n));
            }
        }
        let mut weights = walk.w.as_ptr().add(first * walk.outputs);
        let (unrolled, rest) = x.as_chunks::<UNROLLED>();
        for x in unrolled {
            for (i, x) in x.iter().enumerate() {
                add_products::<L, N>(&mut sums, weights.add(i * walk.inputs), walk.outputs, x);
            }
            weights = weights.wrapping_add(UNROLLED * walk.inputs);
        }
        for x in rest {
            add_products::<L, N>(&mut sums, weights, walk.outputs, x);
            weights = weights.wrapping_add(walk.inputs);
        }
        for (n, sum) in sums.into_iter().enumerate() {
            let sum = match factors {
                Some(factors) => L::mul(sum, L::load(factors.get_unchecked(first + n))),
                None => sum,
            };
            L::store(y.get_unchecked_mut(first + n), sum);
        }
    }
}

/// An input's products, `stride` from an output's weight to the next one's.
///
/// # Safety
/// As [`product`]; the weights are readable.
#[inline(always)]
unsafe fn add_products<L: Lanes, const N: usize>(
    sums: &mut [L::F; N],
    weights: *const f32,
    stride: usize,
    x: &Vector,
) {
    // SAFETY: as promised by the caller.
    unsafe {
        let x = L::load(x);
        for (n, sum) in sums.iter_mut().enumerate() {
            *sum = L::add(*sum, L::mul(L::splat(*weights.add(n * stride)), x));
        }
    }
}

/// gradient_oc += Σ dy_o·x_c over the sixteen lines, from first to last. `x` has each line's row of
/// features behind the other (see [`by_line`]).
///
/// # Safety
/// As [`product`].
#[inline(always)]
pub(super) unsafe fn outer<L: Lanes>(dy: &[Vector], x: &[Vector], gradient: &mut [Vector]) {
    let columns = x.len() / LANES;
    assert_eq!(x.len(), LANES * columns, "sixteen whole rows");
    assert_eq!(gradient.len(), dy.len() * columns, "an entry for each pair");
    // SAFETY: the lengths were just checked; the rest as promised by the caller.
    unsafe {
        in_tiles!(dy.len(), first, N, {
            let dy = floats(&dy[first..first + N]);
            let rows = &mut gradient[first * columns..][..N * columns];
            for column in 0..columns {
                outer_tile::<L, N>(column, columns, dy, x, rows);
            }
        });
    }
}

/// A register of columns of `N` rows of a gradient.
///
/// # Safety
/// As [`product`]; `dy` has `N` vectors, `x` sixteen rows of `columns` vectors, `rows` N of them,
/// and `column` is one of them.
#[inline(always)]
unsafe fn outer_tile<L: Lanes, const N: usize>(
    column: usize,
    columns: usize,
    dy: &[f32],
    x: &[Vector],
    rows: &mut [Vector],
) {
    // SAFETY: every index is below what the caller promised.
    unsafe {
        let mut sums = [L::splat(0.0); N];
        for (n, sum) in sums.iter_mut().enumerate() {
            *sum = L::load(rows.get_unchecked(n * columns + column));
        }
        for line in 0..LANES {
            let x = L::load(x.get_unchecked(line * columns + column));
            for (n, sum) in sums.iter_mut().enumerate() {
                let dy = L::splat(*dy.get_unchecked(n * LANES + line));
                *sum = L::add(*sum, L::mul(dy, x));
            }
        }
        for (n, sum) in sums.into_iter().enumerate() {
            L::store(rows.get_unchecked_mut(n * columns + column), sum);
        }
    }
}

/// Features of sixteen lines, one behind the other, as sixteen rows of features.
///
/// # Safety
/// As [`product`].
#[inline(always)]
pub(super) unsafe fn by_line<L: Lanes>(features: &[Vector], rows: &mut [Vector]) {
    let columns = features.len() / 8;
    assert!(features.len().is_multiple_of(8), "rows of whole eights");
    assert_eq!(rows.len(), features.len(), "sixteen whole rows");
    let rows = rows.as_mut_ptr().cast::<[u32; 8]>();
    // SAFETY: there are sixteen rows of `columns` eights, of which no two are the same; the rest as promised
    // by the caller.
    unsafe {
        for (column, part) in features.as_chunks::<8>().0.iter().enumerate() {
            let lines = std::array::from_fn(|line| &mut *rows.add(line * columns + column));
            L::scatter(L::load_eight(part), lines);
        }
    }
}
