//! A kernel, compiled for each instruction set.

/// Defines a function that runs `$kernel`, a function generic over [`super::Lanes`] whose first argument is the
/// instruction set's value and whose others are those written here, in the lanes of the [`super::Isa`] that it
/// takes first.
///
/// # Panics
/// The function panics if the processor lacks the set, or it is `Scalar`, which is no kernel's.
macro_rules! compiled {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? = $kernel:path
    ) => {
        $(#[$attribute])*
        #[allow(unsafe_code, reason = "code compiled for an instruction set")]
        $visibility fn $name(isa: $crate::simd::Isa, $($argument: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            use $crate::simd::{avx2::Avx2, avx512::Avx512};

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2(set: Avx2, $($argument: $type),*) $(-> $result)? {
                $kernel(set, $($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
            fn avx512(set: Avx512, $($argument: $type),*) $(-> $result)? {
                $kernel(set, $($argument),*)
            }
            match isa {
                $crate::simd::Isa::Scalar => unreachable!("the scalar definition is no kernel"),
                $crate::simd::Isa::Portable => $kernel($crate::simd::portable::Portable, $($argument),*),
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Isa::Avx2 => {
                    let set = Avx2::new().expect("the processor has AVX2");
                    // SAFETY: the value proves it.
                    unsafe { avx2(set, $($argument),*) }
                }
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Isa::Avx512 => {
                    let set = Avx512::new().expect("the processor has AVX-512");
                    // SAFETY: the value proves it.
                    unsafe { avx512(set, $($argument),*) }
                }
                #[cfg(not(target_arch = "x86_64"))]
                $crate::simd::Isa::Avx2 | $crate::simd::Isa::Avx512 => {
                    unreachable!("not available on this architecture")
                }
            }
        }
    };
}

pub(crate) use compiled;
