//! Causal multi-head attention: softmax(q·kᵀ/√d)·v, where a token sees itself and what precedes it.

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};
use multiversion::multiversion;
use rayon::prelude::*;

use super::math::exp;
use super::{values, with_values};

/// Attention within lines of `length` tokens: `qkv` (B·T, 3C), queries, keys and values side by
/// side, each cut into `heads` heads → (B·T, C).
///
/// # Errors
/// Whatever candle reports.
pub fn causal_attention(qkv: &Tensor, length: usize, heads: usize) -> Result<Tensor> {
    let (rows, width3) = qkv.dims2()?;
    if width3 % (3 * heads) != 0 || rows % length != 0 {
        candle_core::bail!("attention: {rows} × {width3} is not lines of {length} in {heads} heads");
    }
    if qkv.device().is_cpu() {
        qkv.apply_op1(Attention {
            length,
            heads,
            width: width3 / 3,
        })
    } else {
        composed_attention(qkv, length, heads, Ok)
    }
}

/// [`causal_attention`] composed of candle's operations, on any device. The attention weights
/// (B, nh, T, T) pass through `weights` before they meet the values.
///
/// # Errors
/// Whatever candle or `weights` reports.
pub fn composed_attention(
    qkv: &Tensor,
    length: usize,
    heads: usize,
    weights: impl FnOnce(Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let (rows, width3) = qkv.dims2()?;
    let (width, lines) = (width3 / 3, rows / length);
    let part = |i: usize| {
        let part = qkv
            .narrow(1, i * width, width)?
            .reshape((lines, length, heads, width / heads))?;
        part.transpose(1, 2)?.contiguous() // (B, nh, T, hs)
    };
    let (q, k, v) = (part(0)?, part(1)?, part(2)?);
    let scale = 1.0 / ((width / heads) as f64).sqrt();
    let hidden: Vec<f32> = (0..length * length)
        .map(|i| {
            if i % length > i / length {
                f32::NEG_INFINITY
            } else {
                0.0
            }
        })
        .collect();
    let hidden = Tensor::from_vec(hidden, (length, length), qkv.device())?;
    let scores = (q.matmul(&k.transpose(2, 3)?.contiguous()?)? * scale)?.broadcast_add(&hidden)?; // (B, nh, T, T)
    let attended = weights(candle_nn::ops::softmax(&scores, D::Minus1)?)?.matmul(&v)?; // (B, nh, T, hs)
    attended.transpose(1, 2)?.contiguous()?.reshape((rows, width)) // (B·T, C)
}

#[derive(Clone, Copy)]
struct Attention {
    length: usize,
    heads: usize,
    width: usize,
}

/// Lines that one task takes.
const LINES_PER_TASK: usize = 16;

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "fused-causal-attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let qkv = values(qkv, layout)?;
        let mut y = vec![0.0; qkv.len() / 3];
        let len = LINES_PER_TASK * self.length * self.width;
        let tasks = y.par_chunks_mut(len).zip(qkv.par_chunks(3 * len));
        tasks.for_each(|(y, qkv)| forward(*self, qkv, y));
        let rows = layout.dims()[0];
        Ok((CpuStorage::F32(y), (rows, self.width).into()))
    }

    fn bwd(&self, qkv: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let dqkv = with_values([qkv, grad], |[qkv, g]| {
            let mut dqkv = vec![0.0; qkv.len()];
            let len = LINES_PER_TASK * self.length * self.width;
            let tasks = dqkv
                .par_chunks_mut(3 * len)
                .zip(qkv.par_chunks(3 * len))
                .zip(g.par_chunks(len));
            tasks.for_each(|((dqkv, qkv), g)| backward(*self, qkv, g, dqkv));
            Ok(dqkv)
        })?;
        Ok(Some(Tensor::from_vec(dqkv, qkv.shape(), qkv.device())?))
    }
}

impl Attention {
    fn head_dim(self) -> usize {
        self.width / self.heads
    }

    /// The features `part` (0 queries, 1 keys, 2 values) of a head, transposed: (hs, T).
    #[inline(always)]
    fn transposed(self, line: &[f32], part: usize, head: usize, out: &mut [f32]) {
        let d = self.head_dim();
        for t in 0..self.length {
            let row = &line[t * 3 * self.width + part * self.width + head * d..][..d];
            for (i, &value) in row.iter().enumerate() {
                out[i * self.length + t] = value;
            }
        }
    }

