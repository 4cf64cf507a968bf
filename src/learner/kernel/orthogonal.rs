//! A matrix with its singular values brought near 1: Muon's step.
//!
//! The sums of the products run in each lane alone, as everywhere in the kernel: a lane is a column of
//! the result. So a matrix stands twice while it is multiplied: by rows, whose numbers are the weights
//! of a product, and by columns, sixteen of them side by side.

use super::product::{by_line, product, product_of_columns};
use crate::learner::math::{NEWTON_SCHULZ, NEWTON_SCHULZ_STEPS};
use crate::simd::{LANES, Lanes, Vector, floats};

/// Scratch for the products of a matrix of R rows and C columns, C ≤ R.
pub(in crate::learner) struct Scratch {
    /// C.
    width: usize,
    /// The matrix by columns: R×16 of them, one behind the other.
    columns: Vec<Vector>,
    /// XᵀX by columns and by rows.
    gram: Vec<Vector>,
    gram_rows: Vec<Vector>,
    /// Its square, then the polynomial of it, by columns.
    polynomial: Vec<Vector>,
}

impl Scratch {
    /// Scratch for `rows` rows of `width` columns.
    pub fn new(rows: usize, width: usize) -> Self {
        let square = width * width / LANES;
        Self {
            width,
            columns: Vector::zeros(rows * width / LANES),
            gram: Vector::zeros(square),
            gram_rows: Vector::zeros(square),
            polynomial: Vector::zeros(square),
        }
    }
}

/// Rows of `width` vectors, one behind the other, as `width` columns: what is by rows by columns, and back again.
#[inline(always)]
fn transpose(from: &[Vector], width: usize, to: &mut [Vector]) {
    let count = from.len() / width;
    for (i, row) in from.chunks_exact(width).enumerate() {
        for (to, from) in to[i..].iter_mut().step_by(count).zip(row) {
            *to = *from;
        }
    }
}

/// The upper part of a symmetric matrix by columns, from the lower: what a block of columns has above
/// its diagonal block stands, turned, in the blocks before it.
#[inline(always)]
fn mirror<L: Lanes>(l: L, width: usize, columns: &mut [Vector]) {
    for block in 1..width / LANES {
        let (done, rest) = columns.split_at_mut(block * width);
        let above = rest[..block * LANES].chunks_exact_mut(LANES);
        for (to, from) in above.zip(done.chunks_exact(width)) {
            by_line(l, &from[block * LANES..][..LANES], to)
        }
    }
}

/// x ← x·(aI + bA + cA²) with A = xᵀx, [`NEWTON_SCHULZ_STEPS`] times. Rows of `scratch`'s width, its norm at most 1.
///
/// A and A² are symmetric to the bit, so a third and more of them is mirrored instead of computed.
#[inline(always)]
pub(super) fn orthogonalise_in<L: Lanes>(l: L, x: &mut [Vector], scratch: &mut Scratch) {
    let (width, blocks) = (scratch.width, scratch.width / LANES);
    let rows = x.len() / blocks;
    let [a, b, c] = NEWTON_SCHULZ;
    for _ in 0..NEWTON_SCHULZ_STEPS {
        transpose(x, blocks, &mut scratch.columns);
        let columns = scratch.columns.chunks_exact(rows);
        for ((block, column), gram) in columns.enumerate().zip(scratch.gram.chunks_exact_mut(width)) {
            let first = block * LANES;
            product_of_columns(l, floats(x), first, column, &mut gram[first..])
        }
        mirror(l, width, &mut scratch.gram);
        transpose(&scratch.gram, width, &mut scratch.gram_rows);
        let grams = scratch.gram.chunks_exact(width);
        for ((block, gram), polynomial) in grams.enumerate().zip(scratch.polynomial.chunks_exact_mut(width)) {
            let first = block * LANES;
            let below = &mut polynomial[first..];
            product(l, &floats(&scratch.gram_rows)[first * width..], None, gram, below);
            let (b, c) = (l.splat(b), l.splat(c));
            for (square, gram) in below.iter_mut().zip(&gram[first..]) {
                let sum = l.add(l.mul(b, l.load(gram)), l.mul(c, l.load(square)));
                l.store(square, sum);
            }
            for (lane, row) in below[..LANES].iter_mut().enumerate() {
                row.0[lane] = (f32::from_bits(row.0[lane]) + a).to_bits();
            }
        }
        mirror(l, width, &mut scratch.polynomial);
        let polynomials = scratch.polynomial.chunks_exact(width);
        for (polynomial, column) in polynomials.zip(scratch.columns.chunks_exact_mut(rows)) {
            product(l, floats(x), None, polynomial, column)
        }
        transpose(&scratch.columns, rows, x);
    }
}
