//! A progress bar on stderr, and readers that move it.

use std::io::{self, Read};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use surprisal::learner::BatchRecord;

/// A bar over `total` bytes, or a count where that is not known. Hidden unless `shown` and stderr
/// is a terminal; removed when dropped.
pub struct Progress(ProgressBar);

impl Progress {
    pub fn new(name: &str, total: Option<u64>, shown: bool) -> Self {
        if !shown {
            return Self(ProgressBar::hidden());
        }
        let template = match total {
            Some(_) => {
                "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left"
            }
            None => "{msg} {spinner} {binary_bytes} {binary_bytes_per_sec}",
        };
        let style = ProgressStyle::with_template(template).expect("a right template");
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let bar = bar.with_style(style).with_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Moves on by some bytes.
    pub fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    /// Moves on to a place, if it is not yet there.
    pub fn at_least(&self, bytes: u64) {
        self.0.set_position(self.0.position().max(bytes));
    }

    /// A bar that batches move as they are learned from.
    pub fn learning(&self) -> Learning {
        Learning {
            bar: self.0.clone(),
            name: self.0.message(),
            lines: Mutex::new((0, 0.0)),
        }
    }

    /// A reader that moves the bar as it is read.
    pub fn watch<R: Read>(&self, inner: R) -> Watched<R> {
        Watched {
            inner,
            bar: self.0.clone(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Moves a bar with every batch, and says how many bits a line took so far.
pub struct Learning {
    bar: ProgressBar,
    name: String,
    /// Lines, and their bits.
    lines: Mutex<(usize, f64)>,
}

impl Learning {
    /// A batch was learned from.
    pub fn batch(&self, record: &BatchRecord) {
        let mut so_far = self.lines.lock().expect("nobody panicked with it");
        so_far.0 += record.lines;
        so_far.1 += record.slot_bits;
        self.bar.inc(record.tokens());
        let bits = so_far.1 / so_far.0.max(1) as f64;
        self.bar
            .set_message(format!("{} {bits:.2} bits a line", self.name));
    }
}

/// A reader that moves a bar.
pub struct Watched<R> {
    inner: R,
    bar: ProgressBar,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        self.bar.inc(len as u64);
        Ok(len)
    }
}
