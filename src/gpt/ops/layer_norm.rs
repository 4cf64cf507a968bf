//! LayerNorm: each row to mean 0 and variance 1, then a gain and a bias for each feature.

use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::dispatch::dispatch;
use super::math::{at, at_mut};
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
        tasks.for_each(|(y, x)| dispatch(Forward { x, gain, bias, y }));
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
                    dispatch(Backward {
                        x,
                        gain,
                        g,
                        dx,
                        dgain: &mut dgain,
                        dbias: &mut dbias,
                    });
                    (dgain, dbias)
                })
                .collect();
            let (dgain, dbias): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            Ok((dx, sum_in_order(&dgain, width), sum_in_order(&dbias, width)))
        })?;
        let device = x.device();
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), device)?),
            Some(Tensor::from_vec(dgain, width, device)?),
            Some(Tensor::from_vec(dbias, width, device)?),
        ))
    }
}

struct Forward<'a> {
    x: &'a [f32],
    gain: &'a [f32],
    bias: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        forward(simd, self.x, self.gain, self.bias, self.y);
    }
}

struct Backward<'a> {
    x: &'a [f32],
    gain: &'a [f32],
    g: &'a [f32],
    dx: &'a mut [f32],
    dgain: &'a mut [f32],
    dbias: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        backward(simd, self.x, self.gain, self.g, self.dx, self.dgain, self.dbias);
    }
}

#[inline(always)]
pub(super) fn forward<S: Simd>(simd: S, x: &[f32], gain: &[f32], bias: &[f32], y: &mut [f32]) {
    let width = gain.len();
    let whole = width - width % S::F32_LANES;
    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
        let (mean, rstd) = moments(simd, x);
        let (m, r) = (simd.splat_f32s(mean), simd.splat_f32s(rstd));
        for i in (0..whole).step_by(S::F32_LANES) {
            let n = simd.mul_f32s(simd.sub_f32s(at::<S>(x, i), m), r);
            *at_mut::<S>(y, i) = simd.mul_add_e_f32s(n, at::<S>(gain, i), at::<S>(bias, i));
        }
        for i in whole..width {
            y[i] = (x[i] - mean) * rstd * gain[i] + bias[i];
        }
    }
}

/// Adds to the gradients of x, gain and bias. With n = (x − mean)·rstd and h = g·gain:
/// dx = rstd·(h − mean(h) − n·mean(h·n)), dgain = Σ g·n, dbias = Σ g, the sums over rows.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    simd: S,
    x: &[f32],
    gain: &[f32],
    g: &[f32],
    dx: &mut [f32],
    dgain: &mut [f32],
    dbias: &mut [f32],
) {
    let width = gain.len();
    let whole = width - width % S::F32_LANES;
    let rows = x.chunks_exact(width).zip(g.chunks_exact(width));
    for (dx, (x, g)) in dx.chunks_exact_mut(width).zip(rows) {
        let (mean, rstd) = moments(simd, x);
        let (mean_h, mean_hn) = means(simd, x, gain, g, (mean, rstd));
        let splat = |value| simd.splat_f32s(value);
        let (m, r, mh, mhn) = (splat(mean), splat(rstd), splat(mean_h), splat(mean_hn));
        for i in (0..whole).step_by(S::F32_LANES) {
            let g = at::<S>(g, i);
            let n = simd.mul_f32s(simd.sub_f32s(at::<S>(x, i), m), r);
            let h = simd.sub_f32s(simd.mul_f32s(g, at::<S>(gain, i)), mh);
            let centred = simd.sub_f32s(h, simd.mul_f32s(n, mhn));
            let (dx, dgain) = (at_mut::<S>(dx, i), at_mut::<S>(dgain, i));
            *dx = simd.mul_add_e_f32s(r, centred, *dx);
            *dgain = simd.mul_add_e_f32s(g, n, *dgain);
            let dbias = at_mut::<S>(dbias, i);
            *dbias = simd.add_f32s(*dbias, g);
        }
        for i in whole..width {
            let n = (x[i] - mean) * rstd;
            dx[i] += rstd * (g[i] * gain[i] - mean_h - n * mean_hn);
            dgain[i] += g[i] * n;
            dbias[i] += g[i];
        }
    }
}

/// Mean and 1/√(variance + ε) of a row.
#[inline(always)]
fn moments<S: Simd>(simd: S, row: &[f32]) -> (f32, f32) {
    let (registers, tail) = S::as_simd_f32s(row);
    let scale = 1.0 / row.len() as f32;
    let mut sum = simd.splat_f32s(0.0);
    for &x in registers {
        sum = simd.add_f32s(sum, x);
    }
    let mean = (simd.reduce_sum_f32s(sum) + tail.iter().sum::<f32>()) * scale;
    let mut squares = simd.splat_f32s(0.0);
    for &x in registers {
        let centred = simd.sub_f32s(x, simd.splat_f32s(mean));
        squares = simd.mul_add_e_f32s(centred, centred, squares);
    }
    let tail = tail.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>();
    let variance = (simd.reduce_sum_f32s(squares) + tail) * scale;
    (mean, 1.0 / (variance + EPSILON).sqrt())
}

/// Means of h = g·gain and of h·n over a row.
#[inline(always)]
fn means<S: Simd>(simd: S, x: &[f32], gain: &[f32], g: &[f32], (mean, rstd): (f32, f32)) -> (f32, f32) {
    let whole = x.len() - x.len() % S::F32_LANES;
    let (mut sum_h, mut sum_hx) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
    for i in (0..whole).step_by(S::F32_LANES) {
        let h = simd.mul_f32s(at::<S>(g, i), at::<S>(gain, i));
        let centred = simd.sub_f32s(at::<S>(x, i), simd.splat_f32s(mean));
        sum_h = simd.add_f32s(sum_h, h);
        sum_hx = simd.mul_add_e_f32s(h, centred, sum_hx);
    }
    let (mut h, mut hx) = (simd.reduce_sum_f32s(sum_h), simd.reduce_sum_f32s(sum_hx));
    for i in whole..x.len() {
        h += g[i] * gain[i];
        hx += g[i] * gain[i] * (x[i] - mean);
    }
    let scale = 1.0 / x.len() as f32;
    (h * scale, hx * rstd * scale)
}
