//! The head: logits, and the probabilities that they stand for.

use super::rows::{centre, exp2, scale_of};
use super::state::Scratch;
use crate::network::math::EXP2_FINE;
use crate::network::packed::PackedHead;
use crate::network::parameters::{HEAD_MAX, PRECISION};
use crate::simd::{LANES, Lanes, Vector};

/// Logits in bits, into the scratch.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn logits<L: Lanes>(head: &PackedHead, stream: &[Vector], scratch: &mut Scratch) {
    let Scratch {
        inputs,
        features,
        logits,
        ..
    } = scratch;
    // SAFETY: as promised by the caller.
    unsafe {
        let (rstd, largest) = centre::<L>(stream, features);
        let centred = &features[..stream.len()];
        let (scale, factor) = scale_of::<L>(largest, HEAD_MAX);
        let scale = L::mul(scale, rstd);
        let rounded = |feature: &Vector| L::round(L::mul(L::load(feature), factor));
        for (to, pair) in inputs.iter_mut().zip(centred.chunks(2)) {
            let second = pair.get(1).map_or(L::splat_i(0), rounded);
            L::store_i(to, L::pairs(L::pack(rounded(&pair[0]), second)));
        }
        let inputs = &inputs[..head.per_symbol];
        let symbols = head
            .pairs
            .chunks_exact(head.per_symbol)
            .zip(&head.scale)
            .zip(&head.bias);
        for (((weights, &symbol_scale), &bias), to) in symbols.zip(logits) {
            let mut sum = L::splat_i(0);
            for (input, &weight) in inputs.iter().zip(weights) {
                sum = L::dot_pairs(sum, L::load_i(input), L::splat_i(weight));
            }
            let scaled = L::mul(L::mul(L::float(sum), L::splat(symbol_scale)), scale);
            L::store(to, L::add(scaled, L::splat(bias)));
        }
    }
}

/// From logits to rows of cumulative probabilities.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
pub(super) unsafe fn cumulative<L: Lanes>(vocab: usize, logits: &mut [Vector], rows: &mut [[u32; 8]]) {
    // SAFETY: as promised by the caller.
    unsafe {
        let (symbols, padding) = logits.split_at_mut(vocab);
        let mut max = L::splat(f32::MIN);
        for logit in &*symbols {
            max = L::max(L::load(logit), max);
        }
        let mut total = L::splat(0.0);
        for logit in &mut *symbols {
            let weight = exp2::<L, 6>(L::sub(L::load(logit), max), &EXP2_FINE);
            L::store(logit, total);
            total = L::add(total, weight);
        }
        let factor = L::div(L::splat(((1 << PRECISION) - vocab) as f32), total);
        for (symbol, left) in symbols.iter_mut().enumerate() {
            let slots = L::truncate(L::mul(L::load(left), factor));
            L::store_i(left, L::add_i(slots, L::splat_i(symbol as i32)));
        }
        padding.fill(Vector([1 << PRECISION; LANES]));
        let eights = logits.len() / 8;
        for (index, eight) in logits.as_chunks::<8>().0.iter().enumerate() {
            let mut rows = rows.chunks_exact_mut(eights).map(|row| &mut row[index]);
            L::scatter(
                L::load_eight(eight),
                std::array::from_fn(|_| rows.next().expect("a row for each lane")),
            );
        }
    }
}
