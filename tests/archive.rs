//! What the archive promises: any bytes in, the same bytes out, and damage never goes unnoticed.

use std::io::{Cursor, Read, Write};
use std::sync::Arc;

use proptest::prelude::*;
use surprisal::archive::{BLOCK_LINES, Index, LineRange, MAX_BLOCK_BYTES, Summary};
use surprisal::text::{Additions, Distribution, Operands};
use surprisal::{CompressOptions, Compressor, DecompressOptions, Decompressor, Error, Model, Models};

fn corpus(operands: Operands, lines: usize) -> Vec<u8> {
    let mut additions = Additions::new(Distribution::new(8, operands).unwrap(), 3);
    let mut text = Vec::new();
    (0..lines).for_each(|_| additions.append_line(&mut text));
    text
}

fn compress_with(data: &[u8], options: CompressOptions) -> (Vec<u8>, Summary) {
    let mut compressor = Compressor::new(Vec::new(), Models::bundled().default_model(), options).unwrap();
    // In pieces that fit nothing.
    for piece in data.chunks(70_001) {
        compressor.write_all(piece).unwrap();
    }
    compressor.finish().unwrap()
}

fn compress(data: &[u8]) -> Vec<u8> {
    compress_with(data, CompressOptions::default()).0
}

fn restore(archive: &[u8], threads: usize) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    let mut reader = Decompressor::new(archive, Models::bundled(), threads)?;
    reader.read_to_end(&mut data).map_err(Error::from_io)?;
    Ok(data)
}

#[track_caller]
fn assert_round_trip(data: &[u8]) -> Summary {
    let (archive, summary) = compress_with(data, CompressOptions::default());
    assert!(restore(&archive, 1).unwrap() == data);
    assert_eq!(
        (summary.bytes_in, summary.bytes_out),
        (data.len() as u64, archive.len() as u64)
    );
    let lines = data.split_inclusive(|&b| b == b'\n').count() as u64;
    assert_eq!(summary.lines, lines);
    let limit = data.len() + data.len() / 1000 + 1024;
    assert!(
        archive.len() <= limit,
        "{} bytes became {}",
        data.len(),
        archive.len()
    );
    summary
}

#[test]
fn any_input_comes_back() {
    let noise = |n: usize| -> Vec<u8> {
        (0..n as u64)
            .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as u8 ^ (i >> 3) as u8)
            .collect()
    };
    let sample = corpus(Operands::Uniform, 300);
    let crlf = String::from_utf8(sample.clone())
        .unwrap()
        .replace('\n', "\r\n")
        .into_bytes();
    let mut one_odd_line = corpus(Operands::Uniform, 2000);
    one_odd_line.splice(28_000..28_000, *b"an odd line\n");
    let wrong_sums = String::from_utf8(sample.clone())
        .unwrap()
        .replace("=0", "=7")
        .into_bytes();
    let many = |unit: &str, n: usize| unit.repeat(n).into_bytes();
    for data in [
        Vec::new(),
        vec![b'\n'],
        vec![0],
        vec![b'1'],
        noise(100_000),
        crlf.clone(),
        crlf[..crlf.len() - 1].to_vec(),
        sample[..sample.len() - 1].to_vec(),
        many("größer als 10 €, naïve\n", 500),
        many("x", 3 * MAX_BLOCK_BYTES / 2),
        one_odd_line,
        wrong_sums,
        corpus(Operands::Natural, 500),
        corpus(Operands::Leading, 500),
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
    assert_round_trip(
        &[
            vec![b'7'; 10 << 20],
            b"\n".to_vec(),
            corpus(Operands::Uniform, 10),
        ]
        .concat(),
    );
    let mut data = corpus(Operands::Uniform, 1_000_000);
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
    let summary = assert_round_trip(&corpus(Operands::Uniform, lines));
    let floor = Distribution::new(8, Operands::Uniform).unwrap().entropy_bits() * lines as f64 / 8.0;
    assert_eq!(summary.modelled_lines, lines as u64);
    assert_eq!(summary.tokens, 28 * lines as u64);
    let ratio = summary.bytes_out as f64 / floor;
    assert!((0.999..1.003).contains(&ratio), "{ratio} × the entropy");
}

/// Nothing but input and model decides the bytes.
#[test]
fn threads_and_pieces_change_nothing() {
    let data = corpus(Operands::Uniform, 2 * BLOCK_LINES + 100);
    let with = |threads| {
        compress_with(
            &data,
            CompressOptions {
                threads,
                ..CompressOptions::default()
            },
        )
        .0
    };
    let archive = with(1);
    for threads in [2, 8] {
        assert!(with(threads) == archive, "{threads} threads");
        assert!(restore(&archive, threads).unwrap() == data);
    }
    assert!(surprisal::compress(&data, Models::bundled().default_model()).unwrap() == archive);
}

#[test]
fn archives_one_after_another_are_an_archive() {
    let (a, b) = (corpus(Operands::Uniform, 100), b"no sums here".to_vec());
    let both = [compress(&a), compress(&b), compress(b""), compress(&a)].concat();
    assert_eq!(restore(&both, 2).unwrap(), [&a[..], &b, &a].concat());
    let index = Index::read(&mut Cursor::new(&both)).unwrap();
    assert_eq!(index, Index::scan(&both[..]).unwrap());
    assert_eq!(index.archives.len(), 4);
    let contents = index.archives.iter().map(|a| a.content_len()).sum::<u64>();
    assert_eq!(contents as usize, 2 * a.len() + b.len());
}

