//! Compresses a file while learning from it, and prints how the cost of a line falls.
//!
//! ```sh
//! cargo run --release --example learn_and_watch -- corpora/uniform-8-10k.txt
//! ```

use std::io::Write;

use surprisal::{CompressOptions, Compressor, Event, LearnOptions, Observer, Preset};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("usage: learn_and_watch FILE")?;
    let content = std::fs::read(path)?;

    let mut lines = 0;
    let observer = Observer::new(move |event| match event {
        Event::Batch(batch) => {
            lines += batch.lines;
            println!("{lines} lines: {:.2} bits a line", batch.slot_bits / batch.lines as f64);
        }
        Event::Block(block) => println!("a block of {} bytes, {}", block.payload_len, block.kind.name()),
        _ => {}
    });
    let options = CompressOptions::default()
        .with_coder(LearnOptions::default().with_preset(Preset::Pico))
        .with_observer(observer);
    let mut compressor = Compressor::with_options(Vec::new(), options)?;
    compressor.write_all(&content)?;
    let finished = compressor.finish()?;
    println!("{} -> {} bytes", content.len(), finished.output.len());

    // What was learned is a model like any other.
    let learner = finished.learner.ok_or("it was coded while learning")?;
    println!("{} steps taken", learner.steps());
    Ok(())
}
