//! The network's operations: fused for the CPU with a backward pass of their own, composed of
//! candle's where a tensor lives elsewhere. The composed forms are the definitions that the tests
//! hold the fused ones to.
//!
//! Fused because a step is bound by memory, not arithmetic: composed, a LayerNorm reads and writes
//! its rows some ten times forward and twenty backward.

mod attention;
mod embedding;
mod gelu;
mod layer_norm;
mod math;
mod product;
mod residual;
mod surprisal;

pub use embedding::embedding;
pub use layer_norm::layer_norm;
pub use residual::{Inner, Parameters, residual};
pub use surprisal::surprisals;

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType};

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

/// Adds up equally long vectors in their order.
fn sum_in_order(parts: Vec<Vec<f32>>, len: usize) -> Vec<f32> {
    let mut total = vec![0.0; len];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
    }
    total
}

#[cfg(test)]
mod tests;
