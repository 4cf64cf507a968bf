//! The kernel, compiled for each instruction set.

use super::Sixteen;
pub(in crate::learn) use super::backward::Targets;
use crate::exact::portable::Portable;
use crate::exact::{Isa, LANES};
#[cfg(target_arch = "x86_64")]
use crate::exact::{avx2::Avx2, avx512::Avx512};
use crate::model::Token;

/// [`Sixteen::forward_in`]. `Scalar` is not the kernel's.
pub(in crate::learn) fn forward(
    isa: Isa,
    lines: &mut Sixteen,
    parameters: &[f32],
    tokens: &[Token; LANES],
    rows: &mut [[u32; 8]],
) {
    match isa {
        Isa::Scalar => unreachable!("the scalar definition has no sixteen lines"),
        // SAFETY: the portable lanes ask nothing of the processor.
        Isa::Portable => unsafe { lines.forward_in::<Portable>(parameters, tokens, rows) },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => {
            assert!(Avx2::is_available());
            // SAFETY: just checked.
            unsafe { forward_avx2(lines, parameters, tokens, rows) }
        }
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => {
            assert!(Avx512::is_available());
            // SAFETY: just checked.
            unsafe { forward_avx512(lines, parameters, tokens, rows) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => unreachable!("not available on this architecture"),
    }
}

/// [`Sixteen::backward_in`]. `Scalar` is not the kernel's.
pub(in crate::learn) fn backward(
    isa: Isa,
    lines: &mut Sixteen,
    parameters: &[f32],
    targets: &Targets,
    scale: f32,
) {
    match isa {
        Isa::Scalar => unreachable!("the scalar definition has no sixteen lines"),
        // SAFETY: the portable lanes ask nothing of the processor.
        Isa::Portable => unsafe { lines.backward_in::<Portable>(parameters, targets, scale) },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => {
            assert!(Avx2::is_available());
            // SAFETY: just checked.
            unsafe { backward_avx2(lines, parameters, targets, scale) }
        }
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => {
            assert!(Avx512::is_available());
            // SAFETY: just checked.
            unsafe { backward_avx512(lines, parameters, targets, scale) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => unreachable!("not available on this architecture"),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn forward_avx2(
    lines: &mut Sixteen,
    parameters: &[f32],
    tokens: &[Token; LANES],
    rows: &mut [[u32; 8]],
) {
    // SAFETY: this function is compiled for, and only called with, AVX2.
    unsafe { lines.forward_in::<Avx2>(parameters, tokens, rows) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn forward_avx512(
    lines: &mut Sixteen,
    parameters: &[f32],
    tokens: &[Token; LANES],
    rows: &mut [[u32; 8]],
) {
    // SAFETY: this function is compiled for, and only called with, these instruction sets.
    unsafe { lines.forward_in::<Avx512>(parameters, tokens, rows) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn backward_avx2(lines: &mut Sixteen, parameters: &[f32], targets: &Targets, scale: f32) {
    // SAFETY: this function is compiled for, and only called with, AVX2.
    unsafe { lines.backward_in::<Avx2>(parameters, targets, scale) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn backward_avx512(lines: &mut Sixteen, parameters: &[f32], targets: &Targets, scale: f32) {
    // SAFETY: this function is compiled for, and only called with, these instruction sets.
    unsafe { lines.backward_in::<Avx512>(parameters, targets, scale) }
}
