//! Products of a matrix with the features of sixteen lines, and the gradient of the matrix.
//!
//! A tile of several outputs stays in registers while the sum's index runs; each output's sum has
//! the one order that is written at its function.

use crate::exact::{LANES, Lanes, Vector};

/// Outputs of a tile: six of two registers each, with two for the input and one for a weight, are
/// what AVX2 has registers for.
const TILE: usize = 6;

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
            4 => {
                const $n: usize = 4;
                $body
            }
            5 => {
                const $n: usize = 5;
                $body
            }
            _ => {}
        }
    }};
}

/// y_o = start_o + Σ w_ok·x_k, k from first to last; `start` is 0 where there is none.
///
/// # Safety
/// The processor has the lanes' instruction set.
#[inline(always)]
pub(super) unsafe fn product<L: Lanes>(w: &[f32], start: Option<&[f32]>, x: &[Vector], y: &mut [Vector]) {
    debug_assert_eq!(w.len(), x.len() * y.len());
    // SAFETY: as promised by the caller.
    unsafe {
        in_tiles!(y.len(), first, N, {
            let start = start.map(|start| &start[first..first + N]);
            let rows: [&[f32]; N] = std::array::from_fn(|n| &w[(first + n) * x.len()..][..x.len()]);
            let mut sums: [L::F; N] = std::array::from_fn(|n| L::splat(start.map_or(0.0, |s| s[n])));
            for k in 0..x.len() {
                let x = L::load(&x[k]);
                for n in 0..N {
                    sums[n] = L::add(sums[n], L::mul(L::splat(rows[n][k]), x));
                }
            }
            for (y, sum) in y[first..].iter_mut().zip(sums) {
                L::store(y, sum);
            }
        });
    }
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
    debug_assert_eq!(w.len(), x.len() * y.len());
    let width = y.len();
    // SAFETY: as promised by the caller.
    unsafe {
        in_tiles!(width, first, N, {
            let start = start.map(|start| &start[first..first + N]);
            let mut sums: [L::F; N] = std::array::from_fn(|n| L::splat(start.map_or(0.0, |s| s[n])));
            for (row, x) in w.chunks_exact(width).zip(x) {
                let row: &[f32; N] = row[first..first + N].try_into().expect("a tile");
                let x = L::load(x);
                for n in 0..N {
                    sums[n] = L::add(sums[n], L::mul(L::splat(row[n]), x));
                }
            }
            for (y, sum) in y[first..].iter_mut().zip(sums) {
                L::store(y, sum);
            }
        });
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
    debug_assert_eq!(gradient.len(), dy.len() * columns);
    // SAFETY: as promised by the caller.
    unsafe {
        in_tiles!(dy.len(), first, N, {
            let dy: &[Vector; N] = dy[first..first + N].try_into().expect("a tile");
            let rows = &mut gradient[first * columns..][..N * columns];
            for column in 0..columns {
                let mut sums: [L::F; N] = std::array::from_fn(|n| L::load(&rows[n * columns + column]));
                for (line, x) in x.chunks_exact(columns).enumerate().take(LANES) {
                    let x = L::load(&x[column]);
                    for n in 0..N {
                        let dy = L::splat(f32::from_bits(dy[n].0[line]));
                        sums[n] = L::add(sums[n], L::mul(dy, x));
                    }
                }
                for n in 0..N {
                    L::store(&mut rows[n * columns + column], sums[n]);
                }
            }
        });
    }
}

/// Features of sixteen lines, one behind the other, as sixteen rows of features.
///
/// # Safety
/// As [`product`].
#[inline(always)]
pub(super) unsafe fn by_line<L: Lanes>(features: &[Vector], rows: &mut [Vector]) {
    let columns = features.len() / LANES;
    debug_assert_eq!(rows.len(), features.len());
    // SAFETY: as promised by the caller.
    unsafe {
        for (eight, part) in features.as_chunks::<8>().0.iter().enumerate() {
            let words = std::array::from_fn(|i| L::load_i(&part[i]));
            let mut rows = rows.chunks_exact_mut(columns);
            let lines = std::array::from_fn(|_| {
                let row = rows.next().expect("sixteen rows");
                let halves = row[eight / 2].0.as_chunks_mut::<8>().0;
                &mut halves[eight % 2]
            });
            L::scatter(words, lines);
        }
    }
}
