//! A training step's time for the small presets: by the learner's kernel, as training on the CPU does it,
//! and by candle's autodiff, as training with dropout does it.
//!
//! One step takes 512 fresh lines of 28 tokens through the network, its backward pass and AdamW.
//! Each figure is the median of some seconds' steps. `training_torch.py` times the same in PyTorch.
//!
//! ```sh
//! cargo bench --bench training                        # one thread, then all
//! cargo bench --bench training -- --threads 1 nano    # one line of that
//! ```
//!
//! Candle's products run on as many threads as `RAYON_NUM_THREADS` says, whatever `--threads` does.

use std::time::{Duration, Instant};

use anyhow::Result;
use rayon::ThreadPoolBuilder;
use surprisal::model::training_log::TrainSettings;
use surprisal::model::{GptConfig, Preset};
use surprisal::network::DeviceChoice;
use surprisal::text::{Distribution, LineBatch, Operands};
use surprisal::train::{LineSource, Trainer, initial_weights};

// As the program has it: tensors come and go at every operation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LINES: usize = 512;
const PRESETS: [Preset; 3] = [Preset::Tiny, Preset::Nano, Preset::Micro];

/// Each preset is measured for about this long.
const PATIENCE: Duration = Duration::from_secs(3);

/// What computes loss and gradient, and the dropout that makes a training take it.
const SOURCES: [(&str, f64); 2] = [("kernel", 0.0), ("candle", 0.1)];

/// Seconds of the parts of a step: loss and gradient, optimiser.
type Parts = [f64; 2];

fn step(trainer: &mut Trainer, batch: &LineBatch) -> Result<Parts> {
    let start = Instant::now();
    trainer.differentiate(batch)?;
    let gradient = start.elapsed();
    trainer.step(1e-3)?;
    let whole = start.elapsed();
    Ok([gradient, whole - gradient].map(|part| part.as_secs_f64()))
}

/// The parts of the step of median duration, and its tokens.
fn measure(dropout: f64, preset: Preset, patience: Duration) -> Result<(Parts, usize)> {
    let distribution = Distribution::new(8, Operands::Uniform)?;
    let config = GptConfig::addition(preset, distribution.max_line_len() + 1);
    let settings = TrainSettings { preset, dropout, device: DeviceChoice::Cpu, ..TrainSettings::default() };
    let mut trainer = Trainer::new(&settings, &initial_weights(&config, 1))?;
    let batch = LineSource::new(&config, distribution, 1)?.next_batch(LINES)?;
    let mut steps = Vec::new();
    let start = Instant::now();
    while steps.is_empty() || start.elapsed() < patience {
        steps.push(step(&mut trainer, &batch)?);
    }
    steps.sort_by(|a, b| a.iter().sum::<f64>().total_cmp(&b.iter().sum()));
    Ok((steps[steps.len() / 2], LINES * config.block_size))
}

fn table(threads: usize, presets: &[Preset], patience: Duration) -> Result<()> {
    println!("\n{LINES} lines a step, threads: {threads}");
    println!("preset   source   ms/step    tokens/s    AdamW");
    for &preset in presets {
        for (source, dropout) in SOURCES {
            let (parts, tokens) = measure(dropout, preset, patience)?;
            let whole: f64 = parts.iter().sum();
            println!(
                "{:8} {source} {:9.1} {:11.0} {:6.1} %",
                preset.name(),
                1e3 * whole,
                tokens as f64 / whole,
                100.0 * parts[1] / whole
            );
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |flag: &str| arguments.iter().skip_while(|a| *a != flag).nth(1);
    let named: Vec<Preset> =
        PRESETS.into_iter().filter(|p| arguments.iter().any(|a| a == p.name())).collect();
    // `cargo test --all-targets` runs this too: see that it works, and be done.
    let is_bench = arguments.iter().any(|a| a == "--bench");
    let (patience, presets) = match (is_bench, &named[..]) {
        (false, []) => (Duration::ZERO, &PRESETS[..1]),
        (_, []) => (PATIENCE, &PRESETS[..]),
        (_, named) => (PATIENCE, named),
    };
    let counts = match after("--threads").map(|n| n.parse()) {
        Some(count) => vec![count.expect("--threads takes a number")],
        None => vec![1, std::thread::available_parallelism()?.get()],
    };
    for threads in counts {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.expect("threads").install(|| table(threads, presets, patience))?;
    }
    Ok(())
}
