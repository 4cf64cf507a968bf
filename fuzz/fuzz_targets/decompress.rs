//! Any bytes as an archive: an error or content, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use surprisal_fuzz::{restore, versions};

fuzz_target!(|data: &[u8]| {
    for archive in versions(data) {
        restore(&archive);
    }
});
