//! The half of a transformer layer: x + W₂·f(W₁·norm(x) + b₁) + b₂, with causal attention or GELU
//! as f.
//!
//! One operation, because a training step's time is not in the products alone: every tensor
//! between them is some megabytes to allocate, clear, write and read, and its gradient as much
//! again three times. Here they live for a few lines in the cache, forward; and backward they are
//! computed again, which costs a fifth of the products and saves keeping them.

mod block;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::dispatch::dispatch;
use super::{attention, layer_norm, sum_in_order, values, with_values};
use block::{Backward, Block, Forward, Sizes};

/// What stands between a block's two linear layers.
#[derive(Clone, Copy, Debug)]
pub enum Inner {
    /// Causal attention within lines: (N, 3C) → (N, C).
    Attention {
        /// Tokens of a line.
        length: usize,
        /// Heads that the features are cut into.
        heads: usize,
    },
    /// GELU of every element: (N, H) → (N, H).
    Gelu,
}

/// A block's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<T> {
    /// LayerNorm's gain, (C).
    pub gain: T,
    /// LayerNorm's bias, (C).
    pub bias: T,
    /// The first layer's matrix, (H, C).
    pub w1: T,
    /// The first layer's bias, (H).
    pub b1: T,
    /// The second layer's matrix, (C, A).
    pub w2: T,
    /// The second layer's bias, (C).
    pub b2: T,
}

/// x + W₂·f(W₁·norm(x) + b₁) + b₂ of every row: x (N, C) → (N, C).
///
/// # Errors
/// Says what of x, parameters and lines does not fit.
pub fn residual(x: &Tensor, parameters: &Parameters<&Tensor>, inner: Inner) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return composed_residual(x, parameters, inner, Ok);
    }
    let p = parameters;
    let sizes = Sizes {
        width: p.w2.dim(0)?,
        hidden: p.w1.dim(0)?,
        inner: p.w2.dim(1)?,
    };
    let op = Residual { sizes, inner };
    op.check(x, p)?;
    let flat = [p.gain, p.bias, p.w1, p.b1, p.w2, p.b2].map(Tensor::flatten_all);
    let flat = Tensor::cat(&flat.into_iter().collect::<Result<Vec<_>>>()?, 0)?;
    x.apply_op2(&flat, op)
}

/// The definition of [`residual`], in candle's own operations. Attention weights, and what is added to
/// x, pass through `drop` first.
///
/// # Errors
/// Whatever candle or `drop` reports.
pub fn composed_residual(
    x: &Tensor,
    p: &Parameters<&Tensor>,
    inner: Inner,
    mut drop: impl FnMut(Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let linear = |x: &Tensor, w: &Tensor, b: &Tensor| x.matmul(&w.t()?)?.broadcast_add(b);
    let normed = layer_norm::composed(x, p.gain, p.bias)?;
    let hidden = linear(&normed, p.w1, p.b1)?; // (N, H)
    let inner = match inner {
        Inner::Attention { length, heads } => attention::composed(&hidden, length, heads, &mut drop)?,
        Inner::Gelu => hidden.gelu()?,
    }; // (N, A)
    x + drop(linear(&inner, p.w2, p.b2)?)?
}

#[derive(Clone, Copy)]
struct Residual {
    sizes: Sizes,
    inner: Inner,
}

impl CustomOp2 for Residual {
    fn name(&self) -> &'static str {
        "fused-residual-block"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        p: &CpuStorage,
        lp: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, p) = (values(x, lx)?, values(p, lp)?);
        let mut y = x.to_vec();
        let block = Block::new(*self, p);
        let len = self.task_len();
        let tasks = y.par_chunks_mut(len).zip(x.par_chunks(len));
        tasks.for_each_init(
            || block.scratch(),
            |scratch, (y, x)| {
                dispatch(Forward {
                    block: &block,
                    x,
                    y,
                    scratch,
                });
            },
        );
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        p: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dp) = with_values([x, p, grad], |[x, p, g]| {
            let mut dx = g.to_vec(); // by the way around the layers
            let block = Block::new(*self, p);
            let len = self.task_len();
            let tasks = dx
                .par_chunks_mut(len)
                .zip(x.par_chunks(len))
                .zip(g.par_chunks(len));
            let parts = tasks.map_init(
                || block.scratch(),
                |scratch, ((dx, x), g)| {
                    let mut dp = vec![0.0; p.len()];
                    dispatch(Backward {
                        block: &block,
                        x,
                        g,
                        dx,
                        dp: &mut dp,
                        scratch,
                    });
                    dp
                },
            );
            let dp = sum_in_order(&parts.collect::<Vec<_>>(), p.len());
            Ok((dx, dp))
        })?;
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), x.device())?),
            Some(Tensor::from_vec(dp, p.shape(), p.device())?),
        ))
    }
}

/// Lines of one task, which fix the order in which gradients are summed.
const LINES_PER_TASK: usize = 16;

/// What is a line where rows do not come in lines.
const ROWS: usize = 28;

impl Residual {
    /// Rows that belong together.
    fn line(self) -> usize {
        match self.inner {
            Inner::Attention { length, .. } => length,
            Inner::Gelu => ROWS,
        }
    }

    /// Elements of x that one task takes.
    fn task_len(self) -> usize {
        LINES_PER_TASK * self.line() * self.sizes.width
    }

    /// Refuses x and parameters that do not fit one another.
    fn check(self, x: &Tensor, p: &Parameters<&Tensor>) -> Result<()> {
        let Sizes { width, hidden, inner } = self.sizes;
        let (rows, features) = x.dims2()?;
        let vectors = [p.gain, p.bias, p.b2].iter().all(|v| v.dims() == [width]);
        let matrices = p.w1.dims() == [hidden, width] && p.b1.dims() == [hidden];
        if features != width || !vectors || !matrices {
            candle_core::bail!("a block of other width than its {features} features");
        }
        match self.inner {
            Inner::Attention { length, heads }
                if hidden != 3 * width || inner != width || width % heads != 0 || rows % length != 0 =>
            {
                candle_core::bail!("attention: {rows} × {hidden} is not lines of {length} in {heads} heads")
            }
            Inner::Gelu if hidden != inner => {
                candle_core::bail!("GELU: {hidden} features in, {inner} out")
            }
            _ => Ok(()),
        }
    }
}
