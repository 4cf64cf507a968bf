//! Causal multi-head attention: softmax(q·kᵀ/√d)·v, where a token sees itself and what precedes it.

mod head;

use candle_core::{CpuStorage, CustomOp1, D, Layout, Result, Shape, Tensor};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{values, with_values};
use head::{Head, Scratch};

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
        composed(qkv, length, heads)
    }
}

fn composed(qkv: &Tensor, length: usize, heads: usize) -> Result<Tensor> {
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
    let attended = candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(&v)?; // (B, nh, T, hs)
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
    /// The heads of a line.
    fn each_head(self) -> impl Iterator<Item = Head> {
        let features = self.width / self.heads;
        (0..self.heads).map(move |head| Head {
            length: self.length,
            features,
            first: head * features,
            width: self.width,
        })
    }
}

struct Forward<'a> {
    attention: Attention,
    qkv: &'a [f32],
    y: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let a = self.attention;
        let mut scratch = Scratch::new(a.length, a.width / a.heads);
        let rows = a.length * a.width;
        for (y, line) in self.y.chunks_exact_mut(rows).zip(self.qkv.chunks_exact(3 * rows)) {
            for head in a.each_head() {
                head::forward(simd, head, line, y, &mut scratch);
            }
        }
    }
}

struct Backward<'a> {
    attention: Attention,
    qkv: &'a [f32],
    g: &'a [f32],
    dqkv: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let a = self.attention;
        let mut scratch = Scratch::new(a.length, a.width / a.heads);
        let rows = a.length * a.width;
        let lines = self
            .dqkv
            .chunks_exact_mut(3 * rows)
            .zip(self.qkv.chunks_exact(3 * rows))
            .zip(self.g.chunks_exact(rows));
        for ((dline, line), g) in lines {
            for head in a.each_head() {
                head::backward(simd, head, line, g, dline, &mut scratch);
            }
        }
    }
}

fn forward(attention: Attention, qkv: &[f32], y: &mut [f32]) {
    Arch::new().dispatch(Forward { attention, qkv, y });
}

fn backward(attention: Attention, qkv: &[f32], g: &[f32], dqkv: &mut [f32]) {
    Arch::new().dispatch(Backward {
        attention,
        qkv,
        g,
        dqkv,
    });
}
