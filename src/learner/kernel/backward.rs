//! The gradient of the loss of sixteen lines, from what the way forward has kept. Layer by layer from
//! the last, in each all positions: sums over positions and lines go from first to last, those of
//! vectors over each line's positions first.

use super::math::add;
use super::norm::{self, Kept, affine};
use super::product::{by_line, outer, product_scaled, product_transposed};
use super::{LayerTape, NormTape, Room, Sixteen, attention, heads};
use crate::learner::shape::{LayerPlaces, NormPlaces, Places};
use crate::simd::math::tree_sum;
use crate::simd::{LANES, Lanes, Vector, floats_mut};
use crate::text::Token;

/// What follows each position's token, in each line; none where a line has ended.
pub(in crate::learner) type Targets = [[Option<Token>; LANES]];

/// The parameters, and the gradients that belong to them.
struct Gradients<'a> {
    parameters: &'a [f32],
    places: &'a Places,
    matrices: &'a mut [Vector],
    /// Of vectors, each line's own.
    vectors: &'a mut [Vector],
}

impl<'a> Gradients<'a> {
    fn of(&self, place: &std::ops::Range<usize>) -> &'a [f32] {
        &self.parameters[place.clone()]
    }

    fn matrix(&mut self, place: &std::ops::Range<usize>) -> &mut [Vector] {
        &mut self.matrices[place.start / LANES..place.end / LANES]
    }

    fn vector(&mut self, place: &std::ops::Range<usize>) -> &mut [Vector] {
        let first = self.places.vectors;
        &mut self.vectors[place.start - first..place.end - first]
    }

    /// Adds a position's gradient to a bias's.
    #[inline(always)]
    fn add<L: Lanes>(&mut self, l: L, place: &std::ops::Range<usize>, dy: &[Vector]) {
        add(l, self.vector(place), dy)
    }
}

/// The gradient of the lines' surprisal in nats, at each position times its scale.
#[inline(always)]
pub(super) fn backward_in<L: Lanes>(
    l: L,
    batch: &mut Sixteen,
    parameters: &[f32],
    targets: &Targets,
    scales: &[f32],
) {
    let (c, positions) = (batch.shape.width, batch.tokens.len());
    let room = &mut batch.room;
    batch.gradient.fill(Vector::ZERO);
    room.dvectors.fill(Vector::ZERO);
    room.dstream[..positions * c].fill(Vector::ZERO);
    let (matrices, _) = batch.gradient.split_at_mut(batch.places.vectors / LANES);
    let mut dvectors = std::mem::take(&mut room.dvectors);
    let mut gradients = Gradients {
        parameters,
        places: &batch.places,
        matrices,
        vectors: &mut dvectors,
    };
    for position in 0..positions {
        let vocab = batch.shape.vocab;
        let powers = &batch.powers[position * vocab..][..vocab];
        let (share, targets) = (&batch.shares[position], &targets[position]);
        softmax(
            l,
            powers,
            share,
            targets,
            scales[position],
            &mut room.logits[..vocab],
        );
        head(l, position, &batch.norm, room, &mut gradients);
    }
    for (tape, places) in batch.layers.iter().zip(&batch.places.layers).rev() {
        for position in 0..positions {
            perceive(l, position, places, tape, room, &mut gradients);
        }
        let heads = heads(&batch.shape);
        for position in 0..positions {
            attend(l, heads, position, places, tape, room, &mut gradients);
        }
        let weights = &tape.weights[..heads.weights_at(positions)];
        let kept = (&tape.qkv[..positions * 3 * c], weights);
        for position in 0..positions {
            let towards = (&room.dmixed[..positions * c], &room.slopes[..weights.len()]);
            attention::backward_to_keys(l, heads, position, kept, towards, &mut room.dqkv);
        }
        for position in 0..positions {
            relate(l, position, places, tape, room, &mut gradients);
        }
    }
    for (position, tokens) in batch.tokens.iter().enumerate() {
        by_line(l, &room.dstream[position * c..][..c], &mut room.by_line);
        embed(l, position, tokens, &room.by_line, &mut gradients);
    }
    room.dvectors = dvectors;
    let vectors = floats_mut(&mut batch.gradient[batch.places.vectors / LANES..]);
    for (to, lines) in vectors.iter_mut().zip(&room.dvectors) {
        *to = tree_sum(lines.0.map(f32::from_bits));
    }
}

/// From probabilities to the gradient of logits: (p − 1 at the target)·scale; 0 where there is
/// none.
#[inline(always)]
fn softmax<L: Lanes>(
    l: L,
    powers: &[Vector],
    share: &Vector,
    targets: &[Option<Token>; LANES],
    scale: f32,
    dlogits: &mut [Vector],
) {
    let counted = Vector(targets.map(|t| if t.is_some() { scale } else { 0.0 }.to_bits()));
    let share = l.load(share);
    for (power, to) in powers.iter().zip(&mut *dlogits) {
        l.store(to, l.mul(l.load(power), share));
    }
    for (line, target) in targets.iter().enumerate() {
        if let Some(target) = target {
            let p = &mut dlogits[usize::from(*target)].0[line];
            *p = (f32::from_bits(*p) - 1.0).to_bits();
        }
    }
    for d in dlogits {
        let scaled = l.mul(l.load(d), l.load(&counted));
        l.store(d, scaled);
    }
}

