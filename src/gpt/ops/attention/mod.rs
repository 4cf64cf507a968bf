//! Causal multi-head attention: softmax(q·kᵀ/√d)·v, where a token sees itself and what precedes it.

mod head;

use candle_core::{D, Result, Tensor};
use pulp::Simd;

use head::{Head, Scratch};

/// The definition, in candle's own operations: `qkv` (B·T, 3C), queries, keys and values side by
/// side, each cut into `heads` heads → (B·T, C). The attention weights (B, nh, T, T) pass through
/// `weights` before they meet the values.
pub(super) fn composed(
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
    let hidden = Tensor::from_vec(hidden, (length, length), qkv.device())?.to_dtype(qkv.dtype())?;
    let scores = (q.matmul(&k.transpose(2, 3)?.contiguous()?)? * scale)?.broadcast_add(&hidden)?; // (B, nh, T, T)
    let attended = weights(candle_nn::ops::softmax(&scores, D::Minus1)?)?.matmul(&v)?; // (B, nh, T, hs)
    attended.transpose(1, 2)?.contiguous()?.reshape((rows, width)) // (B·T, C)
}

/// Attention within lines of `length` tokens.
#[derive(Clone, Copy)]
pub(super) struct Attention {
    pub length: usize,
    pub heads: usize,
    /// Features of a token, C.
    pub width: usize,
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

/// Whole lines of queries, keys and values `qkv` (n, 3C) → `y` (n, C).
#[inline(always)]
pub(super) fn forward<S: Simd>(simd: S, a: Attention, qkv: &[f32], y: &mut [f32]) {
    let mut scratch = Scratch::new(a.length, a.width / a.heads);
    let rows = a.length * a.width;
    for (y, line) in y.chunks_exact_mut(rows).zip(qkv.chunks_exact(3 * rows)) {
        for head in a.each_head() {
            head::forward(simd, head, line, y, &mut scratch);
        }
    }
}

/// `y` as [`forward`] has it, and the gradient of `qkv` from that of `y`, `g`.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    simd: S,
    a: Attention,
    qkv: &[f32],
    g: &[f32],
    y: &mut [f32],
    dqkv: &mut [f32],
) {
    let mut scratch = Scratch::new(a.length, a.width / a.heads);
    let rows = a.length * a.width;
    let lines = qkv.chunks_exact(3 * rows).zip(dqkv.chunks_exact_mut(3 * rows));
    let outputs = g.chunks_exact(rows).zip(y.chunks_exact_mut(rows));
    for ((line, dline), (g, y)) in lines.zip(outputs) {
        for head in a.each_head() {
            head::backward(simd, head, line, g, y, dline, &mut scratch);
        }
    }
}
