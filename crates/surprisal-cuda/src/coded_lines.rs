//! Whole streams of lines, decoded on the GPU from words to tokens, many beside each other.

#![allow(unsafe_code, reason = "kernels are launched")]

use std::slice::ChunksExact;

use bytemuck::{Pod, Zeroable};

use crate::device_model::DeviceModel;
use crate::gpu::{Gpu, Memory, Pinned, Stream};
use crate::{Network, Result, TILE_LINES};

/// Warps that decode a stream, a tile each.
const TEAM_WARPS: usize = 4;
/// Lines of a group, which go in lockstep.
const GROUP_LINES: usize = TEAM_WARPS * TILE_LINES;
/// Teams of a block: two such blocks fit a multiprocessor.
const TEAMS: usize = 3;
/// Groups of each stream that a launch takes, a tenth of a second's work. Behind it other launches get their turn, and a driver
/// that limits the time of launches, as beside a screen, lets it be.
const LAUNCH_GROUPS: usize = 64;
/// A stream whose words end where its lines do, as the kernels' `ENDED`.
const ENDED: u32 = 1;

/// As the kernels' `Decode`.
#[repr(C)]
#[derive(Clone, Copy)]
struct DecodeArgument {
    memory: u64,
    words: u64,
    streams: u64,
    tokens: u64,
    memory_bytes: u64,
    count: u32,
    most_groups: u32,
    groups: u32,
    start: u32,
    end: u32,
}

/// A stream and how far it is decoded, as the kernels' `CodedLines`.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct StreamRecord {
    offset: u64,
    range: u64,
    read: u32,
    words: u32,
    count: u32,
    lines: u32,
    groups: u32,
    fate: u32,
}

/// A network on a GPU, and room for streams of lines that it decodes.
pub struct CodedLines {
    // Dropped first, which waits for it.
    pub(crate) stream: Stream,
    model: DeviceModel,
    /// The start and the end symbol.
    symbols: [u8; 2],
    capacity: usize,
    most_groups: usize,
    memory: Memory,
    /// All streams' words, and where each has its own.
    words: Vec<u32>,
    device_words: Memory,
    /// The most that a stream may have.
    most_words: usize,
    /// The streams as they were launched, and as they have become.
    launched: Vec<StreamRecord>,
    device_streams: Memory,
    decoded: Pinned<StreamRecord>,
    device_tokens: Memory,
    /// Of one stream.
    tokens: Pinned<u8>,
    is_running: bool,
}

impl CodedLines {
    /// Puts a network on a GPU, with room for `count` streams of up to `lines` lines; the symbols are those that stand before
    /// a line and that end it.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if it does not fit, [`crate::Error::Network`] if there is no kernel for its shape.
    pub fn new(gpu: &Gpu, network: &Network, symbols: [u8; 2], count: usize, lines: usize) -> Result<Self> {
        let stream = gpu.stream()?;
        let model = DeviceModel::new(gpu, &stream, network, "decode", TEAM_WARPS)?;
        let most_groups = groups_of(lines);
        let stream_tokens = most_groups * model.block_size() * GROUP_LINES;
        // Four bits a token: twice what sums of random digits take.
        let most_words = stream_tokens / 8;
        Ok(Self {
            memory: gpu.memory(count.next_multiple_of(TEAMS) * TEAM_WARPS * model.memory_bytes)?,
            words: Vec::new(),
            device_words: gpu.memory(4 * count * most_words)?,
            most_words,
            launched: Vec::new(),
            device_streams: gpu.memory(count * size_of::<StreamRecord>())?,
            decoded: gpu.pinned(count)?,
            device_tokens: gpu.memory(count * stream_tokens)?,
            tokens: gpu.pinned(stream_tokens)?,
            symbols,
            capacity: count,
            most_groups,
            is_running: false,
            stream,
            model,
        })
    }

    /// Whether there is room for a stream of so many words and lines.
    pub fn takes(&self, words: usize, lines: usize) -> bool {
        words <= self.most_words && lines <= self.most_groups * GROUP_LINES
    }

