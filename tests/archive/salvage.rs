//! What can be had of damaged archives: every other block, and which lines are missing.

use std::io::Read;
use std::slice::from_ref;

use surprisal::{
    CompressOptions, DecompressOptions, Decompressor, Error, LearnOptions, Missing, Models, Preset, compress,
};

use super::{compress_with, restore};
use crate::common::corpora::{hexadecimal_sums, noise_bytes, uniform_sums};

/// What was salvaged, what is missing, and the damage.
fn salvage(archive: &[u8]) -> (Vec<u8>, Vec<Missing>, Option<Error>) {
    let mut content = Vec::new();
    let options = DecompressOptions::default().with_salvage(true).with_threads(2usize);
    let mut reader = Decompressor::with_options(archive, options).unwrap();
    reader.read_to_end(&mut content).unwrap();
    (content, reader.missing(), reader.damage())
}

/// An archive with a block for each content, by hand (docs/format.md), and where each block begins, and the end.
fn archive_of(contents: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let models = Models::bundled();
    let small = |content: &[u8]| compress(content, models.default_model()).unwrap();
    let header = 44 + usize::from(small(b"")[39]);
    let mut archive = small(b"")[..header].to_vec();
    let (mut index, mut places) = (vec![contents.len() as u8], Vec::new());
    for (number, content) in contents.iter().enumerate() {
        let one = small(content);
        // The end: a zero byte, the index of one block, and 20 bytes.
        let index_len = u32::from_le_bytes(*one[one.len() - 20..].first_chunk().unwrap()) as usize;
        let end = one.len() - 20 - index_len - 1;
        places.push(archive.len());
        let numbered = [&(number as u64).to_le_bytes(), &one[header..header + 25]].concat();
        archive.extend(&one[header..header + 25]);
        archive.extend(crc32fast::hash(&numbered).to_le_bytes());
        archive.extend(&one[header + 29..end]);
        index.extend(&one[end + 2..end + 1 + index_len]);
    }
    places.push(archive.len());
    let mut end = [&[0], &index[..]].concat();
    end.extend((index.len() as u32).to_le_bytes());
    end.extend(((archive.len() + end.len() + 16) as u64).to_le_bytes());
    end.extend(crc32fast::hash(&end).to_le_bytes());
    archive.extend(end);
    archive.extend(b"RUS\xb5");
    assert!(restore(&archive, 1).unwrap() == contents.concat());
    (archive, places)
}

/// Blocks that the model, zstd, nothing and the model store, with their lines.
fn contents() -> Vec<Vec<u8>> {
    let noise = noise_bytes(300).into_iter().map(|byte| if byte == b'\n' { 0 } else { byte });
    let raw = noise.chain(*b"\n").collect();
    vec![uniform_sums(12), b"all work and no play\n".repeat(20), raw, uniform_sums(30)]
}

fn lines_of(contents: &[Vec<u8>], block: usize) -> (Option<u64>, Option<u64>) {
    let lines = |contents: &[Vec<u8>]| contents.concat().iter().filter(|&&b| b == b'\n').count() as u64;
    (Some(lines(&contents[..block]) + 1), Some(lines(&contents[..=block])))
}

#[track_caller]
fn assert_salvages(archive: &[u8], expected: &[u8], missing: &[Missing], what: &str) {
    let (content, found, damage) = salvage(archive);
    assert!(content == expected, "{what}: {} bytes of {}", content.len(), expected.len());
    assert_eq!(found, missing, "{what}");
    assert!(damage.is_some(), "{what}");
}

#[test]
fn an_intact_archive_is_all_there() {
    let (archive, _) = archive_of(&contents());
    let twice = archive.repeat(2);
    let (content, missing, damage) = salvage(&twice);
    assert!(content == contents().concat().repeat(2) && missing.is_empty() && damage.is_none());
    let mut reader =
        Decompressor::with_options(&b"no archive"[..], DecompressOptions::default().with_salvage(true))
            .unwrap();
    assert!(reader.read_to_end(&mut Vec::new()).is_err());
}

/// Whatever byte of a block is wrong, the others come, and the missing lines are known from the index.
#[test]
fn the_other_blocks_come() {
    let contents = contents();
    let (archive, places) = archive_of(&contents);
    for block in 0..contents.len() {
        let expected = [&contents[..block], &contents[block + 1..]].concat().concat();
        let lines = lines_of(&contents, block);
        let missing = Missing { archive: 1, blocks: block as u64..block as u64 + 1, lines };
        let (start, end) = (places[block], places[block + 1]);
        for at in (start..start + 29).chain([start + 29, (start + 29 + end) / 2, end - 1]) {
            let mut damaged = archive.clone();
            damaged[at] ^= 0x44;
            assert_salvages(&damaged, &expected, from_ref(&missing), &format!("byte {at} of {block}"));
        }
        let middle = (start + 29 + end) / 2;
        let inserted = [&archive[..middle], b"12345", &archive[middle..]].concat();
        assert_salvages(&inserted, &expected, from_ref(&missing), &format!("more in {block}"));
        let removed = [&archive[..middle], &archive[middle + 3..]].concat();
        assert_salvages(&removed, &expected, from_ref(&missing), &format!("less in {block}"));
        let without = [&archive[..start], &archive[end..]].concat();
        assert_salvages(&without, &expected, from_ref(&missing), &format!("without {block}"));
    }
    let mut damaged = archive.clone();
    places[..3].iter().for_each(|place| damaged[place + 40] ^= 1);
    let missing = Missing { archive: 1, blocks: 0..3, lines: (Some(1), lines_of(&contents, 2).1) };
    assert_salvages(&damaged, &contents[3], &[missing], "three blocks");
}

