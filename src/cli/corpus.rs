//! `surprisal corpus`: addition lines, as many as one likes.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use surprisal::text::{Additions, Distribution, MAX_DIGITS, Operands};

use super::input::BUFFER;
use super::output::{Content, Guard, Target};
use super::progress::Progress;

/// Make an addition corpus.
///
/// Lines a+b=c with random operands. The same options give the same bytes for ever.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  surprisal corpus --lines 1000000 -o sums.txt
  surprisal corpus --digits 3 --operands natural --lines 10

Operands:
  uniform  each digit uniform on 0-9; the sum zero-padded to one digit more
  leading  no leading zero; the sum zero-padded as above
  natural  no leading zero; the sum without padding")]
pub struct Args {
    /// Lines
    #[arg(short = 'n', long, value_name = "N")]
    lines: u64,
    /// Digits of an operand
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_DIGITS)))]
    digits: u32,
    /// How operands are drawn: uniform, leading or natural
    #[arg(long, default_value_t = Operands::Uniform)]
    operands: Operands,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write to this file (- is stdout)
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite the file
    #[arg(short, long)]
    force: bool,
    /// Show no progress bar
    #[arg(short, long)]
    quiet: bool,
    /// Show no progress bar
    #[arg(long)]
    no_progress: bool,
}

impl Args {
    /// Writes the lines.
    pub fn run(&self) -> Result<()> {
        let target = self.output.as_deref().map_or(Target::Stdout, Target::named);
        let mut output = Guard::new(&[], self.force, self.quiet).open(&target, Content::Text)?;
        let distribution = Distribution::new(self.digits, self.operands)?;
        let shown = target != Target::Stdout && !self.quiet && !self.no_progress;
        let bytes = (self.lines as f64 * distribution.mean_tokens()) as u64;
        let progress = Progress::new("corpus", Some(bytes), shown);
        let mut additions = Additions::new(distribution, self.seed);
        let mut buffer = Vec::with_capacity(BUFFER);
        for line in 1..=self.lines {
            additions.append_line(&mut buffer);
            if line == self.lines || buffer.len() + distribution.max_line_len() >= BUFFER {
                output.write_all(&buffer).context("cannot write the corpus")?;
                progress.advance(buffer.len() as u64);
                buffer.clear();
            }
        }
        drop(progress);
        output.finish(None)
    }
}
