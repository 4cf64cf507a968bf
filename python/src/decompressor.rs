//! An archive in, its content out: at once or piece by piece.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyEOFError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use surprisal::network::Device;
use surprisal::{DecompressOptions, Decompressor};

use crate::data::bytes_of;
use crate::device::{device_of, tell_failure};
use crate::errors::{from_codec, from_io};
use crate::models::decoding;
use crate::work::{self, Cancelled, Shared};

/// Bytes that are taken from the decoder at once.
const PIECE: usize = 1 << 20;

/// The bytes of an archive that have come and are not yet read past.
#[derive(Clone, Default)]
struct Feed(Arc<Mutex<Fed>>);

#[derive(Default)]
struct Fed {
    bytes: Vec<u8>,
    /// Where they begin in the archive.
    start: u64,
    /// How many of them were read.
    read: usize,
}

impl Feed {
    fn with<T>(&self, work: impl FnOnce(&mut Fed) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets go what stands before a place in the archive, and goes back to it.
    fn go_back_to(&self, offset: u64) {
        self.with(|fed| {
            fed.bytes.drain(..(offset - fed.start) as usize);
            (fed.start, fed.read) = (offset, 0);
        });
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.with(|fed| {
            let left = &fed.bytes[fed.read..];
            if left.is_empty() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let len = left.len().min(buffer.len());
            buffer[..len].copy_from_slice(&left[..len]);
            fed.read += len;
            Ok(len)
        })
    }
}

/// An archive that is being decoded as it comes.
struct Decoding {
    feed: Feed,
    options: DecompressOptions,
    /// None before the header has come.
    decoder: Option<Decompressor<Feed>>,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    NeedsInput,
    HasOutput,
    Ended,
}

impl Decoding {
    /// Takes more of the archive and gives content, at most so many bytes.
    fn decode(&mut self, data: &[u8], most: usize, cancelled: &Cancelled) -> PyResult<Vec<u8>> {
        if self.progress == Progress::Ended {
            return Err(PyEOFError::new_err("the archive has ended"));
        }
        self.feed.with(|fed| fed.bytes.extend_from_slice(data));
        let mut content = Vec::new();
        self.progress = Progress::HasOutput;
        while content.len() < most && !cancelled.is_set() {
            let before = content.len();
            content.resize(before + PIECE.min(most - before), 0);
            let read = self.read(&mut content[before..]);
            content.truncate(before + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => self.progress = Progress::Ended,
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.progress = Progress::NeedsInput;
                }
                Err(error) => return Err(from_io(error)),
            }
            break;
        }
        Ok(content)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.decoder.is_none() {
            let decoder = Decompressor::with_options(self.feed.clone(), self.options.clone());
            let decoder = decoder.inspect_err(|_| self.feed.go_back_to(0))?;
            self.decoder = Some(decoder);
        }
        let decoder = self.decoder.as_mut().expect("just made");
        let read = decoder.read(buffer);
        self.feed.go_back_to(decoder.bytes_read());
        read
    }
}

/// Decodes one archive that comes piece by piece.
#[pyclass(frozen, module = "surprisal_codec")]
pub struct SurprisalDecompressor(Shared<Decoding>, Device);

#[pymethods]
impl SurprisalDecompressor {
    #[new]
    #[pyo3(signature = (model=None, threads=1, device="cpu"))]
    fn new(py: Python<'_>, model: Option<&Bound<'_, PyAny>>, threads: i64, device: &str) -> PyResult<Self> {
        let device = device_of(py, device)?;
        let options = decoding(py, model, threads, &device)?.with_first_only(true);
        let decoding = Shared::new(|_| Decoding {
            feed: Feed::default(),
            options,
            decoder: None,
            progress: Progress::NeedsInput,
        });
        Ok(Self(decoding, device))
    }

    /// Takes more of the archive; gives content, at most `max_length` bytes unless that is negative.
    #[pyo3(signature = (data, max_length=-1))]
    fn decompress<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        max_length: isize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let data = bytes_of(data)?;
        let most = usize::try_from(max_length).unwrap_or(usize::MAX);
        let content = self.0.work(py, move |decoding, cancelled| decoding.decode(&data, most, cancelled))?;
        if self.eof(py) {
            tell_failure(py, &self.1)?;
        }
        Ok(PyBytes::new(py, &content))
    }

    /// Whether the archive's end was reached.
    #[getter]
    fn eof(&self, py: Python<'_>) -> bool {
        self.0.look(py, |decoding| decoding.progress == Progress::Ended).unwrap_or(false)
    }

    /// Whether there is no more content before more of the archive comes.
    #[getter]
    fn needs_input(&self, py: Python<'_>) -> bool {
        self.0.look(py, |decoding| decoding.progress == Progress::NeedsInput).unwrap_or(false)
    }

    /// What came behind the archive's end.
    #[getter]
    fn unused_data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let unused = self.0.look(py, |decoding| match decoding.progress {
            Progress::Ended => decoding.feed.with(|fed| fed.bytes.clone()),
            _ => Vec::new(),
        });
        PyBytes::new(py, &unused.unwrap_or_default())
    }
}

/// Gives the content of an archive, or of several one after another.
#[pyfunction]
#[pyo3(signature = (data, *, model=None, threads=1, device="cpu"))]
pub fn decompress<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    model: Option<&Bound<'py, PyAny>>,
    threads: i64,
    device: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let (data, device) = (bytes_of(data)?, device_of(py, device)?);
    let options = decoding(py, model, threads, &device)?;
    let content = work::run(py, move |cancelled| {
        let mut content = Vec::new();
        let mut decoder = Decompressor::with_options(&data[..], options).map_err(from_codec)?;
        while !cancelled.is_set()
            && (&mut decoder).take(PIECE as u64).read_to_end(&mut content).map_err(from_io)? > 0
        {}
        Ok(content)
    })?;
    tell_failure(py, &device)?;
    Ok(PyBytes::new(py, &content))
}
