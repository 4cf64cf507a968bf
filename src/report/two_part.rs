//! The two-part code: who has no model yet needs the weights too. From some number of lines on that
//! is less than what another compressor takes, which brings its model with it.

use serde::Serialize;

use super::peers::{PeerResult, XZ, xz_bytes};

/// Weights and data.
#[derive(Clone, Debug, Serialize)]
pub struct TwoPart {
    /// Bytes of the model as an archive carries it: its shape and weights, packed.
    pub model_bytes: u64,
    /// Bytes a line of the archive without it; none if there are no lines.
    pub bytes_per_line: Option<f64>,
    /// What xz makes of the first lines of this corpus, ever more of them.
    pub xz: Vec<XzPoint>,
    /// Lines from which model and data together take less than xz, where measured points or the
    /// straight line through the last of them meet; none if that never happens or is not known.
    pub break_even_lines: Option<u64>,
}

/// What xz makes of the beginning of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct XzPoint {
    /// Lines.
    pub lines: u64,
    /// Bytes that xz wrote.
    pub bytes: u64,
}

/// How much of a corpus's beginning is given to xz, in bytes, if it is not given all.
pub(super) const PREFIX: usize = 256 << 10;
/// The shortest beginning.
const SHORTEST: usize = 4 << 10;

impl TwoPart {
    /// `beginning` is the corpus's, [`PREFIX`] bytes at most; of the peers' sizes that of xz counts.
    pub(super) fn new(
        model_bytes: u64,
        archive_bytes: u64,
        lines: u64,
        beginning: &[u8],
        peers: Option<&[PeerResult]>,
    ) -> Self {
        let mut xz = Vec::new();
        let mut len = match peers {
            // All of a curve, where there is time for it.
            Some(_) => SHORTEST,
            None => PREFIX,
        };
        while len <= PREFIX {
            xz.extend(point(beginning, len, lines));
            len *= 2;
        }
        let whole = peers.into_iter().flatten().find(|peer| peer.name == XZ);
        xz.extend(whole.map(|peer| XzPoint { lines, bytes: peer.bytes }));
        xz.dedup_by_key(|point| point.lines);
        let bytes_per_line = (lines > 0).then(|| archive_bytes as f64 / lines as f64);
        let break_even = bytes_per_line.and_then(|rate| meet(model_bytes as f64, rate, &xz));
        Self {
            model_bytes,
            bytes_per_line,
            xz,
            break_even_lines: break_even.map(|lines| lines.ceil() as u64),
        }
    }

    /// What xz takes for so many lines, in bytes: between the measured points, and on from the last
    /// two. None without any.
    pub fn xz_bytes(&self, lines: f64) -> Option<f64> {
        interpolate(&self.xz, lines)
    }
}

/// The whole lines of the first `len` bytes.
fn point(beginning: &[u8], len: usize, lines: u64) -> Option<XzPoint> {
    let part = &beginning[..len.min(beginning.len())];
    let (part, lines) = match memchr::memrchr(b'\n', part) {
        Some(last) => (&part[..=last], memchr::memchr_iter(b'\n', part).count() as u64),
        None => (part, lines.min(1)),
    };
    let bytes = xz_bytes(part).filter(|_| lines > 0)?;
    Some(XzPoint { lines, bytes })
}

fn interpolate(points: &[XzPoint], lines: f64) -> Option<f64> {
    let origin = XzPoint { lines: 0, bytes: 0 };
    let at = points.partition_point(|point| (point.lines as f64) < lines);
    let second = at.min(points.len().checked_sub(1)?);
    let first = second.checked_sub(1).map_or(&origin, |first| &points[first]);
    let second = &points[second];
    let slope = (second.bytes as f64 - first.bytes as f64) / (second.lines - first.lines) as f64;
    Some(first.bytes as f64 + slope * (lines - first.lines as f64))
}

/// Where `fixed + rate · lines` comes down to xz's bytes.
fn meet(fixed: f64, rate: f64, points: &[XzPoint]) -> Option<f64> {
    let above = |lines: f64| Some(fixed + rate * lines - interpolate(points, lines)?);
    let (mut from, mut before) = (0.0, fixed);
    for point in points {
        let lines = point.lines as f64;
        let now = above(lines)?;
        if now <= 0.0 {
            return Some(from + (lines - from) * before / (before - now));
        }
        (from, before) = (lines, now);
    }
    let slope = above(from + 1.0)? - before;
    (slope < 0.0).then(|| from - before / slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(all: &[(u64, u64)]) -> Vec<XzPoint> {
        all.iter().map(|&(lines, bytes)| XzPoint { lines, bytes }).collect()
    }

    #[test]
    fn lines_meet_where_they_should() {
        // 1000 + 5 n against 10 n.
        assert_eq!(meet(1000.0, 5.0, &points(&[(50, 500)])), Some(200.0));
        assert_eq!(meet(1000.0, 5.0, &points(&[(50, 500), (400, 4000)])), Some(200.0));
        // Against what costs 12 at first and 8 later: 1000 + 5 n = 1200 + 8 (n - 100) at n = 200.
        assert_eq!(meet(1000.0, 5.0, &points(&[(100, 1200), (1000, 8400)])), Some(200.0));
        assert_eq!(meet(1000.0, 11.0, &points(&[(50, 500)])), None);
        assert_eq!(meet(1000.0, 5.0, &[]), None);
    }

    #[cfg(feature = "cli")]
    #[test]
    fn xz_is_measured_on_whole_lines() {
        let text = b"17282456+79546852=096829308\n".repeat(2000);
        let two_part = TwoPart::new(1000, 500, 2000, &text, Some(&[]));
        let lines: Vec<u64> = two_part.xz.iter().map(|point| point.lines).collect();
        assert_eq!(lines, [146, 292, 585, 1170, 2000]);
        assert_eq!(TwoPart::new(1000, 500, 2000, &text, None).xz.len(), 1);
        assert!(TwoPart::new(1000, 24, 0, b"", None).xz.is_empty());
    }
}
