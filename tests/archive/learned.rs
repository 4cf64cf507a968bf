//! Archives that are coded while learning.

use std::io::{Cursor, Write};

use surprisal::model::Preset;
use surprisal::text::Survey;
use surprisal::{ArchiveStats, CompressOptions, Compressor, Event, Index, LearnOptions, Models, Observer};

use super::{
    assert_flips_are_noticed, assert_ranges, assert_truncations_are_noticed, compress_with, golden, restore,
};
use crate::common::corpora::{
    dates, hexadecimal_sums, log_column, noise_bytes, repetitive_files, uniform_sums,
};

fn learning() -> LearnOptions {
    LearnOptions::default().with_preset(Preset::Pico).with_batch_lines(8).with_rate(1e-2)
}

fn options(threads: usize) -> CompressOptions {
    CompressOptions::default().with_coder(learning()).with_threads(threads)
}

fn compress(data: &[u8]) -> Vec<u8> {
    compress_with(data, options(1)).0
}

#[track_caller]
fn assert_round_trip(data: &[u8]) -> ArchiveStats {
    super::assert_round_trip(data, compress_with(data, options(2)))
}

#[test]
fn any_input_comes_back() {
    let mut mixed = uniform_sums(300);
    mixed.splice(2800..2800, b"an odd line\n".repeat(3));
    let without_end = uniform_sums(50).split_last().unwrap().1.to_vec();
    for data in [
        Vec::new(),
        vec![b'\n'],
        vec![0],
        b"\r\n\r\n\n".to_vec(),
        mixed,
        without_end,
        noise_bytes(20_000),
        vec![b'x'; 5000],
        [&[b'y'; 400][..], b"\n"].concat().repeat(40),
        (0..=255u8).collect::<Vec<u8>>().repeat(9),
    ] {
        assert_round_trip(&data);
    }
}

/// Other grammars than additions are learned as well.
#[test]
fn other_lines_are_learned_too() {
    for data in [hexadecimal_sums(3000), dates(3000), log_column(3000)] {
        let summary = assert_round_trip(&data);
        assert_eq!((summary.modelled_lines, summary.fallback_blocks()), (3000, 0));
    }
    // Noise is better off without.
    assert_eq!(assert_round_trip(&noise_bytes(20_000)).modelled_lines, 0);
}

/// Blocks that zstd serves better are learned from all the same, and what follows gains by it.
#[test]
fn a_block_by_zstd_is_learned_from() {
    let mut data = b"00000000000000000000\n".repeat(4096);
    data.extend(hexadecimal_sums(6000));
    assert_round_trip(&data);
    let index = Index::read(&mut Cursor::new(compress(&data))).unwrap();
    let blocks = index.archives[0].blocks.iter();
    let kinds: Vec<&str> = blocks.map(|block| block.kind.name()).collect();
    assert_eq!(kinds, ["zstd, learned", "learned"]);
}

/// Blocks are told of in order when it is known that they stand in the archive.
#[test]
fn observers_are_told_of_what_is_written() {
    let repeated = hexadecimal_sums(128).repeat(32);
    let told_and_found = |data: &[u8]| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let observer = Observer::new(move |event| {
            if let Event::Block(block) = event {
                sender.send(*block).unwrap();
            }
        });
        let archive = compress_with(data, options(1).with_observer(observer)).0;
        let mut index = Index::read(&mut Cursor::new(archive)).unwrap();
        assert_eq!(receiver.iter().collect::<Vec<_>>(), index.archives[0].blocks);
        index.archives.remove(0)
    };
    assert_eq!(told_and_found(&repeated).version, 1);
    let both = told_and_found(&[repeated, hexadecimal_sums(6000)].concat());
    assert_eq!((both.version, both.blocks.len()), (2, 2));
}

/// Where a learner codes no block the archive is the one without a learner.
#[test]
fn learning_that_does_not_pay_costs_nothing() {
    let model = std::sync::Arc::clone(Models::bundled().default_model());
    let short = [("nothing", Vec::new()), ("a sum", b"1+1=2\n".to_vec())];
    for (name, data) in repetitive_files(5000).into_iter().chain(short) {
        let plain = compress_with(&data, CompressOptions::default().with_coder(&model));
        let kept = learning().with_substitute(None);
        let learned = compress_with(&data, options(2).with_coder(kept)).0;
        assert!(learned.len() > plain.0.len(), "{name}: {} by the learner", learned.len());
        let found = compress_with(&data, options(2));
        assert!(found.0 == plain.0, "{name}: {} and {} bytes", found.0.len(), plain.0.len());
        assert_eq!(found.1, plain.1, "{name}");
    }
}

