//! An archive in a Python file: its content, from any place or line.

use std::io::{BufReader, Read};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use surprisal::network::Device;
use surprisal::{DecompressOptions, Decompressor, Index, LineRange};

use crate::data::PyFile;
use crate::device::{device_of, tell_failure};
use crate::errors::{from_codec, from_io};
use crate::models::decoding;
use crate::work::Shared;

/// Bytes that are read of an archive at once.
const BUFFER: usize = 1 << 18;

struct Reading {
    file: Py<PyAny>,
    options: DecompressOptions,
    /// Where everything is, once that was asked.
    index: Option<Index>,
    stage: Stage,
}

enum Stage {
    /// Nothing was read: at the beginning.
    Fresh,
    Decoding(Box<Decompressor<BufReader<PyFile>>>),
    /// Behind the end.
    Ended,
}

impl Reading {
    fn file(&self) -> PyFile {
        PyFile(Python::attach(|py| self.file.clone_ref(py)))
    }

    fn index(&mut self) -> PyResult<&Index> {
        let index = match self.index.take() {
            Some(index) => index,
            None => Index::read(&mut self.file()).map_err(from_codec)?,
        };
        Ok(self.index.insert(index))
    }

    /// Gives up what is being decoded. A block ahead that is under way goes on for a while, and nobody waits for it.
    fn let_go(&mut self) {
        if let Stage::Decoding(decoder) = std::mem::replace(&mut self.stage, Stage::Ended) {
            // Without a thread it is dropped, and waited for, here.
            let _ = std::thread::Builder::new().spawn(move || drop(decoder));
        }
    }

    /// Begins to read at a byte of the content, or at the first line that is wanted.
    fn begin(&mut self, at: Option<u64>) -> PyResult<()> {
        self.let_go();
        let (file, options) = (BufReader::with_capacity(BUFFER, self.file()), self.options.clone());
        let index = self.index()?;
        let reader = match at {
            Some(at) => index.reader_at(file, at, &options),
            None => index.reader_of_lines(file, &options),
        };
        let reader = reader.map_err(from_codec)?;
        self.stage = reader.map_or(Stage::Ended, |reader| Stage::Decoding(Box::new(reader)));
        Ok(())
    }

    fn read(&mut self, most: usize) -> PyResult<Vec<u8>> {
        if let Stage::Fresh = self.stage {
            let file = BufReader::with_capacity(BUFFER, self.file());
            let decoder = Decompressor::with_options(file, self.options.clone()).map_err(from_codec)?;
            self.stage = Stage::Decoding(Box::new(decoder));
        }
        let mut content = vec![0; most];
        let len = match &mut self.stage {
            // Behind an error it gives another, unless it is made to seek.
            Stage::Decoding(decoder) => decoder.read(&mut content).map_err(from_io)?,
            _ => 0,
        };
        content.truncate(len);
        Ok(content)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Reads the content of the archives in a Python file.
#[pyclass(frozen)]
pub struct Reader(Shared<Reading>, Device);

#[pymethods]
impl Reader {
    /// `lines` are the first and the last line that are wanted, from 1 (None: all that follow); `is_seekable` says whether the file can be sought in.
    #[new]
    #[pyo3(signature = (file, *, model=None, threads=1, device="cpu", lines=None, is_seekable))]
    fn new(
        py: Python<'_>,
        file: Py<PyAny>,
        model: Option<&Bound<'_, PyAny>>,
        threads: i64,
        device: &str,
        lines: Option<(u64, Option<u64>)>,
        is_seekable: bool,
    ) -> PyResult<Self> {
        let wanted =
            lines.map_or(Ok(LineRange::ALL), |(from, to)| LineRange::new(from, to.unwrap_or(u64::MAX)));
        let wanted = wanted.map_err(from_codec)?;
        let device = device_of(py, device)?;
        let options = decoding(py, model, threads, &device)?.with_lines(wanted);
        let reading = Shared::new(|_| Reading { file, options, index: None, stage: Stage::Fresh });
        let reader = Self(reading, device);
        if lines.is_some() && is_seekable {
            reader.0.work(py, |reading, _| reading.begin(None))?;
        }
        Ok(reader)
    }

    /// The next bytes of the content, at most `size`; none at its end.
    fn read<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyBytes>> {
        let content = self.0.work(py, move |reading, _| reading.read(size))?;
        if content.is_empty() {
            tell_failure(py, &self.1)?;
        }
        Ok(PyBytes::new(py, &content))
    }

    /// Goes to a byte of the content, from 0, or behind its end.
    fn seek(&self, py: Python<'_>, position: i64) -> PyResult<()> {
        let position = u64::try_from(position)
            .map_err(|_| PyValueError::new_err(format!("negative seek position {position}")))?;
        self.0.work(py, move |reading, _| reading.begin(Some(position)))
    }

    /// Bytes of the content.
    fn content_len(&self, py: Python<'_>) -> PyResult<u64> {
        self.0.work(py, |reading, _| Ok(reading.index()?.content_len()))
    }
}
