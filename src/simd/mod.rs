//! Sixteen lines side by side in the processor's vector registers, for both exact networks.

#![allow(unsafe_code, reason = "the lanes are the processor's vector instructions")]

pub(crate) mod lanes;

pub(crate) use lanes::{LANES, Lanes, Vector, portable};
#[cfg(target_arch = "x86_64")]
pub(crate) use lanes::{avx2, avx512};
