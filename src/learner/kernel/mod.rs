//! Sixteen lines through the network and back, whatever the instruction set.
//!
//! A lane is a line, as in the coder's kernel: lines never touch until their gradients are added
//! up. [`LaneBatch`] is taken forward a position at a time ([`forward()`]), which is how a decoder has to
//! go, and keeps what the gradient needs, so that learning costs no second way forward.

mod attention;
mod backward;
mod forward;
mod lane_batch;
mod math;
mod norm;
mod orthogonal;
mod product;

pub(super) use backward::Targets;
pub(super) use lane_batch::LaneBatch;
pub(super) use orthogonal::Scratch as OrthogonalScratch;

use crate::simd::{LANES, Vector, compiled};
use crate::text::Token;
use backward::backward_in;
use forward::forward_in;
use orthogonal::orthogonalise_in;

compiled!(
    /// [`forward_in`].
    pub(super) fn forward(
        batch: &mut LaneBatch,
        parameters: &[f32],
        tokens: &[Token; LANES],
        rows: &mut [[u32; 8]],
    ) = forward_in, for_floats
);

compiled!(
    /// [`backward_in`].
    pub(super) fn backward(
        batch: &mut LaneBatch,
        parameters: &[f32],
        targets: &Targets,
        scales: &[f32],
    ) = backward_in, for_floats
);

compiled!(
    /// [`orthogonalise_in`].
    pub(super) fn orthogonalise(x: &mut [Vector], scratch: &mut OrthogonalScratch) = orthogonalise_in, for_floats
);
