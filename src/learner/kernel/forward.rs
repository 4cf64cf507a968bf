//! One position of sixteen lines forward: from a token each to the probabilities of the next.

use std::ops::Range;

use super::attention::{self, Heads};
use super::lane_batch::{LaneBatch, LayerTape, NormTape, Scratch};
use super::math::{add, gelu, round};
use super::norm::{affine, normalise};
use super::product::{product, product_transposed};
use crate::learner::layout::{LayerPlaces, NormPlaces};
use crate::learner::math::{EXP2_MIN, LOG2_E};
use crate::learner::rounding::{Rounding, RowKind, attention_rows};
use crate::network::PRECISION;
use crate::simd::math::{cumulative, scatter_rows};
use crate::simd::{LANES, Lanes, Vector};
use crate::text::Token;

/// The parameters, and where in the lines they are used.
struct Step<'a> {
    parameters: &'a [f32],
    position: usize,
    heads: Heads,
}

impl<'a> Step<'a> {
    #[inline(always)]
    fn of(&self, place: &Range<usize>) -> &'a [f32] {
        &self.parameters[place.clone()]
    }
}

/// Takes a token of each line; `rows` gets the left ends of the next symbols' slots, a row of
/// whole eights for each line.
#[inline(always)]
pub(super) fn forward_in<L: Lanes>(
    l: L,
    batch: &mut LaneBatch,
    parameters: &[f32],
    tokens: &[Token; LANES],
    rows: &mut [[u32; 8]],
) {
    let (c, position) = (batch.shape.width, batch.tokens.len());
    assert!(position < batch.shape.block_size, "the lines have passed the last position");
    batch.tokens.push(*tokens);
    let step = Step { parameters, position, heads: Heads::of(&batch.shape) };
    let scratch = &mut batch.scratch;
    let embeddings = step.of(&batch.places.tokens);
    let place = &step.of(&batch.places.positions)[position * c..][..c];
    for (i, (to, &p)) in scratch.stream.iter_mut().zip(place).enumerate() {
        *to = Vector::of(|line| embeddings[usize::from(tokens[line]) * c + i] + p);
    }
    let layers = batch.layers.iter_mut().zip(&batch.places.layers);
    for (i, (tape, places)) in layers.enumerate() {
        let rounding = Rounding::of_layer(batch.rounded, i);
        attention_forward(l, &step, rounding, places, tape, scratch);
        mlp_forward(l, &step, rounding, places, tape, scratch);
    }
    norm_forward(l, &step, None, &batch.places.norm, &mut batch.norm, scratch);
    let vocab = batch.shape.vocab;
    product(l, step.of(&batch.places.head), None, &scratch.normed, &mut scratch.logits[..vocab]);
    let exps = &mut batch.exps[position * vocab..][..vocab];
    for (bits, logit) in exps.iter_mut().zip(&scratch.logits) {
        l.store(bits, l.mul(l.load(logit), l.splat(LOG2_E)));
    }
    let total = cumulative(l, exps, EXP2_MIN, PRECISION, &mut scratch.logits);
    l.store(&mut batch.inv_sums[position], l.div(l.splat(1.0), total));
    scatter_rows(l, &scratch.logits, rows);
}

/// LayerNorm of the stream into `scratch.normed`; what it keeps is rounded first, if it is.
#[inline(always)]
fn norm_forward<L: Lanes>(
    l: L,
    step: &Step,
    rounded: Option<RowKind>,
    places: &NormPlaces,
    tape: &mut NormTape,
    scratch: &mut Scratch,
) {
    let c = scratch.stream.len();
    let normal = &mut tape.normal[step.position * c..][..c];
    normalise(l, &scratch.stream, normal, &mut tape.r[step.position]);
    if let Some(row) = rounded {
        round(l, row, normal);
    }
    affine(l, normal, step.of(&places.gain), step.of(&places.bias), &mut scratch.normed);
}

/// The attention half of a layer.
#[inline(always)]
fn attention_forward<L: Lanes>(
    l: L,
    step: &Step,
    rounding: Rounding,
    places: &LayerPlaces,
    tape: &mut LayerTape,
    scratch: &mut Scratch,
) {
    let (c, heads, position) = (scratch.stream.len(), step.heads, step.position);
    let rounded = rounding.first_norm.then_some(RowKind::Input);
    norm_forward(l, step, rounded, &places.norm1, &mut tape.norm1, scratch);
    let qkv = &mut tape.qkv[position * 3 * c..][..3 * c];
    product(l, step.of(&places.qkv), Some(step.of(&places.qkv_bias)), &scratch.normed, qkv);
    if rounding.rest {
        for (row, at) in attention_rows(c, heads.dim) {
            round(l, row, &mut qkv[at..][..heads.dim]);
        }
    }
    let weights = &mut tape.weights[heads.weights_at(position)..heads.weights_at(position + 1)];
    let mixed = &mut tape.mixed[position * c..][..c];
    attention::forward(l, heads, position, &tape.qkv, weights, mixed);
    if rounding.rest {
        round(l, RowKind::Input, mixed);
    }
    let bias = Some(step.of(&places.projection_bias));
    product(l, step.of(&places.projection), bias, mixed, &mut scratch.update);
    add(l, &mut scratch.stream, &scratch.update);
}

/// The MLP half of a layer.
#[inline(always)]
fn mlp_forward<L: Lanes>(
    l: L,
    step: &Step,
    rounding: Rounding,
    places: &LayerPlaces,
    tape: &mut LayerTape,
    scratch: &mut Scratch,
) {
    let (inner, position) = (scratch.hidden.len(), step.position);
    let rounded = rounding.rest.then_some(RowKind::Input);
    norm_forward(l, step, rounded, &places.norm2, &mut tape.norm2, scratch);
    let active = &mut tape.active[position * inner..][..inner];
    product(l, step.of(&places.expand), Some(step.of(&places.expand_bias)), &scratch.normed, active);
    gelu(l, active, &mut tape.slopes[position * inner..][..inner]);
    if rounding.rest {
        round(l, RowKind::Hidden, active);
    }
    let bias = Some(step.of(&places.contract_bias));
    product_transposed(l, step.of(&places.contract), bias, active, &mut scratch.update);
    add(l, &mut scratch.stream, &scratch.update);
}
