//! What archives promise, coded by a model ([`modelled`]) or while learning ([`learned`]): any bytes in, the same bytes
//! out, and damage never goes unnoticed, from any place on and in pieces ([`places`]).

mod learned;
mod modelled;
mod places;
mod salvage;

use std::io::{Cursor, Read, Write};

use surprisal::{
    ArchiveStats, CompressOptions, Compressor, DecompressOptions, Decompressor, Error, Index, LineRange,
};

fn compress_with(data: &[u8], options: CompressOptions) -> (Vec<u8>, ArchiveStats) {
    let mut compressor = Compressor::with_options(Vec::new(), options).unwrap();
    // In pieces that fit no buffer and no block.
    for piece in data.chunks(70_001) {
        compressor.write_all(piece).unwrap();
    }
    let finished = compressor.finish().unwrap();
    (finished.output, finished.stats)
}

fn restore(archive: &[u8], threads: usize) -> Result<Vec<u8>, Error> {
    let mut data = Vec::new();
    let options = DecompressOptions::default().with_threads(threads);
    let mut reader = Decompressor::with_options(archive, options)?;
    reader.read_to_end(&mut data).map_err(Error::from_io)?;
    Ok(data)
}

/// The data comes back, the summary and both ways to the index are right, and the archive is never much larger than
/// the data.
#[track_caller]
fn assert_round_trip(data: &[u8], (archive, summary): (Vec<u8>, ArchiveStats)) -> ArchiveStats {
    assert!(restore(&archive, 1).unwrap() == data);
    let (bytes_in, bytes_out) = (data.len() as u64, archive.len() as u64);
    assert_eq!((summary.bytes_in, summary.bytes_out), (bytes_in, bytes_out));
    let lines = data.split_inclusive(|&b| b == b'\n').count() as u64;
    assert_eq!(summary.lines, lines);
    let limit = bytes_in + bytes_in / 1000 + 1024;
    assert!(bytes_out <= limit, "{bytes_in} bytes became {bytes_out}");
    let index = Index::read(&mut Cursor::new(&archive)).unwrap();
    assert_eq!(index, Index::scan(&archive[..]).unwrap());
    summary
}

/// These lines, counted from 1, are found by the index and in a stream.
#[track_caller]
fn assert_ranges(archive: &[u8], ranges: &[(u64, u64)]) {
    let all = restore(archive, 1).unwrap();
    let lines: Vec<&[u8]> = all.split_inclusive(|&b| b == b'\n').collect();
    let index = Index::read(&mut Cursor::new(archive)).unwrap();
    for &(from, to) in ranges {
        let options = DecompressOptions::default().with_lines(LineRange::new(from, to).unwrap());
        let clamp = |line: u64| lines.len().min(line as usize);
        let expected = lines[clamp(from - 1)..clamp(to)].concat();
        let mut found = Vec::new();
        let file = &mut Cursor::new(archive);
        index.write_lines(file, &options, &mut found).unwrap();
        assert!(found == expected, "lines {from}..{to} by the index");
        let mut found = Vec::new();
        let mut reader = Decompressor::with_options(archive, options.with_threads(2usize)).unwrap();
        reader.read_to_end(&mut found).unwrap();
        assert!(found == expected, "lines {from}..{to} from a stream");
    }
}

/// Every archive with one bit flipped is an error with a message.
#[track_caller]
fn assert_flips_are_noticed(archive: &[u8]) {
    assert!(restore(archive, 1).is_ok());
    for bit in 0..8 * archive.len() {
        let mut damaged = archive.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        match restore(&damaged, 1) {
            Err(error) => assert!(!error.to_string().is_empty()),
            Ok(_) => panic!("bit {bit} flipped"),
        }
    }
}

/// Every beginning of an archive is an error, to read and to index, and so is what goes on behind its end.
#[track_caller]
fn assert_truncations_are_noticed(archive: &[u8]) {
    for len in 0..archive.len() {
        let cut = &archive[..len];
        assert!(restore(cut, 1).is_err(), "cut to {len} bytes");
        assert!(Index::read(&mut Cursor::new(cut)).is_err(), "index of {len} bytes");
        assert!(Index::scan(cut).is_err(), "scan of {len} bytes");
    }
    let longer = [archive, b"?"].concat();
    assert!(restore(&longer, 1).is_err());
    assert!(Index::read(&mut Cursor::new(&longer)).is_err());
}

/// A file of `tests/golden`.
fn golden(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    std::fs::read(folder.join(name)).unwrap()
}
