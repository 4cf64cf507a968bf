//! Any bytes come back, by the bundled model and by a learner.
#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;
use surprisal::{CompressOptions, Compressor, LearnOptions, Preset};
use surprisal_fuzz::{models, restore};

fuzz_target!(|data: &[u8]| {
    let archive = surprisal::compress(data, models().default_model()).unwrap();
    assert_eq!(restore(&archive).unwrap(), data);
    let learner = LearnOptions::default().with_preset(Preset::Pico).with_batch_lines(4);
    let options = CompressOptions::default().with_coder(learner).with_threads(1usize);
    let mut compressor = Compressor::with_options(Vec::new(), options).unwrap();
    compressor.write_all(data).unwrap();
    let archive = compressor.finish().unwrap().output;
    assert_eq!(restore(&archive).unwrap(), data);
});
