//! One position of sixteen lines forward: from a token each to the probabilities of the next.

use super::math::{exp2, gelu};
use super::norm::{affine, normalise};
use super::product::{product, product_transposed};
use super::rounding::round;
use super::{LayerTape, NormTape, Room, Sixteen, attention, heads};
use crate::learner::math::LOG2_E;
use crate::learner::rounding::{Row, attention_rows};
use crate::learner::shape::{LayerPlaces, NormPlaces};
use crate::network::PRECISION;
use crate::simd::{LANES, Lanes, Vector};
use crate::text::Token;

impl Sixteen {
    /// Takes a token of each line; `rows` gets the left ends of the next symbols' slots, a row of
    /// whole eights for each line.
    ///
    /// # Safety
    /// The processor has the lanes' instruction set.
    #[inline(always)]
    pub(super) unsafe fn forward_in<L: Lanes>(
        &mut self,
        parameters: &[f32],
        tokens: &[Token; LANES],
        rows: &mut [[u32; 8]],
    ) {
        let (c, position) = (self.shape.width, self.tokens.len());
        assert!(
            position < self.shape.block,
            "the lines have passed the last position"
        );
        self.tokens.push(*tokens);
        let room = &mut self.room;
        let embeddings = &parameters[self.places.tokens.clone()];
        let place = &parameters[self.places.positions.clone()][position * c..][..c];
        for (i, (to, &p)) in room.stream.iter_mut().zip(place).enumerate() {
            to.0 = tokens.map(|token| (embeddings[usize::from(token) * c + i] + p).to_bits());
        }
        let layers = self.layers.iter_mut().zip(&self.places.layers);
        // SAFETY: as promised by the caller.
        unsafe {
            for (i, (tape, places)) in layers.enumerate() {
                // What the first layer attends to is a table in the exact network.
                let rounded = [self.rounded && i > 0, self.rounded];
                attend::<L>(
                    heads(&self.shape),
                    rounded,
                    position,
                    parameters,
                    places,
                    tape,
                    room,
                );
                perceive::<L>(self.rounded, position, parameters, places, tape, room);
            }
            norm::<L>(
                false,
                position,
                parameters,
                &self.places.norm,
                &mut self.norm,
                room,
            );
            let vocab = self.shape.vocab;
            let head = &parameters[self.places.head.clone()];
            product::<L>(head, None, &room.normed, &mut room.logits[..vocab]);
            let powers = &mut self.powers[position * vocab..][..vocab];
            cumulative::<L>(powers, &mut self.shares[position], &mut room.logits);
            let columns = room.logits.len() / 8;
            for (column, eight) in room.logits.as_chunks::<8>().0.iter().enumerate() {
                let mut rows = rows.chunks_exact_mut(columns);
                let lines = std::array::from_fn(|_| &mut rows.next().expect("sixteen rows")[column]);
                L::scatter(L::load_eight(eight), lines);
            }
        }
    }
}

/// LayerNorm of the stream into `room.normed`; what it keeps is what it was rounded to.
///
/// # Safety
/// The processor has the lanes' instruction set.
#[inline(always)]
unsafe fn norm<L: Lanes>(
    rounded: bool,
    position: usize,
    parameters: &[f32],
    places: &NormPlaces,
    tape: &mut NormTape,
    room: &mut Room,
) {
    let c = room.stream.len();
    let normal = &mut tape.normal[position * c..][..c];
    let (gain, bias) = (&parameters[places.gain.clone()], &parameters[places.bias.clone()]);
    // SAFETY: as promised by the caller.
    unsafe {
        normalise::<L>(&room.stream, normal, &mut tape.r[position]);
        if rounded {
            round::<L>(Row::Input, normal);
        }
        affine::<L>(normal, gain, bias, &mut room.normed);
    }
}

/// Adds the update to the stream.
///
/// # Safety
/// As [`norm`].
#[inline(always)]
unsafe fn update<L: Lanes>(room: &mut Room) {
    // SAFETY: as promised by the caller.
    unsafe {
        for (to, update) in room.stream.iter_mut().zip(&room.update) {
            let sum = L::add(L::load(to), L::load(update));
            L::store(to, sum);
        }
    }
}

