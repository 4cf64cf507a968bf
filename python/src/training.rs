//! Training whose batches are differentiated elsewhere: the run, and what a worker does.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use rayon::ThreadPool;
use serde_json::{Map, Value};
use surprisal::GptConfig;
use surprisal::learner::{Backprop, PartGradient, lines_of_part};
use surprisal::model::training_log::TrainSettings;
use surprisal::text::{LineBatch, Vocabulary};
use surprisal::train::{Batch, Progress, Session, learn_from_file};

use crate::errors::{SurprisalError, from_codec};
use crate::models::{pool, threads_of};
use crate::work::{self, Shared};

/// Nats of each line group of a part, and the sum of their gradients: binary32, little-endian.
type Gradient<Bytes> = (Vec<f64>, Bytes);

/// A training run in its folder, which the caller takes from step to step.
#[pyclass(frozen)]
pub struct TrainingRun {
    run: Shared<Run>,
    /// The network's shape and symbols, as JSON.
    #[pyo3(get)]
    config: String,
    /// Whether the network is rounded for its gradient.
    #[pyo3(get)]
    is_rounded: bool,
}

struct Run {
    session: Session,
    vocabulary: Vocabulary,
    /// The one that is being differentiated.
    batch: Option<Batch>,
    threads: ThreadPool,
}

#[pymethods]
impl TrainingRun {
    /// Begins a run in a folder; `options` are settings by the names of the training log, as JSON.
    #[staticmethod]
    fn begin(
        py: Python<'_>,
        folder: PathBuf,
        options: String,
        corpus: Option<PathBuf>,
        epochs: u64,
        threads: i64,
    ) -> PyResult<Self> {
        let begin = move || {
            let settings = settings_of(&options, corpus.as_deref(), epochs)?;
            Session::begin(&settings, &folder).map_err(from_codec)
        };
        Self::new(work::run(py, move |_| begin())?, threads)
    }

    /// Goes on with the run in a folder; none if it is at its end.
    #[staticmethod]
    fn resume(py: Python<'_>, folder: PathBuf, threads: i64) -> PyResult<Option<Self>> {
        let session = work::run(py, move |_| Session::resume(&folder).map_err(from_codec))?;
        session.map(|session| Self::new(session, threads)).transpose()
    }

    /// The network's parameters as they are now: binary32, little-endian.
    fn parameters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = self.run.work(py, |run, _| Ok(bytes_of(run.session.parameters())))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The next batch as the text of its parts, at least so many if there can be, and the number of its targets.
    fn next_batch<'py>(&self, py: Python<'py>, parts: usize) -> PyResult<(Vec<Bound<'py, PyBytes>>, u64)> {
        let (texts, tokens) = self.run.work(py, move |run, _| {
            let batch = run.session.next_batch().map_err(from_codec)?;
            let lines = lines_of_part(batch.lines.lines(), parts);
            let texts: Vec<_> =
                batch.lines.split(lines).iter().map(|part| part.text(&run.vocabulary)).collect();
            let tokens = batch.lines.tokens();
            run.batch = Some(batch);
            Ok((texts, tokens))
        })?;
        Ok((texts.iter().map(|text| PyBytes::new(py, text)).collect(), tokens))
    }

    /// Takes the step on the batch by its parts' gradients, in their order. Gives the batch's loss, nats a token, and what was
    /// written into the log, as JSON.
    fn step(&self, py: Python<'_>, gradients: Vec<Gradient<PyBackedBytes>>) -> PyResult<(f64, Vec<String>)> {
        self.run.work(py, move |run, _| {
            let Some(batch) = run.batch.take() else {
                return Err(SurprisalError::new_err("there is no batch to take a step on"));
            };
            let part = |(nats, gradient): Gradient<PyBackedBytes>| {
                Ok(PartGradient { nats, gradient: floats_of(&gradient)? })
            };
            let mut parts = gradients.into_iter().map(part).collect::<PyResult<Vec<_>>>()?;
            let (mut loss, mut records) = (f64::NAN, Vec::new());
            let watch = |progress: Progress| match progress {
                Progress::Step { loss: found, .. } => loss = found,
                Progress::Evaluation(evaluation) => records.push(serde_json::to_string(evaluation)),
                Progress::Event(event) => records.push(serde_json::to_string(&event)),
                Progress::Begins { .. } => {}
            };
            let Run { session, threads, .. } = run;
            threads.install(|| session.step(&batch, &mut parts, watch)).map_err(from_codec)?;
            let records = records.into_iter().collect::<Result<_, _>>();
            Ok((loss, records.expect("plain data")))
        })
    }

    /// Lets go of the folder, which another run may then write into.
    fn close(&self, py: Python<'_>) {
        self.run.close(py);
    }

    /// Steps taken.
    #[getter]
    fn steps(&self, py: Python<'_>) -> u64 {
        self.run.look(py, |run| run.session.steps()).unwrap_or(0)
    }

    /// Steps that the run is to take.
    #[getter]
    fn total_steps(&self, py: Python<'_>) -> u64 {
        self.run.look(py, |run| run.session.settings().steps).unwrap_or(0)
    }

    /// Whether the run is at its end.
    #[getter]
    fn is_finished(&self, py: Python<'_>) -> bool {
        self.run.look(py, |run| run.session.is_finished()).unwrap_or(false)
    }
}

