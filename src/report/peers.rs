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
                let mut encoder = zstd::stream::write::Encoder::new(Count(0), 22)?;
                pump(input, &mut encoder)?;
                Ok(encoder.finish()?.0)
            }
            #[cfg(feature = "cli")]
            Self::Xz => {
                const EXTREME: u32 = 1 << 31;
                let stream =
                    liblzma::stream::Stream::new_easy_encoder(9 | EXTREME, liblzma::stream::Check::Crc64)?;
                let mut encoder = liblzma::write::XzEncoder::new_stream(Count(0), stream);
                pump(input, &mut encoder)?;
                Ok(encoder.finish()?.0)
            }
            #[cfg(feature = "cli")]
            Self::Bzip2 => {
                let mut encoder = bzip2::write::BzEncoder::new(Count(0), bzip2::Compression::best());
                pump(input, &mut encoder)?;
                Ok(encoder.finish()?.0)
            }
            #[cfg(feature = "cli")]
            Self::Brotli => {
                let mut encoder = brotli::CompressorWriter::new(Count(0), BUFFER, 11, 24);
                pump(input, &mut encoder)?;
                Ok(encoder.into_inner().0)
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

fn pump(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    io::copy(&mut BufReader::with_capacity(BUFFER, input), output).map(drop)
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

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    /// Bytes of these repetitions of a line, and that the streams are those of the real programs:
    /// they unpack.
    #[test]
    fn all_compress() {
        let text = b"17282456+79546852=096829308\n".repeat(5000);
        for peer in Peer::ALL {
            let result = peer.measure(&mut &text[..]).unwrap();
            assert!((20..2000).contains(&result.bytes), "{result:?}");
        }
        let mut digits = Vec::new();
        let mut x = 1u32;
        for _ in 0..100_000 {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            digits.push(b'0' + (x >> 16) as u8 % 10);
        }
        for peer in Peer::ALL {
            // No compressor can go below log2 10 bits a digit; none of these wastes a fifth.
            let bytes = peer.measure(&mut &digits[..]).unwrap().bytes;
            assert!((41_000..50_000).contains(&bytes), "{} {bytes}", peer.name());
        }
    }
}
