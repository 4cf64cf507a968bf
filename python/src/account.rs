//! What lines, files and archives cost: scores, explanations, the account of bits, verification.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, Write};
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use surprisal::archive::MAGIC;
use surprisal::network::Device;
use surprisal::report::{
    self, Account, BundledCode, Learners, LearningRun, LearningWatch, Reporter, lines_section, to_html,
    to_text,
};
use surprisal::{CompressOptions, Compressor, DecompressOptions, Decompressor, Level, Models, Survey};

use crate::compressor::LearnArgument;
use crate::data::{PyFile, line_of};
use crate::device::{device_of, device_unless, tell_failure};
use crate::errors::{SurprisalError, from_codec, from_io};
use crate::models::{choose, decoding, model_of, pool, threads_of, with_bundled};
use crate::work::{self, Cancelled};

/// Bytes that are read at once.
const BUFFER: usize = 1 << 20;
/// Lines that are scored between two looks whether anybody waits for it.
const SCORED: usize = 1 << 14;

/// The scores of lines, the number of their columns, and the lines that the model does not code, from 0, with the reason.
type Scores<'py> = (Bound<'py, PyBytes>, usize, Vec<(usize, String)>);

/// The bits of each token of lines: a row of numbers for each line, as long as the longest, with NaN behind a line's end; the number
/// of its columns; and the numbers as the bytes of 64-bit floats.
#[pyfunction]
#[pyo3(signature = (lines, model=None, threads=1))]
pub fn score<'py>(
    py: Python<'py>,
    lines: Vec<Bound<'py, PyAny>>,
    model: Option<&Bound<'py, PyAny>>,
    threads: i64,
) -> PyResult<Scores<'py>> {
    let lines = lines.iter().map(line_of).collect::<PyResult<Vec<_>>>()?;
    let (model, threads) = (model_of(py, model)?, threads_of(threads)?);
    let (bytes, columns, outside) = work::run(py, move |cancelled| {
        let lines: Vec<&[u8]> = lines.iter().map(|line| &line[..]).collect();
        let beginning =
            lines.iter().take(256).flat_map(|line| [line, &b"\n"[..]].concat()).collect::<Vec<u8>>();
        let model = choose(model, Level::default(), &beginning, threads)?;
        let pool = pool(threads)?;
        let parts = lines.chunks(SCORED).take_while(|_| !cancelled.is_set());
        let scores: Vec<_> =
            parts.flat_map(|part| pool.install(|| report::score(model.exact(), part))).collect();
        let columns = scores.iter().flatten().map(Vec::len).max().unwrap_or(0).max(1);
        let (mut bytes, mut outside) = (Vec::with_capacity(8 * columns * scores.len()), Vec::new());
        for (line, score) in scores.into_iter().enumerate() {
            let bits = score.unwrap_or_else(|error| {
                outside.push((line, error.to_string()));
                // The model gives it no probability.
                vec![f64::INFINITY]
            });
            let nothing = std::iter::repeat(f64::NAN);
            bytes.extend(bits.into_iter().chain(nothing).take(columns).flat_map(f64::to_ne_bytes));
        }
        Ok((bytes, columns, outside))
    })?;
    Ok((PyBytes::new(py, &bytes), columns, outside))
}

/// A line token by token: as JSON, and as a picture.
#[pyfunction]
#[pyo3(signature = (line, model=None))]
pub fn explain(
    py: Python<'_>,
    line: &Bound<'_, PyAny>,
    model: Option<&Bound<'_, PyAny>>,
) -> PyResult<(String, String)> {
    let (line, model) = (line_of(line)?, model_of(py, model)?);
    work::run(py, move |_| {
        let model = choose(model, Level::default(), &line, 1)?;
        let account = report::explain(model.exact(), &line).map_err(from_codec)?;
        let mut value = serde_json::to_value(&account).expect("plain data");
        value["model"] = model.name().into();
        value["identity"] = model.identity().to_string().into();
        let svg = lines_section(&[account]).and_then(|section| section.to_svg_file());
        Ok((value.to_string(), svg.unwrap_or_default()))
    })
}

