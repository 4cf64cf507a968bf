//! The gradient of the loss of sixteen lines, from what the way forward has kept. Layer by layer from
//! the last, in each all positions: sums over positions and lines go from first to last, those of
//! vectors over each line's positions first.

use super::norm::{self, Kept, affine};
use super::product::{by_line, outer, product_scaled, product_transposed};
use super::{LayerTape, NormTape, Room, Sixteen, attention, floats_mut, heads};
use crate::learner::shape::{LayerPlaces, NormPlaces, Places};
use crate::simd::{LANES, Lanes, Vector};
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
    ///
    /// # Safety
    /// The processor has the lanes' instruction set.
    #[inline(always)]
    unsafe fn add<L: Lanes>(&mut self, place: &std::ops::Range<usize>, dy: &[Vector]) {
        // SAFETY: as promised by the caller.
        unsafe { add::<L>(self.vector(place), dy) }
    }
}

/// to += x.
///
/// # Safety
/// The processor has the lanes' instruction set.
#[inline(always)]
unsafe fn add<L: Lanes>(to: &mut [Vector], x: &[Vector]) {
    // SAFETY: as promised by the caller.
    unsafe {
        for (to, x) in to.iter_mut().zip(x) {
            let sum = L::add(L::load(to), L::load(x));
            L::store(to, sum);
        }
    }
}

impl Sixteen {
    /// The gradient of the lines' surprisal in nats, at each position times its scale.
    ///
    /// # Safety
    /// The processor has the lanes' instruction set.
    #[inline(always)]
    pub(super) unsafe fn backward_in<L: Lanes>(
        &mut self,
        parameters: &[f32],
        targets: &Targets,
        scales: &[f32],
    ) {
        let (c, positions) = (self.shape.width, self.tokens.len());
        let room = &mut self.room;
        self.gradient.fill(Vector::ZERO);
        room.dvectors.fill(Vector::ZERO);
        room.dstream[..positions * c].fill(Vector::ZERO);
        let (matrices, _) = self.gradient.split_at_mut(self.places.vectors / LANES);
        let mut dvectors = std::mem::take(&mut room.dvectors);
        let mut gradients = Gradients {
            parameters,
            places: &self.places,
            matrices,
            vectors: &mut dvectors,
        };
        // SAFETY: as promised by the caller.
        unsafe {
            for position in 0..positions {
                let vocab = self.shape.vocab;
                let powers = &self.powers[position * vocab..][..vocab];
                let (share, targets) = (&self.shares[position], &targets[position]);
                softmax::<L>(
                    powers,
                    share,
                    targets,
                    scales[position],
                    &mut room.logits[..vocab],
                );
                head::<L>(position, &self.norm, room, &mut gradients);
            }
            for (tape, places) in self.layers.iter().zip(&self.places.layers).rev() {
                for position in 0..positions {
                    perceive::<L>(position, places, tape, room, &mut gradients);
                }
                let heads = heads(&self.shape);
                for position in 0..positions {
                    attend::<L>(heads, position, places, tape, room, &mut gradients);
                }
                let weights = &tape.weights[..heads.weights_at(positions)];
                let kept = (&tape.qkv[..positions * 3 * c], weights);
                for position in 0..positions {
                    let towards = (&room.dmixed[..positions * c], &room.slopes[..weights.len()]);
                    attention::backward_to_keys::<L>(heads, position, kept, towards, &mut room.dqkv);
                }
                for position in 0..positions {
                    relate::<L>(position, places, tape, room, &mut gradients);
                }
            }
            for (position, tokens) in self.tokens.iter().enumerate() {
                by_line::<L>(&room.dstream[position * c..][..c], &mut room.by_line);
                embed::<L>(position, tokens, &room.by_line, &mut gradients);
            }
        }
        room.dvectors = dvectors;
        let vectors = floats_mut(&mut self.gradient[self.places.vectors / LANES..]);
        for (to, lines) in vectors.iter_mut().zip(&room.dvectors) {
            *to = sum_of_lines(lines);
        }
    }
}

/// The sum over lines: halves are added, line i and line i + 8 first.
fn sum_of_lines(lines: &Vector) -> f32 {
    let mut parts = lines.0.map(f32::from_bits);
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            parts[i] += parts[i + half];
        }
    }
    parts[0]
}

/// From probabilities to the gradient of logits: (p − 1 at the target)·scale; 0 where there is
/// none.
///
/// # Safety
/// As [`add`].
#[inline(always)]
unsafe fn softmax<L: Lanes>(
    powers: &[Vector],
    share: &Vector,
    targets: &[Option<Token>; LANES],
    scale: f32,
    dlogits: &mut [Vector],
) {
    let counted = Vector(targets.map(|t| if t.is_some() { scale } else { 0.0 }.to_bits()));
    // SAFETY: as promised by the caller.
    unsafe {
        let share = L::load(share);
        for (power, to) in powers.iter().zip(&mut *dlogits) {
            L::store(to, L::mul(L::load(power), share));
        }
        for (line, target) in targets.iter().enumerate() {
            if let Some(target) = target {
                let p = &mut dlogits[usize::from(*target)].0[line];
                *p = (f32::from_bits(*p) - 1.0).to_bits();
            }
        }
        for d in dlogits {
            let scaled = L::mul(L::load(d), L::load(&counted));
            L::store(d, scaled);
        }
    }
}

