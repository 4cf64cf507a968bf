//! The kernels alone, without coder and copies: a measurement, for a machine with a GPU.
//!
//! ```sh
//! cargo test --release --lib network::cuda::speed -- --ignored --nocapture
//! ```
//!
//! `SURPRISAL_TILES` is the number of tiles of 16 lines in a launch, `SURPRISAL_LAUNCHES` that of launches in a row.

use std::time::Instant;

use super::driver::{Driver, Memory, Stream};
use super::known::{self, KnownArgument};
use super::layout::LINES;
use super::placed::Placed;
use super::steps::{self, StepsArgument};
use crate::Models;
use crate::model::{GptConfig, Preset};
use crate::network::ExactModel;
use crate::network::tests::random_checkpoint;

/// Tiles of a launch: enough for a large device.
const TILES: usize = 8192;
/// Launches in a row, after one that is not counted.
const LAUNCHES: usize = 10;

/// A number that the environment may change.
fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |number| number.parse().unwrap())
}

/// Prints a table of tokens a second; the slots of known lines stay on the device, rows of probabilities once stay
/// there and once go to the host's memory, as they do when lines are decoded.
#[test]
#[ignore = "a measurement: prints tokens a second of the kernels alone, where there is a device"]
fn kernels_alone() {
    let driver = match Driver::open(0) {
        Ok(driver) => driver,
        Err(error) => return println!("NOT MEASURED: {error}"),
    };
    let tiles = setting("SURPRISAL_TILES", TILES);
    println!("kernels alone on {}, {tiles} tiles of {LINES} lines", driver.name);
    println!("| model | known, tokens/s | step, rows on the device | step, rows to the host |");
    println!("|---|---|---|---|");
    let row = |name: &str, model: &ExactModel| {
        let known = known_lines(&driver, model, tiles);
        let on_device = steps(&driver, model, tiles, Rows::Device);
        let to_host = steps(&driver, model, tiles, Rows::Host);
        println!("| {name} | {known:.3e} | {on_device:.3e} | {to_host:.3e} |");
    };
    let models = Models::bundled();
    row(models.default_model().name(), models.default_model().exact());
    for preset in [Preset::Tiny, Preset::Nano, Preset::Micro, Preset::Mini] {
        let checkpoint = random_checkpoint(GptConfig::addition(preset, 28), 1, 0.2);
        row(preset.name(), &ExactModel::from_checkpoint(&checkpoint).unwrap());
    }
}

/// Tokens a second of launches that are queued one after another.
fn time(stream: &Stream, tokens: usize, mut launch: impl FnMut()) -> f64 {
    launch();
    stream.wait().unwrap();
    let launches = setting("SURPRISAL_LAUNCHES", LAUNCHES);
    let started = Instant::now();
    for _ in 0..launches {
        launch();
    }
    stream.wait().unwrap();
    (launches * tokens) as f64 / started.elapsed().as_secs_f64()
}

/// Memory with such bytes in it.
fn uploaded(driver: &Driver, stream: &Stream, bytes: &[u8]) -> Memory {
    let memory = driver.memory(bytes.len()).unwrap();
    stream.upload(&memory, bytes).unwrap();
    memory
}

/// Tokens of some sort.
fn tokens(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 % 13) as u8).collect()
}

fn known_lines(driver: &Driver, model: &ExactModel, tiles: usize) -> f64 {
    let stream = driver.stream().unwrap();
    let placed = Placed::new(driver, &stream, model, "known", known::WARPS).unwrap();
    let (block, warps) = (placed.header.block as usize, placed.warps);
    let blocks = tiles.div_ceil(warps).min(driver.multiprocessors * known::BLOCKS);
    let cache = driver.memory(blocks * warps * placed.cache_bytes).unwrap();
    let tokens = uploaded(driver, &stream, &tokens(tiles * (block + 1) * LINES));
    let lengths = uploaded(driver, &stream, &(block as u32).to_ne_bytes().repeat(tiles));
    let slots = driver.memory(tiles * block * LINES * 8).unwrap();
    let argument = KnownArgument {
        cache: cache.0,
        tokens: tokens.0,
        lengths: lengths.0,
        slots: slots.0,
        cache_bytes: placed.cache_bytes as u64,
        tiles: tiles as u32,
    };
    let shape = (&placed.kernel, blocks, 32 * warps);
    time(&stream, tiles * LINES * block, || {
        // SAFETY: the arguments are the kernel's, the buffers have room for the tiles and outlive `time`.
        unsafe { stream.launch(shape, (placed.argument(), argument)) }.unwrap();
    })
}

enum Rows {
    Device,
    Host,
}

fn steps(driver: &Driver, model: &ExactModel, tiles: usize, rows: Rows) -> f64 {
    let stream = driver.stream().unwrap();
    let placed = Placed::new(driver, &stream, model, "step", steps::WARPS).unwrap();
    let (block, stride) = (placed.header.block as usize, placed.header.stride as usize);
    let cache = driver.memory(tiles * placed.cache_bytes).unwrap();
    let history = driver.memory(tiles * block * LINES).unwrap();
    let tokens = uploaded(driver, &stream, &tokens(tiles * LINES));
    // All tiles at position 0, then all at 1, and so on.
    let positions = (0..block).flat_map(|position| (position as u32).to_ne_bytes().repeat(tiles));
    let positions = uploaded(driver, &stream, &positions.collect::<Vec<_>>());
    let row_bytes = tiles * LINES * stride * 4;
    let (on_device, on_host);
    let rows = match rows {
        Rows::Device => {
            on_device = driver.memory(row_bytes).unwrap();
            on_device.0
        }
        Rows::Host => {
            on_host = driver.pinned::<u8>(row_bytes).unwrap();
            on_host.address()
        }
    };
    let shape = (&placed.kernel, tiles.div_ceil(placed.warps), 32 * placed.warps);
    time(&stream, tiles * LINES * block, || {
        for position in 0..block {
            let argument = StepsArgument {
                cache: cache.0,
                history: history.0,
                tokens: tokens.0,
                positions: positions.0 + (position * tiles * 4) as u64,
                rows,
                cache_bytes: placed.cache_bytes as u64,
                tiles: tiles as u32,
            };
            // SAFETY: as above.
            unsafe { stream.launch(shape, (placed.argument(), argument)) }.unwrap();
        }
    })
}
