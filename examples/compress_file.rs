//! Compresses a file with a bundled model and restores it.
//!
//! ```sh
//! cargo run --release --example compress_file -- corpora/uniform-8-10k.txt sums.sur
//! ```

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};

use surprisal::{CompressOptions, Compressor, DecompressOptions, Decompressor, Level, Models};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(input), Some(output)) = (args.next(), args.next()) else {
        return Err("usage: compress_file INPUT OUTPUT".into());
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);

    // The first lines tell which of the bundled models codes best.
    let mut input = File::open(input)?;
    let mut beginning = Vec::new();
    (&mut input).take(1 << 16).read_to_end(&mut beginning)?;
    let models = Models::bundled();
    let model = models.choose(Level::default(), &beginning);

    let options = CompressOptions::default().with_coder(model).with_threads(threads);
    let archive = File::options().read(true).write(true).create(true).truncate(true).open(output)?;
    let mut compressor = Compressor::with_options(archive, options)?;
    compressor.write_all(&beginning)?;
    io::copy(&mut input, &mut compressor)?;
    let finished = compressor.finish()?;
    let stats = finished.stats;
    println!("{} lines: {} -> {} bytes by {}", stats.lines, stats.bytes_in, stats.bytes_out, model.name());

    let mut archive = finished.output;
    archive.rewind()?;
    let options = DecompressOptions::default().with_threads(threads);
    let mut decompressor = Decompressor::with_options(BufReader::new(archive), options)?;
    let restored = io::copy(&mut decompressor, &mut io::sink())?;
    assert_eq!(restored, stats.bytes_in);
    Ok(())
}
