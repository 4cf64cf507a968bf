//! Archives by a bundled model.

use std::io::{Cursor, Read};
use std::sync::Arc;

use proptest::prelude::*;
use surprisal::archive::{BLOCK_LINES, MAX_BLOCK_BYTES};
use surprisal::text::{Distribution, Operands};
use surprisal::{
    ArchiveStats, CompressOptions, DecompressOptions, Decompressor, Error, Index, LineRange, Model, Models,
};

use super::{
    assert_flips_are_noticed, assert_ranges, assert_truncations_are_noticed, compress_with, golden, restore,
};
use crate::common::corpora::{noise, noise_bytes, sums, uniform_sums};

fn compress(data: &[u8]) -> Vec<u8> {
    compress_with(data, CompressOptions::default()).0
}

#[track_caller]
fn assert_round_trip(data: &[u8]) -> ArchiveStats {
    super::assert_round_trip(data, compress_with(data, CompressOptions::default()))
}

#[test]
fn any_input_comes_back() {
    let sample = uniform_sums(300);
    let crlf = String::from_utf8(sample.clone()).unwrap().replace('\n', "\r\n").into_bytes();
    let mut one_odd_line = uniform_sums(2000);
    one_odd_line.splice(28_000..28_000, *b"an odd line\n");
    let wrong_sums = String::from_utf8(sample.clone()).unwrap().replace("=0", "=7").into_bytes();
    let many = |unit: &str, n: usize| unit.repeat(n).into_bytes();
    for data in [
        Vec::new(),
        vec![b'\n'],
        vec![0],
        vec![b'1'],
        noise_bytes(100_000),
        crlf.clone(),
        crlf[..crlf.len() - 1].to_vec(),
        sample[..sample.len() - 1].to_vec(),
        many("größer als 10 €, naïve\n", 500),
        many("x", 3 * MAX_BLOCK_BYTES / 2),
        one_odd_line,
        wrong_sums,
        sums(Operands::Natural, 500),
        sums(Operands::Leading, 500),
        many("\n", 70_000),
        many("s\ne\n", 100),
        many("\r\n", 100),
        [&crlf[..], &sample].concat(),
        [&sample[..], b"12\r\n", &[b'9'; 28], b"\n"].concat(),
        [&sample[..], &sample, &sample].concat(),
    ] {
        assert_round_trip(&data);
    }
}

