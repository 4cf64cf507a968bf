//! Structured pruning: hidden units of the MLPs are set to zero, and then cost nothing.
//!
//! A unit without weights has the activation GELU(0) = 0 and hands on no gradient, so it stays
//! at zero in whatever training follows, and the quantiser leaves it out of the exact network. The
//! shapes of the tensors stay those of the preset.

use super::Checkpoint;
use crate::{Error, Result};

impl Checkpoint {
    /// Keeps the `units` hidden units of each layer that weigh most and sets the others to zero. A
    /// unit weighs ‖its weights from the normed stream‖ · ‖its weights into the stream‖ (the first
    /// with the LayerNorm's gain), the bound on what it can add for a given deviation of its input.
    ///
    /// # Errors
    /// [`Error::Setting`] unless there are as many units, and at least one is asked for.
    pub fn keep_hidden(&mut self, units: usize) -> Result<()> {
        let (inner, width) = (self.config().n_inner(), self.config().n_embd);
        let wanted = format!("1 to all {inner} hidden units of a layer");
        Error::unless((1..=inner).contains(&units), "number of units to keep", units, wanted)?;
        for layer in 0..self.config().n_layer {
            let name = |part: &str| format!("transformer.h.{layer}.{part}");
            let (first, bias) = (name("mlp.c_fc.weight"), name("mlp.c_fc.bias"));
            let second = name("mlp.c_proj.weight");
            let gain = self.values(&name("ln_2.weight")).to_vec();
            let norm = |values: &mut dyn Iterator<Item = f32>| values.map(|v| v * v).sum::<f32>().sqrt();
            let weigh = |unit: usize| {
                let row = &self.values(&first)[unit * width..][..width];
                let column = self.values(&second).iter().skip(unit).step_by(inner);
                let inward = norm(&mut row.iter().zip(&gain).map(|(w, g)| w * g));
                inward * norm(&mut column.copied())
            };
            let mut order: Vec<(f32, usize)> = (0..inner).map(|unit| (weigh(unit), unit)).collect();
            order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            for &(_, unit) in &order[units..] {
                self.values_mut(&first)[unit * width..][..width].fill(0.0);
                self.values_mut(&bias)[unit] = 0.0;
                let column = self.values_mut(&second).iter_mut();
                column.skip(unit).step_by(inner).for_each(|w| *w = 0.0);
            }
        }
        Ok(())
    }

    /// Weights that are not zero.
    pub fn nonzero_parameters(&self) -> usize {
        let values = self.tensors().values().flat_map(|tensor| &tensor.values);
        values.filter(|&&value| value != 0.0).count()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{GptConfig, Preset, Tensor};
    use super::*;

    /// Weights that grow with the number of their hidden unit.
    fn growing() -> Checkpoint {
        let config = GptConfig::addition(Preset::Pico, 28);
        let tensors = config.tensor_shapes().into_iter().map(|(name, shape)| {
            let per_row = shape.get(1).copied().unwrap_or(1);
            let unit = |i| if name.ends_with("mlp.c_proj.weight") { i % per_row } else { i / per_row };
            let values = (0..shape.iter().product()).map(|i| 1.0 + unit(i) as f32);
            (name.clone(), Tensor { values: values.collect(), shape })
        });
        Checkpoint::new(config, tensors.collect::<BTreeMap<_, _>>()).unwrap()
    }

    #[test]
    fn the_heaviest_units_stay() {
        let (before, mut after) = (growing(), growing());
        after.keep_hidden(24).unwrap();
        let name = |part: &str| format!("transformer.h.1.mlp.{part}");
        for unit in 0..64 {
            let stays = unit >= 40;
            let kept = |now: f32, then: f32| now == if stays { then } else { 0.0 };
            let same = |name: &str, at: usize| kept(after.values(name)[at], before.values(name)[at]);
            assert!(same(&name("c_fc.weight"), unit * 16 + 3), "{unit}");
            assert!(same(&name("c_fc.bias"), unit), "{unit}");
            assert!(same(&name("c_proj.weight"), 5 * 64 + unit), "{unit}");
        }
        let pruned = 2 * 40 * (16 + 1 + 16);
        assert_eq!(after.nonzero_parameters(), before.nonzero_parameters() - pruned);
    }

    #[test]
    fn nothing_and_more_than_all_are_refused() {
        for units in [0, 65] {
            assert!(matches!(growing().keep_hidden(units), Err(Error::Setting { .. })));
        }
        let mut all = growing();
        all.keep_hidden(64).unwrap();
        assert_eq!(all, growing());
    }
}
