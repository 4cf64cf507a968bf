//! The one order in which the gradients of a batch's line groups are added, whoever computed them.
//!
//! Sixteen groups are a wave. A wave's gradients are added in pairs, the pairs' sums in pairs, and so on; waves
//! are added one behind the other.
//!
//! ```text
//! groups    0   1   2   3   …  12  13  14  15     16  17 …        float addition is not associative:
//!            \ /     \ /         \ /     \ /        \ /            another order would give other bits
//!             +       +           +       +          +
//!              \     /             \     /            \ …
//!                 +       …           +
//!                   \               /
//!                         wave 0          +          wave 1   +   …
//! ```
//!
//! So 1, 2, 4, 8 or 16 groups that begin at a multiple of their number are a subtree. It has the same sum wherever it is
//! computed: a batch cut into such parts is differentiated by any number of machines, and the tree above the parts gives the
//! bits of one machine.

use crate::simd::LANES;
use crate::{Error, Result};

/// Groups of sixteen lines that are on their way at once. Larger batches go in waves, one behind the
/// other, so that memory does not grow with them.
pub(super) const WAVE: usize = 16;

/// The gradient of a part of a batch: of a subtree of its groups.
#[derive(Clone, Debug, PartialEq)]
pub struct PartGradient {
    /// Surprisal of each group's targets.
    pub nats: Vec<f64>,
    /// The sum of the groups' gradients of the whole batch's loss, in the order of the network's parameters
    /// (`src/learner/layout.rs`).
    pub gradient: Vec<f32>,
}

/// Lines of each part when a batch of so many lines is cut into at least `parts` of them, or as many as there can be: as long
/// as that allows, since every part's gradient is sent and added.
pub fn lines_of_part(lines: usize, parts: usize) -> usize {
    let groups = lines.div_ceil(LANES);
    let mut of_part = WAVE;
    while of_part > 1 && groups.div_ceil(of_part) < parts {
        of_part /= 2;
    }
    of_part * LANES
}

/// Adds rows: neighbours first, then pairs of pairs, into the first one.
pub(super) fn add_in_pairs(rows: &mut [&mut [f32]]) {
    let mut stride = 1;
    while stride < rows.len() {
        for pair in rows.chunks_mut(2 * stride).filter(|pair| pair.len() > stride) {
            let (to, from) = pair.split_at_mut(stride);
            add(to[0], from[0]);
        }
        stride *= 2;
    }
}

/// Adds the gradient of a batch's wave of this number, from 0, to those before it; gives the wave's nats.
pub(super) fn add_wave(number: usize, nats: &[f64], of_wave: &[f32], gradient: &mut [f32]) -> f64 {
    if number == 0 {
        gradient.copy_from_slice(of_wave);
    } else {
        add(gradient, of_wave);
    }
    nats.iter().sum()
}

fn add(to: &mut [f32], from: &[f32]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
}

/// Adds the parts of a batch of so many lines, in their order; gives its nats.
///
/// # Errors
/// [`Error::Training`] if they are not the parts of such a batch, or not gradients of so many parameters.
pub(super) fn add_parts(lines: usize, parts: &mut [PartGradient], gradient: &mut [f32]) -> Result<f64> {
    let groups = lines.div_ceil(LANES);
    let of_part = parts.first().map_or(0, |part| part.nats.len());
    let is_subtree = of_part == groups || of_part.is_power_of_two();
    let expected = (0..groups).step_by(of_part.max(1)).map(|first| of_part.min(groups - first));
    if of_part > WAVE || !is_subtree || !parts.iter().map(|part| part.nats.len()).eq(expected) {
        return Err(Error::Training(format!("these are not the parts of a batch of {lines} lines")));
    }
    if let Some(part) = parts.iter().find(|part| part.gradient.len() != gradient.len()) {
        let (found, wanted) = (part.gradient.len(), gradient.len());
        return Err(Error::Training(format!(
            "a gradient has {found} numbers, the network has {wanted} parameters"
        )));
    }
    let mut nats = 0.0;
    for (number, wave) in parts.chunks_mut(WAVE / of_part.min(WAVE)).enumerate() {
        let of_groups: Vec<f64> = wave.iter().flat_map(|part| &part.nats).copied().collect();
        let mut rows: Vec<&mut [f32]> = wave.iter_mut().map(|part| &mut part.gradient[..]).collect();
        add_in_pairs(&mut rows);
        nats += add_wave(number, &of_groups, rows[0], gradient);
    }
    Ok(nats)
}
