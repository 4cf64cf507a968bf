//! y = x·Wᵀ + b.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::{ROWS_PER_TASK, sum_in_order, values, with_values};

/// y = x·Wᵀ + b: x (N, in), W (out, in), b (out) → (N, out).
///
/// # Errors
/// Whatever candle reports.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let product = x.matmul(&weight.t()?)?;
    if x.device().is_cpu() {
        product.apply_op2(bias, AddBias)
    } else {
        product.broadcast_add(bias)
    }
}

/// Adds a bias to every row; backward, sums rows in a fixed order.
struct AddBias;

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, b) = (values(x, lx)?, values(b, lb)?);
        let mut y = vec![0.0; x.len()];
        let len = ROWS_PER_TASK * b.len();
        y.par_chunks_mut(len).zip(x.par_chunks(len)).for_each(|(y, x)| {
            for (y, x) in y.chunks_exact_mut(b.len()).zip(x.chunks_exact(b.len())) {
                y.iter_mut().zip(x).zip(b).for_each(|((y, x), b)| *y = x + b);
            }
        });
        Ok((CpuStorage::F32(y), lx.shape().clone()))
    }

    fn bwd(
        &self,
        _x: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let width = bias.elem_count();
        let bias_grad = with_values([grad], |[g]| {
            let part = |rows: &[f32]| {
                let mut sum = vec![0.0; width];
                for row in rows.chunks_exact(width) {
                    sum.iter_mut().zip(row).for_each(|(s, g)| *s += g);
                }
                sum
            };
            let parts = g.par_chunks(ROWS_PER_TASK * width).map(part).collect();
            Ok(sum_in_order(parts, width))
        })?;
        let bias_grad = Tensor::from_vec(bias_grad, bias.shape(), grad.device())?;
        Ok((Some(grad.clone()), Some(bias_grad)))
    }
}
