//! Runs a kernel with the widest registers that the processor has.

use pulp::WithSimd;

/// Runs `kernel`; in tests, with the registers that [`tests::with`] chose.
#[inline]
pub(super) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
    #[cfg(test)]
    return tests::dispatch(kernel);
    #[cfg(not(test))]
    pulp::Arch::new().dispatch(kernel)
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use pulp::{Arch, Scalar, Scalar128b, Simd, WithSimd};

    /// Registers to test with: this machine's, and what other machines have.
    #[derive(Clone, Copy, Debug)]
    pub(in crate::gpt::ops) enum Registers {
        Widest,
        /// Eight lanes and sixteen registers.
        #[cfg(target_arch = "x86_64")]
        Avx2,
        /// As wide as NEON's.
        FourLanes,
        OneLane,
    }

    thread_local! {
        static CHOSEN: Cell<Registers> = const { Cell::new(Registers::Widest) };
    }

    pub(super) fn dispatch<K: WithSimd>(kernel: K) -> K::Output {
        match CHOSEN.get() {
            Registers::Widest => Arch::new().dispatch(kernel),
            #[cfg(target_arch = "x86_64")]
            Registers::Avx2 => {
                let avx2 = pulp::x86::V3::try_new().expect("a processor with AVX2");
                Simd::vectorize(avx2, kernel)
            }
            Registers::FourLanes => Simd::vectorize(Scalar128b, kernel),
            Registers::OneLane => Simd::vectorize(Scalar, kernel),
        }
    }

    /// Runs `test` with every kind of registers, on a thread of its own that takes all tasks.
    pub(in crate::gpt::ops) fn with_every_width(test: impl Fn(Registers) + Sync) {
        let all = [
            Registers::Widest,
            #[cfg(target_arch = "x86_64")]
            Registers::Avx2,
            Registers::FourLanes,
            Registers::OneLane,
        ];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        for registers in all {
            pool.install(|| {
                CHOSEN.set(registers);
                test(registers);
            });
        }
    }
}