/// The attention half of a layer: whether the norm before it is rounded, and all else.
///
/// # Safety
/// As [`norm`].
#[inline(always)]
unsafe fn attend<L: Lanes>(
    heads: attention::Heads,
    [norm_rounded, rounded]: [bool; 2],
    position: usize,
    parameters: &[f32],
    places: &LayerPlaces,
    tape: &mut LayerTape,
    room: &mut Room,
) {
    let c = room.stream.len();
    let of = |place: &std::ops::Range<usize>| &parameters[place.clone()];
    // SAFETY: as promised by the caller.
    unsafe {
        norm::<L>(
            norm_rounded,
            position,
            parameters,
            &places.norm1,
            &mut tape.norm1,
            room,
        );
        let qkv = &mut tape.qkv[position * 3 * c..][..3 * c];
        product::<L>(of(&places.qkv), Some(of(&places.qkv_bias)), &room.normed, qkv);
        if rounded {
            for (row, at) in attention_rows(c, heads.dim) {
                round::<L>(row, &mut qkv[at..][..heads.dim]);
            }
        }
        let weights = &mut tape.weights[heads.weights_at(position)..heads.weights_at(position + 1)];
        let mixed = &mut tape.mixed[position * c..][..c];
        attention::forward::<L>(heads, position, &tape.qkv, weights, mixed);
        if rounded {
            round::<L>(Row::Input, mixed);
        }
        let bias = Some(of(&places.projection_bias));
        product::<L>(of(&places.projection), bias, mixed, &mut room.update);
        update::<L>(room);
    }
}

/// The MLP half of a layer.
///
/// # Safety
/// As [`norm`].
#[inline(always)]
unsafe fn perceive<L: Lanes>(
    rounded: bool,
    position: usize,
    parameters: &[f32],
    places: &LayerPlaces,
    tape: &mut LayerTape,
    room: &mut Room,
) {
    let inner = room.hidden.len();
    let of = |place: &std::ops::Range<usize>| &parameters[place.clone()];
    // SAFETY: as promised by the caller.
    unsafe {
        norm::<L>(
            rounded,
            position,
            parameters,
            &places.norm2,
            &mut tape.norm2,
            room,
        );
        let active = &mut tape.active[position * inner..][..inner];
        product::<L>(
            of(&places.expand),
            Some(of(&places.expand_bias)),
            &room.normed,
            active,
        );
        gelu::<L>(active, &mut tape.slopes[position * inner..][..inner]);
        if rounded {
            round::<L>(Row::Hidden, active);
        }
        let bias = Some(of(&places.contract_bias));
        product_transposed::<L>(of(&places.contract), bias, active, &mut room.update);
        update::<L>(room);
    }
}

/// From logits to the left end of each symbol's slots, in place: e_s = 2^(l_s·log₂e − greatest),
/// and ⌊(e_0 + … + e_(s−1))·((2^20 − symbols)/total)⌋ + s; 2^20 behind the last symbol. Keeps e
/// and 1/total.
///
/// # Safety
/// As [`norm`].
#[inline(always)]
unsafe fn cumulative<L: Lanes>(powers: &mut [Vector], share: &mut Vector, logits: &mut [Vector]) {
    let vocab = powers.len();
    // SAFETY: as promised by the caller.
    unsafe {
        let mut max = L::splat(f32::MIN);
        for (to, logit) in powers.iter_mut().zip(&*logits) {
            let bits = L::mul(L::load(logit), L::splat(LOG2_E));
            max = L::max(bits, max);
            L::store(to, bits);
        }
        let mut total = L::splat(0.0);
        for (power, left) in powers.iter_mut().zip(&mut *logits) {
            let e = exp2::<L>(L::sub(L::load(power), max));
            L::store(left, total);
            total = L::add(total, e);
            L::store(power, e);
        }
        L::store(share, L::div(L::splat(1.0), total));
        let factor = L::div(L::splat(((1 << PRECISION) - vocab) as f32), total);
        for (symbol, left) in logits[..vocab].iter_mut().enumerate() {
            let slot = L::truncate(L::mul(L::load(left), factor));
            L::store_i(left, L::add_i(slot, L::splat_i(symbol as i32)));
        }
        logits[vocab..].fill(Vector([1 << PRECISION; LANES]));
    }
}
