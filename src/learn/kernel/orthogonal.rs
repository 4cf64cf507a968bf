//! A matrix with its singular values brought near 1: Muon's step.
//!
//! The sums of the products run in each lane alone, as everywhere in the kernel: a lane is a column of
//! the result. So a matrix stands twice while it is multiplied: by rows, whose numbers are the weights
//! of a product, and by columns, sixteen of them side by side.

use super::product::{product, product_transposed};
use super::{floats, room};
use crate::exact::{LANES, Lanes, Vector};
use crate::learn::muon::{NEWTON_SCHULZ, STEPS};

/// Room for the products of a matrix of R rows and C columns, C ≤ R.
pub(in crate::learn) struct Room {
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

impl Room {
    /// Room for `rows` rows of `width` columns.
    pub fn new(rows: usize, width: usize) -> Self {
        let square = width * width / LANES;
        Self {
            width,
            columns: room(rows * width / LANES),
            gram: room(square),
            gram_rows: room(square),
            polynomial: room(square),
        }
    }
}

/// Rows of `blocks` vectors by columns.
fn by_columns(rows: &[Vector], blocks: usize, columns: &mut [Vector]) {
    let count = rows.len() / blocks;
    for (block, column) in columns.chunks_exact_mut(count).enumerate() {
        let of_block = rows[block..].iter().step_by(blocks);
        column.iter_mut().zip(of_block).for_each(|(to, from)| *to = *from);
    }
}

/// As [`by_columns`], back again.
fn by_rows(columns: &[Vector], blocks: usize, rows: &mut [Vector]) {
    let count = rows.len() / blocks;
    for (block, column) in columns.chunks_exact(count).enumerate() {
        let of_block = rows[block..].iter_mut().step_by(blocks);
        of_block.zip(column).for_each(|(to, from)| *to = *from);
    }
}

/// x ← x·(aI + bA + cA²) with A = xᵀx, [`STEPS`] times. Rows of `room`'s width, its norm at most 1.
///
/// # Safety
/// The processor has the lanes' instruction set.
#[inline(always)]
pub(super) unsafe fn orthogonalise_in<L: Lanes>(x: &mut [Vector], room: &mut Room) {
    let (width, blocks) = (room.width, room.width / LANES);
    let rows = x.len() / blocks;
    let [a, b, c] = NEWTON_SCHULZ;
    for _ in 0..STEPS {
        by_columns(x, blocks, &mut room.columns);
        let columns = room.columns.chunks_exact(rows);
        for (column, gram) in columns.zip(room.gram.chunks_exact_mut(width)) {
            // SAFETY: as promised by the caller.
            unsafe { product_transposed::<L>(floats(x), None, column, gram) }
        }
        by_rows(&room.gram, blocks, &mut room.gram_rows);
        let grams = room.gram.chunks_exact(width);
        for ((block, gram), polynomial) in grams.enumerate().zip(room.polynomial.chunks_exact_mut(width)) {
            // SAFETY: as promised by the caller.
            unsafe {
                product::<L>(floats(&room.gram_rows), None, gram, polynomial);
                let (b, c) = (L::splat(b), L::splat(c));
                for (square, gram) in polynomial.iter_mut().zip(gram) {
                    let sum = L::add(L::mul(b, L::load(gram)), L::mul(c, L::load(square)));
                    L::store(square, sum);
                }
            }
            for (lane, row) in polynomial[block * LANES..][..LANES].iter_mut().enumerate() {
                row.0[lane] = (f32::from_bits(row.0[lane]) + a).to_bits();
            }
        }
        let polynomials = room.polynomial.chunks_exact(width);
        for (polynomial, column) in polynomials.zip(room.columns.chunks_exact_mut(rows)) {
            // SAFETY: as promised by the caller.
            unsafe { product::<L>(floats(x), None, polynomial, column) }
        }
        by_rows(&room.columns, blocks, x);
    }
}
