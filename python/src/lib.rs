//! The native module of the Python package `surprisal-codec`: the codec behind `surprisal_codec`, which documents it.
//!
//! Whatever may take long runs beside Python ([`work`]): the GIL is released, and Ctrl-C ends it.

mod account;
mod compressor;
mod data;
mod decompressor;
mod device;
mod errors;
mod learner;
mod models;
mod reader;
mod training;
mod work;

#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use crate::account::{explain, report_of, score, verify};
    #[pymodule_export]
    use crate::compressor::{SurprisalCompressor, compress};
    #[pymodule_export]
    use crate::decompressor::{SurprisalDecompressor, decompress};
    #[pymodule_export]
    use crate::errors::SurprisalError;
    #[pymodule_export]
    use crate::learner::{Batch, NativeLearner};
    #[pymodule_export]
    use crate::models::{Model, models};
    #[pymodule_export]
    use crate::reader::Reader;
    #[pymodule_export]
    use crate::training::{GradientWorker, TrainingRun};

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
