//! The codec's errors as Python's exceptions.

use std::io;

use pyo3::PyErr;
use pyo3::exceptions::PyException;
use surprisal::Error;

pyo3::create_exception!(
    surprisal_codec,
    SurprisalError,
    PyException,
    "What the codec has to say of a damaged archive, a missing model, a setting out of range or a line outside a model's grammar."
);

/// An error of the codec. What the operating system or a Python file had to say stays what it was.
pub fn from_codec(error: Error) -> PyErr {
    match error {
        Error::Io(error) => from_io(error),
        // The sentence names the program's option.
        error @ Error::WrongModel { .. } => {
            SurprisalError::new_err(error.to_string().replace("with -m", "as model="))
        }
        // So does this one, behind what failed.
        error @ Error::Device(_) => {
            SurprisalError::new_err(error.to_string().replace("use --device cpu", "use device=\"cpu\""))
        }
        other => SurprisalError::new_err(other.to_string()),
    }
}

/// An error of reading or writing, which may carry one of the codec or an exception of a Python file.
pub fn from_io(error: io::Error) -> PyErr {
    match error.downcast::<PyErr>() {
        Ok(raised) => raised,
        Err(error) => match Error::from_io(error) {
            Error::Io(error) => error.into(),
            other => from_codec(other),
        },
    }
}
