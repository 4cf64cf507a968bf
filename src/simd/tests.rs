//! Each operation of each instruction set against plain arrays, on random and on extreme values; that the arrays' kernel
//! is right is for the tests that hold each kernel to the scalar definition.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::portable::Portable;
use super::*;

/// The results of all operations on inputs of one seed, in memory.
#[inline(always)]
fn results<L: Lanes>(l: L, seed: u64) -> Vec<Vector> {
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
            let extreme = [low, max, 0, low + (rng.next_u32() % (max - low + 1) as u32) as i32];
            extreme[rng.next_u32() as usize % 4] as u8
        };
        Vector(std::array::from_fn(|_| u32::from_le_bytes(std::array::from_fn(|_| byte()))))
    };
    let mut put_f = |x: L::F| {
        out.push(Vector::ZERO);
        l.store(out.last_mut().unwrap(), x);
    };
    let (va, vb) = (floats(&mut rng, 3e5), floats(&mut rng, 3e5));
    let (a, b) = (l.load(&va), l.load(&vb));
    for x in [l.add(a, b), l.sub(a, b), l.mul(a, b), l.max(a, b), l.abs(a), l.sqrt(l.abs(b))] {
        put_f(x);
    }
    put_f(l.div(a, l.add(l.abs(b), l.splat(0.25))));
    let powers = l.add(l.splat(math::ROUND), l.load(&floats(&mut rng, 20.0)));
    put_f(l.scale_by_power(l.add(l.abs(a), l.splat(1.0)), powers));
    let (vi, vj) = (ints(&mut rng), ints(&mut rng));
    let (i, j) = (l.load_i(&vi), l.load_i(&vj));
    put_f(l.float(i));
    let mut put = |x: L::I| {
        out.push(Vector::ZERO);
        l.store_i(out.last_mut().unwrap(), x);
    };
    for x in [l.round(a), l.truncate(a), l.add_i(i, j), l.sub_i(i, j), l.or_i(i, j)] {
        put(x);
    }
    for from in [0, 8, 24] {
        for to in [0, 8, 16, 24] {
            put(l.move_byte(i, from, to));
        }
    }
    // Packing saturates, so small numbers as well as large ones.
    let small = l.round(l.load(&floats(&mut rng, 4e4)));
    let other = l.round(l.load(&floats(&mut rng, 4e4)));
    let (h, k) = (l.pack(small, other), l.pack(other, l.sub_i(other, small)));
    l.widen(l.pack(i, j)).into_iter().for_each(&mut put);
    let mut stored = Vector::ZERO;
    l.store_h(&mut stored, h);
    let h = l.load_h(&stored);
    let clamp = l.splat_h(12_345);
    for x in [
        l.add_h(h, k),
        l.add_saturating_h(h, k),
        l.max_h(h, k),
        l.abs_min_h(h, clamp),
        l.abs_min_h(l.splat_h(i16::MIN), clamp),
        l.shift_left_h(h, 3),
        l.mul_q15(h, l.max_h(k, l.splat_h(-i16::MAX))),
        l.mul_q15(l.splat_h(i16::MIN), l.max_h(k, l.splat_h(-i16::MAX))),
    ] {
        l.widen(x).into_iter().for_each(&mut put);
    }
    // Bytes saturate as well.
    let (b, c) = (l.mul_q15(h, l.splat_h(128)), l.mul_q15(k, l.splat_h(300)));
    for (b, c) in [(b, c), (c, b), (h, clamp)] {
        put(l.quads(b, c));
    }
    let four: [Vector; 4] = std::array::from_fn(|_| floats(&mut rng, 126.0));
    let four = [l.load(&four[0]), l.load(&four[1]), l.load(&four[2]), l.load(&four[3])];
    for zero in [0, 64, 255] {
        put(l.round_to_bytes(four, zero));
    }
    let twice = |x: L::F| l.mul(l.abs(x), l.splat(2.0));
    put(l.round_to_unsigned_bytes([twice(four[0]), twice(four[1]), twice(four[2]), twice(four[3])]));
    put(l.pairs(h));
    let (u, s) = (l.load_i(&bytes(&mut rng, 127, false)), l.load_i(&bytes(&mut rng, 127, true)));
    put(l.dot(i, u, s));
    let (s, t) = (l.load_i(&bytes(&mut rng, 64, true)), l.load_i(&bytes(&mut rng, 64, true)));
    put(l.dot_two(i, [u, l.splat_i(0x7f7f_7f7f)], [s, t]));
    put(l.dot_pairs(l.splat_i(7), l.pairs(h), l.pairs(k)));
    // Weights as large as a chain may have: eight of ±32 share an accumulator, 8 · 32 ≤ 258.
    let inputs: Vec<Vector> = (0..8).map(|_| bytes(&mut rng, 127, false)).collect();
    let mut weight = || std::array::from_fn(|_| bytes(&mut rng, 32, true).0[0] as i32);
    let weights: Vec<[i32; 4]> = (0..8).map(|_| weight()).collect();
    l.products(&[0, -7, 1 << 20, 5], &inputs, &weights).into_iter().for_each(&mut put);
    // All weight at one position, and spread over many.
    let mut sum = l.mix(l.mix_zero(), l.splat_i(255), &bytes(&mut rng, 127, true));
    put(l.mixed(sum));
    sum = l.mix_zero();
    for _ in 0..8 {
        sum = l.mix(sum, l.splat_i(0x0707_0708), &bytes(&mut rng, 127, true));
    }
    put(l.mixed(sum));
    // Three rows of five features, of which the last four are asked for.
    let weights: Vec<Vector> = (0..3).map(|_| bytes(&mut rng, 21, false)).collect();
    let values: Vec<Vector> = (0..15).map(|_| bytes(&mut rng, 127, true)).collect();
    l.mix_four(&weights, &values, 5, 1).into_iter().for_each(&mut put);
    let lines: [[u32; 8]; LANES] = std::array::from_fn(|_| std::array::from_fn(|_| rng.next_u32()));
    let words = l.gather(lines.each_ref());
    words.into_iter().for_each(&mut put);
    let words: &[Vector; 8] = out.last_chunk().expect("the eight were just put");
    let mut back = [[0; 8]; 2 * LANES - 1];
    l.scatter(words, &mut back, 2);
    assert!(back.iter().step_by(2).eq(&lines), "scatter undoes gather");
    assert!(back.iter().skip(1).step_by(2).all(|row| *row == [0; 8]), "scatter writes between the rows");
    out
}

compiled!(fn results_of(seed: u64) -> Vec<Vector> = results);

/// On x86-64 the portable kernel has another instruction for products.
#[cfg(target_arch = "x86_64")]
#[test]
fn plain_products() {
    for seed in 0..200 {
        assert_eq!(results(Portable, seed), results(super::portable::plain::Plain, seed), "seed {seed}");
    }
}

#[test]
fn each_set_agrees_with_plain_arrays() {
    on_each_isa(|isa| {
        // The definition is no kernel.
        if isa == Isa::Scalar {
            return;
        }
        for seed in 0..200 {
            let (expected, found) = (results(Portable, seed), results_of(isa, seed));
            assert!(expected.len() > 50);
            assert_eq!(expected.len(), found.len());
            for (index, (e, f)) in expected.iter().zip(&found).enumerate() {
                assert_eq!(e, f, "{isa}: result {index} of seed {seed}");
            }
        }
    });
}
