//! What other compressors make of the same bytes, measured then and there through their libraries.

use std::io::{self, BufReader, Read, Write};
use std::time::Instant;

use serde::Serialize;

/// Another compressor, at the setting that compresses most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// `xz -9e`, in liblzma.
    Xz,
    /// `zstd --ultra -22`.
    Zstd,
    /// `bzip2 -9`.
    Bzip2,
    /// `brotli -q 11 -w 24`.
    Brotli,
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
    pub const ALL: &[Self] = if cfg!(feature = "cli") {
        &[Self::Xz, Self::Brotli, Self::Bzip2, Self::Zstd]
    } else {
        &[Self::Zstd]
    };

    /// Its name, with its setting.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xz => "xz -9e",
            Self::Zstd => "zstd --ultra -22",
            Self::Bzip2 => "bzip2 -9",
            Self::Brotli => "brotli -q 11 -w 24",
        }
    }

    /// Compresses all of a stream, in bounded memory.
    ///
    /// # Errors
    /// If reading fails, or the compressor is none of [`Peer::ALL`].
    pub fn measure(self, input: &mut impl Read) -> io::Result<PeerResult> {
        let started = Instant::now();
        let bytes = self.size(input)?;
        Ok(PeerResult { name: self.name(), bytes, seconds: started.elapsed().as_secs_f64() })
    }

    /// Bytes that it makes of a stream.
    fn size(self, input: &mut impl Read) -> io::Result<u64> {
        match self {
            Self::Zstd => {
                let encoder = zstd::stream::write::Encoder::new(Count(0), 22)?;
                size(input, encoder, zstd::stream::write::Encoder::finish)
            }
            #[cfg(feature = "cli")]
            Self::Xz => {
                const EXTREME: u32 = 1 << 31;
                let stream =
                    liblzma::stream::Stream::new_easy_encoder(9 | EXTREME, liblzma::stream::Check::Crc64)?;
                let encoder = liblzma::write::XzEncoder::new_stream(Count(0), stream);
                size(input, encoder, liblzma::write::XzEncoder::finish)
            }
            #[cfg(feature = "cli")]
            Self::Bzip2 => {
                let encoder = bzip2::write::BzEncoder::new(Count(0), bzip2::Compression::best());
                size(input, encoder, bzip2::write::BzEncoder::finish)
            }
            #[cfg(feature = "cli")]
            Self::Brotli => {
                let encoder = brotli::CompressorWriter::new(Count(0), BUFFER, 11, 24);
                size(input, encoder, |encoder| Ok(encoder.into_inner()))
            }
            #[cfg(not(feature = "cli"))]
            _ => Err(io::Error::other("this program was built without the feature `cli`")),
        }
    }
}

/// Bytes of `data` by xz; none without the feature `cli`.
pub(super) fn xz_bytes(data: &[u8]) -> Option<u64> {
    Peer::Xz.measure(&mut &data[..]).ok().map(|result| result.bytes)
}

const BUFFER: usize = 1 << 18;

/// Bytes that an encoder writes of a stream.
fn size<E: Write>(
    input: &mut impl Read,
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
