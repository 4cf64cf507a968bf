//! Any bytes as the model within an archive, packed rightly and with the right checksums.
#![no_main]

use libfuzzer_sys::fuzz_target;
use surprisal_fuzz::{repair, restore};

fuzz_target!(|data: &[u8]| {
    let packed = zstd::bulk::compress(data, 1).unwrap();
    let mut archive = b"\xb5SUR\x01\x00\x01".to_vec();
    // No bundled model has this identity; the name is empty.
    archive.extend([0; 32 + 1 + 4]);
    archive.extend((packed.len() as u64).to_le_bytes());
    archive.extend(packed);
    // Its checksum; then an archive's end, with the index of no blocks.
    archive.extend([0; 4 + 1 + 1 + 20]);
    repair(&mut archive).unwrap();
    assert!(restore(&archive).is_none());
});
