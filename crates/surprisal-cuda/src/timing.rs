//! The kernels alone, for measurements: launches over what is on the GPU already.

#![allow(unsafe_code, reason = "kernels are launched")]

use std::time::{Duration, Instant};

use crate::{CodedLines, KnownLines, Result};

impl KnownLines {
    /// How long `launches` launches take over the tokens of these lines, with nothing copied: with the most warps a
    /// block can have, with five sixths and with two thirds of them. The first launch of each is not counted.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the GPU fails.
    ///
    /// # Panics
    /// As [`KnownLines::launch`].
    pub fn time_launches<I: Iterator<Item = u8>>(
        &mut self,
        lines: impl ExactSizeIterator<Item = I>,
        launches: usize,
    ) -> Result<[Duration; 3]> {
        let (tiles, lengths_at) = self.upload(lines)?;
        let time_of = |sixths: usize| {
            let warps = (self.most_warps() * sixths).div_ceil(6);
            // SAFETY: the tokens and lengths were uploaded, and nothing but the kernel touches the buffers until the wait.
            let launch = || unsafe { self.launch_kernel(tiles, lengths_at, warps) };
            time(launch, || self.stream.wait(), launches)
        };
        Ok([time_of(6)?, time_of(5)?, time_of(4)?])
    }
}

impl CodedLines {
    /// How long it takes to decode the streams of the last launch `times` times, with no words and tokens copied. The first time
    /// is not counted.
    ///
    /// # Errors
    /// [`crate::Error::Device`] if the GPU fails.
    pub fn time_decoding(&mut self, times: usize) -> Result<Duration> {
        // SAFETY: the words are on the GPU since the last launch, and `&mut self` keeps everything off the buffers until
        // the wait.
        let launch = || unsafe { self.launch_kernels() };
        time(launch, || self.stream.wait(), times)
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
