//! The kernel, compiled for each instruction set.

use super::Sixteen;
pub(in crate::learner) use super::backward::Targets;
use super::backward::backward_in;
use super::forward::forward_in;
use super::orthogonal::{Room, orthogonalise_in};
use crate::simd::{LANES, Vector, compiled};
use crate::text::Token;

compiled!(
    /// [`forward_in`].
    pub(in crate::learner) fn forward(
        lines: &mut Sixteen,
        parameters: &[f32],
        tokens: &[Token; LANES],
        rows: &mut [[u32; 8]],
    ) = forward_in
);

compiled!(
    /// [`backward_in`].
    pub(in crate::learner) fn backward(
        lines: &mut Sixteen,
        parameters: &[f32],
        targets: &Targets,
        scales: &[f32],
    ) = backward_in
);

compiled!(
    /// [`orthogonalise_in`].
    pub(in crate::learner) fn orthogonalise(x: &mut [Vector], room: &mut Room) = orthogonalise_in
);