impl TrainingRun {
    fn new(session: Session, threads: i64) -> PyResult<Self> {
        let config = session.config().to_json();
        let is_rounded = session.settings().quantization_aware;
        let vocabulary = session.config().vocabulary().map_err(from_codec)?;
        let threads = pool(threads_of(threads)?)?;
        let run = Shared::new(|_| Run { session, vocabulary, batch: None, threads });
        Ok(Self { run, config, is_rounded })
    }
}

/// What differentiates parts of batches at parameters that it is given.
#[pyclass(frozen)]
pub struct GradientWorker(Shared<Worker>);

struct Worker {
    kernel: Backprop,
    vocabulary: Vocabulary,
    block: usize,
    threads: ThreadPool,
}

#[pymethods]
impl GradientWorker {
    /// For the run that has this config.
    #[new]
    fn new(config: &str, is_rounded: bool, threads: i64) -> PyResult<Self> {
        let config = GptConfig::from_json(config.as_bytes()).map_err(from_codec)?;
        let new = if is_rounded { Backprop::rounded } else { Backprop::new };
        let worker = Worker {
            kernel: new(&config).map_err(from_codec)?,
            vocabulary: config.vocabulary().map_err(from_codec)?,
            block: config.block_size,
            threads: pool(threads_of(threads)?)?,
        };
        Ok(Self(Shared::new(|_| worker)))
    }

    /// The gradients of parts of a batch of so many targets.
    fn differentiate<'py>(
        &self,
        py: Python<'py>,
        parameters: PyBackedBytes,
        parts: Vec<PyBackedBytes>,
        tokens: u64,
    ) -> PyResult<Vec<Gradient<Bound<'py, PyBytes>>>> {
        let found = self.0.work(py, move |worker, cancelled| {
            let Worker { kernel, vocabulary, block, threads } = worker;
            kernel.load_parameters(&floats_of(&parameters)?);
            let differentiate = |text: &PyBackedBytes| {
                cancelled.check();
                let part = LineBatch::from_text(text, vocabulary, *block).map_err(from_codec)?;
                let found = threads.install(|| kernel.differentiate_part(&part, tokens));
                Ok((found.nats, bytes_of(&found.gradient)))
            };
            parts.iter().map(differentiate).collect::<PyResult<Vec<_>>>()
        })?;
        Ok(found.into_iter().map(|(nats, gradient)| (nats, PyBytes::new(py, &gradient))).collect())
    }
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn floats_of(bytes: &[u8]) -> PyResult<Vec<f32>> {
    match bytes.as_chunks() {
        (values, []) => Ok(values.iter().map(|&value| f32::from_le_bytes(value)).collect()),
        _ => Err(SurprisalError::new_err("binary32 numbers have four bytes each")),
    }
}

/// The settings of a run: the program's defaults, and on a text file its rules for what is not said.
fn settings_of(options: &str, corpus: Option<&Path>, epochs: u64) -> PyResult<TrainSettings> {
    let wrong =
        |error: serde_json::Error| SurprisalError::new_err(format!("settings of a training: {error}"));
    let options: Map<String, Value> = serde_json::from_str(options).map_err(wrong)?;
    let default = serde_json::to_value(TrainSettings::default()).map_err(wrong)?;
    let Value::Object(mut settings) = default else { unreachable!("settings have names") };
    let says_distribution = options.contains_key("digits") || options.contains_key("operands");
    if corpus.is_some() && !says_distribution {
        settings.remove("digits");
        settings.remove("operands");
    }
    settings.extend(options.clone());
    let mut settings: TrainSettings = serde_json::from_value(settings.into()).map_err(wrong)?;
    if let Some(corpus) = corpus {
        let steps = settings.steps;
        learn_from_file(&mut settings, corpus, epochs).map_err(from_codec)?;
        if options.contains_key("steps") {
            settings.steps = steps;
        }
    }
    settings.check().map_err(from_codec)?;
    Ok(settings)
}