    /// Attention weights of query `t` over positions 0..=t into `p`.
    #[inline(always)]
    fn weights(self, query: &[f32], keys: &[f32], p: &mut [f32]) {
        p.fill(0.0);
        for (q, keys) in query.iter().zip(keys.chunks_exact(self.length)) {
            p.iter_mut().zip(keys).for_each(|(p, k)| *p += q * k);
        }
        let scale = 1.0 / (self.head_dim() as f32).sqrt();
        let max = p
            .iter()
            .fold(f32::NEG_INFINITY, |m, &s| if s > m { s } else { m });
        p.iter_mut().for_each(|p| *p = exp((*p - max) * scale));
        let norm = 1.0 / p.iter().sum::<f32>();
        p.iter_mut().for_each(|p| *p *= norm);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn forward(a: Attention, qkv: &[f32], y: &mut [f32]) {
    let (d, width, length) = (a.head_dim(), a.width, a.length);
    let mut keys = vec![0.0; d * length];
    let mut p = vec![0.0; length];
    let lines = y
        .chunks_exact_mut(length * width)
        .zip(qkv.chunks_exact(3 * length * width));
    for (y, line) in lines {
        for head in 0..a.heads {
            a.transposed(line, 1, head, &mut keys);
            for t in 0..length {
                let query = &line[t * 3 * width + head * d..][..d];
                a.weights(query, &keys, &mut p[..=t]);
                let out = &mut y[t * width + head * d..][..d];
                for (j, &p) in p[..=t].iter().enumerate() {
                    let value = &line[j * 3 * width + 2 * width + head * d..][..d];
                    out.iter_mut().zip(value).for_each(|(o, v)| *o += p * v);
                }
            }
        }
    }
}

/// The weights p are computed again; then with dp = g·vᵀ: ds = p·(dp − Σ p·dp)/√d, dq = ds·k,
/// dk = dsᵀ·q, dv = pᵀ·g.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn backward(a: Attention, qkv: &[f32], g: &[f32], dqkv: &mut [f32]) {
    let (d, width, length) = (a.head_dim(), a.width, a.length);
    let scale = 1.0 / (d as f32).sqrt();
    let (mut keys, mut vals) = (vec![0.0; d * length], vec![0.0; d * length]);
    let (mut p, mut dp) = (vec![0.0; length], vec![0.0; length]);
    let lines = dqkv
        .chunks_exact_mut(3 * length * width)
        .zip(qkv.chunks_exact(3 * length * width))
        .zip(g.chunks_exact(length * width));
    for ((dline, line), g) in lines {
        for head in 0..a.heads {
            a.transposed(line, 1, head, &mut keys);
            a.transposed(line, 2, head, &mut vals);
            for t in 0..length {
                let at = |part: usize, t: usize| t * 3 * width + part * width + head * d;
                let query = &line[at(0, t)..][..d];
                let g = &g[t * width + head * d..][..d];
                let (p, dp) = (&mut p[..=t], &mut dp[..=t]);
                a.weights(query, &keys, p);
                dp.fill(0.0);
                for (g, vals) in g.iter().zip(vals.chunks_exact(length)) {
                    dp.iter_mut().zip(vals).for_each(|(dp, v)| *dp += g * v);
                }
                let mean: f32 = p.iter().zip(&*dp).map(|(p, dp)| p * dp).sum();
                dp.iter_mut()
                    .zip(&*p)
                    .for_each(|(dp, p)| *dp = p * (*dp - mean) * scale);
                for (j, (&ds, &p)) in dp.iter().zip(&*p).enumerate() {
                    let key = &line[at(1, j)..][..d];
                    let dq = &mut dline[at(0, t)..][..d];
                    dq.iter_mut().zip(key).for_each(|(dq, k)| *dq += ds * k);
                    let dk = &mut dline[at(1, j)..][..d];
                    dk.iter_mut().zip(query).for_each(|(dk, q)| *dk += ds * q);
                    let dv = &mut dline[at(2, j)..][..d];
                    dv.iter_mut().zip(g).for_each(|(dv, g)| *dv += p * g);
                }
            }
        }
    }
}
