//! Products of a matrix with the features of sixteen lines, and the gradient of the matrix.
//!
//! A tile of several outputs stays in registers while the sum's index runs; each output's sum has
//! the one order that is written at its function.

use crate::simd::math::scatter_rows;
use crate::simd::{LANES, Lanes, Vector, eights_mut, floats};

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

/// y_o = start_o + Σ w_ok·x_k, k from first to last; `start` is 0 where there is none.
#[inline(always)]
pub(super) fn product<L: Lanes>(l: L, w: &[f32], start: Option<&[f32]>, x: &[Vector], y: &mut [Vector]) {
    let walk = Walk { w, outputs: x.len(), inputs: 1 };
    tiles(l, walk, start, None, x, y)
}

/// y_o = (Σ w_ok·x_k)·factor_o, k from first to last.
#[inline(always)]
pub(super) fn product_scaled<L: Lanes>(l: L, w: &[f32], factors: &[Vector], x: &[Vector], y: &mut [Vector]) {
    let walk = Walk { w, outputs: x.len(), inputs: 1 };
    tiles(l, walk, None, Some(factors), x, y)
}

/// y_k = start_k + Σ w_ok·x_o, o from first to last.
#[inline(always)]
pub(super) fn product_transposed<L: Lanes>(
    l: L,
    w: &[f32],
    start: Option<&[f32]>,
    x: &[Vector],
    y: &mut [Vector],
) {
    let walk = Walk { w, outputs: 1, inputs: y.len() };
    tiles(l, walk, start, None, x, y)
}

/// [`product_transposed`] of all outputs k from `first` on, `y` of them; `w` has as many columns as
/// outputs in all.
#[inline(always)]
pub(super) fn product_of_columns<L: Lanes>(l: L, w: &[f32], first: usize, x: &[Vector], y: &mut [Vector]) {
    let columns = first + y.len();
    assert_eq!(w.len(), x.len() * columns, "a weight for each pair");
    let walk = Walk { w: &w[first..], outputs: 1, inputs: columns };
    in_tiles!(y.len(), tile_first, N, tile::<L, N>(l, walk, tile_first, None, None, x, y));
}

/// All outputs of a product.
#[inline(always)]
fn tiles<L: Lanes>(
    l: L,
    walk: Walk,
    start: Option<&[f32]>,
    factors: Option<&[Vector]>,
    x: &[Vector],
    y: &mut [Vector],
) {
    assert_eq!(walk.w.len(), x.len() * y.len(), "a weight for each pair");
    assert!(start.is_none_or(|start| start.len() == y.len()), "a start for each output");
    assert!(factors.is_none_or(|factors| factors.len() == y.len()), "a factor for each output");
    in_tiles!(y.len(), first, N, tile::<L, N>(l, walk, first, start, factors, x, y));
}

/// `N` outputs of a product, from `first` on.
#[inline(always)]
#[allow(unsafe_code, reason = "bounds checked once for all weights")]
fn tile<L: Lanes, const N: usize>(
    l: L,
    walk: Walk,
    first: usize,
    start: Option<&[f32]>,
    factors: Option<&[Vector]>,
    x: &[Vector],
    y: &mut [Vector],
) {
    let last = (first + N - 1) * walk.outputs + x.len().saturating_sub(1) * walk.inputs;
    assert!(last < walk.w.len(), "a weight for each pair");
    let mut sums = [l.splat(0.0); N];
    if let Some(start) = start {
        for (sum, &start) in sums.iter_mut().zip(&start[first..first + N]) {
            *sum = l.splat(start);
        }
    }
    // SAFETY: the place of the last input's weight of the last output was just checked; all others are before it.
    unsafe {
        let mut weights = walk.w.as_ptr().add(first * walk.outputs);
        let (unrolled, rest) = x.as_chunks::<UNROLLED>();
        for x in unrolled {
            for (i, x) in x.iter().enumerate() {
                add_products::<L, N>(l, &mut sums, weights.add(i * walk.inputs), walk.outputs, x);
            }
            weights = weights.wrapping_add(UNROLLED * walk.inputs);
        }
        for x in rest {
            add_products::<L, N>(l, &mut sums, weights, walk.outputs, x);
            weights = weights.wrapping_add(walk.inputs);
        }
    }
    let y = &mut y[first..first + N];
    for n in 0..N {
        let sum = match factors {
            Some(factors) => l.mul(sums[n], l.load(&factors[first + n])),
            None => sums[n],
        };
        l.store(&mut y[n], sum);
    }
}

