//! Models: those of the package, and those in folders.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use surprisal::network::Device;
use surprisal::{DecompressOptions, Error, Level, Models};

use crate::errors::from_codec;
use crate::work;

/// A trained model.
#[pyclass(frozen, module = "surprisal_codec")]
pub struct Model(pub Arc<surprisal::Model>);

#[pymethods]
impl Model {
    /// Reads a model folder: `config.json` and `model.safetensors`.
    #[staticmethod]
    fn load(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        let load = move || surprisal::Model::load(&folder).map(|model| Self(Arc::new(model)));
        work::run(py, move |_| load().map_err(from_codec))
    }

    /// The model of this name that comes with the package.
    #[staticmethod]
    fn bundled(name: &str) -> PyResult<Self> {
        let models = Models::bundled();
        let unknown = || Error::UnknownName {
            what: "model",
            name: name.to_owned(),
            known: models.iter().map(|model| model.name()).collect::<Vec<_>>().join(", "),
        };
        let model = models.by_name(name).ok_or_else(unknown).map_err(from_codec)?;
        Ok(Self(Arc::clone(model)))
    }

    /// The folder's name, or that of the bundled model.
    #[getter]
    fn name(&self) -> &str {
        self.0.name()
    }

    /// BLAKE3 of its quantised parameters, in hexadecimal: models of one identity write the same archives.
    #[getter]
    fn identity(&self, py: Python<'_>) -> String {
        py.detach(|| self.0.identity().to_string())
    }

    /// The number of its parameters.
    #[getter]
    fn parameters(&self) -> usize {
        self.0.config().parameters()
    }

    /// The most characters of a line that it codes.
    #[getter]
    fn max_line_len(&self) -> usize {
        self.0.config().max_line_len()
    }

    /// For pickle, and so for other processes: a bundled model goes by its name, another with its files.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, model) = (slf.py(), &slf.get().0);
        if Models::bundled().iter().any(|bundled| Arc::ptr_eq(bundled, model)) {
            return Ok((slf.getattr("bundled")?, PyTuple::new(py, [model.name()])?));
        }
        let (config, weights) = model.files();
        let files = (model.name(), PyBytes::new(py, config), PyBytes::new(py, weights));
        Ok((slf.getattr("_from_files")?, files.into_pyobject(py)?))
    }

    /// A model of the bytes of a folder's two files.
    #[staticmethod]
    fn _from_files(py: Python<'_>, name: String, config: Vec<u8>, weights: Vec<u8>) -> PyResult<Self> {
        let load = move || surprisal::Model::from_files(&name, config, weights);
        work::run(py, move |_| Ok(Self(Arc::new(load().map_err(from_codec)?))))
    }

    fn __repr__(&self) -> String {
        format!("<Model {}: {} parameters>", self.0.name(), self.0.config().parameters())
    }
}

/// The models that come with the package, the default first.
#[pyfunction]
pub fn models() -> Vec<Model> {
    Models::bundled().iter().map(|model| Model(Arc::clone(model))).collect()
}

/// A model as Python names it: itself, the name of a bundled one or a folder.
pub fn model_of(py: Python<'_>, named: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Arc<surprisal::Model>>> {
    let Some(named) = named else { return Ok(None) };
    if let Ok(model) = named.cast::<Model>() {
        return Ok(Some(Arc::clone(&model.get().0)));
    }
    if let Ok(name) = named.cast::<PyString>()
        && let Some(model) = Models::bundled().by_name(&name.to_cow()?)
    {
        return Ok(Some(Arc::clone(model)));
    }
    let folder: PathBuf = named.extract()?;
    if named.is_instance_of::<PyString>() && !folder.is_dir() {
        return Model::bundled(&folder.to_string_lossy()).map(|model| Some(model.0));
    }
    Ok(Some(Model::load(py, folder)?.0))
}

/// The models that an archive may have been made with: the bundled ones, and this one.
pub fn with_bundled(model: Option<Arc<surprisal::Model>>) -> Models {
    let mut models = Models::bundled();
    if let Some(model) = model {
        models.add(model);
    }
    models
}

/// How to decode, with the model that was named beside the bundled ones.
pub fn decoding(
    py: Python<'_>,
    model: Option<&Bound<'_, PyAny>>,
    threads: i64,
    device: &Device,
) -> PyResult<DecompressOptions> {
    Ok(DecompressOptions::default()
        .with_models(with_bundled(model_of(py, model)?))
        .with_threads(threads_of(threads)?)
        .with_device(device.clone()))
}

/// The model for a content that begins so: the one that was named, or the level's best.
pub fn choose(
    named: Option<Arc<surprisal::Model>>,
    level: Level,
    beginning: &[u8],
    threads: usize,
) -> PyResult<Arc<surprisal::Model>> {
    if let Some(model) = named {
        return Ok(model);
    }
    let look_at = &beginning[..beginning.len().min(Models::LOOK_AT as usize)];
    let pool = pool(threads)?;
    Ok(pool.install(|| Arc::clone(Models::bundled().choose(level, look_at))))
}

/// So many threads; Rayon's own would be as many as there are cores.
pub fn pool(threads: usize) -> PyResult<rayon::ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| from_codec(Error::Io(std::io::Error::other(error))))
}

/// Threads that a caller asks for; 0 is one for every core.
pub fn threads_of(threads: i64) -> PyResult<usize> {
    match u16::try_from(threads) {
        Ok(0) => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
        Ok(threads) => Ok(threads.into()),
        Err(_) => Err(out_of_range("threads", threads, "0 to 65535")),
    }
}

/// The level that a caller asks for.
pub fn level_of(level: Option<i64>) -> PyResult<Level> {
    let Some(level) = level else { return Ok(Level::default()) };
    let known = u8::try_from(level).ok().and_then(|level| Level::new(level).ok());
    known.ok_or_else(|| out_of_range("level", level, "1 to 9"))
}

fn out_of_range(what: &'static str, value: i64, wanted: &str) -> PyErr {
    from_codec(Error::Setting { what, value: value.to_string(), wanted: wanted.to_owned() })
}
