//! exp and tanh for loops that the compiler turns into vector code.

/// e^x to about 2 units in the last place, 0 far below; for x ≤ 88.
///
/// x = n·ln 2 + r with |r| ≤ ln 2 / 2, in two steps so that r keeps its bits; then e^r by its
/// Taylor polynomial of degree 7 and 2^n through the exponent's bits.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding it rounds to an integer
    let x = x.clamp(-87.0, 88.0);
    let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    p * f32::from_bits(((n + ROUND).to_bits() << 23).wrapping_add(127 << 23))
}

/// tanh(x) = 1 − 2/(e^{2x} + 1).
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn exp_and_tanh_are_close() {
        for i in -8700..=8800 {
            let x = i as f32 / 100.0;
            let exact = f64::from(x).exp();
            let relative = (f64::from(super::exp(x)) - exact) / exact;
            assert!(relative.abs() < 3e-7, "exp({x}): {relative}");
            let error = f64::from(super::tanh(x)) - f64::from(x).tanh();
            assert!(error.abs() < 3e-7, "tanh({x}): {error}");
        }
        assert!(super::exp(f32::NEG_INFINITY) < 1e-37);
    }
}
