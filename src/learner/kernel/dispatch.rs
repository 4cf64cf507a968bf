//! The kernel, compiled for each instruction set.

use super::Sixteen;
pub(in crate::learner) use super::backward::Targets;
use super::orthogonal::{Room, orthogonalise_in};
use crate::network::Isa;
use crate::simd::portable::Portable;
use crate::simd::{LANES, Vector};
#[cfg(target_arch = "x86_64")]
use crate::simd::{avx2::Avx2, avx512::Avx512};
use crate::text::Token;

/// A function that runs `$kernel` in the lanes of an instruction set. `Scalar` is not the kernel's.
macro_rules! compiled {
    ($(#[$doc:meta])* $name:ident = $($kernel:ident)::+ ($($argument:ident: $type:ty),*)) => {
        $(#[$doc])*
        pub(in crate::learner) fn $name(isa: Isa, $($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            unsafe fn avx2($($argument: $type),*) {
                // SAFETY: this function is compiled for, and only called with, AVX2.
                unsafe { $($kernel)::+::<Avx2>($($argument),*) }
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
            unsafe fn avx512($($argument: $type),*) {
                // SAFETY: this function is compiled for, and only called with, these instruction sets.
                unsafe { $($kernel)::+::<Avx512>($($argument),*) }
            }
            match isa {
                Isa::Scalar => unreachable!("the scalar definition is not the kernel"),
                // SAFETY: the portable lanes ask nothing of the processor.
                Isa::Portable => unsafe { $($kernel)::+::<Portable>($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => {
                    assert!(Avx2::is_available());
                    // SAFETY: just checked.
                    unsafe { avx2($($argument),*) }
                }
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => {
                    assert!(Avx512::is_available());
                    // SAFETY: just checked.
                    unsafe { avx512($($argument),*) }
                }
                #[cfg(not(target_arch = "x86_64"))]
                Isa::Avx2 | Isa::Avx512 => unreachable!("not available on this architecture"),
            }
        }
    };
}

compiled!(
    /// [`Sixteen::forward_in`].
    forward = Sixteen::forward_in(
        lines: &mut Sixteen,
        parameters: &[f32],
        tokens: &[Token; LANES],
        rows: &mut [[u32; 8]]
    )
);

compiled!(
    /// [`Sixteen::backward_in`].
    backward = Sixteen::backward_in(lines: &mut Sixteen, parameters: &[f32], targets: &Targets, scales: &[f32])
);

compiled!(
    /// [`orthogonalise_in`].
    orthogonalise = orthogonalise_in(x: &mut [Vector], room: &mut Room)
);
