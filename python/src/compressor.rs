//! Content in, an archive out: at once or piece by piece.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use surprisal::model::Preset;
use surprisal::network::Device;
use surprisal::{Coder, CompressOptions, Compressor, LearnOptions, Level, Models, Observer, Survey};

use crate::data::bytes_of;
use crate::device::{device_unless, tell_failure};
use crate::errors::{from_codec, from_io};
use crate::models::{choose, level_of, model_of, threads_of};
use crate::work::{self, Cancelled, Shared};

/// Bytes that are handed to the coder at once; less waits for more.
const PIECE: usize = 1 << 20;

/// Whether and how to learn while coding.
#[derive(FromPyObject)]
pub enum LearnArgument {
    Flag(bool),
    Preset(String),
    Learn(Learn),
}

impl LearnArgument {
    pub fn options(self) -> PyResult<Option<LearnOptions>> {
        Ok(match self {
            Self::Flag(learns) => learns.then(LearnOptions::default),
            Self::Preset(name) => {
                Some(LearnOptions::default().with_preset(name.parse::<Preset>().map_err(from_codec)?))
            }
            Self::Learn(learn) => Some(learn.options()?),
        })
    }
}

/// How to learn, as the Python class `Learn` has it.
#[derive(FromPyObject)]
pub struct Learn {
    preset: String,
    batch_lines: Option<usize>,
    rate: Option<f32>,
    seed: u64,
    replay: u8,
    stride: Option<u8>,
}

impl Learn {
    pub fn options(self) -> PyResult<LearnOptions> {
        let preset: Preset = self.preset.parse().map_err(from_codec)?;
        Ok(LearnOptions::default()
            .with_preset(preset)
            .with_batch_lines(self.batch_lines)
            .with_rate(self.rate)
            .with_seed(self.seed)
            .with_replay(self.replay)
            .with_stride(self.stride))
    }
}

/// What was asked for.
struct Settings {
    level: Level,
    model: Option<Arc<surprisal::Model>>,
    learn: Option<LearnOptions>,
    threads: usize,
    embed_model: bool,
    device: Device,
}

impl Settings {
    /// How to code a content that begins so; `survey` is one of all of it, where that is known.
    fn options(self, beginning: &[u8], survey: Option<Survey>) -> PyResult<CompressOptions> {
        let model = choose(self.model, self.level, beginning, self.threads)?;
        let options = CompressOptions::default()
            .with_threads(self.threads)
            .with_embed_model(self.embed_model)
            .with_device(self.device);
        Ok(match self.learn {
            Some(learn) => options.with_coder(learn.with_survey(survey).with_substitute(Some(model))),
            None => options.with_coder(&model),
        })
    }
}

/// What was written and not yet taken.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Written {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive that is being made.
struct Coding {
    cancelled: Cancelled,
    stage: Stage,
    written: Written,
}

enum Stage {
    /// The beginning of the content chooses the model.
    Waiting(Settings, Vec<u8>),
    Coding(Box<Compressor<Written>>),
    Ended,
}

impl Coding {
    fn new(settings: Settings, cancelled: &Cancelled) -> Self {
        let stage = Stage::Waiting(settings, Vec::new());
        Self { cancelled: cancelled.clone(), stage, written: Written::default() }
    }

    fn write(&mut self, data: &[u8]) -> PyResult<()> {
        match &mut self.stage {
            Stage::Waiting(_, beginning) if beginning.len() + data.len() < Models::LOOK_AT as usize => {
                beginning.extend_from_slice(data);
            }
            Stage::Waiting(_, beginning) => {
                beginning.extend_from_slice(data);
                self.begin(None)?;
            }
            Stage::Coding(compressor) => write_all(compressor, data, &self.cancelled)?,
            Stage::Ended => {
                return Err(PyValueError::new_err("the archive has ended or failed: begin another"));
            }
        }
        Ok(())
    }

    /// Begins to code, what has come so far first, unless it has begun.
    fn begin(&mut self, survey: Option<Survey>) -> PyResult<()> {
        let stage = std::mem::replace(&mut self.stage, Stage::Ended);
        let Stage::Waiting(settings, beginning) = stage else {
            self.stage = stage;
            return Ok(());
        };
        let mut options = settings.options(&beginning, survey)?;
        if let Coder::Learner(_) = options.coder {
            // A block takes a learner seconds, a batch does not.
            let cancelled = self.cancelled.clone();
            options = options.with_observer(Observer::of_batches(move |_| cancelled.check()));
        }
        let compressor = Compressor::with_options(self.written.clone(), options).map_err(from_codec)?;
        let mut compressor = Box::new(compressor);
        write_all(&mut compressor, &beginning, &self.cancelled)?;
        self.stage = Stage::Coding(compressor);
        Ok(())
    }