/// An input's products, `stride` from an output's weight to the next one's.
///
/// # Safety
/// The `N` weights are readable.
#[inline(always)]
#[allow(unsafe_code, reason = "bounds checked by the caller")]
unsafe fn add_products<L: Lanes, const N: usize>(
    l: L,
    sums: &mut [L::F; N],
    weights: *const f32,
    stride: usize,
    x: &Vector,
) {
    let x = l.load(x);
    for (n, sum) in sums.iter_mut().enumerate() {
        // SAFETY: as promised by the caller.
        let weight = unsafe { *weights.add(n * stride) };
        *sum = l.add(*sum, l.mul(l.splat(weight), x));
    }
}

/// gradient_oc += Σ dy_o·x_c over the sixteen lines, from first to last. `x` has each line's row of
/// features behind the other (see [`by_line`]).
#[inline(always)]
pub(super) fn outer<L: Lanes>(l: L, dy: &[Vector], x: &[Vector], gradient: &mut [Vector]) {
    let columns = x.len() / LANES;
    assert_eq!(x.len(), LANES * columns, "sixteen whole rows");
    assert_eq!(gradient.len(), dy.len() * columns, "an entry for each pair");
    in_tiles!(dy.len(), first, N, {
        let dy = floats(&dy[first..first + N]);
        let rows = &mut gradient[first * columns..][..N * columns];
        for column in 0..columns {
            outer_tile::<L, N>(l, column, columns, dy, x, rows);
        }
    });
}

/// A register of columns of `N` rows of a gradient: `dy` has `N` vectors, `x` sixteen rows of `columns` vectors,
/// `rows` `N` of them.
#[inline(always)]
#[allow(unsafe_code, reason = "bounds checked once")]
fn outer_tile<L: Lanes, const N: usize>(
    l: L,
    column: usize,
    columns: usize,
    dy: &[f32],
    x: &[Vector],
    rows: &mut [Vector],
) {
    assert!(
        column < columns && dy.len() == N * LANES && x.len() == LANES * columns && rows.len() == N * columns
    );
    let mut sums = [l.splat(0.0); N];
    // SAFETY: column < columns, n < N and line < sixteen, so every index is below the lengths just checked.
    unsafe {
        for (n, sum) in sums.iter_mut().enumerate() {
            *sum = l.load(rows.get_unchecked(n * columns + column));
        }
        for line in 0..LANES {
            let x = l.load(x.get_unchecked(line * columns + column));
            for (n, sum) in sums.iter_mut().enumerate() {
                let dy = l.splat(*dy.get_unchecked(n * LANES + line));
                *sum = l.add(*sum, l.mul(dy, x));
            }
        }
        for (n, &sum) in sums.iter().enumerate() {
            l.store(rows.get_unchecked_mut(n * columns + column), sum);
        }
    }
}

/// Features of sixteen lines, one behind the other, as sixteen rows of features.
#[inline(always)]
pub(super) fn by_line<L: Lanes>(l: L, features: &[Vector], rows: &mut [Vector]) {
    assert!(features.len().is_multiple_of(8), "rows of whole eights");
    assert_eq!(rows.len(), features.len(), "sixteen whole rows");
    scatter_rows(l, features, eights_mut(rows));
}