#[test]
#[ignore = "slow: a line of 10 MB and a million lines with an odd one"]
fn large_input_comes_back() {
    assert_round_trip(&[vec![b'7'; 10 << 20], b"\n".to_vec(), uniform_sums(10)].concat());
    let mut data = uniform_sums(1_000_000);
    data.splice(14_000_000..14_000_000, *b"once\n");
    let summary = assert_round_trip(&data);
    assert_eq!(summary.modelled_lines, 1_000_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes_come_back(data in prop::collection::vec(any::<u8>(), 0..2000)) {
        assert_round_trip(&data);
    }

    #[test]
    fn random_lines_come_back(lines in prop::collection::vec("[0-9+=]{0,30}\r?\n?", 0..60)) {
        assert_round_trip(lines.concat().as_bytes());
    }
}

/// Every line that the model can code is coded by it, right or wrong; the size is near the floor.
#[test]
fn the_size_is_near_the_entropy() {
    let lines = 20_000;
    let summary = assert_round_trip(&uniform_sums(lines));
    let floor = Distribution::new(8, Operands::Uniform).unwrap().entropy_bits() * lines as f64 / 8.0;
    assert_eq!(summary.modelled_lines, lines as u64);
    assert_eq!(summary.tokens, 28 * lines as u64);
    let ratio = summary.bytes_out as f64 / floor;
    assert!((0.999..1.003).contains(&ratio), "{ratio} × the entropy");
}

/// Nothing but input and model decides the bytes.
#[test]
fn threads_and_pieces_change_nothing() {
    let data = uniform_sums(2 * BLOCK_LINES + 100);
    let with = |threads: usize| compress_with(&data, CompressOptions::default().with_threads(threads)).0;
    let archive = with(1);
    for threads in [2, 8] {
        assert!(with(threads) == archive, "{threads} threads");
        assert!(restore(&archive, threads).unwrap() == data);
    }
    assert!(surprisal::compress(&data, Models::bundled().default_model()).unwrap() == archive);
}

#[test]
fn archives_one_after_another_are_an_archive() {
    let (a, b) = (uniform_sums(100), b"no sums here".to_vec());
    let both = [compress(&a), compress(&b), compress(b""), compress(&a)].concat();
    assert_eq!(restore(&both, 2).unwrap(), [&a[..], &b, &a].concat());
    let index = Index::read(&mut Cursor::new(&both)).unwrap();
    assert_eq!(index, Index::scan(&both[..]).unwrap());
    assert_eq!(index.archives.len(), 4);
    let contents = index.archives.iter().map(|a| a.stats().bytes_in).sum::<u64>();
    assert_eq!(contents as usize, 2 * a.len() + b.len());
}

#[test]
fn ranges_of_lines() {
    let data = [uniform_sums(BLOCK_LINES + 50), b"odd\n\nlast".to_vec()].concat();
    let archive = [compress(&data), compress(&sums(Operands::Leading, 10))].concat();
    let block = BLOCK_LINES as u64;
    let ranges = [
        (1, 1),
        (1, 5),
        (block, block + 1),
        (block + 1, block + 1),
        (block + 49, block + 70),
        (9_000_000, u64::MAX),
    ];
    assert_ranges(&archive, &ranges);
}

/// A small archive with every part that there is: modelled lines, exceptions, two blocks of other
/// kinds would need megabytes, so those come as archives of their own.
fn small_archives() -> Vec<Vec<u8>> {
    let lines = [uniform_sums(12), b"odd\n\r\n".to_vec(), sums(Operands::Natural, 3)].concat();
    vec![compress(&lines), compress(&[b'z'; 300]), compress(b"\x00\xff\x80")]
}

#[test]
fn every_flipped_bit_is_noticed() {
    small_archives().iter().for_each(|archive| assert_flips_are_noticed(archive));
}

#[test]
fn every_truncation_is_noticed() {
    small_archives().iter().for_each(|archive| assert_truncations_are_noticed(archive));
}

/// What stands before the damage comes out, and nothing of what is damaged.
#[test]
fn damage_stays_in_its_block() {
    let data = uniform_sums(3 * BLOCK_LINES);
    let mut archive = compress(&data);
    let index = Index::read(&mut Cursor::new(&archive)).unwrap();
    let blocks = index.archives[0].blocks.clone();
    assert_eq!(blocks.len(), 3);
    archive[blocks[1].offset as usize + 5000] ^= 4;
    let options = DecompressOptions::default().with_threads(4usize);
    let mut reader = Decompressor::with_options(&archive[..], options).unwrap();
    let mut found = Vec::new();
    let error = Error::from_io(reader.read_to_end(&mut found).unwrap_err());
    assert!(matches!(&error, Error::Damaged { place, .. } if place == "block 1"), "{error}");
    let first = blocks[0].content_len as usize;
    assert!(found == data[..first]);
    // The third block can still be had.
    let range = LineRange::new(2 * BLOCK_LINES as u64 + 1, u64::MAX).unwrap();
    let mut third = Vec::new();
    index
        .write_lines(&mut Cursor::new(&archive), &DecompressOptions::default().with_lines(range), &mut third)
        .unwrap();
    assert!(third == data[2 * first..]);
}

/// A header of hostile sizes must not make the reader ask for memory.
#[test]
fn random_archives_never_panic() {
    let good = compress(&uniform_sums(40));
    let mut state = noise();
    let mut random = move || state() as usize;
    for _ in 0..3000 {
        let mut archive = good.clone();
        for _ in 0..=random() % 4 {
            let at = random() % archive.len();
            match random() % 3 {
                0 => archive[at] = random() as u8,
                1 => drop(archive.remove(at)),
                _ => archive.insert(at, random() as u8),
            }
        }
        if archive != good {
            assert!(restore(&archive, 1).is_err());
        }
    }
}

/// A model of another identity: its last weight is one bit off.
fn other_model() -> Arc<Model> {
    let models = Models::bundled();
    let (config, weights) = models.default_model().files();
    let mut weights = weights.to_vec();
    let last = weights.len() - 3;
    weights[last] ^= 0x40;
    Arc::new(Model::from_files("other", config.to_vec(), weights).unwrap())
}

#[test]
fn a_missing_model_is_named_and_an_embedded_one_is_used() {
    let data = uniform_sums(50);
    let other = other_model();
    let with = |embed_model: bool| {
        let options = CompressOptions::default().with_coder(&other).with_embed_model(embed_model);
        compress_with(&data, options).0
    };
    let error = restore(&with(false), 1).unwrap_err();
    let text = error.to_string();
    let known = Models::bundled().default_model().identity();
    assert!(
        text.contains(&other.identity().to_string())
            && text.contains(&known.to_string())
            && text.contains("-m"),
        "{text}"
    );

    let mut models = Models::bundled();
    models.add(Arc::clone(&other));
    assert_eq!(surprisal::decompress(&with(false), &models).unwrap(), data);

    let carrying = with(true);
    assert_eq!(restore(&carrying, 1).unwrap(), data);
    let index = Index::read(&mut Cursor::new(&carrying)).unwrap();
    assert!(index.archives[0].model_len > 1000);
    assert_eq!(index, Index::scan(&carrying[..]).unwrap());
}

/// Archives of earlier days decode for ever, and the same input still gives the same bytes.
#[test]
fn golden_archives() {
    for name in ["uniform", "mixed", "noise", "empty"] {
        let (data, archive) = (golden(&format!("{name}.txt")), golden(&format!("{name}.txt.sur")));
        assert!(restore(&archive, 1).unwrap() == data, "{name} decodes");
        assert!(compress(&data) == archive, "{name} gives the same bytes");
    }
}