#[test]
fn threads_change_nothing() {
    let data = hexadecimal_sums(5000);
    let with = |threads| {
        let learning = learning().with_batch_lines(64).with_replay(1);
        let options = options(threads).with_coder(learning);
        compress_with(&data, options).0
    };
    let one = with(1);
    for threads in [2, 3, 4] {
        assert!(with(threads) == one, "{threads} threads");
        assert!(restore(&one, threads).unwrap() == data, "{threads} threads");
    }
}

/// Where there is nothing left to learn steps become fewer, on both sides alike, and that costs next to nothing.
#[test]
fn steps_become_fewer() {
    let data = dates(80_000);
    let with = |stride| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let learning = learning().with_batch_lines(32).with_stride(stride);
        let observer = Observer::of_batches(move |record| sender.send(record.step.is_some()).unwrap());
        let options = options(2).with_coder(learning).with_observer(observer);
        let (archive, _) = compress_with(&data, options);
        assert!(restore(&archive, 1).unwrap() == data, "stride {stride}");
        let steps: Vec<bool> = receiver.iter().collect();
        (archive.len() as f64, steps)
    };
    let ((all_len, all), (few_len, few)) = (with(1), with(8));
    assert_eq!((all.len(), few.len()), (2500, 2500));
    let count = |steps: &[bool]| steps.iter().filter(|&&step| step).count();
    assert_eq!(count(&all), 2500);
    assert_eq!(count(&few[..512]), 512, "the first window has none before it");
    assert!(count(&few) < 2000, "{} steps", count(&few));
    assert!(few_len < 1.001 * all_len, "{few_len} and {all_len} bytes");
}

/// Settings change the archive, and every one of them is in its header.
#[test]
fn settings_travel() {
    let data = dates(2000);
    let plain = compress(&data);
    let changes: [fn(&mut LearnOptions); 6] = [
        |o| o.seed = 9,
        |o| o.replay = 2,
        |o| o.batch_lines = Some(19),
        |o| o.rate = Some(1e-3),
        |o| o.preset = Preset::Tiny,
        |o| o.stride = Some(1),
    ];
    for change in changes {
        let mut learning = learning();
        change(&mut learning);
        let archive = compress_with(&data, options(1).with_coder(learning)).0;
        assert!(archive != plain);
        assert!(restore(&archive, 1).unwrap() == data);
    }
    let mut survey = Survey::default();
    survey.update(&data);
    let options = options(1).with_coder(learning().with_survey(survey));
    assert!(compress_with(&data, options).0 == plain, "a small input is looked at as a whole");
}

/// More than a stream's survey sees, of lines and of one line without end.
#[test]
fn streams_longer_than_the_survey() {
    let mut data = dates(1000);
    data.extend([&[b'x'; 300][..], b"\n"].concat().repeat(15_000));
    data.extend(b"late symbols\n1900-01-01\n");
    data.extend(dates(500));
    assert_round_trip(&data);
    assert_round_trip(&vec![b'q'; (4 << 20) + 5]);
}

#[test]
fn ranges_and_concatenations() {
    let data = [hexadecimal_sums(4500), dates(10)].concat();
    let models = Models::bundled();
    let plain = surprisal::compress(&uniform_sums(10), models.default_model()).unwrap();
    let archive = [&compress(&data)[..], &plain, &compress(b"1\n2\n")].concat();
    let all = [&data[..], &uniform_sums(10), b"1\n2\n"].concat();
    assert!(restore(&archive, 3).unwrap() == all);
    let index = Index::read(&mut Cursor::new(&archive)).unwrap();
    assert_eq!(index, Index::scan(&archive[..]).unwrap());
    assert_ranges(&archive, &[(1, 2), (4096, 4097), (4505, 4515), (4521, 9000)]);
}

/// An archive of one learned block, small.
fn small_archive() -> (Vec<u8>, Vec<u8>) {
    let data = [dates(900), b"odd\r\n".to_vec()].concat();
    let archive = compress(&data);
    let index = Index::read(&mut Cursor::new(&archive)).unwrap();
    assert!(index.archives[0].blocks[0].kind.is_modelled(), "the block is learned");
    (data, archive)
}

#[test]
fn every_flipped_bit_and_every_truncation_is_noticed() {
    let (data, archive) = small_archive();
    assert!(restore(&archive, 1).unwrap() == data);
    assert_flips_are_noticed(&archive);
    assert_truncations_are_noticed(&archive);
}

