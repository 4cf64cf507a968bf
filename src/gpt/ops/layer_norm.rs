//! LayerNorm: each row to mean 0 and variance 1, then a gain and a bias for each feature.

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor};
use multiversion::multiversion;
use rayon::prelude::*;

use super::{ROWS_PER_TASK, sum_in_order, values, with_values};

/// Added to the variance, as in minGPT.
const EPSILON: f32 = 1e-5;

/// (x − mean)/√(variance + ε)·gain + bias over the last dimension; x (N, C), gain and bias (C).
///
/// # Errors
/// Whatever candle reports.
pub fn layer_norm(x: &Tensor, gain: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() {
        x.apply_op3(gain, bias, LayerNorm)
    } else {
        composed(x, gain, bias)
    }
}

/// The definition, in candle's own operations.
pub(super) fn composed(x: &Tensor, gain: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let normed = centred.broadcast_div(&(variance + f64::from(EPSILON))?.sqrt()?)?;
    normed.broadcast_mul(gain)?.broadcast_add(bias)
}

struct LayerNorm;

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "fused-layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        gain: &CpuStorage,
        lg: &Layout,
        bias: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, gain, bias) = (values(x, lx)?, values(gain, lg)?, values(bias, lb)?);
        let mut y = vec![0.0; x.len()];
        let len = ROWS_PER_TASK * gain.len();
        let tasks = y.par_chunks_mut(len).zip(x.par_chunks(len));
        tasks.for_each(|(y, x)| forward(x, gain, bias, y));
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gain: &Tensor,
        _bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let width = gain.elem_count();
        let (dx, dgain, dbias) = with_values([x, gain, grad], |[x, gain, g]| {
            let mut dx = vec![0.0; x.len()];
            let len = ROWS_PER_TASK * width;
            let tasks = dx
                .par_chunks_mut(len)
                .zip(x.par_chunks(len))
                .zip(g.par_chunks(len));
            let parts: Vec<_> = tasks
                .map(|((dx, x), g)| {
                    let (mut dgain, mut dbias) = (vec![0.0; width], vec![0.0; width]);
                    backward(x, gain, g, dx, &mut dgain, &mut dbias);
                    (dgain, dbias)
                })
                .collect();
            let (dgain, dbias) = parts.into_iter().unzip();
            Ok((dx, sum_in_order(dgain, width), sum_in_order(dbias, width)))
        })?;
        let device = x.device();
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), device)?),
            Some(Tensor::from_vec(dgain, width, device)?),
            Some(Tensor::from_vec(dbias, width, device)?),
        ))
    }
}

/// Sum of f(element) in eight striped parts, so that the compiler may use vectors.
#[inline(always)]
fn striped_sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut parts = [0.0; 8];
    let whole = n - n % 8;
    for i in (0..whole).step_by(8) {
        for (j, part) in parts.iter_mut().enumerate() {
            *part += f(i + j);
        }
    }
    parts.iter().sum::<f32>() + (whole..n).map(f).sum::<f32>()
}

/// Mean and 1/√(variance + ε) of a row.
#[inline(always)]
fn moments(row: &[f32]) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = striped_sum(row.len(), |i| row[i]) / n;
    let variance = striped_sum(row.len(), |i| (row[i] - mean) * (row[i] - mean)) / n;
    (mean, 1.0 / (variance + EPSILON).sqrt())
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(super) fn forward(x: &[f32], gain: &[f32], bias: &[f32], y: &mut [f32]) {
    let width = gain.len();
    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
        let (mean, rstd) = moments(x);
        for i in 0..width {
            y[i] = (x[i] - mean) * rstd * gain[i] + bias[i];
        }
    }
}

/// With n = (x − mean)·rstd and h = g·gain: dx = rstd·(h − mean(h) − n·mean(h·n)),
/// dgain = Σ g·n, dbias = Σ g, the sums over rows.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(super) fn backward(
    x: &[f32],
    gain: &[f32],
    g: &[f32],
    dx: &mut [f32],
    dgain: &mut [f32],
    dbias: &mut [f32],
) {
    let width = gain.len();
    let rows = dx
        .chunks_exact_mut(width)
        .zip(x.chunks_exact(width))
        .zip(g.chunks_exact(width));
    for ((dx, x), g) in rows {
        let (mean, rstd) = moments(x);
        let scale = 1.0 / width as f32;
        let mean_h = scale * striped_sum(width, |i| g[i] * gain[i]);
        let mean_hn = scale * striped_sum(width, |i| g[i] * gain[i] * (x[i] - mean) * rstd);
        for i in 0..width {
            let n = (x[i] - mean) * rstd;
            dx[i] = rstd * (g[i] * gain[i] - mean_h - n * mean_hn);
            dgain[i] += g[i] * n;
            dbias[i] += g[i];
        }
    }
}
