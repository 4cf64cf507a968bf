//! What Muon makes of a matrix.

use crate::learner::scalar;

/// Numbers within ±1 that look random.
fn noise(count: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// xᵀx of a matrix with rows of `width`.
fn gram(x: &[f32], width: usize) -> Vec<f64> {
    let entry = |i: usize| {
        let rows = x.chunks_exact(width);
        rows.map(|row| f64::from(row[i / width]) * f64::from(row[i % width])).sum()
    };
    (0..width * width).map(entry).collect()
}

/// Columns become nearly orthogonal, of lengths near 1, however different they were.
#[test]
fn singular_values_come_near_one() {
    let (rows, width) = (64, 16);
    let mut x = noise(rows * width);
    for row in x.chunks_exact_mut(width) {
        row.iter_mut().enumerate().for_each(|(j, x)| *x *= 0.2 + 0.05 * j as f32);
    }
    let norm = x.iter().map(|x| x * x).sum::<f32>().sqrt();
    x.iter_mut().for_each(|x| *x /= norm);
    scalar::orthogonalise(&mut x, width);
    for (i, entry) in gram(&x, width).into_iter().enumerate() {
        let wanted = if i / width == i % width { 0.4..1.6 } else { -0.4..0.4 };
        assert!(wanted.contains(&entry), "entry {i}: {entry}");
    }
}

/// A gradient of zero moves nothing.
#[test]
fn zero_stays_zero() {
    let mut x = vec![0.0; 32 * 16];
    scalar::orthogonalise(&mut x, 16);
    assert!(x.iter().all(|&x| x == 0.0));
}