#[test]
fn what_precedes_a_cut_comes() {
    let contents = contents();
    let (archive, places) = archive_of(&contents);
    for len in places[0]..archive.len() {
        let whole = places[1..].iter().filter(|&&end| end <= len).count();
        let lines =
            (Some(lines_of(&contents, whole.max(1) - 1).1.map_or(0, |n| n * u64::from(whole > 0)) + 1), None);
        let missing = Missing { archive: 1, blocks: whole as u64..u64::MAX, lines };
        assert_salvages(&archive[..len], &contents[..whole].concat(), &[missing], &format!("cut to {len}"));
    }
}

/// Headers and ends of archives may be damaged, too, and something may stand between archives.
#[test]
fn archives_one_after_another() {
    let contents = contents();
    let (archive, places) = archive_of(&contents);
    let all = contents.concat().repeat(2);
    let twice = archive.repeat(2);
    for header in [0, archive.len()] {
        for at in [0, 5, 20, 41] {
            let mut damaged = twice.clone();
            damaged[header + at] ^= 1;
            assert_salvages(&damaged, &all, &[], &format!("byte {at} of the header at {header}"));
        }
    }
    let between = [&archive[..], b"something else", &archive].concat();
    assert_salvages(&between, &all, &[], "between");
    let unknown = Missing { archive: 1, blocks: 4..u64::MAX, lines: (Some(64), None) };
    let mut damaged = twice.clone();
    damaged[places[4] + 3] ^= 1;
    assert_salvages(&damaged, &all, from_ref(&unknown), "the first end");
    damaged[archive.len() + places[1] + 30] ^= 1;
    let expected = [&contents[..], &contents[..1], &contents[2..]].concat().concat();
    let second = Missing { archive: 2, blocks: 1..2, lines: (None, None) };
    assert_salvages(&damaged, &expected, &[unknown, second], "the first end and a block");
}

/// Behind a damaged block that was learned from, those that the learner coded are lost.
#[test]
fn a_learner_needs_what_it_learned_from() {
    let parts = [
        hexadecimal_sums(4096),
        hexadecimal_sums(128).repeat(64),
        hexadecimal_sums(6000)[13 * 4700..].to_vec(),
    ];
    let learning = LearnOptions::default().with_preset(Preset::Pico).with_batch_lines(8).with_rate(1e-2);
    let archive = compress_with(&parts.concat(), CompressOptions::default().with_coder(learning)).0;
    let index = surprisal::Index::scan(&archive[..]).unwrap();
    let blocks = &index.archives[0].blocks;
    assert_eq!(
        blocks.iter().map(|block| block.kind.name()).collect::<Vec<_>>(),
        ["learned", "zstd, learned", "learned"]
    );
    for (block, is_there) in [(0, [false, true, false]), (1, [true, false, false]), (2, [true, true, false])]
    {
        let mut damaged = archive.clone();
        damaged[blocks[block].offset as usize + 50] ^= 1;
        let (content, missing, _) = salvage(&damaged);
        let expected = parts.iter().zip(is_there).filter(|(_, is_there)| *is_there);
        assert!(content == expected.map(|(part, _)| &part[..]).collect::<Vec<_>>().concat(), "block {block}");
        let lost: Vec<_> = missing.iter().flat_map(|missing| missing.blocks.clone()).collect();
        assert_eq!(lost, (0..3).filter(|&i| !is_there[i as usize]).collect::<Vec<_>>(), "block {block}");
    }
}

/// Headers that promise much, one in the payload of the other, take no more time than their bytes.
#[test]
fn false_headers_take_no_time() {
    let (archive, places) = archive_of(&contents());
    let mut bait = Vec::new();
    for number in 1..60_000u64 {
        let mut header = vec![3u8];
        for field in [4_000_000u32, 0, 8_000_000, 7] {
            header.extend(field.to_le_bytes());
        }
        header.extend([0; 8]);
        header.extend(crc32fast::hash(&[&number.to_le_bytes()[..], &header].concat()).to_le_bytes());
        bait.extend(header);
    }
    let damaged =
        [&archive[..places[1]], &[9; 40], &bait, &bait, &bait, &bait, &bait, &archive[places[1]..]].concat();
    assert_salvages(&damaged, &contents().concat(), &[], "bait");
}
