//! Lines that are not known yet: one launch takes one position of many groups of lines, each at its own.

#![allow(unsafe_code, reason = "kernels are launched")]

use crate::device_model::DeviceModel;
use crate::gpu::{Gpu, Memory, Pinned, Stream};
use crate::{Network, Result, TILE_LINES};

/// Blocks of a launch, unless its tiles are too many: few tiles spread over many multiprocessors, and the launches of a
/// dozen threads fill a device. With 16 an H200 decodes nano at 0.7 times the speed.
const BLOCKS: usize = 8;
/// The position of a tile that has none.
const IDLE: u32 = u32::MAX;

/// As the kernels' `Steps`.
#[repr(C)]
#[derive(Clone, Copy)]
struct StepsArgument {
    memory: u64,
    tokens: u64,
    positions: u64,
    rows: u64,
    memory_bytes: u64,
    tiles: u32,
}

/// A network on a GPU, and room for groups of lines. The kernel reads tokens from the host's memory and writes rows
/// there.
pub struct Steps {
    // Dropped first, which waits for it.
    pub(crate) stream: Stream,
    model: DeviceModel,
    memory: Memory,
    /// (tiles, 16).
    tokens: Pinned<u8>,
    /// (tiles).
    positions: Pinned<u32>,
    /// (tiles, 16, stride).
    pub(crate) rows: Pinned<u32>,
    group_tiles: usize,
    is_running: bool,
}

impl Steps {
    /// Puts a network on a GPU, with room for `groups` groups of up to `lines` lines.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if it does not fit, [`crate::Error::Network`] if there is no kernel for its shape.
    pub fn new(gpu: &Gpu, network: &Network, groups: usize, lines: usize) -> Result<Self> {
        let stream = gpu.stream()?;
        let model = DeviceModel::new(gpu, &stream, network, "step")?;
        let group_tiles = lines.div_ceil(TILE_LINES);
        let tiles = groups * group_tiles;
        let mut positions = gpu.pinned(tiles)?;
        positions.fill(IDLE);
        Ok(Self {
            memory: gpu.memory(tiles * model.memory_bytes)?,
            tokens: gpu.pinned(tiles * TILE_LINES)?,
            positions,
            rows: gpu.pinned(tiles * TILE_LINES * model.cdf_stride())?,
            group_tiles,
            is_running: false,
            stream,
            model,
        })
    }

    /// Groups that there is room for.
    pub fn groups(&self) -> usize {
        self.positions.len() / self.group_tiles
    }

    /// The next position of a group, and the token there of each of its lines. Without tokens a launch leaves the group
    /// alone.
    ///
    /// # Panics
    /// If a launch was not waited for, or the position or the number of lines is too large.
    pub fn set(&mut self, group: usize, position: usize, tokens: &[u8]) {
        assert!(!self.is_running && position < self.model.block_size());
        assert!(tokens.len() <= self.group_tiles * TILE_LINES, "the group has no room");
        let first = group * self.group_tiles;
        self.tokens[first * TILE_LINES..][..tokens.len()].copy_from_slice(tokens);
        // The rest of the last tile keeps the tokens of earlier lines: any will do.
        let tiles = tokens.len().div_ceil(TILE_LINES);
        let positions = &mut self.positions[first..][..self.group_tiles];
        positions[..tiles].fill(position as u32);
        positions[tiles..].fill(IDLE);
    }

    /// Queues the next position of all groups, and does not wait for it.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the GPU fails.
    pub fn launch(&mut self) -> Result<()> {
        self.is_running = true;
        let rows = self.rows.address();
        // SAFETY: the buffers stay as they are until the stream was waited for: `is_running` keeps everything off them,
        // and the stream is dropped first. `rows` has room for all tiles.
        unsafe { self.launch_to(rows) }
    }

    /// Queues the kernel, with rows to an address of the GPU's or of pinned memory.
    ///
    /// # Safety
    /// There is room for the rows of all tiles, and nothing touches that or the buffers before the stream was waited for.
    pub(crate) unsafe fn launch_to(&self, rows: u64) -> Result<()> {
        let last = self.positions.iter().rposition(|&position| position != IDLE);
        let Some(last) = last else {
            return Ok(());
        };
        let tiles = last + 1;
        let steps = StepsArgument {
            memory: self.memory.0,
            tokens: self.tokens.address(),
            positions: self.positions.address(),
            rows,
            memory_bytes: self.model.memory_bytes as u64,
            tiles: tiles as u32,
        };
        let warps = tiles.div_ceil(BLOCKS).min(self.model.most_warps);
        let grid = self.model.grid(tiles.div_ceil(warps), warps);
        // SAFETY: the arguments are the kernel's, and all buffers have room for these tiles; the rest is promised by
        // the caller.
        unsafe { self.stream.launch(&self.model.kernel, grid, (self.model.argument(), steps)) }
    }

    /// Waits for what was queued.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the GPU failed.
    pub fn wait(&mut self) -> Result<()> {
        let waited = self.stream.wait();
        self.is_running = false;
        waited
    }

    /// What follows in each line of a group, one behind another: cumulative probabilities, filled up with 2^20.
    ///
    /// # Panics
    /// If a launch was not waited for.
    #[inline]
    pub fn rows(&self, group: usize) -> &[u32] {
        assert!(!self.is_running, "the launch was not waited for");
        let words = self.group_tiles * TILE_LINES * self.model.cdf_stride();
        &self.rows[group * words..][..words]
    }

    /// What follows in a line of a group.
    ///
    /// # Panics
    /// If a launch was not waited for.
    pub fn row(&self, group: usize, line: usize) -> &[u32] {
        let stride = self.model.cdf_stride();
        &self.rows(group)[line * stride..][..stride]
    }
}
