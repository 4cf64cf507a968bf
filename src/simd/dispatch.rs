//! A kernel, compiled for each instruction set.

/// Defines a function that runs `$kernel`, a function generic over [`super::Lanes`] whose first argument is the
/// instruction set's value and whose others are those written here, in the lanes of the [`super::Isa`] that it
/// takes first. Behind a comma may stand `for_floats`: the kernel multiplies no bytes, and is not compiled again for sets
/// which have other instructions for that alone.
///
/// # Panics
/// The function panics if the processor lacks the set, or it is `Scalar`, which is no kernel's.
macro_rules! compiled {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $kernel:path $(, $reduced:ident)? $(,)?
    ) => {
        $(#[$attribute])*
        #[allow(unsafe_code, unused_unsafe, reason = "code compiled for an instruction set; in WebAssembly a call of it is safe")]
        $visibility fn $name(isa: $crate::simd::Isa, $($argument: $type),*) $(-> $result)? {
            match isa$(.$reduced())? {
                $crate::simd::Isa::Scalar => unreachable!("the scalar definition is no kernel"),
                $crate::simd::Isa::Portable => $kernel($crate::simd::portable::Portable, $($argument),*),
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Isa::Avx2 => $crate::simd::in_set!($crate::simd::avx2::Avx2, "avx2", $kernel, ($($argument: $type),*) $(-> $result)?),
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Isa::Avx512 => {
                    $crate::simd::in_set!($crate::simd::avx512::Avx512, "avx2,avx512f,avx512bw,avx512vl", $kernel, ($($argument: $type),*) $(-> $result)?)
                }
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Isa::Avx512Vnni => $crate::simd::unless_reduced!(
                    $crate::simd::in_set!($crate::simd::avx512::Avx512Vnni, "avx2,avx512f,avx512bw,avx512vl,avx512vnni", $kernel, ($($argument: $type),*) $(-> $result)?)
                    $(, $reduced)?
                ),
                #[cfg(target_arch = "aarch64")]
                $crate::simd::Isa::Neon => $crate::simd::in_set!($crate::simd::neon::Neon, "neon", $kernel, ($($argument: $type),*) $(-> $result)?),
                #[cfg(target_arch = "aarch64")]
                $crate::simd::Isa::NeonDotprod => $crate::simd::unless_reduced!(
                    $crate::simd::in_set!($crate::simd::neon::NeonDotprod, "neon,dotprod", $kernel, ($($argument: $type),*) $(-> $result)?)
                    $(, $reduced)?
                ),
                #[cfg(all(target_family = "wasm", not(target_feature = "relaxed-simd")))]
                $crate::simd::Isa::Simd128 => $crate::simd::in_set!($crate::simd::wasm::Simd128, "simd128", $kernel, ($($argument: $type),*) $(-> $result)?),
                #[cfg(all(target_family = "wasm", target_feature = "relaxed-simd"))]
                $crate::simd::Isa::RelaxedSimd => $crate::simd::in_set!($crate::simd::wasm::RelaxedSimd, "simd128,relaxed-simd", $kernel, ($($argument: $type),*) $(-> $result)?),
                #[allow(unreachable_patterns, reason = "those of other architectures")]
                _ => unreachable!("not available on this architecture"),
            }
        }
    };
}

/// Runs a kernel in a function that is compiled for a set, whose value proves that the processor has it.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_family = "wasm"))]
macro_rules! in_set {
    ($set:ty, $features:literal, $kernel:path, ($($argument:ident: $type:ty),*) $(-> $result:ty)?) => {{
        #[target_feature(enable = $features)]
        fn compiled(set: $set, $($argument: $type),*) $(-> $result)? {
            $kernel(set, $($argument),*)
        }
        let set = <$set>::new().expect("the processor has the instruction set");
        // SAFETY: the value proves it.
        unsafe { compiled(set, $($argument),*) }
    }};
}

/// Code for a set that a kernel may be reduced not to need.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! unless_reduced {
    ($code:expr) => {
        $code
    };
    ($code:expr, $reduced:ident) => {
        unreachable!("another set stands for it")
    };
}

pub(crate) use compiled;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_family = "wasm"))]
pub(crate) use in_set;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(crate) use unless_reduced;