/// A LayerNorm's output again, in `room.normed`, and its lines' rows in `room.by_line`.
#[inline(always)]
fn normed<L: Lanes>(
    l: L,
    position: usize,
    tape: &NormTape,
    places: &NormPlaces,
    room: &mut Room,
    g: &Gradients,
) {
    let c = room.normed.len();
    let normal = &tape.normal[position * c..][..c];
    affine(
        l,
        normal,
        g.of(&places.gain),
        g.of(&places.bias),
        &mut room.normed,
    );
    by_line(l, &room.normed, &mut room.by_line);
}

/// Through a LayerNorm: from `room.update`, its output's gradient, into the stream's.
#[inline(always)]
fn norm<L: Lanes>(
    l: L,
    position: usize,
    tape: &NormTape,
    places: &NormPlaces,
    room: &mut Room,
    g: &mut Gradients,
) {
    let c = room.update.len();
    let kept = Kept {
        normal: &tape.normal[position * c..][..c],
        r: &tape.r[position],
        gain: g.of(&places.gain),
    };
    let both = g.vector(&(places.gain.start..places.bias.end));
    let (dgain, dbias) = both.split_at_mut(c);
    let dstream = &mut room.dstream[position * c..][..c];
    norm::backward(l, &kept, &mut room.update, dgain, dbias, dstream)
}

/// Through the head and the last LayerNorm, from the gradient of logits.
#[inline(always)]
fn head<L: Lanes>(l: L, position: usize, tape: &NormTape, room: &mut Room, g: &mut Gradients) {
    let places = g.places;
    let w = g.of(&places.head);
    let vocab = w.len() / room.update.len();
    normed(l, position, tape, &places.norm, room, g);
    outer(l, &room.logits[..vocab], &room.by_line, g.matrix(&places.head));
    product_transposed(l, w, None, &room.logits[..vocab], &mut room.update);
    norm(l, position, tape, &places.norm, room, g);
}

/// Through the MLP half of a layer.
#[inline(always)]
fn perceive<L: Lanes>(
    l: L,
    position: usize,
    places: &LayerPlaces,
    tape: &LayerTape,
    room: &mut Room,
    g: &mut Gradients,
) {
    let (c, inner) = (room.stream.len(), room.hidden.len());
    let slopes = &tape.slopes[position * inner..][..inner];
    let dstream = &room.dstream[position * c..][..c];
    by_line(l, dstream, &mut room.by_line);
    let active = &tape.active[position * inner..][..inner];
    outer(l, active, &room.by_line, g.matrix(&places.contract));
    g.add(l, &places.contract_bias, dstream);
    product_scaled(l, g.of(&places.contract), slopes, dstream, &mut room.hidden);
    normed(l, position, &tape.norm2, &places.norm2, room, g);
    outer(l, &room.hidden, &room.by_line, g.matrix(&places.expand));
    g.add(l, &places.expand_bias, &room.hidden);
    product_transposed(l, g.of(&places.expand), None, &room.hidden, &mut room.update);
    norm(l, position, &tape.norm2, &places.norm2, room, g);
}

/// Through the projection and the attention of a layer, as far as its queries and slopes.
#[inline(always)]
fn attend<L: Lanes>(
    l: L,
    heads: attention::Heads,
    position: usize,
    places: &LayerPlaces,
    tape: &LayerTape,
    room: &mut Room,
    g: &mut Gradients,
) {
    let c = room.stream.len();
    let at = heads.weights_at(position)..heads.weights_at(position + 1);
    let dstream = &room.dstream[position * c..][..c];
    by_line(l, &tape.mixed[position * c..][..c], &mut room.by_line);
    outer(l, dstream, &room.by_line, g.matrix(&places.projection));
    g.add(l, &places.projection_bias, dstream);
    let dmixed = &mut room.dmixed[position * c..][..c];
    product_transposed(l, g.of(&places.projection), None, dstream, dmixed);
    let kept = (&tape.qkv[..], &tape.weights[at.clone()]);
    let slopes = &mut room.slopes[at];
    attention::backward(l, heads, position, kept, dmixed, slopes, &mut room.dqkv);
}

/// Through queries, keys and values and the LayerNorm before them.
#[inline(always)]
fn relate<L: Lanes>(
    l: L,
    position: usize,
    places: &LayerPlaces,
    tape: &LayerTape,
    room: &mut Room,
    g: &mut Gradients,
) {
    let c = room.stream.len();
    normed(l, position, &tape.norm1, &places.norm1, room, g);
    let dqkv = &room.dqkv[position * 3 * c..][..3 * c];
    outer(l, dqkv, &room.by_line, g.matrix(&places.qkv));
    g.add(l, &places.qkv_bias, dqkv);
    product_transposed(l, g.of(&places.qkv), None, dqkv, &mut room.update);
    norm(l, position, &tape.norm1, &places.norm1, room, g);
}

/// Into the embeddings of a position's tokens and of the position, line by line.
#[inline(always)]
fn embed<L: Lanes>(l: L, position: usize, tokens: &[Token; LANES], rows: &[Vector], g: &mut Gradients) {
    let places = g.places;
    let columns = rows.len() / LANES;
    for (row, &token) in rows.chunks_exact(columns).zip(tokens) {
        let embedding = &mut g.matrix(&places.tokens)[usize::from(token) * columns..][..columns];
        add(l, embedding, row);
        add(
            l,
            &mut g.matrix(&places.positions)[position * columns..][..columns],
            row,
        );
    }
}
