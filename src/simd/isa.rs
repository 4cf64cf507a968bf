//! The instruction sets that kernels are compiled for, and which one is used: the best that the processor has, or a
//! lesser one that was asked for.

use std::sync::Mutex;

#[cfg(target_arch = "aarch64")]
use super::neon::{Neon, NeonDotprod};
#[cfg(all(target_family = "wasm", target_feature = "relaxed-simd"))]
use super::wasm::RelaxedSimd;
#[cfg(all(target_family = "wasm", not(target_feature = "relaxed-simd")))]
use super::wasm::Simd128;
#[cfg(target_arch = "x86_64")]
use super::{
    avx2::Avx2,
    avx512::{Avx512, Avx512Vnni},
};
use crate::names::impl_names;
use crate::{Error, Result};

/// The environment variable that lowers the choice.
pub const ISA_VARIABLE: &str = "SURPRISAL_ISA";

/// What the exact network, the learner and its optimiser are computed by. All give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// The definition: one line at a time. Very slow.
    Scalar,
    /// The kernel over plain arrays, on any processor.
    Portable,
    /// The kernel in NEON, on aarch64.
    Neon,
    /// The kernel in NEON with its products of bytes (`dotprod`).
    NeonDotprod,
    /// The kernel in WebAssembly's SIMD.
    Simd128,
    /// The kernel in WebAssembly's SIMD with its relaxed products of bytes, which are exact here.
    RelaxedSimd,
    /// The kernel in AVX2.
    Avx2,
    /// The kernel in AVX-512 (F, BW and VL).
    Avx512,
    /// The kernel in AVX-512 with its products of bytes (VNNI).
    Avx512Vnni,
}

// Slowest first.
impl_names!(
    Isa,
    "SURPRISAL_ISA",
    [
        Scalar = "scalar",
        Portable = "portable",
        Neon = "neon",
        NeonDotprod = "neon-dotprod",
        Simd128 = "simd128",
        RelaxedSimd = "relaxed-simd",
        Avx2 = "avx2",
        Avx512 = "avx512",
        Avx512Vnni = "avx512-vnni",
    ]
);

impl Isa {
    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar | Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => Avx512Vnni::new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Neon::new().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDotprod => NeonDotprod::new().is_some(),
            #[cfg(all(target_family = "wasm", not(target_feature = "relaxed-simd")))]
            Self::Simd128 => Simd128::new().is_some(),
            #[cfg(all(target_family = "wasm", target_feature = "relaxed-simd"))]
            Self::RelaxedSimd => RelaxedSimd::new().is_some(),
            #[allow(unreachable_patterns, reason = "those of other architectures")]
            _ => false,
        }
    }

    /// The set whose instructions for floats it has: without those for products of bytes.
    pub(crate) fn for_floats(self) -> Self {
        match self {
            Self::Avx512Vnni => Self::Avx512,
            Self::NeonDotprod => Self::Neon,
            other => other,
        }
    }

    /// It, if this processor has it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it does not.
    pub(crate) fn available(self) -> Result<Self> {
        if self.is_available() { Ok(self) } else { Err(Error::Unavailable(self.name())) }
    }

    /// The fastest that this processor has.
    pub fn best() -> Self {
        let available = Self::ALL.into_iter().rev().find(|isa| isa.is_available());
        available.expect("the scalar definition runs everywhere")
    }

    /// The choice: [`Isa::best`], or what [`ISA_VARIABLE`] names. A program asks at its start, to refuse a wrong name.
    ///
    /// # Errors
    /// [`Error::UnknownName`] if the variable names something unknown, [`Error::Unavailable`] if the processor lacks it.
    pub fn chosen() -> Result<Self> {
        let name = std::env::var_os(ISA_VARIABLE).unwrap_or_default();
        if name.is_empty() {
            return Ok(Self::best());
        }
        name.to_string_lossy().parse().and_then(Self::available)
    }
}

/// Runs a test for each instruction set; says which ones this processor lacks.
#[cfg(test)]
pub(crate) fn on_each_isa(test: impl Fn(Isa)) {
    for isa in Isa::ALL {
        if isa.is_available() {
            test(isa);
        } else {
            println!("NOT TESTED: this processor lacks {isa}");
        }
    }
}

/// The default while [`Isa::as_default`] runs something.
static OVERRIDE: Mutex<Option<Isa>> = Mutex::new(None);

impl Isa {
    /// Runs something with this as the default of the whole process. What other threads compute meanwhile has the
    /// same bits.
    pub(crate) fn as_default<T>(self, run: impl FnOnce() -> T) -> T {
        let set = |isa| *OVERRIDE.lock().expect("nothing panics under the lock") = isa;
        set(Some(self));
        let result = run();
        set(None);
        result
    }
}

/// What [`ISA_VARIABLE`] names; the best if it names nothing that is there.
impl Default for Isa {
    fn default() -> Self {
        let over = *OVERRIDE.lock().expect("nothing panics under the lock");
        over.unwrap_or_else(|| Self::chosen().unwrap_or_else(|_| Self::best()))
    }
}
