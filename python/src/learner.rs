//! A network that learns from lines as they come, and what they cost before they were learned from.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use surprisal::report::LearningWindow;
use surprisal::{BatchRecord, Survey};

use crate::compressor::Learn;
use crate::data::line_of;
use crate::errors::{SurprisalError, from_codec};
use crate::models::threads_of;
use crate::work::{self, Shared};

/// What a batch of lines cost, in bits, by what was known before it; and the step that was taken on it.
#[pyclass(frozen, get_all, module = "surprisal_codec")]
pub struct Batch {
    lines: u64,
    tokens: u64,
    /// By the probabilities before rounding: the loss.
    bits: f64,
    /// By the integers that a coder takes.
    coded_bits: f64,
    /// Of each position of a line: the mean of its tokens.
    bits_by_position: Vec<f64>,
    gradient_norm: Option<f32>,
    learning_rate: Option<f64>,
}

impl From<&BatchRecord> for Batch {
    fn from(record: &BatchRecord) -> Self {
        let window = LearningWindow::from(record);
        let mean = |&(bits, tokens): &(f64, u64)| bits / tokens.max(1) as f64;
        Self {
            lines: window.window_lines,
            tokens: window.tokens,
            bits: window.bits,
            coded_bits: window.slot_bits,
            bits_by_position: window.positions.iter().map(mean).collect(),
            gradient_norm: record.step.map(|step| step.gradient_norm),
            learning_rate: record.step.map(|step| step.rate),
        }
    }
}

#[pymethods]
impl Batch {
    fn __repr__(&self) -> String {
        format!("<Batch: {} lines, {:.3} bits a line>", self.lines, self.bits / self.lines.max(1) as f64)
    }
}

/// What a learner has told of and nobody has taken yet.
type Told = Arc<Mutex<Vec<Batch>>>;

/// The native half of the Python class `Learner`.
#[pyclass(frozen)]
pub struct NativeLearner {
    learner: Shared<surprisal::Learner>,
    told: Told,
    #[pyo3(get)]
    batch_lines: usize,
}

#[pymethods]
impl NativeLearner {
    /// `sample` are lines that show which symbols there are and how long lines get; `total` says how many lines will come, if that is
    /// known.
    #[new]
    #[pyo3(signature = (sample, learn, total, threads))]
    fn new(
        py: Python<'_>,
        sample: Vec<Bound<'_, PyAny>>,
        learn: Learn,
        total: Option<u64>,
        threads: i64,
    ) -> PyResult<Self> {
        let sample = sample.iter().map(line_of).collect::<PyResult<Vec<_>>>()?;
        let (options, threads) = (learn.options()?, threads_of(threads)?);
        let (learner, batch_lines) = work::run(py, move |cancelled| {
            let mut survey = Survey::default();
            for line in sample.iter().take_while(|_| !cancelled.is_set()) {
                survey.update(line);
                survey.update(b"\n");
            }
            let settings = options.settings(&survey, total).map_err(from_codec)?;
            let learner = surprisal::Learner::new(&settings, threads).map_err(from_codec)?;
            Ok((learner, settings.batch_lines))
        })?;
        let told = Told::default();
        let notes = Arc::clone(&told);
        let learner = Shared::new(|cancelled| {
            let (mut learner, cancelled) = (learner, cancelled.clone());
            learner.observe(Box::new(move |record| {
                notes.lock().unwrap_or_else(PoisonError::into_inner).push(record.into());
                cancelled.check();
            }));
            learner
        });
        Ok(Self { learner, told, batch_lines })
    }

    /// Learns from lines, batch by batch.
    fn feed(&self, py: Python<'_>, lines: Vec<Bound<'_, PyAny>>) -> PyResult<Vec<Batch>> {
        let lines = lines.iter().map(line_of).collect::<PyResult<Vec<_>>>()?;
        let told = Arc::clone(&self.told);
        self.learner.work(py, move |learner, _| {
            let lines: Vec<&[u8]> = lines.iter().map(|line| &line[..]).collect();
            let (vocabulary, longest) = (learner.vocabulary(), learner.max_line_len());
            let error = lines.iter().enumerate().find_map(|(number, line)| {
                let error = vocabulary.tokens(line, longest).err()?;
                Some(format!("line {} of those given: {error}", number + 1))
            });
            Ok(match error {
                // Nothing was learned: the learner goes on as it was.
                Some(error) => Err(SurprisalError::new_err(error)),
                None => {
                    learner.absorb(&lines);
                    Ok(std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner)))
                }
            })
        })?
    }

    /// Writes what was learned as a model folder.
    fn save(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        self.learner.work(py, move |learner, _| {
            learner.checkpoint().and_then(|checkpoint| checkpoint.save(&folder)).map_err(from_codec)
        })
    }

    /// Steps of the schedule so far.
    #[getter]
    fn steps(&self, py: Python<'_>) -> u64 {
        self.learner.look(py, |learner| learner.steps()).unwrap_or(0)
    }
}
