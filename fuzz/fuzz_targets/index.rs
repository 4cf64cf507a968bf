//! Any bytes as an archive: where the index can be read it says what a reader finds from front to back, and a range of
//! lines is that of the content.
#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use surprisal::{Index, LineRange};
use surprisal_fuzz::{options, restore, versions};

fuzz_target!(|data: &[u8]| {
    // Some lines that only the data decide.
    let hash = crc32fast::hash(data) as usize;
    let (from, count) = (1 + hash % 50, 1 + hash / 50 % 50);
    let range = LineRange::new(from as u64, (from + count - 1) as u64).unwrap();
    for archive in versions(data) {
        let (read, scanned) = (Index::read(&mut Cursor::new(&archive)), Index::scan(&archive[..]));
        let Ok(index) = read else { continue };
        for entry in &index.archives {
            std::hint::black_box(entry.stats());
        }
        let mut lines = Vec::new();
        let written = index.write_lines(&mut Cursor::new(&archive), &options().with_lines(range), &mut lines);
        if let Some(content) = restore(&archive) {
            written.unwrap();
            assert_eq!(index, scanned.unwrap());
            let expected = content.split_inclusive(|&b| b == b'\n').skip(from - 1).take(count);
            assert_eq!(lines, expected.collect::<Vec<_>>().concat());
        }
    }
});