    /// Queues streams, each of which is its words and its number of lines, and does not wait for them: behind
    /// [`CodedLines::wait`] what they decode to is in [`CodedLines::decoded`].
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the GPU fails.
    ///
    /// # Panics
    /// If there is no room for one, or for so many, or if those before were not waited for.
    pub fn launch<'w>(&mut self, streams: impl ExactSizeIterator<Item = (&'w [u32], usize)>) -> Result<()> {
        assert!(!self.is_running, "the launch before was not waited for");
        assert!(streams.len() <= self.capacity, "more streams than there is room for");
        self.words.clear();
        self.launched.clear();
        for (words, lines) in streams {
            assert!(self.takes(words.len(), lines), "the stream has no room");
            let (first, count) = (self.words.len() as u32, words.len() as u32);
            self.launched.push(StreamRecord {
                words: first,
                count,
                lines: lines as u32,
                ..Default::default()
            });
            self.words.extend_from_slice(words);
        }
        self.is_running = true;
        // SAFETY: all buffers have room for the streams, and nothing touches them before the stream was waited for:
        // `is_running` keeps everything off them, and the stream is dropped first.
        unsafe {
            self.stream.copy_in(&self.device_words, &self.words)?;
            self.launch_kernels()?;
            self.stream.copy_out(&mut self.decoded[..self.launched.len()], self.device_streams.0)
        }
    }

    /// Queues the launches that decode the streams whose words are in the GPU's memory.
    ///
    /// # Safety
    /// They are there or queued to be, and nothing touches the buffers before the stream was waited for.
    pub(crate) unsafe fn launch_kernels(&self) -> Result<()> {
        let count = self.launched.len();
        let decode = DecodeArgument {
            memory: self.memory.0,
            words: self.device_words.0,
            streams: self.device_streams.0,
            tokens: self.device_tokens.0,
            memory_bytes: self.model.memory_bytes as u64,
            count: count as u32,
            most_groups: self.most_groups as u32,
            groups: LAUNCH_GROUPS as u32,
            start: self.symbols[0].into(),
            end: self.symbols[1].into(),
        };
        let teams = TEAMS.min(self.model.most_warps / TEAM_WARPS).min(count.max(1));
        let grid = self.model.grid(count.div_ceil(teams), teams * TEAM_WARPS);
        let groups = self.launched.iter().map(|stream| groups_of(stream.lines as usize)).max().unwrap_or(0);
        // SAFETY: the arguments are the kernel's; the rest is promised by the caller.
        unsafe {
            self.stream.copy_in(&self.device_streams, &self.launched)?;
            (0..groups.div_ceil(LAUNCH_GROUPS)).try_for_each(|_| {
                self.stream.launch(&self.model.kernel, grid, (self.model.argument(), decode))
            })
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

    /// What a stream decoded to: of each group of lines, (block, 64) tokens, those of a line up to its end symbol, and any
    /// behind it. None if the words are not what an encoder writes, as far as that shows.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the GPU failed.
    ///
    /// # Panics
    /// If the launch was not waited for, or there is no such stream.
    pub fn decoded(&mut self, index: usize) -> Result<Option<ChunksExact<'_, u8>>> {
        assert!(!self.is_running, "the launch was not waited for");
        let groups = groups_of(self.launched[index].lines as usize);
        if self.decoded[index].fate != ENDED {
            return Ok(None);
        }
        let group_tokens = self.model.block_size() * GROUP_LINES;
        let from = self.device_tokens.0 + (index * self.most_groups * group_tokens) as u64;
        let tokens = &mut self.tokens[..groups * group_tokens];
        // SAFETY: they stand there, and the stream is waited for.
        unsafe { self.stream.copy_out(tokens, from)? };
        self.stream.wait()?;
        Ok(Some(self.tokens[..groups * group_tokens].chunks_exact(group_tokens)))
    }
}

/// Groups that so many lines make.
fn groups_of(lines: usize) -> usize {
    lines.div_ceil(GROUP_LINES)
}
