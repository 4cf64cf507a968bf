//! Products of matrices whose rows stand one after the other, for one thread.
//!
//! A tile of the result stays in registers while its rows of `a` and its columns of `b` go by. The
//! factors of a chunk of rows lie in the second-level cache, so nothing is packed. Sums go up the
//! inner dimension, one after the other: a result depends on neither threads nor tiles.

use std::ops::Range;

use pulp::Simd;

/// The left factor of a product.
#[derive(Clone, Copy)]
pub(super) enum Left<'a> {
    /// (rows, depth)
    Plain(&'a [f32]),
    /// (depth, rows), to be read as its transpose.
    Transposed(&'a [f32]),
}

/// out += a·b; a (rows, depth), b (depth, columns), out (rows, columns).
#[inline(always)]
pub(super) fn add_product<S: Simd>(simd: S, a: Left, b: &[f32], out: &mut [f32], shape: [usize; 3]) {
    // Accumulators, a row of `b` and a factor have to fit the processor's registers.
    if S::REGISTER_COUNT >= 32 {
        add_in_blocks::<S, 8>(simd, a, b, out, shape);
    } else {
        add_in_blocks::<S, 4>(simd, a, b, out, shape);
    }
}

#[inline(always)]
fn add_in_blocks<S: Simd, const R: usize>(
    simd: S,
    a: Left,
    b: &[f32],
    out: &mut [f32],
    shape @ [rows, _, _]: [usize; 3],
) {
    let whole = rows - rows % R;
    for row in (0..whole).step_by(R) {
        add_rows::<S, R>(simd, a, b, out, shape, row);
    }
    for row in whole..rows {
        add_rows::<S, 1>(simd, a, b, out, shape, row);
    }
}

/// `R` rows of the product, from `row` on.
#[inline(always)]
fn add_rows<S: Simd, const R: usize>(
    simd: S,
    a: Left,
    b: &[f32],
    out: &mut [f32],
    [rows, depth, columns]: [usize; 3],
    row: usize,
) {
    let out = &mut out[row * columns..][..R * columns];
    match a {
        Left::Plain(a) => {
            let factors = Rows::<R>::new(&a[row * depth..], depth, depth);
            add_tiles(simd, factors, b, out, depth, columns);
        }
        Left::Transposed(a) => {
            let factors = Columns {
                rows: &a[row..],
                stride: rows,
            };
            add_tiles::<S, R>(simd, factors, b, out, depth, columns);
        }
    }
}

/// The left factors of a tile. A trait and no closure, which the compiler may leave a call.
pub(super) trait Factors<const R: usize>: Copy {
    /// Those of one step along the inner dimension.
    fn at(&self, d: usize) -> [f32; R];
}

/// Factors that stand in `R` rows, a step being a column.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, const R: usize>([&'a [f32]; R]);

impl<'a, const R: usize> Rows<'a, R> {
    /// The first `R` rows, `stride` apart, of which `depth` columns count.
    #[inline(always)]
    pub(super) fn new(rows: &'a [f32], stride: usize, depth: usize) -> Self {
        let mut slices = [&rows[..depth]; R];
        for (n, slice) in slices.iter_mut().enumerate() {
            *slice = &rows[n * stride..][..depth];
        }
        Self(slices)
    }
}

impl<const R: usize> Factors<R> for Rows<'_, R> {
    #[inline(always)]
    fn at(&self, d: usize) -> [f32; R] {
        let mut factors = [0.0; R];
        for (factor, row) in factors.iter_mut().zip(&self.0) {
            *factor = row[d];
        }
        factors
    }
}

/// Factors that stand in the first `R` columns, a step being a row.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub rows: &'a [f32],
    pub stride: usize,
}

impl<const R: usize> Factors<R> for Columns<'_> {
    #[inline(always)]
    fn at(&self, d: usize) -> [f32; R] {
        *self.rows[d * self.stride..].first_chunk().expect("whole blocks")
    }
}

#[inline(always)]
fn add_tiles<S: Simd, const R: usize>(
    simd: S,
    factors: impl Factors<R>,
    b: &[f32],
    out: &mut [f32],
    depth: usize,
    columns: usize,
) {
    let mut column = 0;
    loop {
        let (b, out) = (&b[column..], &mut out[column..]);
        column += S::F32_LANES
            * match (columns - column) / S::F32_LANES {
                0 => break,
                1 => add_tile::<S, R, 1>(simd, factors, b, out, depth, columns),
                2 | 4 => add_tile::<S, R, 2>(simd, factors, b, out, depth, columns),
                _ => add_tile::<S, R, 3>(simd, factors, b, out, depth, columns),
            };
    }
    if column < columns {
        add_rest(simd, factors, &b[column..], &mut out[column..], depth, columns);
    }
}

/// A tile of `V` registers' columns, which number it returns. Rows of `b` and `out` are `stride`
/// apart.
#[inline(always)]
fn add_tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    factors: impl Factors<R>,
    b: &[f32],
    out: &mut [f32],
    depth: usize,
    stride: usize,
) -> usize {
    let sums = tile::<S, R, V>(simd, 0..depth, factors, b, stride);
    for (n, sums) in sums.iter().enumerate() {
        let out = S::as_mut_simd_f32s(&mut out[n * stride..][..V * S::F32_LANES]).0;
        for v in 0..V {
            out[v] = simd.add_f32s(out[v], sums[v]);
        }
    }
    V
}

/// The last columns, too few for a register.
#[inline(always)]
fn add_rest<S: Simd, const R: usize>(
    simd: S,
    factors: impl Factors<R>,
    b: &[f32],
    out: &mut [f32],
    depth: usize,
    stride: usize,
) {
    let len = stride % S::F32_LANES;
    let mut sums = [simd.splat_f32s(0.0); R];
    for d in 0..depth {
        let (a, b) = (factors.at(d), simd.partial_load_f32s(&b[d * stride..][..len]));
        for n in 0..R {
            sums[n] = simd.mul_add_e_f32s(simd.splat_f32s(a[n]), b, sums[n]);
        }
    }
    for (n, &sum) in sums.iter().enumerate() {
        let out = &mut out[n * stride..][..len];
        let before = simd.partial_load_f32s(out);
        simd.partial_store_f32s(out, simd.add_f32s(before, sum));
    }
}

/// Σ over `depth` of `R` factors times the first `V` registers of a row of `b`; rows of `b` are
/// `stride` apart.
#[inline(always)]
pub(super) fn tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    depth: Range<usize>,
    factors: impl Factors<R>,
    b: &[f32],
    stride: usize,
) -> [[S::f32s; V]; R] {
    let mut sums = [[simd.splat_f32s(0.0); V]; R];
    for d in depth {
        let a = factors.at(d);
        let b = S::as_simd_f32s(&b[d * stride..][..V * S::F32_LANES]).0;
        for n in 0..R {
            let a = simd.splat_f32s(a[n]);
            for v in 0..V {
                sums[n][v] = simd.mul_add_e_f32s(a, b[v], sums[n][v]);
            }
        }
    }
    sums
}

/// The transpose of a (rows, columns) matrix.
pub(super) fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns;
    let mut out = vec![0.0; values.len()];
    for (r, row) in values.chunks_exact(columns).enumerate() {
        for (c, &value) in row.iter().enumerate() {
            out[c * rows + r] = value;
        }
    }
    out
}
