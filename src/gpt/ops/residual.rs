//! The half of a transformer layer: x + W₂·f(W₁·norm(x) + b₁) + b₂, with causal attention or GELU
//! as f.
//!
//! One operation, because a training step's time is not in the products alone: every tensor
//! between them is some megabytes to allocate, clear, write and read, and its gradient as much
//! again three times. Here they live for a few lines in the cache, forward; and backward they are
//! computed again, which costs a fifth of the products and saves keeping them.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::attention::{self, Attention};
use super::product::{Left, add_product, transposed};
use super::{gelu, layer_norm, sum_in_order, values, with_values};

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
/// Whatever candle reports.
pub fn residual(x: &Tensor, parameters: &Parameters<&Tensor>, inner: Inner) -> Result<Tensor> {
    if !x.device().is_cpu() {
        return composed(x, parameters, inner);
    }
    let p = parameters;
    let sizes = Sizes {
        width: p.w2.dim(0)?,
        hidden: p.w1.dim(0)?,
        inner: p.w2.dim(1)?,
    };
    let flat = [p.gain, p.bias, p.w1, p.b1, p.w2, p.b2].map(Tensor::flatten_all);
    let flat = Tensor::cat(&flat.into_iter().collect::<Result<Vec<_>>>()?, 0)?;
    x.apply_op2(&flat, Residual { sizes, inner })
}

/// The definition, in candle's own operations.
pub(super) fn composed(x: &Tensor, p: &Parameters<&Tensor>, inner: Inner) -> Result<Tensor> {
    let linear = |x: &Tensor, w: &Tensor, b: &Tensor| x.matmul(&w.t()?)?.broadcast_add(b);
    let normed = layer_norm::composed(x, p.gain, p.bias)?;
    let hidden = linear(&normed, p.w1, p.b1)?; // (N, H)
    let inner = match inner {
        Inner::Attention { length, heads } => attention::composed(&hidden, length, heads)?,
        Inner::Gelu => hidden.gelu()?,
    }; // (N, A)
    x + linear(&inner, p.w2, p.b2)?
}

/// C, H and A.
#[derive(Clone, Copy)]
struct Sizes {
    width: usize,
    hidden: usize,
    inner: usize,
}

impl Sizes {
    /// Where each parameter stands among all.
    fn ranges(self) -> [std::ops::Range<usize>; 6] {
        let Self { width, hidden, inner } = self;
        let mut end = 0;
        [width, width, hidden * width, hidden, width * inner, width].map(|len| {
            end += len;
            end - len..end
        })
    }

    fn slices(self, flat: &[f32]) -> Parameters<&[f32]> {
        let [gain, bias, w1, b1, w2, b2] = self.ranges().map(|range| &flat[range]);
        Parameters {
            gain,
            bias,
            w1,
            b1,
            w2,
            b2,
        }
    }

