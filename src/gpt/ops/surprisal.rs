//! The surprisal of targets under logits: log Σ e^logits − the target's logit.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::dispatch::dispatch;
use super::math::exp;
use super::{ROWS_PER_TASK, values, with_values};

/// Surprisal of each target in nats, times its weight: logits (N, V), targets (N) u32, weights (N)
/// → (N). The weights get no gradient.
///
/// # Errors
/// Names a target out of range.
pub fn surprisals(logits: &Tensor, targets: &Tensor, weights: &Tensor) -> Result<Tensor> {
    if logits.device().is_cpu() {
        logits.apply_op3(targets, weights, Surprisals)
    } else {
        composed(logits, targets, weights)
    }
}

/// The definition, in candle's own operations.
pub(super) fn composed(logits: &Tensor, targets: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let log_probs = candle_nn::ops::log_softmax(logits, 1)?; // (N, V)
    let chosen = log_probs.gather(&targets.unsqueeze(1)?, 1)?.squeeze(1)?; // (N)
    chosen.neg()? * weights.detach()
}

struct Surprisals;

impl CustomOp3 for Surprisals {
    fn name(&self) -> &'static str {
        "fused-surprisals"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        ll: &Layout,
        targets: &CpuStorage,
        lt: &Layout,
        weights: &CpuStorage,
        lw: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (logits, weights): (&[f32], &[f32]) = (values(logits, ll)?, values(weights, lw)?);
        let targets: &[u32] = values(targets, lt)?;
        let (rows, vocabulary) = ll.shape().dims2()?;
        if targets.len() != rows || weights.len() != rows {
            candle_core::bail!(
                "{rows} rows, {} targets, {} weights",
                targets.len(),
                weights.len()
            );
        }
        if let Some(target) = targets.iter().find(|&&t| t as usize >= vocabulary) {
            candle_core::bail!("target {target} is not among {vocabulary}");
        }
        let mut nats = vec![0.0; rows];
        let tasks = nats
            .par_chunks_mut(ROWS_PER_TASK)
            .zip(logits.par_chunks(ROWS_PER_TASK * vocabulary))
            .zip(targets.par_chunks(ROWS_PER_TASK))
            .zip(weights.par_chunks(ROWS_PER_TASK));
        tasks.for_each(|(((nats, logits), targets), weights)| {
            dispatch(Forward {
                logits,
                targets,
                weights,
                nats,
            });
        });
        Ok((CpuStorage::F32(nats), rows.into()))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        targets: &Tensor,
        weights: &Tensor,
        _nats: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let len = ROWS_PER_TASK * logits.dim(1)?;
        let targets = targets.to_vec1::<u32>()?;
        let dlogits = with_values([logits, weights, grad], |[logits, weights, g]| {
            let mut dlogits = vec![0.0; logits.len()];
            let tasks = dlogits
                .par_chunks_mut(len)
                .zip(logits.par_chunks(len))
                .zip(targets.par_chunks(ROWS_PER_TASK))
                .zip(weights.par_chunks(ROWS_PER_TASK).zip(g.par_chunks(ROWS_PER_TASK)));
            tasks.for_each(|(((dlogits, logits), targets), (weights, g))| {
                dispatch(Backward {
                    logits,
                    targets,
                    weights,
                    g,
                    dlogits,
                });
            });
            Ok(dlogits)
        })?;
        let dlogits = Tensor::from_vec(dlogits, logits.shape(), logits.device())?;
        Ok((Some(dlogits), None, None))
    }
}

struct Forward<'a> {
    logits: &'a [f32],
    targets: &'a [u32],
    weights: &'a [f32],
    nats: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vocabulary = self.logits.len() / self.nats.len();
        let rows = self.logits.chunks_exact(vocabulary).zip(self.targets);
        for ((row, &target), (nats, weight)) in rows.zip(self.nats.iter_mut().zip(self.weights)) {
            let max = largest(row);
            let sum = exponentials(simd, row, max, None);
            *nats = (sum.ln() + max - row[target as usize]) * weight;
        }
    }
}

struct Backward<'a> {
    logits: &'a [f32],
    targets: &'a [u32],
    weights: &'a [f32],
    g: &'a [f32],
    dlogits: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    /// (softmax − 1 at the target)·weight·g.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let vocabulary = self.logits.len() / self.g.len();
        let logits = self.logits.chunks_exact(vocabulary);
        let rows = self.dlogits.chunks_exact_mut(vocabulary).zip(logits);
        let factors = self.weights.iter().zip(self.g).map(|(w, g)| w * g);
        for ((drow, row), (&target, factor)) in rows.zip(self.targets.iter().zip(factors)) {
            let sum = exponentials(simd, row, largest(row), Some(&mut *drow));
            let scale = factor / sum;
            drow.iter_mut().for_each(|d| *d *= scale);
            drow[target as usize] -= factor;
        }
    }
}

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    row.iter().fold(f32::NEG_INFINITY, |m, &x| m.max(x))
}

/// Σ e^(x − max) over a row; the terms go to `out`, if there is one.
#[inline(always)]
fn exponentials<S: Simd>(simd: S, row: &[f32], max: f32, mut out: Option<&mut [f32]>) -> f32 {
    let mut sum = 0.0;
    for (i, chunk) in row.chunks(S::F32_LANES).enumerate() {
        let shifted = simd.sub_f32s(simd.partial_load_f32s(chunk), simd.splat_f32s(max));
        let terms = exp(simd, shifted);
        let inside = simd.mask_between_m32s(0, chunk.len() as u32).mask();
        sum += simd.reduce_sum_f32s(simd.select_f32s(inside, terms, simd.splat_f32s(0.0)));
        if let Some(out) = &mut out {
            simd.partial_store_f32s(&mut out[i * S::F32_LANES..][..chunk.len()], terms);
        }
    }
    sum
}
