//! Which kernel runs: the best that the processor has, or a lesser one that was asked for.

use super::lockstep::Lockstep;
use super::packed::Packed;
use crate::simd::lanes::portable::Portable;
#[cfg(target_arch = "x86_64")]
use crate::simd::lanes::{avx2::Avx2, avx512::Avx512};
use crate::text::Token;
use crate::{Error, Result};

/// The environment variable that lowers the choice.
pub const ISA_VARIABLE: &str = "SURPRISAL_ISA";

/// A way to compute the exact network. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// The definition: one line at a time. Very slow.
    Scalar,
    /// The kernel over plain arrays, on any processor.
    Portable,
    /// The kernel in AVX2.
    Avx2,
    /// The kernel in AVX-512 with VNNI.
    Avx512,
}

impl Isa {
    /// All of them, slowest first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Portable, Self::Avx2, Self::Avx512];

    /// The name in [`ISA_VARIABLE`] and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar | Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// The fastest that this processor has.
    pub fn best() -> Self {
        let available = Self::ALL.into_iter().rev().find(|isa| isa.is_available());
        available.expect("the scalar definition runs everywhere")
    }

    /// The choice: [`Isa::best`], or what [`ISA_VARIABLE`] names.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the variable names something unknown or that the processor lacks.
    pub fn chosen() -> Result<Self> {
        let Ok(name) = std::env::var(ISA_VARIABLE) else {
            return Ok(Self::best());
        };
        let known = Self::ALL.into_iter().find(|isa| isa.name() == name);
        match known {
            Some(isa) if isa.is_available() => Ok(isa),
            Some(_) => Err(Error::invalid(format!(
                "{ISA_VARIABLE}={name}: this processor does not have it"
            ))),
            None => Err(Error::invalid(format!(
                "{ISA_VARIABLE}={name} is not known: use scalar, portable, avx2 or avx512"
            ))),
        }
    }
}

impl std::fmt::Display for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A step of the kernel, compiled for the instruction set. `Scalar` is not the kernel's.
pub(super) fn step(isa: Isa, state: &mut Lockstep, model: &Packed, tokens: &[Token], rows: &mut [[u32; 8]]) {
    match isa {
        Isa::Scalar => unreachable!("the scalar definition has no lockstep"),
        // SAFETY: the portable lanes ask nothing of the processor.
        Isa::Portable => unsafe { state.step::<Portable>(model, tokens, rows) },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => {
            assert!(Avx2::is_available());
            // SAFETY: just checked.
            unsafe { step_avx2(state, model, tokens, rows) }
        }
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => {
            assert!(Avx512::is_available());
            // SAFETY: just checked.
            unsafe { step_avx512(state, model, tokens, rows) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        Isa::Avx2 | Isa::Avx512 => unreachable!("not available on this architecture"),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn step_avx2(state: &mut Lockstep, model: &Packed, tokens: &[Token], rows: &mut [[u32; 8]]) {
    // SAFETY: this function is compiled for, and only called with, AVX2.
    unsafe { state.step::<Avx2>(model, tokens, rows) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn step_avx512(state: &mut Lockstep, model: &Packed, tokens: &[Token], rows: &mut [[u32; 8]]) {
    // SAFETY: this function is compiled for, and only called with, these instruction sets.
    unsafe { state.step::<Avx512>(model, tokens, rows) }
}