    fn finish(&mut self) -> PyResult<()> {
        self.begin(None)?;
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Coding(compressor) => compressor.finish().map(|_| ()).map_err(from_codec),
            _ => Err(PyValueError::new_err("the archive has ended or failed: begin another")),
        }
    }
}

/// Writes piece by piece, so that it ends soon where nobody waits any more.
fn write_all(compressor: &mut Compressor<Written>, data: &[u8], cancelled: &Cancelled) -> PyResult<()> {
    for piece in data.chunks(PIECE).take_while(|_| !cancelled.is_set()) {
        compressor.write_all(piece).map_err(from_io)?;
    }
    Ok(())
}

/// Makes an archive of content that comes piece by piece.
#[pyclass(frozen, module = "surprisal_codec")]
pub struct SurprisalCompressor {
    coding: Shared<Coding>,
    device: Device,
    /// Content that is less than a piece.
    waiting: Mutex<Vec<u8>>,
}

#[pymethods]
impl SurprisalCompressor {
    #[new]
    #[pyo3(signature = (level=None, model=None, learn=None, threads=1, embed_model=false, device="cpu"))]
    fn new(
        py: Python<'_>,
        level: Option<i64>,
        model: Option<&Bound<'_, PyAny>>,
        learn: Option<LearnArgument>,
        threads: i64,
        embed_model: bool,
        device: &str,
    ) -> PyResult<Self> {
        let settings = settings(py, level, model, learn, threads, embed_model, device)?;
        Ok(Self {
            device: settings.device.clone(),
            coding: Shared::new(|cancelled| Coding::new(settings, cancelled)),
            waiting: Mutex::default(),
        })
    }

    /// Takes more content; gives what the archive has more.
    fn compress<'py>(&self, py: Python<'py>, data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
        let data = bytes_of(data)?;
        let piece = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() + data.len() < PIECE {
                waiting.extend_from_slice(&data);
                return Ok(PyBytes::new(py, &[]));
            }
            std::mem::take(&mut *waiting)
        };
        let archive = self.coding.work(py, move |coding, _| {
            coding.write(&piece)?;
            coding.write(&data)?;
            Ok(coding.written.take())
        })?;
        Ok(PyBytes::new(py, &archive))
    }

    /// Ends the archive; gives the rest of it.
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let piece = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let archive = self.coding.work(py, move |coding, _| {
            coding.write(&piece)?;
            coding.finish()?;
            Ok(coding.written.take())
        })?;
        tell_failure(py, &self.device)?;
        Ok(PyBytes::new(py, &archive))
    }
}

fn settings(
    py: Python<'_>,
    level: Option<i64>,
    model: Option<&Bound<'_, PyAny>>,
    learn: Option<LearnArgument>,
    threads: i64,
    embed_model: bool,
    device: &str,
) -> PyResult<Settings> {
    let learn = learn.map(LearnArgument::options).transpose()?.flatten();
    if learn.is_some() && (model.is_some() || embed_model) {
        return Err(PyValueError::new_err("learn needs no model: leave model and embed_model out"));
    }
    Ok(Settings {
        device: device_unless(py, learn.is_some(), device)?,
        level: level_of(level)?,
        model: model_of(py, model)?,
        learn,
        threads: threads_of(threads)?,
        embed_model,
    })
}

/// Makes an archive of bytes.
#[pyfunction]
#[pyo3(signature = (data, level=None, *, model=None, learn=None, threads=1, embed_model=false, device="cpu"))]
#[expect(clippy::too_many_arguments, reason = "as Python's users name them")]
pub fn compress<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyAny>,
    level: Option<i64>,
    model: Option<&Bound<'py, PyAny>>,
    learn: Option<LearnArgument>,
    threads: i64,
    embed_model: bool,
    device: &str,
) -> PyResult<Bound<'py, PyBytes>> {
    let data = bytes_of(data)?;
    let settings = settings(py, level, model, learn, threads, embed_model, device)?;
    let device = settings.device.clone();
    let archive = work::run(py, move |cancelled| {
        let mut coding = Coding::new(settings, cancelled);
        if let Stage::Waiting(settings, beginning) = &mut coding.stage {
            let look_at = data.len().min(Models::LOOK_AT as usize);
            beginning.extend_from_slice(&data[..look_at]);
            // As the program does with a file, which it can read twice.
            let survey = settings.learn.is_some().then(|| {
                let mut survey = Survey::default();
                survey.update(&data);
                survey
            });
            coding.begin(survey)?;
            coding.write(&data[look_at..])?;
        }
        coding.finish()?;
        Ok(coding.written.take())
    })?;
    tell_failure(py, &device)?;
    Ok(PyBytes::new(py, &archive))
}
