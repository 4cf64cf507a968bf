//! GELU in its tanh form: 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), as GPT-2 has it.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use multiversion::multiversion;
use rayon::prelude::*;

use super::math::tanh;
use super::{values, with_values};

const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;
const PER_TASK: usize = 1 << 14;

/// GELU of every element.
///
/// # Errors
/// Whatever candle reports.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() {
        x.apply_op1(Gelu)
    } else {
        x.gelu()
    }
}

struct Gelu;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "fused-gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let mut y = vec![0.0; x.len()];
        y.par_chunks_mut(PER_TASK)
            .zip(x.par_chunks(PER_TASK))
            .for_each(|(y, x)| forward(x, y));
        Ok((CpuStorage::F32(y), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let dx = with_values([x, grad], |[x, g]| {
            let mut dx = vec![0.0; x.len()];
            let tasks = dx
                .par_chunks_mut(PER_TASK)
                .zip(x.par_chunks(PER_TASK))
                .zip(g.par_chunks(PER_TASK));
            tasks.for_each(|((dx, x), g)| backward(x, g, dx));
            Ok(dx)
        })?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn forward(x: &[f32], y: &mut [f32]) {
    for (y, &x) in y.iter_mut().zip(x) {
        let inner = SQRT_2_OVER_PI * (x + CUBIC * x * x * x);
        *y = 0.5 * x * (1.0 + tanh(inner));
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn backward(x: &[f32], g: &[f32], dx: &mut [f32]) {
    for ((dx, &x), &g) in dx.iter_mut().zip(x).zip(g) {
        let t = tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x));
        let slope = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * x * x);
        *dx = g * 0.5 * (1.0 + t + x * (1.0 - t * t) * slope);
    }
}
