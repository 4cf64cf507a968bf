//! One position of sixteen lines forward: from a token each to the probabilities of the next.

use std::ops::Range;

use super::attention::{self, Heads};
use super::math::{add, gelu, round};
use super::norm::{affine, normalise};
use super::product::{product, product_transposed};
use super::{LayerTape, NormTape, Room, Sixteen, heads};
use crate::learner::math::{EXP2_MIN, LOG2_E};
use crate::learner::rounding::{Rounding, Row, attention_rows};
use crate::learner::shape::{LayerPlaces, NormPlaces};
use crate::network::PRECISION;
use crate::simd::math::{cumulative, scatter_rows};
use crate::simd::{LANES, Lanes};
use crate::text::Token;

/// The parameters, and where in the lines they are used.
struct Step<'a> {
    parameters: &'a [f32],
    position: usize,
    heads: Heads,
}

impl<'a> Step<'a> {
    fn of(&self, place: &Range<usize>) -> &'a [f32] {
        &self.parameters[place.clone()]
    }
}

/// Takes a token of each line; `rows` gets the left ends of the next symbols' slots, a row of
/// whole eights for each line.
#[inline(always)]
pub(super) fn forward_in<L: Lanes>(
    l: L,
    lines: &mut Sixteen,
    parameters: &[f32],
    tokens: &[Token; LANES],
    rows: &mut [[u32; 8]],
) {
    let (c, position) = (lines.shape.width, lines.tokens.len());
    assert!(
        position < lines.shape.block,
        "the lines have passed the last position"
    );
    lines.tokens.push(*tokens);
    let step = Step {
        parameters,
        position,
        heads: heads(&lines.shape),
    };
    let room = &mut lines.room;
    let embeddings = step.of(&lines.places.tokens);
    let place = &step.of(&lines.places.positions)[position * c..][..c];
    for (i, (to, &p)) in room.stream.iter_mut().zip(place).enumerate() {
        to.0 = tokens.map(|token| (embeddings[usize::from(token) * c + i] + p).to_bits());
    }
    let layers = lines.layers.iter_mut().zip(&lines.places.layers);
    for (i, (tape, places)) in layers.enumerate() {
        let rounding = Rounding::of_layer(lines.rounded, i);
        attention_forward(l, &step, rounding, places, tape, room);
        mlp_forward(l, &step, rounding, places, tape, room);
    }
    norm_forward(l, &step, None, &lines.places.norm, &mut lines.norm, room);
    let vocab = lines.shape.vocab;
    product(
        l,
        step.of(&lines.places.head),
        None,
        &room.normed,
        &mut room.logits[..vocab],
    );
    let powers = &mut lines.powers[position * vocab..][..vocab];
    for (bits, logit) in powers.iter_mut().zip(&room.logits) {
        l.store(bits, l.mul(l.load(logit), l.splat(LOG2_E)));
    }
    let total = cumulative(l, powers, EXP2_MIN, PRECISION, &mut room.logits);
    l.store(&mut lines.shares[position], l.div(l.splat(1.0), total));
    scatter_rows(l, &room.logits, rows);
}

/// LayerNorm of the stream into `room.normed`; what it keeps is rounded first, if it is.
#[inline(always)]
fn norm_forward<L: Lanes>(
    l: L,
    step: &Step,
    rounded: Option<Row>,
    places: &NormPlaces,
    tape: &mut NormTape,
    room: &mut Room,
) {
    let c = room.stream.len();
    let normal = &mut tape.normal[step.position * c..][..c];
    normalise(l, &room.stream, normal, &mut tape.r[step.position]);
    if let Some(row) = rounded {
        round(l, row, normal);
    }
    affine(
        l,
        normal,
        step.of(&places.gain),
        step.of(&places.bias),
        &mut room.normed,
    );
}

/// The attention half of a layer.
#[inline(always)]
fn attention_forward<L: Lanes>(
    l: L,
    step: &Step,
    rounding: Rounding,
    places: &LayerPlaces,
    tape: &mut LayerTape,
    room: &mut Room,
) {
    let (c, heads, position) = (room.stream.len(), step.heads, step.position);
    let rounded = rounding.first_norm.then_some(Row::Input);
    norm_forward(l, step, rounded, &places.norm1, &mut tape.norm1, room);
    let qkv = &mut tape.qkv[position * 3 * c..][..3 * c];
    product(
        l,
        step.of(&places.qkv),
        Some(step.of(&places.qkv_bias)),
        &room.normed,
        qkv,
    );
    if rounding.rest {
        for (row, at) in attention_rows(c, heads.dim) {
            round(l, row, &mut qkv[at..][..heads.dim]);
        }
    }
    let weights = &mut tape.weights[heads.weights_at(position)..heads.weights_at(position + 1)];
    let mixed = &mut tape.mixed[position * c..][..c];
    attention::forward(l, heads, position, &tape.qkv, weights, mixed);
    if rounding.rest {
        round(l, Row::Input, mixed);
    }
    let bias = Some(step.of(&places.projection_bias));
    product(l, step.of(&places.projection), bias, mixed, &mut room.update);
    add(l, &mut room.stream, &room.update);
}

/// The MLP half of a layer.
#[inline(always)]
fn mlp_forward<L: Lanes>(
    l: L,
    step: &Step,
    rounding: Rounding,
    places: &LayerPlaces,
    tape: &mut LayerTape,
    room: &mut Room,
) {
    let (inner, position) = (room.hidden.len(), step.position);
    let rounded = rounding.rest.then_some(Row::Input);
    norm_forward(l, step, rounded, &places.norm2, &mut tape.norm2, room);
    let active = &mut tape.active[position * inner..][..inner];
    product(
        l,
        step.of(&places.expand),
        Some(step.of(&places.expand_bias)),
        &room.normed,
        active,
    );
    gelu(l, active, &mut tape.slopes[position * inner..][..inner]);
    if rounding.rest {
        round(l, Row::Hidden, active);
    }
    let bias = Some(step.of(&places.contract_bias));
    product_transposed(l, step.of(&places.contract), bias, active, &mut room.update);
    add(l, &mut room.stream, &room.update);
}
