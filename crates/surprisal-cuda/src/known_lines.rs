//! Known lines: all positions of many lines in one launch, from tokens to the slots of each.

#![allow(unsafe_code, reason = "kernels are launched")]

use crate::device_model::DeviceModel;
use crate::gpu::{Gpu, Memory, Pinned, Stream};
use crate::{Network, Result, TILE_LINES};

/// Blocks for each multiprocessor, so that one waits for memory while others compute.
const BLOCKS: usize = 2;

/// As the kernels' `Known`.
#[repr(C)]
#[derive(Clone, Copy)]
struct KnownArgument {
    memory: u64,
    tokens: u64,
    lengths: u64,
    slots: u64,
    memory_bytes: u64,
    tiles: u32,
    group_tiles: u32,
}

/// A network on a GPU, and room for groups of lines. What the layers remember is bounded by the GPU's size, not by the
/// lines.
pub struct KnownLines {
    // Dropped first, which waits for it.
    pub(crate) stream: Stream,
    model: DeviceModel,
    capacity_tiles: usize,
    group_tiles: usize,
    memory: Memory,
    most_blocks: usize,
    /// (tiles, block + 1, 16) tokens, then (tiles) lengths as u32.
    tokens: Pinned<u8>,
    device_tokens: Memory,
    /// (groups, block, tiles of a group, 16): left end and width.
    slots: Pinned<[u32; 2]>,
    device_slots: Memory,
    is_running: bool,
}

impl KnownLines {
    /// Puts a network on a GPU, with room for `groups` groups of `lines` lines at a time.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if it does not fit, [`crate::Error::Network`] if there is no kernel for its shape.
    pub fn new(gpu: &Gpu, network: &Network, groups: usize, lines: usize) -> Result<Self> {
        let stream = gpu.stream()?;
        let model = DeviceModel::new(gpu, &stream, network, "known", 1)?;
        let group_tiles = lines.div_ceil(TILE_LINES);
        let capacity_tiles = groups * group_tiles;
        let block = model.block_size();
        let most_blocks = (gpu.multiprocessors * BLOCKS).min(capacity_tiles.div_ceil(model.most_warps));
        let tokens_bytes = capacity_tiles * ((block + 1) * TILE_LINES + 4);
        Ok(Self {
            memory: gpu.memory(most_blocks * model.most_warps * model.memory_bytes)?,
            most_blocks,
            tokens: gpu.pinned(tokens_bytes)?,
            device_tokens: gpu.memory(tokens_bytes)?,
            slots: gpu.pinned(capacity_tiles * block * TILE_LINES)?,
            device_slots: gpu.memory(capacity_tiles * block * TILE_LINES * 8)?,
            capacity_tiles,
            group_tiles,
            is_running: false,
            stream,
            model,
        })
    }

    /// The most lines at a time: of the groups asked for, each rounded up to whole tiles.
    pub fn most_lines(&self) -> usize {
        self.capacity_tiles * TILE_LINES
    }

