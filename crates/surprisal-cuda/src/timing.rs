//! The kernels alone, for measurements: launches over what is on the GPU already.

#![allow(unsafe_code, reason = "kernels are launched")]

use std::time::{Duration, Instant};

use crate::{Gpu, KnownLines, Result, Steps};

/// Where a timed step writes its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowMemory {
    /// The GPU's memory.
    Device,
    /// The host's memory, as when lines are decoded.
    Host,
}

impl KnownLines {
    /// How long `launches` launches take over the tokens of these lines, with nothing copied. The first launch is not
    /// counted.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the GPU fails.
    ///
    /// # Panics
    /// As [`KnownLines::run`].
    pub fn time_launches<I: Iterator<Item = u8>>(
        &mut self,
        lines: impl ExactSizeIterator<Item = I>,
        launches: usize,
    ) -> Result<Duration> {
        let (tiles, lengths_at) = self.upload(lines)?;
        let launch = || {
            // SAFETY: the tokens and lengths were uploaded, and nothing but the kernel touches the buffers until the wait.
            unsafe { self.launch(tiles, lengths_at) }
        };
        time(launch, || self.stream.wait(), launches)
    }
}

impl Steps {
    /// How long `launches` launches take with the groups as they are set. The first launch is not counted.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the GPU fails or lacks memory.
    pub fn time_launches(&mut self, gpu: &Gpu, rows: RowMemory, launches: usize) -> Result<Duration> {
        let device_rows = gpu.memory(4 * self.rows.len())?;
        let address = match rows {
            RowMemory::Device => device_rows.0,
            RowMemory::Host => self.rows.address(),
        };
        // SAFETY: both have room for all rows and live until the wait; `&mut self` keeps everything else off.
        let launch = || unsafe { self.launch_to(address) };
        time(launch, || self.stream.wait(), launches)
    }
}

/// Times launches that are queued one after another; waits for the stream even where one fails.
fn time(launch: impl Fn() -> Result<()>, wait: impl Fn() -> Result<()>, launches: usize) -> Result<Duration> {
    launch().and(wait())?;
    let started = Instant::now();
    let queued = (0..launches).try_for_each(|_| launch());
    let waited = wait();
    queued.and(waited)?;
    Ok(started.elapsed())
}
