//! Known lines: all positions of many lines in one launch, from tokens to the slots of each.

use super::driver::{Driver, Kernel, Memory, Pinned, Stream};
use super::layout::{Header, LINES, Laid};
use crate::Result;
use crate::exact::ExactModel;
use crate::model::Token;

/// Tiles that go to the device at a time.
const TILES: usize = 1024;
/// The most warps of a block: of the wide networks a thread needs all its registers.
const WARPS: usize = 8;
/// Blocks for each multiprocessor, so that one waits for memory while others compute.
const BLOCKS: usize = 2;

/// As the kernels' `Model`.
#[repr(C)]
struct ModelArgument {
    bytes: u64,
    header: Header,
}

/// As the kernels' `Known`.
#[repr(C)]
struct KnownArgument {
    cache: u64,
    tokens: u64,
    lengths: u64,
    slots: u64,
    cache_bytes: u64,
    tiles: u32,
}

/// A model on a device, and room for lines. Memory is bounded by [`TILES`] and the device's size.
pub(crate) struct KnownLines {
    stream: Stream,
    kernel: Kernel,
    header: Header,
    bytes: Memory,
    cache: Memory,
    cache_bytes: usize,
    warps: usize,
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
        let laid = Laid::new(&model.parameters)?;
        let (header, shape) = (laid.header, &model.parameters.shape);
        let staged = if shape.width <= 48 {
            header.staged as usize
        } else {
            0
        };
        let room = driver.shared_bytes.saturating_sub(staged) / header.warp_bytes as usize;
        let warps = room.min(WARPS);
        if warps == 0 {
            return Err(crate::Error::Device(format!(
                "the model needs more shared memory than {} has: use --device cpu",
                driver.name
            )));
        }
        let stream = driver.stream()?;
        let shared = staged + warps * header.warp_bytes as usize;
        let kernel = driver.kernel(&format!("{}_known", laid.kernel), shared)?;
        let block = shape.block_size;
        let position = LINES * (2 * shape.width + 8 * shape.heads);
        let cache_bytes = (shape.layers - 1) * block * position;
        let most_blocks = (driver.multiprocessors * BLOCKS).min(TILES.div_ceil(warps));
        let tokens_bytes = TILES * ((block + 1) * LINES + 4);
        let bytes = driver.memory(laid.bytes.len())?;
        stream.upload(&bytes, &laid.bytes)?;
        Ok(Self {
            kernel,
            header,
            bytes,
            cache: driver.memory(most_blocks * warps * cache_bytes)?,
            cache_bytes,
            warps,
            most_blocks,
            tokens: driver.pinned(tokens_bytes)?,
            device_tokens: driver.memory(tokens_bytes)?,
            slots: driver.pinned(TILES * block * LINES)?,
            device_slots: driver.memory(TILES * block * LINES * 8)?,
            stream,
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
        let block = self.header.block as usize;
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
        let blocks = tiles.div_ceil(self.warps).min(self.most_blocks);
        let model = ModelArgument {
            bytes: self.bytes.0,
            header: self.header,
        };
        let known = KnownArgument {
            cache: self.cache.0,
            tokens: self.device_tokens.0,
            lengths: self.device_tokens.0 + lengths_at as u64,
            slots: self.device_slots.0,
            cache_bytes: self.cache_bytes as u64,
            tiles: tiles as u32,
        };
        let inputs = [(&self.device_tokens, &self.tokens[..lengths_at + 4 * tiles])];
        let slots = &mut self.slots[..tiles * block * LINES];
        // SAFETY: the arguments are the kernel's, and all buffers have room for `TILES` tiles, of which these are some.
        unsafe {
            self.stream.run(
                (&self.kernel, blocks, 32 * self.warps),
                (model, known),
                &inputs,
                (&self.device_slots, slots),
            )?;
        }
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