    /// Queues lines, each of which is its tokens from the start symbol to the end, and does not wait for them: behind
    /// [`KnownLines::wait`] their slots are in [`KnownLines::group_slots`].
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the GPU fails.
    ///
    /// # Panics
    /// If there are too many lines or a line is too long, or if those before were not waited for.
    pub fn launch<I: Iterator<Item = u8>>(&mut self, lines: impl ExactSizeIterator<Item = I>) -> Result<()> {
        assert!(!self.is_running, "the launch before was not waited for");
        let (tiles, lengths_at) = self.fill_tokens(lines);
        let block = self.model.block_size();
        self.is_running = true;
        let tokens = &self.tokens[..lengths_at + 4 * tiles];
        // SAFETY: all buffers have room for the tiles, and nothing touches them before the stream was waited for:
        // `is_running` keeps everything off them, and the stream is dropped first.
        unsafe {
            self.stream.copy_in(&self.device_tokens, tokens)?;
            self.launch_kernel(tiles, lengths_at, self.most_warps())?;
            let tiles = tiles.next_multiple_of(self.group_tiles);
            self.stream.copy_out(&mut self.slots[..tiles * block * TILE_LINES], self.device_slots.0)
        }
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

    /// Of the last lines and each line of a group, left end and width, in 2^20ths, of the slots of the token that follows
    /// a position; of lines that have ended, anything.
    ///
    /// # Panics
    /// If the launch was not waited for.
    #[inline]
    pub fn group_slots(&self, group: usize, position: usize) -> &[[u32; 2]] {
        assert!(!self.is_running, "the launch was not waited for");
        let lines = self.group_tiles * TILE_LINES;
        &self.slots[(group * self.model.block_size() + position) * lines..][..lines]
    }

    /// Tokens and lengths as the kernel reads them; gives the number of tiles, and where the lengths begin, bytes.
    fn fill_tokens<I: Iterator<Item = u8>>(
        &mut self,
        lines: impl ExactSizeIterator<Item = I>,
    ) -> (usize, usize) {
        let tiles = lines.len().div_ceil(TILE_LINES);
        assert!(tiles <= self.capacity_tiles, "more lines than there is room for");
        let tile_bytes = (self.model.block_size() + 1) * TILE_LINES;
        self.tokens[..tiles * tile_bytes].fill(0);
        let mut lengths = vec![0u32; tiles];
        for (line, tokens) in lines.enumerate() {
            let tile = &mut self.tokens[line / TILE_LINES * tile_bytes..][..tile_bytes];
            let mut at = line % TILE_LINES;
            tokens.for_each(|token| {
                tile[at] = token;
                at += TILE_LINES;
            });
            let positions = (at / TILE_LINES).saturating_sub(1) as u32;
            lengths[line / TILE_LINES] = lengths[line / TILE_LINES].max(positions);
        }
        let lengths_at = (tiles * tile_bytes).next_multiple_of(4);
        self.tokens[lengths_at..][..4 * tiles].copy_from_slice(bytemuck::cast_slice(&lengths));
        (tiles, lengths_at)
    }

    /// The most warps of a block.
    pub(crate) fn most_warps(&self) -> usize {
        self.model.most_warps
    }

    /// Queues the kernel over the tokens in the GPU's memory, in blocks of so many warps, of which there is one at least.
    ///
    /// # Safety
    /// The tokens and lengths of so many tiles, within the capacity, are there or queued to be, and nothing touches the
    /// buffers before the stream was waited for. The warps are at most [`KnownLines::most_warps`].
    pub(crate) unsafe fn launch_kernel(&self, tiles: usize, lengths_at: usize, warps: usize) -> Result<()> {
        let known = KnownArgument {
            memory: self.memory.0,
            tokens: self.device_tokens.0,
            lengths: self.device_tokens.0 + lengths_at as u64,
            slots: self.device_slots.0,
            memory_bytes: self.model.memory_bytes as u64,
            tiles: tiles as u32,
            group_tiles: self.group_tiles as u32,
        };
        let grid = self.model.grid(tiles.div_ceil(warps).min(self.most_blocks), warps);
        // SAFETY: the arguments are the kernel's; the rest is promised by the caller.
        unsafe { self.stream.launch(&self.model.kernel, grid, (self.model.argument(), known)) }
    }

    /// As `fill_tokens`, and copies them to the GPU and waits.
    pub(crate) fn upload<I: Iterator<Item = u8>>(
        &mut self,
        lines: impl ExactSizeIterator<Item = I>,
    ) -> Result<(usize, usize)> {
        let (tiles, lengths_at) = self.fill_tokens(lines);
        self.stream.upload(&self.device_tokens, &self.tokens[..lengths_at + 4 * tiles])?;
        Ok((tiles, lengths_at))
    }
}