/// A LayerNorm's output again, in `room.normed`, and its lines' rows in `room.by_line`.
///
/// # Safety
/// As [`add`].
#[inline(always)]
unsafe fn normed<L: Lanes>(
    position: usize,
    tape: &NormTape,
    places: &NormPlaces,
    room: &mut Room,
    g: &Gradients,
) {
    let c = room.normed.len();
    let normal = &tape.normal[position * c..][..c];
    // SAFETY: as promised by the caller.
    unsafe {
        affine::<L>(normal, g.of(&places.gain), g.of(&places.bias), &mut room.normed);
        by_line::<L>(&room.normed, &mut room.by_line);
    }
}

/// Through a LayerNorm: from `room.update`, its output's gradient, into the stream's.
///
/// # Safety
/// As [`add`].
#[inline(always)]
unsafe fn norm<L: Lanes>(
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
    // SAFETY: as promised by the caller.
    unsafe { norm::backward::<L>(&kept, &mut room.update, dgain, dbias, dstream) }
}

/// Through the head and the last LayerNorm, from the gradient of logits.
///
/// # Safety
/// As [`add`].
#[inline(always)]
unsafe fn head<L: Lanes>(position: usize, tape: &NormTape, room: &mut Room, g: &mut Gradients) {
    let places = g.places;
    let w = g.of(&places.head);
    let vocab = w.len() / room.update.len();
    // SAFETY: as promised by the caller.
    unsafe {
        normed::<L>(position, tape, &places.norm, room, g);
        outer::<L>(&room.logits[..vocab], &room.by_line, g.matrix(&places.head));
        product_transposed::<L>(w, None, &room.logits[..vocab], &mut room.update);
        norm::<L>(position, tape, &places.norm, room, g);
    }
}

/// Through the MLP half of a layer.
///
/// # Safety
/// As [`add`].
#[inline(always)]
unsafe fn perceive<L: Lanes>(
    position: usize,
    places: &LayerPlaces,
    tape: &LayerTape,
    room: &mut Room,
    g: &mut Gradients,
) {
    let (c, inner) = (room.stream.len(), room.hidden.len());
    let slopes = &tape.slopes[position * inner..][..inner];
    // SAFETY: as promised by the caller.
    unsafe {
        let dstream = &room.dstream[position * c..][..c];
        by_line::<L>(dstream, &mut room.by_line);
        let active = &tape.active[position * inner..][..inner];
        outer::<L>(active, &room.by_line, g.matrix(&places.contract));
        g.add::<L>(&places.contract_bias, dstream);
        product_scaled::<L>(g.of(&places.contract), slopes, dstream, &mut room.hidden);
        normed::<L>(position, &tape.norm2, &places.norm2, room, g);
        outer::<L>(&room.hidden, &room.by_line, g.matrix(&places.expand));
        g.add::<L>(&places.expand_bias, &room.hidden);
        product_transposed::<L>(g.of(&places.expand), None, &room.hidden, &mut room.update);
        norm::<L>(position, &tape.norm2, &places.norm2, room, g);
    }
}

/// Through the projection and the attention of a layer, as far as its queries and slopes.
///
/// # Safety
/// As [`add`].
#[inline(always)]
unsafe fn attend<L: Lanes>(
    heads: attention::Heads,
    position: usize,
    places: &LayerPlaces,
    tape: &LayerTape,
    room: &mut Room,
    g: &mut Gradients,
) {
    let c = room.stream.len();
    let at = heads.weights_at(position)..heads.weights_at(position + 1);
    // SAFETY: as promised by the caller.
    unsafe {
        let dstream = &room.dstream[position * c..][..c];
        by_line::<L>(&tape.mixed[position * c..][..c], &mut room.by_line);
        outer::<L>(dstream, &room.by_line, g.matrix(&places.projection));
        g.add::<L>(&places.projection_bias, dstream);
        let dmixed = &mut room.dmixed[position * c..][..c];
        product_transposed::<L>(g.of(&places.projection), None, dstream, dmixed);
        let kept = (&tape.qkv[..], &tape.weights[at.clone()]);
        let slopes = &mut room.slopes[at];
        attention::backward::<L>(heads, position, kept, dmixed, slopes, &mut room.dqkv);
    }
}

/// Through queries, keys and values and the LayerNorm before them.
///
/// # Safety
/// As [`add`].
#[inline(always)]
unsafe fn relate<L: Lanes>(
    position: usize,
    places: &LayerPlaces,
    tape: &LayerTape,
    room: &mut Room,
    g: &mut Gradients,
) {
    let c = room.stream.len();
    // SAFETY: as promised by the caller.
    unsafe {
        normed::<L>(position, &tape.norm1, &places.norm1, room, g);
        let dqkv = &room.dqkv[position * 3 * c..][..3 * c];
        outer::<L>(dqkv, &room.by_line, g.matrix(&places.qkv));
        g.add::<L>(&places.qkv_bias, dqkv);
        product_transposed::<L>(g.of(&places.qkv), None, dqkv, &mut room.update);
        norm::<L>(position, &tape.norm1, &places.norm1, room, g);
    }
}

/// Into the embeddings of a position's tokens and of the position, line by line.
///
/// # Safety
/// As [`add`].
#[inline(always)]
unsafe fn embed<L: Lanes>(position: usize, tokens: &[Token; LANES], rows: &[Vector], g: &mut Gradients) {
    let places = g.places;
    let columns = rows.len() / LANES;
    // SAFETY: as promised by the caller.
    unsafe {
        for (row, &token) in rows.chunks_exact(columns).zip(tokens) {
            let embedding = &mut g.matrix(&places.tokens)[usize::from(token) * columns..][..columns];
            add::<L>(embedding, row);
            add::<L>(
                &mut g.matrix(&places.positions)[position * columns..][..columns],
                row,
            );
        }
    }
}
