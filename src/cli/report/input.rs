//! The corpus of a report: a text, or what an archive holds.

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use surprisal::archive::MAGIC;
use surprisal::{Decompressor, Level, Model};
use tempfile::NamedTempFile;

use crate::cli::input::{self, Source};
use crate::cli::model::ModelOption;
use crate::cli::output;
use crate::cli::progress::Progress;

/// A corpus as it is read, and where it can be read again.
pub struct Corpus {
    content: Box<dyn Read>,
    model: Arc<Model>,
    again: Again,
    /// Removed when the report is done.
    _progress: Progress,
}

/// Where it can be read again, and how many bytes were read the first time.
pub struct Again {
    place: Place,
    pub len: u64,
}

enum Place {
    /// Nobody will.
    Nowhere,
    File(PathBuf),
    /// What is no plain text in a file is kept until then.
    Spool(NamedTempFile),
}

impl Corpus {
    /// Opens a text or an archive, whichever it is. An archive's content is accounted for by the
    /// archive's own model unless another is named.
    ///
    /// # Errors
    /// If it cannot be read, or the model is missing.
    pub fn open(
        path: &Path,
        model: &ModelOption,
        threads: usize,
        is_read_again: bool,
        progress_shown: bool,
    ) -> Result<Self> {
        let mut source = Source::open(path)?;
        let progress = Progress::new(&input::name(path), source.len(), progress_shown);
        let plain = source.metadata().is_some();
        let mut start = Vec::new();
        (&mut source)
            .take(MAGIC.len() as u64)
            .read_to_end(&mut start)
            .context("cannot read it")?;
        let is_archive = start == MAGIC;
        let input = progress.watch(Cursor::new(start).chain(source));
        let models = model.models()?;
        let (chosen, content): (_, Box<dyn Read>) = if is_archive {
            let input = io::BufReader::with_capacity(super::BUFFER, input);
            let decoder = Decompressor::new(input, models.clone(), threads)?;
            // What was coded while learning has no model.
            let of_archive = decoder.model().filter(|_| !model.is_given());
            let chosen = of_archive.unwrap_or(models.default_model());
            (Arc::clone(chosen), Box::new(decoder))
        } else {
            let (chosen, input) = model.choose_and_read(&models, Level::default(), input)?;
            (chosen, Box::new(input))
        };
        let place = match (is_read_again, plain && !is_archive) {
            (false, _) => Place::Nowhere,
            (true, true) => Place::File(path.to_owned()),
            (true, false) => Place::Spool(output::spool()?),
        };
        Ok(Self {
            content,
            model: chosen,
            again: Again { place, len: 0 },
            _progress: progress,
        })
    }

    /// The model that codes it.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// It was read; what is left is reading it again.
    pub fn into_again(self) -> Again {
        self.again
    }
}

impl Again {
    /// All that was read, from its beginning.
    ///
    /// # Errors
    /// If it cannot be opened again.
    pub fn open(&self) -> Result<impl Read + use<>> {
        let path = match &self.place {
            Place::File(path) => path,
            Place::Spool(file) => file.path(),
            Place::Nowhere => Path::new(""),
        };
        let file = File::open(path).context("cannot read it again")?;
        Ok(file.take(self.len))
    }
}

impl Read for Corpus {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.content.read(buffer)?;
        if let Place::Spool(file) = &mut self.again.place {
            file.write_all(&buffer[..len])?;
        }
        self.again.len += len as u64;
        Ok(len)
    }
}
