//! The gradient of the loss of sixteen lines, from what the way forward has kept. Layer by layer from
//! the last, in each all positions: sums over positions and lines go from first to last, those of
//! vectors over each line's positions first.

use super::attention::{self, Heads};
use super::lane_batch::{LaneBatch, LayerTape, NormTape, Scratch};
use super::math::add;
use super::norm::{self, Kept, affine};
use super::product::{by_line, outer, product_scaled, product_transposed};
use crate::learner::layout::{LayerPlaces, NormPlaces, Places};
use crate::simd::math::tree_sum;
use crate::simd::{LANES, Lanes, Vector, array, floats_mut};
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
    #[inline(always)]
    fn of(&self, place: &std::ops::Range<usize>) -> &'a [f32] {
        &self.parameters[place.clone()]
    }

    #[inline(always)]
    fn matrix(&mut self, place: &std::ops::Range<usize>) -> &mut [Vector] {
        &mut self.matrices[place.start / LANES..place.end / LANES]
    }

    #[inline(always)]
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
    batch: &mut LaneBatch,
    parameters: &[f32],
    targets: &Targets,
    scales: &[f32],
) {
    let (c, positions) = (batch.shape.width, batch.tokens.len());
    let scratch = &mut batch.scratch;
    batch.gradient.fill(Vector::ZERO);
    scratch.dvectors.fill(Vector::ZERO);
    scratch.dstream[..positions * c].fill(Vector::ZERO);
    let (matrices, _) = batch.gradient.split_at_mut(batch.places.vectors / LANES);
    let mut dvectors = std::mem::take(&mut scratch.dvectors);
    let mut gradients = Gradients { parameters, places: &batch.places, matrices, vectors: &mut dvectors };
    for position in 0..positions {
        let vocab = batch.shape.vocab;
        let exps = &batch.exps[position * vocab..][..vocab];
        let (inv_sum, targets) = (&batch.inv_sums[position], &targets[position]);
        softmax_backward(l, exps, inv_sum, targets, scales[position], &mut scratch.logits[..vocab]);
        head_backward(l, position, &batch.norm, scratch, &mut gradients);
    }
    for (tape, places) in batch.layers.iter().zip(&batch.places.layers).rev() {
        for position in 0..positions {
            mlp_backward(l, position, places, tape, scratch, &mut gradients);
        }
        let heads = Heads::of(&batch.shape);
        for position in 0..positions {
            attention_backward(l, heads, position, places, tape, scratch, &mut gradients);
        }
        let weights = &tape.weights[..heads.weights_at(positions)];
        let kept = (&tape.qkv[..positions * 3 * c], weights);
        for position in 0..positions {
            let towards = (&scratch.dmixed[..positions * c], &scratch.slopes[..weights.len()]);
            attention::backward_to_keys(l, heads, position, kept, towards, &mut scratch.dqkv);
        }
        for position in 0..positions {
            qkv_backward(l, position, places, tape, scratch, &mut gradients);
        }
    }
    for (position, tokens) in batch.tokens.iter().enumerate() {
        by_line(l, &scratch.dstream[position * c..][..c], &mut scratch.by_line);
        embedding_backward(l, position, tokens, &scratch.by_line, &mut gradients);
    }
    scratch.dvectors = dvectors;
    let vectors = floats_mut(&mut batch.gradient[batch.places.vectors / LANES..]);
    for (to, lines) in vectors.iter_mut().zip(&scratch.dvectors) {
        *to = tree_sum(array(|line| lines.float(line)));
    }
}

