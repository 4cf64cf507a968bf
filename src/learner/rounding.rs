//! Rounding as the exact network does it, in floating point: for training that is to know of it
//! (quantization-aware training).
//!
//! What has too fine a grid to matter is left alone: attention weights, the head's inputs and weights, the
//! hidden layer's fixed point before its GELU, and all that the exact network has as a table.

use super::layout::Places;
use super::math::max;
use crate::network::math::gelu::OFFSET;
use crate::network::{ACTIVATION_MAX, HIDDEN_MAX, QUERY_MAX, SCALE_FLOOR, VALUE_MAX, weight_step};

/// Which parts of a layer are rounded.
#[derive(Clone, Copy)]
pub(super) struct Rounding {
    /// The norm before queries, keys and values: not in the first layer, where they are a table in the exact network.
    pub first_norm: bool,
    /// All else.
    pub rest: bool,
}

impl Rounding {
    /// Of a layer of a network that is rounded, or not.
    pub fn of_layer(rounded: bool, layer: usize) -> Self {
        Self { first_norm: rounded && layer > 0, rest: rounded }
    }
}

/// What a row's largest magnitude is rounded to, by what the row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowKind {
    /// What goes into a product.
    Input,
    /// A head's query or key.
    Query,
    /// A head's values.
    Value,
    /// The hidden layer behind GELU.
    Hidden,
}

impl RowKind {
    /// Steps from 0 to the largest.
    pub fn levels(self) -> f32 {
        match self {
            Self::Input => ACTIVATION_MAX,
            Self::Query => QUERY_MAX,
            Self::Value => VALUE_MAX,
            Self::Hidden => HIDDEN_MAX,
        }
    }

    /// What the largest value of a hidden layer lies above the grid's first step: GELU's values begin
    /// below 0, so the exact network moves them up.
    pub fn offset(self) -> f32 {
        match self {
            Self::Hidden => OFFSET,
            _ => 0.0,
        }
    }

    /// Rounds the row, as the kernel does it in each lane: x = round(x·(levels/m))·(m/levels), where m is
    /// the largest magnitude, of a hidden layer the largest value and the offset.
    pub fn round(self, row: &mut [f32]) {
        let size = |x: f32| if self == Self::Hidden { x } else { x.abs() };
        let most = row.iter().fold(SCALE_FLOOR, |m, &x| max(size(x), m)) + self.offset();
        let (factor, unit) = (self.levels() / most, most / self.levels());
        for x in row {
            *x = crate::simd::math::round(*x * factor) as f32 * unit;
        }
    }
}

/// The rows of a position's queries, keys and values: for each head one of each, `dim` features long.
pub(super) fn attention_rows(width: usize, dim: usize) -> impl Iterator<Item = (RowKind, usize)> {
    let row = move |at: usize| match at / width {
        0 | 1 => (RowKind::Query, at),
        _ => (RowKind::Value, at),
    };
    (0..3 * width).step_by(dim).map(row)
}

/// Rounds the weights of the linear layers, each output's by itself, the gain of the LayerNorm before
/// them included; not those of the first queries, keys and values, which the exact network has as a table.
pub(super) fn round_weights(places: &Places, width: usize, parameters: &mut [f32]) {
    for (i, layer) in places.layers.iter().enumerate() {
        if i > 0 {
            let gain = parameters[layer.norm1.gain.clone()].to_vec();
            round_rows(&mut parameters[layer.qkv.clone()], &gain);
        }
        round_rows(&mut parameters[layer.projection.clone()], &vec![1.0; width]);
        let gain = parameters[layer.norm2.gain.clone()].to_vec();
        round_rows(&mut parameters[layer.expand.clone()], &gain);
        round_columns(&mut parameters[layer.contract.clone()], width);
    }
}

fn round_rows(matrix: &mut [f32], gain: &[f32]) {
    for row in matrix.chunks_exact_mut(gain.len()) {
        let folded: Vec<f64> = row.iter().zip(gain).map(|(&w, &g)| f64::from(w) * f64::from(g)).collect();
        let step = weight_step(&folded);
        for ((w, folded), &g) in row.iter_mut().zip(folded).zip(gain).filter(|(_, g)| **g != 0.0) {
            *w = ((folded / step).round_ties_even() * step / f64::from(g)) as f32;
        }
    }
}

/// As [`round_rows`] of a matrix that stands transposed. Rows of zeros, hidden units that were pruned, do not
/// count: the exact network leaves them out.
fn round_columns(matrix: &mut [f32], width: usize) {
    let used: Vec<usize> = (0..matrix.len() / width)
        .filter(|&row| matrix[row * width..][..width].iter().any(|&w| w != 0.0))
        .collect();
    for column in 0..width {
        let at = |row: &usize| row * width + column;
        let values: Vec<f64> = used.iter().map(|row| f64::from(matrix[at(row)])).collect();
        let step = weight_step(&values);
        for (row, value) in used.iter().zip(values) {
            matrix[at(row)] = ((value / step).round_ties_even() * step) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Shape;

    const VALUES: [f32; 6] = [0.0, -0.17, 0.4, 2.5, -1.3, 0.031];

    #[test]
    fn a_row_is_rounded_to_steps_of_its_largest() {
        for (row, step) in [
            (RowKind::Input, 2.5 / 63.0),
            (RowKind::Query, 2.5 / 63.0),
            (RowKind::Value, 2.5 / 127.0),
            (RowKind::Hidden, (2.5 + 0.1875) / 127.0),
        ] {
            let mut rounded = VALUES;
            row.round(&mut rounded);
            for (was, is) in VALUES.into_iter().zip(rounded) {
                let steps = is / step;
                assert!((was - is).abs() <= step * 0.5001, "{row:?}: {was} became {is}");
                assert!((steps - steps.round()).abs() < 1e-4, "{row:?}: {is} is no step");
            }
            assert_eq!(rounded[0], 0.0, "a pruned unit stays at 0");
            assert_ne!(rounded, VALUES);
        }
    }

    #[test]
    fn weights_are_rounded_with_their_gain_and_pruned_ones_stay() {
        let shape = Shape { layers: 2, heads: 4, width: 16, head_dim: 4, vocab: 14, block_size: 4 };
        let places = shape.places();
        let before: Vec<f32> = (0..places.len).map(|i| ((i * i) as f32 * 0.37).sin() + 0.01).collect();
        let mut after = before.clone();
        round_weights(&places, shape.width, &mut after);
        let [first, second] = &places.layers[..] else { panic!("two layers") };
        assert_eq!(before[first.qkv.clone()], after[first.qkv.clone()]);
        let gain = &before[second.norm1.gain.clone()];
        let rows = |values: &[f32]| -> Vec<Vec<f64>> {
            let folded =
                |row: &[f32]| row.iter().zip(gain).map(|(&w, &g)| f64::from(w) * f64::from(g)).collect();
            values[second.qkv.clone()].chunks(shape.width).map(folded).collect()
        };
        for (was, is) in rows(&before).iter().zip(rows(&after)) {
            let step = weight_step(was);
            for (was, is) in was.iter().zip(&is) {
                assert!((was - is).abs() <= step * 0.501, "{was} became {is}");
                assert!(((is / step) - (is / step).round()).abs() < 1e-3, "{is} is no step");
            }
            assert_ne!(*was, is);
        }
        let mut pruned = before[second.contract.clone()].to_vec();
        pruned[..shape.width].fill(0.0);
        round_columns(&mut pruned, shape.width);
        assert!(pruned[..shape.width].iter().all(|&w| w == 0.0));
    }
}