/// The account of bits of a text or an archive: as JSON, as a page and as text.
#[pyfunction(name = "report")]
#[pyo3(signature = (path, model=None, learn=None, threads=1, device="cpu"))]
pub fn report_of(
    py: Python<'_>,
    path: PathBuf,
    model: Option<&Bound<'_, PyAny>>,
    learn: Option<LearnArgument>,
    threads: i64,
    device: &str,
) -> PyResult<(String, String, String)> {
    let (model, threads) = (model_of(py, model)?, threads_of(threads)?);
    let learn = learn.map(LearnArgument::options).transpose()?.flatten();
    let device = device_unless(py, learn.is_some(), device)?;
    let used = device.clone();
    let made = work::run(py, move |cancelled| {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let corpus = Corpus::open(path, model, threads, device)?;
        let account = match learn {
            Some(options) => corpus.by_learner(options, cancelled),
            None => corpus.account(cancelled),
        }?;
        let json = serde_json::to_string(&account).expect("plain data");
        Ok((json, to_html(&name, &account), to_text(&name, &account)))
    })?;
    tell_failure(py, &used)?;
    Ok(made)
}

/// A text, or an archive's content.
struct Corpus {
    path: PathBuf,
    model: Option<Arc<surprisal::Model>>,
    is_archive: bool,
    threads: usize,
    device: Device,
}

type Decoder = Decompressor<BufReader<File>>;

/// A content, and its archive's model, if it is one's.
type Content = (Box<dyn Read>, Option<Arc<surprisal::Model>>);

impl Corpus {
    fn open(
        path: PathBuf,
        model: Option<Arc<surprisal::Model>>,
        threads: usize,
        device: Device,
    ) -> PyResult<Self> {
        let mut start = Vec::new();
        let file = File::open(&path).map_err(from_io)?;
        file.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(from_io)?;
        Ok(Self { path, model, is_archive: start == MAGIC, threads, device })
    }

    fn file(&self) -> PyResult<BufReader<File>> {
        Ok(BufReader::with_capacity(BUFFER, File::open(&self.path).map_err(from_io)?))
    }

    fn decoder(&self) -> PyResult<Decoder> {
        let options = DecompressOptions::default()
            .with_models(with_bundled(self.model.clone()))
            .with_threads(self.threads)
            .with_device(self.device.clone());
        Decompressor::with_options(self.file()?, options).map_err(from_codec)
    }

    /// The content, and the model that codes it unless another is named.
    fn content(&self) -> PyResult<Content> {
        if self.is_archive {
            let decoder = self.decoder()?;
            let model = decoder.model().cloned();
            return Ok((Box::new(decoder), model));
        }
        Ok((Box::new(self.file()?), None))
    }

    /// By a model; of an archive that was coded while learning, by its learner.
    fn account(self, cancelled: &Cancelled) -> PyResult<Account> {
        if self.is_archive && self.model.is_none() {
            let decoder = self.decoder()?;
            if decoder.learner().is_some() {
                return self.of_learned(decoder, cancelled);
            }
        }
        let (content, of_archive) = self.content()?;
        let (model, content) = self.choose(self.model.clone().or(of_archive), content)?;
        let mut reporter = Reporter::new(&model, self.device.clone(), self.threads).map_err(from_codec)?;
        copy(content, &mut reporter, cancelled)?;
        reporter.finish().and_then(|coded| coded.account(None)).map_err(from_codec)
    }

