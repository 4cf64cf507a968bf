//! Prints some lines of an archive, reading only the blocks that hold them.
//!
//! ```sh
//! surprisal compress -k corpora/uniform-8-10k.txt -o sums.sur
//! cargo run --release --example decode_lines -- sums.sur 5000 5009
//! ```

use std::fs::File;
use std::io;

use surprisal::{DecompressOptions, Index, LineRange};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [archive, from, to] = &args[..] else {
        return Err("usage: decode_lines ARCHIVE FROM TO (lines, counted from 1)".into());
    };
    let mut archive = File::open(archive)?;
    let index = Index::read(&mut archive)?;
    let options = DecompressOptions::default().with_lines(LineRange::new(from.parse()?, to.parse()?)?);
    index.write_lines(&mut archive, &options, &mut io::stdout())?;
    Ok(())
}