/// From probabilities to the gradient of logits: (p − 1 at the target)·scale; 0 where there is
/// none.
#[inline(always)]
fn softmax_backward<L: Lanes>(
    l: L,
    exps: &[Vector],
    inv_sum: &Vector,
    targets: &[Option<Token>; LANES],
    scale: f32,
    dlogits: &mut [Vector],
) {
    let counted = Vector::of(|line| if targets[line].is_some() { scale } else { 0.0 });
    let inv_sum = l.load(inv_sum);
    for (exp, to) in exps.iter().zip(&mut *dlogits) {
        l.store(to, l.mul(l.load(exp), inv_sum));
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

/// A LayerNorm's output again, in `scratch.normed`, and its lines' rows in `scratch.by_line`.
#[inline(always)]
fn recompute_norm<L: Lanes>(
    l: L,
    position: usize,
    tape: &NormTape,
    places: &NormPlaces,
    scratch: &mut Scratch,
    g: &Gradients,
) {
    let c = scratch.normed.len();
    let normal = &tape.normal[position * c..][..c];
    affine(l, normal, g.of(&places.gain), g.of(&places.bias), &mut scratch.normed);
    by_line(l, &scratch.normed, &mut scratch.by_line);
}

/// Through a LayerNorm: from `scratch.update`, its output's gradient, into the stream's.
#[inline(always)]
fn norm_backward<L: Lanes>(
    l: L,
    position: usize,
    tape: &NormTape,
    places: &NormPlaces,
    scratch: &mut Scratch,
    g: &mut Gradients,
) {
    let c = scratch.update.len();
    let kept =
        Kept { normal: &tape.normal[position * c..][..c], r: &tape.r[position], gain: g.of(&places.gain) };
    let both = g.vector(&(places.gain.start..places.bias.end));
    let (dgain, dbias) = both.split_at_mut(c);
    let dstream = &mut scratch.dstream[position * c..][..c];
    norm::backward(l, &kept, &mut scratch.update, dgain, dbias, dstream)
}

/// Through the head and the last LayerNorm, from the gradient of logits.
#[inline(always)]
fn head_backward<L: Lanes>(l: L, position: usize, tape: &NormTape, scratch: &mut Scratch, g: &mut Gradients) {
    let places = g.places;
    let w = g.of(&places.head);
    let vocab = w.len() / scratch.update.len();
    recompute_norm(l, position, tape, &places.norm, scratch, g);
    outer(l, &scratch.logits[..vocab], &scratch.by_line, g.matrix(&places.head));
    product_transposed(l, w, None, &scratch.logits[..vocab], &mut scratch.update);
    norm_backward(l, position, tape, &places.norm, scratch, g);
}

/// Through the MLP half of a layer.
#[inline(always)]
fn mlp_backward<L: Lanes>(
    l: L,
    position: usize,
    places: &LayerPlaces,
    tape: &LayerTape,
    scratch: &mut Scratch,
    g: &mut Gradients,
) {
    let (c, inner) = (scratch.stream.len(), scratch.hidden.len());
    let slopes = &tape.slopes[position * inner..][..inner];
    let dstream = &scratch.dstream[position * c..][..c];
    by_line(l, dstream, &mut scratch.by_line);
    let active = &tape.active[position * inner..][..inner];
    outer(l, active, &scratch.by_line, g.matrix(&places.contract));
    g.add(l, &places.contract_bias, dstream);
    product_scaled(l, g.of(&places.contract), slopes, dstream, &mut scratch.hidden);
    recompute_norm(l, position, &tape.norm2, &places.norm2, scratch, g);
    outer(l, &scratch.hidden, &scratch.by_line, g.matrix(&places.expand));
    g.add(l, &places.expand_bias, &scratch.hidden);
    product_transposed(l, g.of(&places.expand), None, &scratch.hidden, &mut scratch.update);
    norm_backward(l, position, &tape.norm2, &places.norm2, scratch, g);
}

/// Through the projection and the attention of a layer, as far as its queries and slopes.
#[inline(always)]
fn attention_backward<L: Lanes>(
    l: L,
    heads: Heads,
    position: usize,
    places: &LayerPlaces,
    tape: &LayerTape,
    scratch: &mut Scratch,
    g: &mut Gradients,
) {
    let c = scratch.stream.len();
    let at = heads.weights_at(position)..heads.weights_at(position + 1);
    let dstream = &scratch.dstream[position * c..][..c];
    by_line(l, &tape.mixed[position * c..][..c], &mut scratch.by_line);
    outer(l, dstream, &scratch.by_line, g.matrix(&places.projection));
    g.add(l, &places.projection_bias, dstream);
    let dmixed = &mut scratch.dmixed[position * c..][..c];
    product_transposed(l, g.of(&places.projection), None, dstream, dmixed);
    let kept = (&tape.qkv[..], &tape.weights[at.clone()]);
    let slopes = &mut scratch.slopes[at];
    attention::backward(l, heads, position, kept, dmixed, slopes, &mut scratch.dqkv);
}

/// Through queries, keys and values and the LayerNorm before them.
#[inline(always)]
fn qkv_backward<L: Lanes>(
    l: L,
    position: usize,
    places: &LayerPlaces,
    tape: &LayerTape,
    scratch: &mut Scratch,
    g: &mut Gradients,
) {
    let c = scratch.stream.len();
    recompute_norm(l, position, &tape.norm1, &places.norm1, scratch, g);
    let dqkv = &scratch.dqkv[position * 3 * c..][..3 * c];
    outer(l, dqkv, &scratch.by_line, g.matrix(&places.qkv));
    g.add(l, &places.qkv_bias, dqkv);
    product_transposed(l, g.of(&places.qkv), None, dqkv, &mut scratch.update);
    norm_backward(l, position, &tape.norm1, &places.norm1, scratch, g);
}

/// Into the embeddings of a position's tokens and of the position, line by line.
#[inline(always)]
fn embedding_backward<L: Lanes>(
    l: L,
    position: usize,
    tokens: &[Token; LANES],
    rows: &[Vector],
    g: &mut Gradients,
) {
    let places = g.places;
    let columns = rows.len() / LANES;
    for (row, &token) in rows.chunks_exact(columns).zip(tokens) {
        let embedding = &mut g.matrix(&places.tokens)[usize::from(token) * columns..][..columns];
        add(l, embedding, row);
        add(l, &mut g.matrix(&places.positions)[position * columns..][..columns], row);
    }
}
