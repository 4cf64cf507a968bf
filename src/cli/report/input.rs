//! The corpus of a report: a text, or what an archive holds.

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use surprisal::archive::MAGIC;
use surprisal::report::{LearningRun, LearningWatch};
use surprisal::text::Survey;
use surprisal::{DecompressOptions, Decompressor, Level, Model};

use crate::cli::input::{self, Source};
use crate::cli::model::ModelOption;
use crate::cli::progress::Progress;

/// A corpus as it is read, and where it can be read again.
pub struct Corpus {
    content: Content,
    /// The model that codes it.
    pub model: Arc<Model>,
    /// Once it was read.
    pub rereadable: Rereadable,
    /// Whether `compress` would look at all of it beforehand: not at stdin.
    pub is_whole: bool,
    /// Removed when the report is done.
    _progress: Progress,
}

enum Content {
    Text(Box<dyn Read>),
    /// With a watch if it was coded while learning, unless a model was named for its content.
    Archive(Box<Decompressor<Box<dyn Read>>>, Option<LearningWatch>),
}

/// Where it can be read again, and how many bytes were read the first time.
pub struct Rereadable {
    place: Place,
    pub len: u64,
}

enum Place {
    /// It will not be read again.
    Nowhere,
    File(PathBuf),
    /// What is no plain text in a file is kept until then.
    Spool(Arc<File>),
}

impl Corpus {
    /// Opens a text or an archive, whichever it is. An archive's content is accounted for by the
    /// archive's own model unless another is named; one that was coded while learning is looked at
    /// as it is decoded.
    ///
    /// # Errors
    /// If it cannot be read, or the model is missing.
    pub fn open(
        path: &Path,
        model: &ModelOption,
        decoding: DecompressOptions,
        is_read_again: bool,
        progress_shown: bool,
    ) -> Result<Self> {
        let mut source = Source::open(path)?;
        let threads = decoding.threads;
        let progress = Progress::new(&input::name(path), source.len(), progress_shown);
        let plain = source.original().is_some();
        let mut start = Vec::new();
        (&mut source).take(MAGIC.len() as u64).read_to_end(&mut start).context("cannot read it")?;
        let is_archive = start == MAGIC;
        let input = progress.watch(Cursor::new(start).chain(source));
        let models = model.models()?;
        let (chosen, content) = if is_archive {
            let input: Box<dyn Read> = Box::new(io::BufReader::with_capacity(input::BUFFER, input));
            let mut decoder = Decompressor::with_options(input, decoding)?;
            let is_watched = decoder.learner().is_some() && !model.is_given();
            let watch = is_watched.then(|| {
                let (watch, observer) = LearningWatch::new(None);
                decoder.observe(observer);
                watch
            });
            // What was coded while learning has no model.
            let of_archive = decoder.model().filter(|_| !model.is_given());
            let chosen = Arc::clone(of_archive.unwrap_or(models.default_model()));
            (chosen, Content::Archive(Box::new(decoder), watch))
        } else {
            let (chosen, input) = model.choose_and_read(&models, Level::default(), input, threads)?;
            (chosen, Content::Text(Box::new(input)))
        };
        let place = match &content {
            Content::Text(_) | Content::Archive(_, None) if !is_read_again => Place::Nowhere,
            Content::Text(_) if plain => Place::File(path.to_owned()),
            _ => Place::Spool(Arc::new(tempfile::tempfile().context("cannot make a temporary file")?)),
        };
        Ok(Self {
            content,
            model: chosen,
            rereadable: Rereadable { place, len: 0 },
            is_whole: plain || is_archive,
            _progress: progress,
        })
    }

    /// Whether it was coded while learning, and no model was named for it.
    pub fn is_learned(&self) -> bool {
        matches!(self.content, Content::Archive(_, Some(_)))
    }

    /// Where it can be read again, and how learning went if it was coded so; `survey` is one of all of it that looked
    /// for its distribution.
    ///
    /// # Errors
    /// If it is several archives.
    pub fn into_learned(self, survey: &Survey) -> Result<(Rereadable, Option<LearningRun>)> {
        let Content::Archive(decoder, Some(watch)) = self.content else {
            return Ok((self.rereadable, None));
        };
        let archives = decoder.stats().archives;
        if archives != 1 {
            bail!(
                "it is {archives} archives one behind the other, and the first was coded while learning: decompress \
                 it and use report --learn on the text"
            );
        }
        let settings = decoder.learner().expect("its only archive was coded while learning");
        let run = watch.finish(settings, decoder.bytes_read(), survey);
        Ok((self.rereadable, Some(run)))
    }
}

impl Rereadable {
    /// All that was read, from its beginning.
    ///
    /// # Errors
    /// If it cannot be opened again.
    pub fn open(&self) -> Result<impl Read + use<>> {
        let file = match &self.place {
            Place::File(path) => Arc::new(File::open(path).context("cannot read it again")?),
            Place::Spool(file) => Arc::clone(file),
            Place::Nowhere => bail!("it cannot be read again"),
        };
        Ok(ReadAt { file, at: 0 }.take(self.len))
    }
}

impl Read for Corpus {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = match &mut self.content {
            Content::Text(text) => text.read(buffer)?,
            Content::Archive(decoder, _) => decoder.read(buffer)?,
        };
        if let Place::Spool(file) = &mut self.rereadable.place {
            let kept = (&**file).write_all(&buffer[..len]);
            kept.map_err(|e| io::Error::new(e.kind(), format!("cannot keep it in a temporary file: {e}")))?;
        }
        self.rereadable.len += len as u64;
        Ok(len)
    }
}

/// Reads a file that others read at the same time.
struct ReadAt {
    file: Arc<File>,
    at: u64,
}

impl Read for ReadAt {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(unix)]
        let len = std::os::unix::fs::FileExt::read_at(&*self.file, buffer, self.at)?;
        #[cfg(windows)]
        let len = std::os::windows::fs::FileExt::seek_read(&*self.file, buffer, self.at)?;
        self.at += len as u64;
        Ok(len)
    }
}
