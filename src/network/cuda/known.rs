//! Known lines: all positions of many lines in one launch, from tokens to the slots of each.

use super::driver::{Driver, Memory, Pinned, Stream};
use super::layout::LINES;
use super::placed::Placed;
use crate::Result;
use crate::network::ExactModel;
use crate::text::Token;

/// Tiles that go to the device at a time.
const TILES: usize = 1024;
/// The most warps of a block: of the wide networks a thread needs all its registers.
pub(super) const WARPS: usize = 8;
/// Blocks for each multiprocessor, so that one waits for memory while others compute.
pub(super) const BLOCKS: usize = 2;

/// As the kernels' `Known`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct KnownArgument {
    pub cache: u64,
    pub tokens: u64,
    pub lengths: u64,
    pub slots: u64,
    pub cache_bytes: u64,
    pub tiles: u32,
}

/// A model on a device, and room for lines. Memory is bounded by [`TILES`] and the device's size.
pub(crate) struct KnownLines {
    stream: Stream,
    placed: Placed,
    cache: Memory,
    most_blocks: usize,
    /// (tiles, block + 1, 16) tokens, then (tiles) lengths as u32.
    tokens: Pinned<u8>,
    device_tokens: Memory,
    /// (tiles, block, 16): left end and width.
    slots: Pinned<[u32; 2]>,
    device_slots: Memory,
}

impl KnownLines {
    /// Puts a model on a device.
    pub(super) fn new(driver: &Driver, model: &ExactModel) -> Result<Self> {
        let stream = driver.stream()?;
        let placed = Placed::new(driver, &stream, model, "known", WARPS)?;
        let (block, warps) = (placed.header.block as usize, placed.warps);
        let most_blocks = (driver.multiprocessors * BLOCKS).min(TILES.div_ceil(warps));
        let tokens_bytes = TILES * ((block + 1) * LINES + 4);
        Ok(Self {
            cache: driver.memory(most_blocks * warps * placed.cache_bytes)?,
            most_blocks,
            tokens: driver.pinned(tokens_bytes)?,
            device_tokens: driver.memory(tokens_bytes)?,
            slots: driver.pinned(TILES * block * LINES)?,
            device_slots: driver.memory(TILES * block * LINES * 8)?,
            stream,
            placed,
        })
    }

    /// The most lines at a time: a multiple of every group's.
    pub fn most_lines(&self) -> usize {
        TILES * LINES
    }

    /// Runs lines, each of which is its tokens from the start symbol to the end.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the device fails.
    ///
    /// # Panics
    /// If there are too many lines or a line is too long.
    pub fn run<I: Iterator<Item = Token>>(
        &mut self,
        lines: impl ExactSizeIterator<Item = I>,
    ) -> Result<Slotted<'_>> {
        let block = self.placed.header.block as usize;
        let tiles = lines.len().div_ceil(LINES);
        assert!(tiles <= TILES, "more lines than there is room for");
        let of_tile = (block + 1) * LINES;
        self.tokens[..tiles * of_tile].fill(0);
        let mut lengths = vec![0u32; tiles];
        for (line, tokens) in lines.enumerate() {
            let room = &mut self.tokens[line / LINES * of_tile..][..of_tile];
            let mut len = 0;
            for (position, token) in tokens.enumerate() {
                room[position * LINES + line % LINES] = token;
                len = position as u32;
            }
            lengths[line / LINES] = lengths[line / LINES].max(len);
        }
        let lengths_at = (tiles * of_tile).next_multiple_of(4);
        for (room, len) in self.tokens[lengths_at..].chunks_exact_mut(4).zip(&lengths) {
            room.copy_from_slice(&len.to_ne_bytes());
        }
        let known = KnownArgument {
            cache: self.cache.0,
            tokens: self.device_tokens.0,
            lengths: self.device_tokens.0 + lengths_at as u64,
            slots: self.device_slots.0,
            cache_bytes: self.placed.cache_bytes as u64,
            tiles: tiles as u32,
        };
        let Placed { kernel, warps, .. } = &self.placed;
        let shape = (kernel, tiles.div_ceil(*warps).min(self.most_blocks), 32 * warps);
        let tokens = &self.tokens[..lengths_at + 4 * tiles];
        let slots = &mut self.slots[..tiles * block * LINES];
        let stream = &self.stream;
        // SAFETY: the arguments are the kernel's, and all buffers have room for `TILES` tiles, of which these are some.
        // Nobody touches them before the stream was waited for.
        let queued = unsafe {
            let copied = stream.copy_in(&self.device_tokens, tokens);
            let launched = copied.and_then(|()| stream.launch(shape, (self.placed.argument(), known)));
            launched.and_then(|()| stream.copy_out(slots, &self.device_slots))
        };
        // Waited for whatever happened, so that the buffers are at rest.
        let waited = stream.wait();
        queued.and(waited)?;
        Ok(Slotted {
            slots: &self.slots,
            block,
        })
    }
}

/// The slots of each token of known lines.
pub(crate) struct Slotted<'a> {
    slots: &'a [[u32; 2]],
    block: usize,
}

impl Slotted<'_> {
    /// Left end and width of the slots of what stands behind the token at a position of a line, in 2^20ths.
    #[inline]
    pub fn get(&self, line: usize, position: usize) -> [u32; 2] {
        self.slots[(line / LINES * self.block + position) * LINES + line % LINES]
    }
}
