//! Any bytes as a learner's settings and the payload of its first block, with the right checksums.
#![no_main]

use libfuzzer_sys::fuzz_target;
use surprisal_fuzz::{repair, restore};

fuzz_target!(|input: (u8, u8, u8, u8, &[u8])| {
    let (settings_len, kind, content_len, newlines, data) = input;
    let (settings, payload) = data.split_at(data.len().min(settings_len.into()));
    let mut archive = b"\xb5SUR\x02\x00\x00".to_vec();
    archive.extend([0; 32 + 1]);
    archive.extend((settings.len() as u16).to_le_bytes());
    archive.extend(settings);
    archive.extend([0; 4]);
    archive.push(1 + kind % 5);
    archive.extend(u32::from(content_len).to_le_bytes());
    archive.extend(u32::from(newlines).to_le_bytes());
    archive.extend((payload.len() as u32).to_le_bytes());
    archive.extend([0; 4 + 8 + 4]);
    archive.extend(payload);
    archive.extend([0; 1 + 1 + 20]);
    repair(&mut archive).unwrap();
    restore(&archive);
});
