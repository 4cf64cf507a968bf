//! Any bytes as an archive of which all that is whole is wanted: what an intact archive has is all there, and of a
//! damaged one at least what precedes the damage.
#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use surprisal::Decompressor;
use surprisal_fuzz::{options, versions};

fuzz_target!(|data: &[u8]| {
    for archive in versions(data) {
        let read = |salvage: bool| {
            let mut content = Vec::new();
            let mut reader =
                Decompressor::with_options(&archive[..], options().with_salvage(salvage)).ok()?;
            let is_read = reader.read_to_end(&mut content).is_ok();
            Some((content, is_read && reader.damage().is_none() && reader.missing().is_empty()))
        };
        if let (Some((before, is_whole)), Some((salvaged, is_all))) = (read(false), read(true)) {
            assert!(salvaged.starts_with(&before));
            assert_eq!(is_whole, is_all);
        }
    }
});
