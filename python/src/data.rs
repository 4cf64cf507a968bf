//! Bytes that come from Python, and Python's files.

use std::io::{self, Read, Seek, SeekFrom};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyMemoryView, PyString};

/// The bytes of an object with a buffer. `bytes` are not copied; others, which may change while they are worked on, are.
pub fn bytes_of(object: &Bound<'_, PyAny>) -> PyResult<PyBackedBytes> {
    if object.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("a bytes-like object is required, not 'str'"));
    }
    match object.cast::<PyBytes>() {
        Ok(bytes) => Ok(bytes.clone().into()),
        Err(_) => {
            let copied = PyMemoryView::from(object)?.call_method0("tobytes")?;
            Ok(copied.cast_into::<PyBytes>().map_err(PyErr::from)?.into())
        }
    }
}

/// A line, without its newline, given as text or as bytes.
pub fn line_of(object: &Bound<'_, PyAny>) -> PyResult<PyBackedBytes> {
    match object.cast::<PyString>() {
        // What has no byte of its own in Latin-1 is in no model's vocabulary: UTF-8 says which character that is.
        Ok(text) => Ok(text.encode_utf8()?.into()),
        Err(_) => bytes_of(object),
    }
}

/// A Python file as Rust reads it.
pub struct PyFile(pub Py<PyAny>);

impl Read for PyFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Python::attach(|py| {
            let read = self.0.bind(py).call_method1("read", (buffer.len(),))?;
            if read.is_none() {
                return Err(io::Error::from(io::ErrorKind::WouldBlock).into());
            }
            let bytes = bytes_of(&read)?;
            let len = bytes.len().min(buffer.len());
            if len < bytes.len() {
                return Err(PyTypeError::new_err("the file gave more bytes than were asked for"));
            }
            buffer[..len].copy_from_slice(&bytes);
            Ok(len)
        })
        .map_err(io::Error::other)
    }
}

impl Seek for PyFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (offset, whence) = match to {
            SeekFrom::Start(offset) => (offset as i64, 0),
            SeekFrom::Current(offset) => (offset, 1),
            SeekFrom::End(offset) => (offset, 2),
        };
        Python::attach(|py| self.0.bind(py).call_method1("seek", (offset, whence))?.extract())
            .map_err(io::Error::other)
    }
}