#[test]
fn ranges_of_lines() {
    let data = [
        corpus(Operands::Uniform, BLOCK_LINES + 50),
        b"odd\n\nlast".to_vec(),
    ]
    .concat();
    let archive = [compress(&data), compress(&corpus(Operands::Leading, 10))].concat();
    let all = restore(&archive, 1).unwrap();
    let lines: Vec<&[u8]> = all.split_inclusive(|&b| b == b'\n').collect();
    let index = Index::read(&mut Cursor::new(&archive)).unwrap();
    let block = BLOCK_LINES as u64;
    for (from, to) in [
        (1, 1),
        (1, 5),
        (block, block + 1),
        (block + 1, block + 1),
        (block + 49, block + 70),
        (9_000_000, u64::MAX),
    ] {
        let range = LineRange::new(from, to).unwrap();
        let clamp = |line: u64| (line as usize).min(lines.len());
        let expected = lines[clamp(from - 1)..clamp(to)].concat();
        let mut found = Vec::new();
        index
            .write_lines(
                &mut Cursor::new(&archive),
                &Models::bundled(),
                range,
                1,
                &mut found,
            )
            .unwrap();
        assert!(found == expected, "lines {from}..{to} by the index");
        let mut found = Vec::new();
        let options = DecompressOptions {
            threads: 2,
            lines: range,
            ..DecompressOptions::default()
        };
        let mut reader = Decompressor::with_options(&archive[..], Models::bundled(), options).unwrap();
        reader.read_to_end(&mut found).unwrap();
        assert!(found == expected, "lines {from}..{to} from a stream");
    }
}

/// A small archive with every part that there is: modelled lines, exceptions, two blocks of other
/// kinds would need megabytes, so those come as archives of their own.
fn small_archives() -> Vec<Vec<u8>> {
    let lines = [
        corpus(Operands::Uniform, 12),
        b"odd\n\r\n".to_vec(),
        corpus(Operands::Natural, 3),
    ]
    .concat();
    vec![
        compress(&lines),
        compress(&[b'z'; 300]),
        compress(b"\x00\xff\x80"),
    ]
}

#[test]
fn every_flipped_bit_is_noticed() {
    for archive in small_archives() {
        assert!(restore(&archive, 1).is_ok());
        for bit in 0..8 * archive.len() {
            let mut damaged = archive.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let error = restore(&damaged, 1).expect_err("a flipped bit");
            assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn every_truncation_is_noticed() {
    for archive in small_archives() {
        for len in 0..archive.len() {
            let cut = &archive[..len];
            assert!(restore(cut, 1).is_err(), "cut to {len} bytes");
            assert!(
                Index::read(&mut Cursor::new(cut)).is_err(),
                "index of {len} bytes"
            );
            assert!(Index::scan(cut).is_err(), "scan of {len} bytes");
        }
        let longer = [&archive[..], b"?"].concat();
        assert!(restore(&longer, 1).is_err());
        assert!(Index::read(&mut Cursor::new(&longer)).is_err());
    }
}

/// What stands before the damage comes out, and nothing of what is damaged.
#[test]
fn damage_stays_in_its_block() {
    let data = corpus(Operands::Uniform, 3 * BLOCK_LINES);
    let mut archive = compress(&data);
    let index = Index::read(&mut Cursor::new(&archive)).unwrap();
    let blocks = index.archives[0].blocks.clone();
    assert_eq!(blocks.len(), 3);
    archive[blocks[1].offset as usize + 5000] ^= 4;
    let mut reader = Decompressor::new(&archive[..], Models::bundled(), 4).unwrap();
    let mut found = Vec::new();
    let error = Error::from_io(reader.read_to_end(&mut found).unwrap_err());
    assert!(
        matches!(&error, Error::Damaged { place, .. } if place == "block 1"),
        "{error}"
    );
    let first = blocks[0].content_len as usize;
    assert!(found == data[..first]);
    // The third block can still be had.
    let range = LineRange::new(2 * BLOCK_LINES as u64 + 1, u64::MAX).unwrap();
    let mut third = Vec::new();
    index
        .write_lines(
            &mut Cursor::new(&archive),
            &Models::bundled(),
            range,
            1,
            &mut third,
        )
        .unwrap();
    assert!(third == data[2 * first..]);
}

/// A header of hostile sizes must not make the reader ask for memory.
#[test]
fn random_archives_never_panic() {
    let good = compress(&corpus(Operands::Uniform, 40));
    let mut state = 1u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
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
    let data = corpus(Operands::Uniform, 50);
    let other = other_model();
    let with = |embed_model| {
        let options = CompressOptions {
            embed_model,
            ..CompressOptions::default()
        };
        let mut compressor = Compressor::new(Vec::new(), &other, options).unwrap();
        compressor.write_all(&data).unwrap();
        compressor.finish().unwrap().0
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
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut seen = 0;
    for name in ["uniform", "mixed", "noise", "empty"] {
        let data = std::fs::read(folder.join(format!("{name}.txt"))).unwrap();
        let archive = std::fs::read(folder.join(format!("{name}.txt.sur"))).unwrap();
        assert!(restore(&archive, 1).unwrap() == data, "{name} decodes");
        assert!(compress(&data) == archive, "{name} gives the same bytes");
        seen += 1;
    }
    assert_eq!(seen, 4);
}
