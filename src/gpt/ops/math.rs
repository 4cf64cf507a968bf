//! exp and tanh of whole registers.

use pulp::Simd;

/// e^x to about 2 units in the last place, 1e-38 far below; for x ≤ 88.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2, in two steps so that r keeps its bits; then e^r by its
/// Taylor polynomial of degree 7 and 2^n through the exponent's bits.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it rounds to an integer
    const TAYLOR: [f32; 7] = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0];
    let splat = |value| simd.splat_f32s(value);
    let x = simd.min_f32s(simd.max_f32s(x, splat(-87.0)), splat(88.0));
    let rounded = simd.mul_add_e_f32s(x, splat(std::f32::consts::LOG2_E), splat(ROUND));
    let n = simd.sub_f32s(rounded, splat(ROUND));
    let r = simd.mul_add_e_f32s(n, splat(-0.693_359_4), x);
    let r = simd.mul_add_e_f32s(n, splat(2.121_944_4e-4), r);
    let mut power = splat(1.0 / 5040.0);
    for coefficient in TAYLOR {
        power = simd.mul_add_e_f32s(power, r, splat(coefficient));
    }
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(23));
    let exponent = simd.add_u32s(exponent, simd.splat_u32s(127 << 23));
    simd.mul_f32s(power, simd.transmute_f32s_u32s(exponent))
}

/// tanh(x) = 1 − 2/(e^{2x} + 1).
#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let two = simd.splat_f32s(2.0);
    let denominator = simd.add_f32s(exp(simd, simd.add_f32s(x, x)), one);
    simd.sub_f32s(one, simd.div_f32s(two, denominator))
}

/// The register that starts at `start`.
#[inline(always)]
pub(super) fn at<S: Simd>(values: &[f32], start: usize) -> S::f32s {
    S::as_simd_f32s(&values[start..][..S::F32_LANES]).0[0]
}

#[inline(always)]
pub(super) fn at_mut<S: Simd>(values: &mut [f32], start: usize) -> &mut S::f32s {
    &mut S::as_mut_simd_f32s(&mut values[start..][..S::F32_LANES]).0[0]
}

#[cfg(test)]
mod tests {
    use pulp::{Simd, WithSimd};

    use crate::gpt::ops::dispatch::{dispatch, tests::with_every_width};

    /// exp and tanh of every element.
    struct ExpAndTanh<'a>(&'a [f32], &'a mut [f32], &'a mut [f32]);

    impl WithSimd for ExpAndTanh<'_> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            let lanes = S::F32_LANES;
            let results = self.1.chunks_mut(lanes).zip(self.2.chunks_mut(lanes));
            for (x, (exp, tanh)) in self.0.chunks(lanes).zip(results) {
                let x = simd.partial_load_f32s(x);
                simd.partial_store_f32s(exp, super::exp(simd, x));
                simd.partial_store_f32s(tanh, super::tanh(simd, x));
            }
        }
    }

    #[test]
    fn exp_and_tanh_are_close() {
        with_every_width(|_| close());
    }

    fn close() {
        let mut x: Vec<f32> = (-8700..=8800).map(|i| i as f32 / 100.0).collect();
        x.push(f32::NEG_INFINITY);
        let (mut exp, mut tanh) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        dispatch(ExpAndTanh(&x, &mut exp, &mut tanh));
        assert!(exp.pop().unwrap() < 1e-37);
        for ((&x, exp), tanh) in x.iter().zip(exp).zip(tanh) {
            let exact = f64::from(x).exp();
            let relative = (f64::from(exp) - exact) / exact;
            assert!(relative.abs() < 3e-7, "exp({x}): {relative}");
            let error = f64::from(tanh) - f64::from(x).tanh();
            assert!(error.abs() < 3e-7, "tanh({x}): {error}");
        }
    }
}
