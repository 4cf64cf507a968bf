//! How far the work is: a bar on stderr in a terminal, elsewhere a line every half minute.

use std::io::{self, Read};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use surprisal::learner::BatchRecord;

use super::streams::say;
use super::text::grouped;

/// Time between two lines where there is no bar.
const BETWEEN_LINES: Duration = Duration::from_secs(30);

/// A bar over `total` bytes, or a count where that is not known. Nothing unless `shown`; removed when
/// dropped.
pub struct Progress {
    bar: ProgressBar,
    /// Ends the lines when it is dropped.
    _lines: Option<Sender<()>>,
}

impl Progress {
    pub fn new(name: &str, total: Option<u64>, shown: bool) -> Self {
        let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let template = match total {
            Some(_) => {
                "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left"
            }
            None => "{msg} {spinner} {binary_bytes} {binary_bytes_per_sec}",
        };
        let style = ProgressStyle::with_template(template).expect("a right template");
        let bar = ProgressBar::with_draw_target(total, target);
        let bar = bar.with_style(style).with_message(name.to_owned());
        // It is hidden where stderr is no terminal, or one without a cursor to move.
        let is_bar = !bar.is_hidden();
        if is_bar {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        let lines = (shown && !is_bar).then(|| tell_in_lines(bar.clone(), BETWEEN_LINES, say));
        Self { bar, _lines: lines }
    }

    /// Moves on by some bytes.
    pub fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Moves on to a place, if it is not yet there.
    pub fn at_least(&self, bytes: u64) {
        self.bar.set_position(self.bar.position().max(bytes));
    }

    /// What moves the bar with every batch that was learned from, and says how many bits a line took so far.
    pub fn learning(&self) -> impl FnMut(&BatchRecord) + use<> {
        let (bar, name) = (self.bar.clone(), self.bar.message());
        let (mut lines, mut bits) = (0, 0.0);
        move |record| {
            lines += record.lines;
            bits += record.slot_bits;
            bar.inc(record.tokens());
            bar.set_message(format!("{name} {:.2} bits a line", bits / lines.max(1) as f64));
        }
    }

    /// A reader that moves the bar as it is read.
    pub fn watch<R: Read>(&self, inner: R) -> Watched<R> {
        Watched { inner, bar: self.bar.clone() }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Starts a thread that tells in lines where a bar is, until what this gives is dropped.
fn tell_in_lines(bar: ProgressBar, between: Duration, tell: impl Fn(&str) + Send + 'static) -> Sender<()> {
    let (end, ended) = mpsc::channel();
    std::thread::spawn(move || {
        while ended.recv_timeout(between) == Err(RecvTimeoutError::Timeout) {
            tell(&line(&bar));
        }
    });
    end
}

/// Where a bar is.
fn line(bar: &ProgressBar) -> String {
    let (name, done) = (bar.message(), grouped(bar.position()));
    match bar.length() {
        Some(total) => {
            let (total, left) = (grouped(total), HumanDuration(bar.eta()));
            format!("{name}: {done} of {total} bytes, {left:#} left")
        }
        None => format!("{name}: {done} bytes"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_where_a_bar_is() {
        let progress = Progress::new("a.txt", Some(2000), false);
        progress.advance(1000);
        let (told, lines) = mpsc::channel();
        let tell = move |line: &str| drop(told.send(line.to_owned()));
        let end = tell_in_lines(progress.bar.clone(), Duration::from_millis(1), tell);
        let line = lines.recv().unwrap();
        assert!(line.starts_with("a.txt: 1,000 of 2,000 bytes, ") && line.ends_with(" left"), "{line}");
        drop(end);
        lines.iter().for_each(drop);
    }
}
