//! Coding while learning, without an archive: how the bits a line fall, and at what speed.
//!
//! ```sh
//! cargo bench --bench learning                                  # nano, 16,384 lines
//! cargo bench --bench learning -- lines=100000 lr=4e-3 seed=2   # whatever the settings are
//! ```
//!
//! Prints the bits a line of each window of 16,384 lines of 8-digit sums, then the bytes of all and
//! the speed. `horizon` is the number of lines for which the learning rate is laid out: with a
//! million and `lines` fewer, the beginning of a long run.

use std::io::Write;
use std::time::Instant;

use surprisal::coding::encode;
use surprisal::learner::{Learner, LearnerSettings};
use surprisal::model::{GptConfig, Preset};
use surprisal::text::{Additions, Distribution, Operands};

const WINDOW: usize = 16_384;

/// `name=value` arguments.
struct Arguments(Vec<String>);

impl Arguments {
    fn text(&self, name: &str) -> Option<&str> {
        let is_named = |a: &String| a.split_once('=').filter(|(n, _)| *n == name).is_some();
        let found = self.0.iter().find(|a| is_named(a))?;
        Some(&found[name.len() + 1..])
    }

    /// Puts a number where it was given.
    fn set<T: std::str::FromStr>(&self, name: &str, to: &mut T) {
        if let Some(text) = self.text(name) {
            *to = text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number for it"));
        }
    }
}

fn settings(arguments: &Arguments, lines: usize) -> LearnerSettings {
    let preset: Preset = arguments.text("preset").unwrap_or("nano").parse().expect("a preset");
    let mut s = LearnerSettings::new(GptConfig::addition(preset, 28));
    arguments.set("batch", &mut s.batch_lines);
    arguments.set("lr", &mut s.rate);
    arguments.set("embedding-rate", &mut s.embedding_rate);
    arguments.set("matrix-rate", &mut s.matrix_rate);
    arguments.set("matrix-beta", &mut s.matrix_beta);
    arguments.set("first-weight", &mut s.first_weight);
    arguments.set("warmup", &mut s.warmup);
    arguments.set("final", &mut s.final_share);
    arguments.set("beta1", &mut s.beta1);
    arguments.set("beta2", &mut s.beta2);
    arguments.set("decay", &mut s.weight_decay);
    arguments.set("clip", &mut s.clip);
    arguments.set("tokens", &mut s.token_deviation);
    arguments.set("positions", &mut s.position_deviation);
    arguments.set("matrices", &mut s.matrix_deviation);
    arguments.set("head", &mut s.head_deviation);
    arguments.set("seed", &mut s.seed);
    arguments.set("replay", &mut s.replay);
    arguments.set("stride", &mut s.stride);
    let mut horizon = lines;
    arguments.set("horizon", &mut horizon);
    s.steps = (horizon.div_ceil(s.batch_lines) * (1 + usize::from(s.replay))) as u64;
    s
}

fn main() {
    let arguments = Arguments(std::env::args().skip(1).collect());
    // `cargo test --all-targets` runs this too: see that it works, and be done.
    let is_bench = arguments.0.iter().any(|a| a == "--bench");
    let (mut lines, mut threads) = (if is_bench { WINDOW } else { 64 }, 1);
    arguments.set("lines", &mut lines);
    arguments.set("threads", &mut threads);
    let mut learner = Learner::new(&settings(&arguments, lines), threads).expect("settings");
    let distribution = Distribution::new(8, Operands::Uniform).expect("8 digits");
    let mut corpus = Additions::new(distribution, 7);
    let (mut done, mut bytes, start) = (0, 0, Instant::now());
    while done < lines {
        let count = WINDOW.min(lines - done);
        let text = corpus.text(count);
        let window: Vec<&[u8]> = text.split(|&b| b == b'\n').take(count).collect();
        let words = encode(&mut learner, &window, |_, _, _| {}).len();
        bytes += 4 * words;
        done += count;
        print!("{:.1} ", 32.0 * words as f64 / count as f64);
        std::io::stdout().flush().expect("stdout");
    }
    let seconds = start.elapsed().as_secs_f64();
    let (per_line, speed) = (8.0 * bytes as f64 / done as f64, 28e-6 * done as f64 / seconds);
    println!("\n{bytes} bytes, {per_line:.3} bits a line, {seconds:.1} s, {speed:.3} MB/s");
}
