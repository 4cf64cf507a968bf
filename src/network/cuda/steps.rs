//! Lines that are not known yet: one launch takes one position of many groups, each at its own.

use super::driver::{Driver, Memory, Pinned, Stream};
use super::layout::LINES;
use super::placed::Placed;
use crate::Result;
use crate::network::ExactModel;
use crate::text::Token;

/// The most warps of a block: few, so that few tiles spread over many multiprocessors.
pub(super) const WARPS: usize = 4;
/// The position of a tile that has none.
const IDLE: u32 = u32::MAX;

/// As the kernels' `Steps`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct StepsArgument {
    pub cache: u64,
    pub history: u64,
    pub tokens: u64,
    pub positions: u64,
    pub rows: u64,
    pub cache_bytes: u64,
    pub tiles: u32,
}

/// A model on a device, and places for groups of lines. The kernel reads tokens from the host's memory and writes
/// rows there.
pub(crate) struct Steps {
    // Waited for when dropped, and dropped first.
    stream: Stream,
    placed: Placed,
    cache: Memory,
    /// (tiles, block, 16).
    history: Memory,
    /// (tiles, 16).
    tokens: Pinned<u8>,
    /// (tiles).
    positions: Pinned<u32>,
    /// (tiles, 16, stride).
    rows: Pinned<u32>,
    tiles_of_place: usize,
    is_running: bool,
}

impl Steps {
    /// Puts a model on a device, with places for `places` groups of up to `lines` lines.
    pub(super) fn new(driver: &Driver, model: &ExactModel, places: usize, lines: usize) -> Result<Self> {
        let stream = driver.stream()?;
        let placed = Placed::new(driver, &stream, model, "step", WARPS)?;
        let tiles_of_place = lines.div_ceil(LINES);
        let tiles = places * tiles_of_place;
        let (block, stride) = (placed.header.block as usize, placed.header.stride as usize);
        let mut positions = driver.pinned(tiles)?;
        positions.fill(IDLE);
        Ok(Self {
            cache: driver.memory(tiles * placed.cache_bytes)?,
            history: driver.memory(tiles * block * LINES)?,
            tokens: driver.pinned(tiles * LINES)?,
            positions,
            rows: driver.pinned(tiles * LINES * stride)?,
            tiles_of_place,
            is_running: false,
            stream,
            placed,
        })
    }

    /// Places for groups.
    pub fn places(&self) -> usize {
        self.positions.len() / self.tiles_of_place
    }

    /// The next position of the group in a place, and the token there of each of its lines.
    ///
    /// # Panics
    /// If the device runs, or the position or the number of lines is too large.
    pub fn set(&mut self, place: usize, position: usize, tokens: &[Token]) {
        assert!(!self.is_running && position < self.placed.header.block as usize);
        assert!(
            tokens.len() <= self.tiles_of_place * LINES,
            "the group has no room"
        );
        let first = place * self.tiles_of_place;
        self.tokens[first * LINES..][..tokens.len()].copy_from_slice(tokens);
        // What fills the last tile has the tokens of whoever was there before: any will do.
        let tiles = tokens.len().div_ceil(LINES);
        let positions = &mut self.positions[first..][..self.tiles_of_place];
        positions[..tiles].fill(position as u32);
        positions[tiles..].fill(IDLE);
    }

    /// Nothing is in a place any more.
    ///
    /// # Panics
    /// If the device runs.
    pub fn leave(&mut self, place: usize) {
        self.set(place, 0, &[]);
    }

    /// Lets the device take the next position of all groups, and does not wait for it.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if it fails.
    pub fn launch(&mut self) -> Result<()> {
        let last = self.positions.iter().rposition(|&position| position != IDLE);
        let tiles = last.map_or(0, |last| last + 1);
        if tiles == 0 {
            return Ok(());
        }
        let steps = StepsArgument {
            cache: self.cache.0,
            history: self.history.0,
            tokens: self.tokens.address(),
            positions: self.positions.address(),
            rows: self.rows.address(),
            cache_bytes: self.placed.cache_bytes as u64,
            tiles: tiles as u32,
        };
        let Placed { kernel, warps, .. } = &self.placed;
        let shape = (kernel, tiles.div_ceil(*warps), 32 * warps);
        self.is_running = true;
        // SAFETY: the arguments are the kernel's, and all buffers have room for these tiles. They stay as they are
        // until the stream was waited for: `is_running` keeps everybody off, and the stream is dropped first.
        unsafe { self.stream.launch(shape, (self.placed.argument(), steps)) }
    }

    /// Waits for the device.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if it failed.
    pub fn wait(&mut self) -> Result<()> {
        let waited = self.stream.wait();
        self.is_running = false;
        waited
    }

    /// What follows in a line of the group in a place: cumulative probabilities, filled up with 2^20.
    ///
    /// # Panics
    /// If the device runs.
    #[inline]
    pub fn row(&self, place: usize, line: usize) -> &[u32] {
        assert!(!self.is_running, "the device runs");
        let stride = self.placed.header.stride as usize;
        let line = place * self.tiles_of_place * LINES + line;
        &self.rows[line * stride..][..stride]
    }
}
