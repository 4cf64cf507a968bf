//! The first rows of the residual stream: a token's vector plus its position's.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{add, values, with_values};

/// `wte[token] + wpe[position]`; tokens (B, T) u32, wte (V, C), wpe (at least T, C) → (B·T, C).
///
/// # Errors
/// Names a token or a length out of range.
pub fn embedding(tokens: &Tensor, wte: &Tensor, wpe: &Tensor) -> Result<Tensor> {
    if wte.device().is_cpu() {
        let length = tokens.dim(1)?;
        wte.apply_op3(wpe, &tokens.contiguous()?, Embedding { length })
    } else {
        composed(tokens, wte, wpe)
    }
}

/// The definition, in candle's own operations.
pub(super) fn composed(tokens: &Tensor, wte: &Tensor, wpe: &Tensor) -> Result<Tensor> {
    let (lines, length) = tokens.dims2()?;
    let width = wte.dim(1)?;
    let vectors = wte.embedding(&tokens.flatten_all()?)?; // (B·T, C)
    let positions = wpe.narrow(0, 0, length)?; // (T, C)
    let sums = vectors
        .reshape((lines, length, width))?
        .broadcast_add(&positions)?;
    sums.reshape((lines * length, width))
}

struct Embedding {
    /// Tokens of a line, T.
    length: usize,
}

impl CustomOp3 for Embedding {
    fn name(&self) -> &'static str {
        "fused-embedding"
    }

    fn cpu_fwd(
        &self,
        wte: &CpuStorage,
        le: &Layout,
        wpe: &CpuStorage,
        lp: &Layout,
        tokens: &CpuStorage,
        lt: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (wte, wpe): (&[f32], &[f32]) = (values(wte, le)?, values(wpe, lp)?);
        let tokens: &[u32] = values(tokens, lt)?;
        let (vocabulary, width) = le.shape().dims2()?;
        if let Some(token) = tokens.iter().find(|&&t| t as usize >= vocabulary) {
            candle_core::bail!("token {token} is not among {vocabulary}");
        }
        if self.length > lp.dims()[0] {
            candle_core::bail!("lines of {} tokens, positions for {}", self.length, lp.dims()[0]);
        }
        let mut x = vec![0.0; tokens.len() * width];
        let lines = x.par_chunks_mut(self.length * width);
        lines.zip(tokens.par_chunks(self.length)).for_each(|(x, tokens)| {
            let rows = x.chunks_exact_mut(width).zip(wpe.chunks_exact(width));
            for (&token, (x, position)) in tokens.iter().zip(rows) {
                let vector = &wte[token as usize * width..][..width];
                let parts = vector.iter().zip(position);
                x.iter_mut().zip(parts).for_each(|(x, (v, p))| *x = v + p);
            }
        });
        Ok((CpuStorage::F32(x), (tokens.len(), width).into()))
    }

    fn bwd(
        &self,
        wte: &Tensor,
        wpe: &Tensor,
        tokens: &Tensor,
        _x: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let width = wte.dim(1)?;
        let tokens = tokens.flatten_all()?.to_vec1::<u32>()?;
        let (mut dwte, mut dwpe) = (vec![0.0; wte.elem_count()], vec![0.0; wpe.elem_count()]);
        // One thread: it is done before others would have started.
        with_values([grad], |[g]| {
            for (i, (&token, g)) in tokens.iter().zip(g.chunks_exact(width)).enumerate() {
                add(&mut dwte[token as usize * width..], g);
                add(&mut dwpe[i % self.length * width..], g);
            }
            Ok(())
        })?;
        let device = wte.device();
        Ok((
            Some(Tensor::from_vec(dwte, wte.shape(), device)?),
            Some(Tensor::from_vec(dwpe, wpe.shape(), device)?),
            None,
        ))
    }
}