/// Where the first block is and where its payload begins; see docs/format.md.
fn places(archive: &[u8]) -> (usize, usize) {
    let index = Index::read(&mut Cursor::new(archive)).unwrap();
    let block = index.archives[0].blocks[0].offset as usize;
    (block, block + 29)
}

/// Puts right the checksums of the header and of the first block, as one does who means harm.
fn forge(archive: &mut [u8], (block, payload): (usize, usize), payload_len: usize) {
    let crc = crc32fast::hash(&archive[..block - 4]);
    archive[block - 4..block].copy_from_slice(&crc.to_le_bytes());
    let crc = crc32fast::hash(&archive[payload..payload + payload_len]);
    archive[block + 13..block + 17].copy_from_slice(&crc.to_le_bytes());
    let numbered = [&0u64.to_le_bytes()[..], &archive[block..block + 25]].concat();
    archive[block + 25..payload].copy_from_slice(&crc32fast::hash(&numbered).to_le_bytes());
}

/// Damage with right checksums never gives wrong bytes, and absurd settings are errors.
#[test]
fn forged_archives_are_errors() {
    let (data, archive) = small_archive();
    let index = Index::read(&mut Cursor::new(&archive)).unwrap();
    let payload_len = index.archives[0].blocks[0].payload_len as usize;
    let (block, payload) = places(&archive);
    let forged = |at: usize, byte: u8| {
        let mut damaged = archive.clone();
        damaged[at] = byte;
        forge(&mut damaged, (block, payload), payload_len);
        if let Ok(found) = restore(&damaged, 1) {
            assert!(found == data, "byte {at} as {byte}");
        }
    };
    // The settings: a name of 14 bytes stands before them.
    for at in 54..block - 4 {
        [0, 1, 0x7f, 0xff].into_iter().for_each(|byte| forged(at, byte));
    }
    for at in (payload..payload + payload_len).step_by(11) {
        forged(at, archive[at] ^ 0x10);
    }
    forged(block, 1);
    forged(block, 5);
}

/// Archives of earlier days decode for ever, and the same input still gives the same bytes.
#[test]
fn golden_archive() {
    let data = golden("dates.txt");
    for name in ["dates-2.txt.sur", "dates.txt.sur"] {
        assert!(restore(&golden(name), 1).unwrap() == data, "{name} decodes");
    }
    assert!(compress(&data) == golden("dates.txt.sur"), "the same bytes");
}

/// The losses that the learner tells of add up to the archive: within 0.02 %, and sealing, inner
/// sizes and framing.
#[test]
fn logged_losses_are_the_archive() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let observer = Observer::of_batches(move |record| sender.send(record.clone()).unwrap());
    let options = options(2).with_observer(observer);
    let (archive, summary) = compress_with(&hexadecimal_sums(9000), options);
    assert_eq!(summary.fallback_blocks(), 0);
    let records: Vec<_> = receiver.iter().collect();
    assert_eq!(records.iter().map(|r| r.lines).sum::<usize>(), 9000);
    assert_eq!(records.iter().map(|r| r.tokens()).sum::<u64>(), summary.tokens);
    let logged = records.iter().map(|r| r.nats()).sum::<f64>() / std::f64::consts::LN_2 / 8.0;
    let slots = records.iter().map(|r| r.slot_bits).sum::<f64>() / 8.0;
    let index = Index::read(&mut Cursor::new(&archive)).unwrap();
    let payloads: u32 = index.archives[0].blocks.iter().map(|b| b.payload_len).sum();
    let inner = 16.0 * index.archives[0].blocks.len() as f64;
    assert!((slots / logged - 1.0).abs() < 2e-4, "{slots} of slots, {logged} logged");
    let over = f64::from(payloads) - logged;
    assert!((-1.0..2e-4 * logged + inner).contains(&over), "{payloads} bytes, {logged} logged");
}

/// What was learned is a model like any other, and a good one for more of the same.
#[test]
fn what_was_learned_is_a_model() {
    let data = hexadecimal_sums(6000);
    let mut compressor = Compressor::with_options(Vec::new(), options(2)).unwrap();
    compressor.write_all(&data).unwrap();
    let finished = compressor.finish().unwrap();
    let (archive, learner) = (finished.output, finished.learner.unwrap());
    let checkpoint = learner.checkpoint().unwrap();
    let config = checkpoint.config().to_json().into_bytes();
    let model = surprisal::Model::from_files("learned", config, checkpoint.weights_to_bytes()).unwrap();
    let with_it = surprisal::compress(&data, &std::sync::Arc::new(model)).unwrap();
    assert!(with_it.len() < archive.len(), "{} and {}", with_it.len(), archive.len());
}
