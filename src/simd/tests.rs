//! Each operation of each instruction set against plain arrays, on random and on extreme values.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::portable::Portable;
use super::*;

/// The results of all operations on inputs of one seed, in memory.
///
/// # Safety
/// The processor has the instruction set `L`.
#[inline(always)]
unsafe fn results<L: Lanes>(seed: u64) -> Vec<Vector> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut out = Vec::new();
    let floats = |rng: &mut ChaCha8Rng, spread: f32| {
        Vector(std::array::from_fn(|i| {
            let x = rng.next_u32() as i32 as f32 / i32::MAX as f32 * spread;
            // Ties, zeros of both signs and halves are where rounding shows.
            [x, x.round() + 0.5, 0.0, -0.0][(rng.next_u32() as usize + i) % 4].to_bits()
        }))
    };
    let ints = |rng: &mut ChaCha8Rng| Vector(std::array::from_fn(|_| rng.next_u32()));
    let bytes = |rng: &mut ChaCha8Rng, max: i32, signed: bool| {
        let mut byte = || {
            let low = if signed { -max } else { 0 };
            let extreme = [
                low,
                max,
                0,
                low + (rng.next_u32() % (max - low + 1) as u32) as i32,
            ];
            extreme[rng.next_u32() as usize % 4] as u8
        };
        Vector(std::array::from_fn(|_| {
            u32::from_le_bytes(std::array::from_fn(|_| byte()))
        }))
    };
    // SAFETY: as promised by the caller, for all calls.
    unsafe {
        let mut put_f = |x: L::F| {
            out.push(Vector::ZERO);
            L::store(out.last_mut().unwrap(), x);
        };
        let (va, vb) = (floats(&mut rng, 3e5), floats(&mut rng, 3e5));
        let (a, b) = (L::load(&va), L::load(&vb));
        for x in [
            L::add(a, b),
            L::sub(a, b),
            L::mul(a, b),
            L::max(a, b),
            L::abs(a),
            L::sqrt(L::abs(b)),
        ] {
            put_f(x);
        }
        put_f(L::div(a, L::add(L::abs(b), L::splat(0.25))));
        let powers = L::add(
            L::splat(crate::network::math::ROUND),
            L::load(&floats(&mut rng, 20.0)),
        );
        put_f(L::scale_by_power(L::add(L::abs(a), L::splat(1.0)), powers));
        let (vi, vj) = (ints(&mut rng), ints(&mut rng));
        let (i, j) = (L::load_i(&vi), L::load_i(&vj));
        put_f(L::float(i));
        let mut put = |x: L::I| {
            out.push(Vector::ZERO);
            L::store_i(out.last_mut().unwrap(), x);
        };
        for x in [
            L::round(a),
            L::truncate(a),
            L::add_i(i, j),
            L::sub_i(i, j),
            L::or_i(i, j),
        ] {
            put(x);
        }
        for from in [0, 8, 24] {
            for to in [0, 8, 16, 24] {
                put(L::move_byte(i, from, to));
            }
        }
        // Packing saturates, so small numbers as well as large ones.
        let small = L::round(L::load(&floats(&mut rng, 4e4)));
        let other = L::round(L::load(&floats(&mut rng, 4e4)));
        let (h, k) = (L::pack(small, other), L::pack(other, L::sub_i(other, small)));
        L::widen(L::pack(i, j)).into_iter().for_each(&mut put);
        put(L::add_bytes(i, j));
        let mut stored = PairVector::ZERO;
        L::store_h(&mut stored, h);
        let h = L::load_h(&stored);
        let clamp = L::splat_h(12_345);
        for x in [
            L::add_h(h, k),
            L::add_saturating_h(h, k),
            L::max_h(h, k),
            L::abs_min_h(h, clamp),
            L::abs_min_h(L::splat_h(i16::MIN), clamp),
            L::shift_left_h(h, 3),
            L::mul_q15(h, k),
            L::mul_q15(L::splat_h(i16::MIN), k),
        ] {
            L::widen(x).into_iter().for_each(&mut put);
        }
        // Bytes saturate as well.
        let (b, c) = (L::mul_q15(h, L::splat_h(128)), L::mul_q15(k, L::splat_h(300)));
        for (b, c) in [(b, c), (c, b), (h, clamp)] {
            put(L::quads(b, c));
            put(L::quads_unsigned(b, c));
        }
        put(L::pairs(h));
        let (u, s) = (
            L::load_i(&bytes(&mut rng, 127, false)),
            L::load_i(&bytes(&mut rng, 127, true)),
        );
        put(L::dot(i, u, s));
        let (s, t) = (
            L::load_i(&bytes(&mut rng, 64, true)),
            L::load_i(&bytes(&mut rng, 64, true)),
        );
        put(L::dot_two(i, [u, L::splat_i(0x7f7f_7f7f)], [s, t]));
        put(L::dot_pairs(L::splat_i(7), L::pairs(h), L::pairs(k)));
        // Weights as large as a chain may have: eight of ±32 share an accumulator, 8 · 32 ≤ 258.
        let inputs: Vec<Vector> = (0..8).map(|_| bytes(&mut rng, 127, false)).collect();
        let mut weight = || std::array::from_fn(|_| bytes(&mut rng, 32, true).0[0] as i32);
        let weights: Vec<[i32; 4]> = (0..8).map(|_| weight()).collect();
        L::products(&[0, -7, 1 << 20, 5], &inputs, &weights)
            .into_iter()
            .for_each(&mut put);
        // All weight at one position, and spread over many.
        let mut sum = L::mix(L::mix_zero(), L::splat_i(255), &bytes(&mut rng, 127, true));
        put(L::mixed(sum));
        sum = L::mix_zero();
        for _ in 0..8 {
            sum = L::mix(sum, L::splat_i(0x0707_0708), &bytes(&mut rng, 127, true));
        }
        put(L::mixed(sum));
        let lines: [[u32; 8]; LANES] = std::array::from_fn(|_| std::array::from_fn(|_| rng.next_u32()));
        let words = L::gather(lines.each_ref());
        words.into_iter().for_each(&mut put);
        let mut back = [[0; 8]; LANES];
        L::scatter(words, back.each_mut());
        assert!(back == lines, "scatter undoes gather");
    }
    out
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn results_avx2(seed: u64) -> Vec<Vector> {
    // SAFETY: this function is only called with AVX2.
    unsafe { results::<avx2::Avx2>(seed) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn results_avx512(seed: u64) -> Vec<Vector> {
    // SAFETY: this function is only called with these instruction sets.
    unsafe { results::<avx512::Avx512>(seed) }
}

#[test]
fn every_operation_agrees_with_plain_arrays() {
    for seed in 0..200 {
        // SAFETY: the portable lanes ask nothing of the processor.
        let expected = unsafe { results::<Portable>(seed) };
        assert!(expected.len() > 50);
        #[cfg(target_arch = "x86_64")]
        {
            if avx2::Avx2::is_available() {
                // SAFETY: just checked.
                let found = unsafe { results_avx2(seed) };
                assert_same(&expected, &found, "avx2", seed);
            }
            if avx512::Avx512::is_available() {
                // SAFETY: just checked.
                let found = unsafe { results_avx512(seed) };
                assert_same(&expected, &found, "avx512", seed);
            }
        }
    }
}

fn assert_same(expected: &[Vector], found: &[Vector], isa: &str, seed: u64) {
    assert_eq!(expected.len(), found.len());
    for (index, (e, f)) in expected.iter().zip(found).enumerate() {
        assert_eq!(e, f, "{isa}: result {index} of seed {seed}");
    }
}