    /// The model for a content, and the content from its beginning.
    fn choose<'a>(
        &self,
        named: Option<Arc<surprisal::Model>>,
        mut content: Box<dyn Read + 'a>,
    ) -> PyResult<(Arc<surprisal::Model>, impl Read + 'a)> {
        let mut beginning = Vec::new();
        content.by_ref().take(Models::LOOK_AT).read_to_end(&mut beginning).map_err(from_io)?;
        let model = choose(named, Level::default(), &beginning, self.threads)?;
        Ok((model, Cursor::new(beginning).chain(content)))
    }

    fn of_learned(self, mut decoder: Decoder, cancelled: &Cancelled) -> PyResult<Account> {
        let (watch, observer) = LearningWatch::new(None);
        decoder.observe(observer);
        let mut spool = BufReader::new(tempfile::tempfile().map_err(from_io)?);
        let mut survey = Survey::recognising();
        copy(&mut decoder, &mut Both(&mut survey, spool.get_mut()), cancelled)?;
        if decoder.stats().archives != 1 {
            return Err(SurprisalError::new_err(
                "it is several archives one behind the other, and the first was coded while learning: decompress it and \
                 give learn= for the text",
            ));
        }
        let settings = decoder.learner().expect("its only archive was coded while learning");
        let run = watch.finish(settings, decoder.bytes_read(), &survey);
        spool.rewind().map_err(from_io)?;
        self.learned(run, &survey, Box::new(spool), cancelled)
    }

    fn by_learner(self, options: surprisal::LearnOptions, cancelled: &Cancelled) -> PyResult<Account> {
        let mut survey = Survey::recognising();
        copy(self.content()?.0, &mut Both(&mut survey, &mut io::sink()), cancelled)?;
        let (watch, observer) = LearningWatch::new(None);
        let learning = options.with_survey(survey.clone()).with_substitute(None);
        let options = CompressOptions::default().with_threads(self.threads).with_coder(learning);
        let mut compressor =
            Compressor::with_options(io::sink(), options.with_observer(observer)).map_err(from_codec)?;
        copy(self.content()?.0, &mut compressor, cancelled)?;
        let finished = compressor.finish().map_err(from_codec)?;
        let learner = finished.learner.expect("the options named a learner");
        let run = watch.finish(learner.settings(), finished.stats.bytes_out, &survey);
        let content = self.content()?.0;
        self.learned(run, &survey, content, cancelled)
    }

    fn learned(
        &self,
        run: LearningRun,
        survey: &Survey,
        content: Box<dyn Read>,
        cancelled: &Cancelled,
    ) -> PyResult<Account> {
        let (model, content) = self.choose(None, content)?;
        let mut content = Awaited(content, cancelled.clone());
        let bundled = BundledCode::measure(&model, self.threads, &mut content).map_err(from_codec)?;
        let learners = Learners { runs: vec![run], bundled };
        Ok(Account::of_learners(survey, learners, None, self.threads))
    }
}

/// Looks at what is written, and hands it on.
struct Both<'a, W>(&'a mut Survey, &'a mut W);

impl<W: Write> Write for Both<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let len = self.1.write(data)?;
        self.0.update(&data[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}

/// What is read, until nobody waits for it any more: that looks like its end.
struct Awaited<R>(R, Cancelled);

impl<R: Read> Read for Awaited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.is_set() { Ok(0) } else { self.0.read(buffer) }
    }
}

/// Copies everything, unless nobody waits for it any more.
fn copy(from: impl Read, to: &mut impl Write, cancelled: &Cancelled) -> PyResult<u64> {
    let mut from = Awaited(from, cancelled.clone());
    let (mut buffer, mut copied) = (vec![0; BUFFER], 0);
    loop {
        let len = from.read(&mut buffer).map_err(from_io)?;
        if len == 0 {
            break;
        }
        to.write_all(&buffer[..len]).map_err(from_io)?;
        copied += len as u64;
    }
    Ok(copied)
}

/// Decodes all archives of a Python file. Gives how many there are, their blocks, lines and bytes.
#[pyfunction]
#[pyo3(signature = (file, model=None, threads=1, device="cpu"))]
pub fn verify(
    py: Python<'_>,
    file: Py<PyAny>,
    model: Option<&Bound<'_, PyAny>>,
    threads: i64,
    device: &str,
) -> PyResult<(u64, u64, u64, u64)> {
    let device = device_of(py, device)?;
    let options = decoding(py, model, threads, &device)?;
    let found = work::run(py, move |cancelled| {
        let input = BufReader::with_capacity(BUFFER, PyFile(file));
        let mut decoder = Decompressor::with_options(input, options).map_err(from_codec)?;
        let mut last = Last(b'\n');
        let bytes = copy(&mut decoder, &mut last, cancelled)?;
        let stats = decoder.stats();
        Ok((stats.archives, stats.blocks(), stats.lines + u64::from(last.0 != b'\n'), bytes))
    })?;
    tell_failure(py, &device)?;
    Ok(found)
}

/// Keeps the last byte that is written.
struct Last(u8);

impl Write for Last {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0 = data.last().copied().unwrap_or(self.0);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
