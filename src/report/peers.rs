//! What other compressors make of the same bytes, measured then and there through their libraries.

use std::io::{self, BufReader, Read, Write};

use serde::Serialize;

use crate::host::Instant;

/// Another compressor, at the setting that compresses most.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its name, with its setting.
    pub name: &'static str,
    /// Bytes that it makes of a stream.
    size: fn(&mut dyn Read) -> io::Result<u64>,
}

/// What a compressor made of a corpus.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PeerResult {
    /// Its name, with its setting.
    pub name: &'static str,
    /// Bytes that it wrote.
    pub bytes: u64,
    /// Seconds that it took, on one thread.
    pub seconds: f64,
}

impl Peer {
    /// Those that this program was built with: all with the feature `cli`, otherwise zstd alone.
    pub const ALL: &[Self] = &[
        #[cfg(feature = "cli")]
        Self { name: XZ, size: xz },
        #[cfg(feature = "cli")]
        Self { name: "brotli -q 11 -w 24", size: brotli },
        #[cfg(feature = "cli")]
        Self { name: "bzip2 -9", size: bzip2 },
        Self { name: "zstd --ultra -22", size: zstd },
    ];

    /// Compresses all of a stream, in bounded memory.
    ///
    /// # Errors
    /// If reading fails.
    pub fn measure(self, input: &mut impl Read) -> io::Result<PeerResult> {
        let started = Instant::now();
        let bytes = (self.size)(input)?;
        Ok(PeerResult { name: self.name, bytes, seconds: started.elapsed().as_secs_f64() })
    }
}

pub(super) const XZ: &str = "xz -9e";

/// Bytes of `data` by xz; none without the feature `cli`.
pub(super) fn xz_bytes(data: &[u8]) -> Option<u64> {
    let xz = Peer::ALL.iter().find(|peer| peer.name == XZ)?;
    (xz.size)(&mut &data[..]).ok()
}

#[cfg(feature = "cli")]
fn xz(input: &mut dyn Read) -> io::Result<u64> {
    const EXTREME: u32 = 1 << 31;
    let stream = liblzma::stream::Stream::new_easy_encoder(9 | EXTREME, liblzma::stream::Check::Crc64)?;
    size(input, liblzma::write::XzEncoder::new_stream(Count(0), stream), liblzma::write::XzEncoder::finish)
}

#[cfg(feature = "cli")]
fn brotli(input: &mut dyn Read) -> io::Result<u64> {
    let encoder = brotli::CompressorWriter::new(Count(0), BUFFER, 11, 24);
    size(input, encoder, |encoder| Ok(encoder.into_inner()))
}

#[cfg(feature = "cli")]
fn bzip2(input: &mut dyn Read) -> io::Result<u64> {
    let encoder = bzip2::write::BzEncoder::new(Count(0), bzip2::Compression::best());
    size(input, encoder, bzip2::write::BzEncoder::finish)
}

fn zstd(input: &mut dyn Read) -> io::Result<u64> {
    size(input, zstd::Encoder::new(Count(0), 22)?, zstd::Encoder::finish)
}

const BUFFER: usize = 1 << 18;

/// Bytes that an encoder writes of a stream.
fn size<E: Write>(
    input: &mut dyn Read,
    mut encoder: E,
    finish: impl FnOnce(E) -> io::Result<Count>,
) -> io::Result<u64> {
    io::copy(&mut BufReader::with_capacity(BUFFER, input), &mut encoder)?;
    Ok(finish(encoder)?.0)
}

/// Counts bytes and keeps none.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0 += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
