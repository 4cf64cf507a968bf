//! The network's operations: fused for the CPU with a backward pass of their own, composed of
//! candle's where a tensor lives elsewhere. The composed forms are the definitions that the tests
//! hold the fused ones to.
//!
//! Fused because composed a step is bound by memory, not arithmetic: a LayerNorm alone reads and
//! writes its rows some ten times forward and twenty backward, and every gradient is cleared,
//! computed and added on its way. Whole half layers are one operation, [`residual()`], whose parts
//! work on slices of a few lines.
//!
//! Rows are cut into tasks and sums made in an order that do not depend on the number of threads,
//! and so nothing that is computed here does. It does depend on the processor: wider registers sum
//! in another order.

mod attention;
mod dispatch;
mod embedding;
mod gelu;
mod layer_norm;
mod math;
mod product;
mod residual;
mod surprisal;

pub use embedding::embedding;
pub use layer_norm::layer_norm;
pub use residual::{Inner, Parameters, composed_residual, residual};
pub use surprisal::surprisals;

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType};
use rayon::prelude::*;

/// Rows that one task of a parallel loop takes. It also fixes the order in which sums over rows
/// are made, so that gradients do not depend on the number of threads.
const ROWS_PER_TASK: usize = 512;

/// The values of a contiguous tensor in the CPU's memory.
fn values<'a, T: WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice()?[start..end]),
        None => candle_core::bail!("a fused operation needs a contiguous tensor"),
    }
}

/// Calls `f` with the values of tensors in the CPU's memory, made contiguous first.
fn with_values<R, const N: usize>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[f32]; N]) -> Result<R>,
) -> Result<R> {
    let tensors = tensors.map(Tensor::contiguous);
    let mut guards = Vec::with_capacity(N);
    for tensor in &tensors {
        match tensor {
            Ok(tensor) => guards.push(tensor.storage_and_layout()),
            Err(error) => candle_core::bail!("{error}"),
        }
    }
    let mut slices = [&[][..]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        *slice = match &**storage {
            Storage::Cpu(storage) => values(storage, layout)?,
            _ => candle_core::bail!("a fused operation needs a tensor in the CPU's memory"),
        };
    }
    f(slices)
}

/// Adds up equally long vectors in their order, a stretch of them on each thread.
fn sum_in_order(parts: &[Vec<f32>], len: usize) -> Vec<f32> {
    const STRETCH: usize = 1 << 12;
    let mut total = vec![0.0; len];
    let stretches = total.par_chunks_mut(STRETCH).enumerate();
    stretches.for_each(|(i, total)| parts.iter().for_each(|part| add(total, &part[i * STRETCH..])));
    total
}

/// sum += values, as many as there are of the fewer.
#[inline(always)]
fn add(sum: &mut [f32], values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(s, v)| *s += v);
}

#[cfg(test)]
mod tests;
