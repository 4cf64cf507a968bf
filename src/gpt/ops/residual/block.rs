//! A block's computation on the lines of one task, chunk by chunk.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::{Inner, Parameters, Residual};
use crate::gpt::ops::attention::{self, Attention};
use crate::gpt::ops::product::{Left, add_product, transposed};
use crate::gpt::ops::{add, gelu, layer_norm};

/// Features of a row: C of x, H between the layers, A behind attention or GELU.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub width: usize,
    pub hidden: usize,
    pub inner: usize,
}

impl Sizes {
    /// Where each parameter stands among all.
    fn ranges(self) -> [Range<usize>; 6] {
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

/// Lines of one chunk of a task: so few that its intermediate results stay in the cache.
const LINES_PER_CHUNK: usize = 4;

/// A block as its tasks see it.
pub(super) struct Block<'a> {
    op: Residual,
    p: Parameters<&'a [f32]>,
    /// W₁ᵀ and W₂ᵀ: a product reads its right factor row by row.
    w1t: Vec<f32>, // (C, H)
    w2t: Vec<f32>, // (A, C)
}

/// Room for what a chunk computes.
pub(super) struct Scratch {
    normed: Vec<f32>, // (n, C)
    hidden: Vec<f32>, // (n, H)
    inner: Vec<f32>,  // (n, A)
    dnormed: Vec<f32>,
    dhidden: Vec<f32>,
    dinner: Vec<f32>,
}

impl<'a> Block<'a> {
    pub(super) fn new(op: Residual, flat: &'a [f32]) -> Self {
        let p = op.sizes.slices(flat);
        let w1t = transposed(p.w1, op.sizes.width);
        let w2t = transposed(p.w2, op.sizes.inner);
        Self { op, p, w1t, w2t }
    }

    fn chunk_len(&self) -> usize {
        LINES_PER_CHUNK * self.op.line() * self.op.sizes.width
    }

    pub(super) fn scratch(&self) -> Scratch {
        let Sizes { width, hidden, inner } = self.op.sizes;
        let zeros = |columns: usize| vec![0.0; LINES_PER_CHUNK * self.op.line() * columns];
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

/// x + W₂·f(W₁·norm(x) + b₁) + b₂ of a task.
pub(super) struct Forward<'a> {
    pub block: &'a Block<'a>,
    pub x: &'a [f32],
    /// Holds x; what the block adds to it is added.
    pub y: &'a mut [f32],
    pub scratch: &'a mut Scratch,
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
                add(y, block.p.b2);
            }
            add_product(simd, Left::Plain(inner), &block.w2t, y, [rows, a, width]);
        }
    }
}

/// The gradients of a task's x and of the parameters from that of its y, `g`.
pub(super) struct Backward<'a> {
    pub block: &'a Block<'a>,
    pub x: &'a [f32],
    pub g: &'a [f32],
    /// Holds g.
    pub dx: &'a mut [f32],
    /// Holds zeros.
    pub dp: &'a mut [f32],
    pub scratch: &'a mut Scratch,
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
            g.chunks_exact(width).for_each(|g| add(dp.b2, g));

            dnormed.fill(0.0);
            add_product(simd, Left::Plain(dhidden), block.p.w1, dnormed, [n, h, width]);
            add_product(simd, Left::Transposed(dhidden), normed, dp.w1, [h, n, width]);
            dhidden.chunks_exact(h).for_each(|g| add(dp.b1, g));
            layer_norm::backward(simd, x, block.p.gain, dnormed, dx, dp.gain, dp.bias);
        }
    }
}