    fn slices_mut(self, flat: &mut [f32]) -> Parameters<&mut [f32]> {
        let parts = flat.get_disjoint_mut(self.ranges()).expect("disjoint ranges");
        let [gain, bias, w1, b1, w2, b2] = parts;
        Parameters {
            gain,
            bias,
            w1,
            b1,
            w2,
            b2,
        }
    }
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
        self.check(x.len() / self.sizes.width)?;
        let mut y = x.to_vec();
        let block = Block::new(*self, p);
        let len = self.rows_per_task() * self.sizes.width;
        let tasks = y.par_chunks_mut(len).zip(x.par_chunks(len));
        tasks.for_each_init(
            || block.scratch(),
            |scratch, (y, x)| {
                Arch::new().dispatch(Forward {
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
            let len = self.rows_per_task() * self.sizes.width;
            let tasks = dx
                .par_chunks_mut(len)
                .zip(x.par_chunks(len))
                .zip(g.par_chunks(len));
            let parts = tasks.map_init(
                || block.scratch(),
                |scratch, ((dx, x), g)| {
                    let mut dp = vec![0.0; p.len()];
                    Arch::new().dispatch(Backward {
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
            let dp = sum_in_order(parts.collect(), p.len());
            Ok((dx, dp))
        })?;
        Ok((
            Some(Tensor::from_vec(dx, x.shape(), x.device())?),
            Some(Tensor::from_vec(dp, p.shape(), p.device())?),
        ))
    }
}

/// Lines of one task and of one chunk of it. The first fixes the order in which gradients are
/// summed; the second is so small that a chunk's intermediate results stay in the cache.
const LINES_PER_TASK: usize = 16;
const LINES_PER_CHUNK: usize = 4;
/// What takes a line's place where rows do not come in lines.
const ROWS: usize = 28;

impl Residual {
    /// Rows that belong together.
    fn unit(self) -> usize {
        match self.inner {
            Inner::Attention { length, .. } => length,
            Inner::Gelu => ROWS,
        }
    }

    fn rows_per_task(self) -> usize {
        LINES_PER_TASK * self.unit()
    }

    fn check(self, rows: usize) -> Result<()> {
        let Sizes { width, hidden, inner } = self.sizes;
        match self.inner {
            Inner::Attention { length, heads } => {
                if hidden != 3 * width || inner != width || width % heads != 0 || rows % length != 0 {
                    candle_core::bail!(
                        "attention: {rows} × {hidden} is not lines of {length} in {heads} heads"
                    );
                }
            }
            Inner::Gelu if hidden != inner => {
                candle_core::bail!("GELU: {hidden} features in, {inner} out");
            }
            Inner::Gelu => {}
        }
        Ok(())
    }
}

/// A block as its tasks see it.
struct Block<'a> {
    op: Residual,
    p: Parameters<&'a [f32]>,
    /// W₁ᵀ and W₂ᵀ: a product reads its right factor row by row.
    w1t: Vec<f32>, // (C, H)
    w2t: Vec<f32>, // (A, C)
}

/// Room for what a chunk computes.
struct Scratch {
    normed: Vec<f32>, // (n, C)
    hidden: Vec<f32>, // (n, H)
    inner: Vec<f32>,  // (n, A)
    dnormed: Vec<f32>,
    dhidden: Vec<f32>,
    dinner: Vec<f32>,
}

impl<'a> Block<'a> {
    fn new(op: Residual, flat: &'a [f32]) -> Self {
        let p = op.sizes.slices(flat);
        let w1t = transposed(p.w1, op.sizes.width);
        let w2t = transposed(p.w2, op.sizes.inner);
        Self { op, p, w1t, w2t }
    }

    fn chunk_len(&self) -> usize {
        LINES_PER_CHUNK * self.op.unit() * self.op.sizes.width
    }

    fn scratch(&self) -> Scratch {
        let Sizes { width, hidden, inner } = self.op.sizes;
        let zeros = |columns: usize| vec![0.0; LINES_PER_CHUNK * self.op.unit() * columns];
        Scratch {
            normed: zeros(width),
            hidden: zeros(hidden),
            inner: zeros(inner),
            dnormed: zeros(width),
            dhidden: zeros(hidden),
            dinner: zeros(inner),
        }
    }

    /// W₁·norm(x) + b₁ of a chunk.
    #[inline(always)]
    fn hidden<S: Simd>(&self, simd: S, x: &[f32], normed: &mut [f32], hidden: &mut [f32]) {
        let Sizes { width, hidden: h, .. } = self.op.sizes;
        layer_norm::forward(simd, x, self.p.gain, self.p.bias, normed);
        hidden
            .chunks_exact_mut(h)
            .for_each(|row| row.copy_from_slice(self.p.b1));
        let shape = [x.len() / width, width, h];
        add_product(simd, Left::Plain(normed), &self.w1t, hidden, shape);
    }
}

impl Scratch {
    /// The room for `rows` rows.
    fn take(&mut self, rows: usize, Sizes { width, hidden, inner }: Sizes) -> [&mut [f32]; 6] {
        [
            &mut self.normed[..rows * width],
            &mut self.hidden[..rows * hidden],
            &mut self.inner[..rows * inner],
            &mut self.dnormed[..rows * width],
            &mut self.dhidden[..rows * hidden],
            &mut self.dinner[..rows * inner],
        ]
    }
}

struct Forward<'a> {
    block: &'a Block<'a>,
    x: &'a [f32],
    /// Holds x; what the block adds to it is added.
    y: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { block, x, y, scratch } = self;
        let sizes @ Sizes { width, inner: a, .. } = block.op.sizes;
        for (x, y) in x.chunks(block.chunk_len()).zip(y.chunks_mut(block.chunk_len())) {
            let rows = x.len() / width;
            let [normed, hidden, inner, ..] = scratch.take(rows, sizes);
            block.hidden(simd, x, normed, hidden);
            match block.op.inner {
                Inner::Attention { length, heads } => {
                    attention::forward(simd, Attention { length, heads, width }, hidden, inner);
                }
                Inner::Gelu => gelu::forward(simd, hidden, inner),
            }
            for y in y.chunks_exact_mut(width) {
                y.iter_mut().zip(block.p.b2).for_each(|(y, b)| *y += b);
            }
            add_product(simd, Left::Plain(inner), &block.w2t, y, [rows, a, width]);
        }
    }
}

struct Backward<'a> {
    block: &'a Block<'a>,
    x: &'a [f32],
    g: &'a [f32],
    /// Holds g.
    dx: &'a mut [f32],
    /// Holds zeros.
    dp: &'a mut [f32],
    scratch: &'a mut Scratch,
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            block,
            x,
            g,
            dx,
            dp,
            scratch,
        } = self;
        let sizes @ Sizes {
            width,
            hidden: h,
            inner: a,
        } = block.op.sizes;
        let dp = sizes.slices_mut(dp);
        let len = block.chunk_len();
        for ((x, g), dx) in x.chunks(len).zip(g.chunks(len)).zip(dx.chunks_mut(len)) {
            let n = x.len() / width;
            let [normed, hidden, inner, dnormed, dhidden, dinner] = scratch.take(n, sizes);
            block.hidden(simd, x, normed, hidden);
            dinner.fill(0.0);
            add_product(simd, Left::Plain(g), block.p.w2, dinner, [n, width, a]);
            match block.op.inner {
                Inner::Attention { length, heads } => {
                    let attention = Attention { length, heads, width };
                    attention::backward(simd, attention, hidden, dinner, inner, dhidden);
                }
                Inner::Gelu => gelu::backward(simd, hidden, dinner, inner, dhidden),
            }
            add_product(simd, Left::Transposed(g), inner, dp.w2, [width, n, a]);
            add_rows(g, dp.b2);

            dnormed.fill(0.0);
            add_product(simd, Left::Plain(dhidden), block.p.w1, dnormed, [n, h, width]);
            add_product(simd, Left::Transposed(dhidden), normed, dp.w1, [h, n, width]);
            add_rows(dhidden, dp.b1);
            layer_norm::backward(simd, x, block.p.gain, dnormed, dx, dp.gain, dp.bias);
        }
    }
}

/// sum += Σ rows.
#[inline(always)]
fn add_rows(rows: &[f32], sum: &mut [f32]) {
    for row in rows.chunks_exact(sum.len()) {
        sum.iter_mut().zip(row).for_each(|(s, r)| *s += r);
    }
}
