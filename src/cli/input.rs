//! What is read: files or stdin.

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use surprisal::LineRange;
use surprisal::text::Survey;

use super::streams;
use super::text::shown;

/// Bytes that are read or written at once: they stay in the cache until they are used.
pub const BUFFER: usize = 256 << 10;

/// Where bytes come from.
pub enum Source {
    Stdin,
    /// A pipe or a device.
    Stream(File),
    File(File, Original),
}

/// A regular file that is read, as it was when it was opened.
#[derive(Clone)]
pub struct Original {
    path: PathBuf,
    pub metadata: Metadata,
}

impl Original {
    /// Removes the file, if it is still the one that was opened and has the same content.
    ///
    /// # Errors
    /// If it is another one, has changed, or cannot be removed.
    pub fn remove(&self) -> Result<()> {
        let now = self.path.symlink_metadata().context("cannot remove it")?;
        if !is_unchanged(&self.metadata, &now) {
            bail!(
                "it was moved or changed meanwhile, or is a link: its output is whole, but it is not removed"
            );
        }
        std::fs::remove_file(&self.path).context("cannot remove it")
    }
}

fn is_unchanged(then: &Metadata, now: &Metadata) -> bool {
    #[cfg(unix)]
    let is_same = {
        use std::os::unix::fs::MetadataExt;
        (then.dev(), then.ino()) == (now.dev(), now.ino())
    };
    #[cfg(not(unix))]
    let is_same = now.is_file();
    is_same && then.len() == now.len() && then.modified().ok() == now.modified().ok()
}

impl Source {
    /// Opens a file; `-` is stdin.
    ///
    /// # Errors
    /// If the file cannot be opened, or is a folder.
    pub fn open(path: &Path) -> Result<Self> {
        if is_stdin(path) {
            streams::require_stdin()?;
            return Ok(Self::Stdin);
        }
        let file = File::open(path).context("cannot open it")?;
        let metadata = file.metadata().context("cannot open it")?;
        if metadata.is_dir() {
            bail!("it is a folder, not a file: pack it (tar) or name the files in it");
        }
        if !metadata.is_file() {
            return Ok(Self::Stream(file));
        }
        let path = path.to_owned();
        Ok(Self::File(file, Original { path, metadata }))
    }

    /// As [`Source::open`], of an archive.
    ///
    /// # Errors
    /// Also if it would come from a terminal.
    pub fn open_archive(path: &Path) -> Result<Self> {
        let source = Self::open(path)?;
        if match &source {
            Self::Stdin => io::stdin().is_terminal(),
            Self::Stream(file) | Self::File(file, _) => file.is_terminal(),
        } {
            bail!("it is a terminal, where no archive comes from: name a file");
        }
        Ok(source)
    }

    /// Looks at a whole file, if it is a regular one, and goes back to its beginning.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn survey(&mut self) -> Result<Option<Survey>> {
        let Self::File(file, _) = self else { return Ok(None) };
        let mut survey = Survey::default();
        for_each_chunk(&*file, "cannot read it", |data| {
            survey.update(data);
            Ok(())
        })?;
        file.rewind().context("cannot read it again")?;
        Ok(Some(survey))
    }

    /// Bytes to come, where that is known.
    pub fn len(&self) -> Option<u64> {
        self.original().map(|original| original.metadata.len())
    }

    /// The regular file that is read.
    pub fn original(&self) -> Option<&Original> {
        match self {
            Self::File(_, original) => Some(original),
            Self::Stdin | Self::Stream(_) => None,
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stdin => io::stdin().lock().read(buffer),
            Self::Stream(file) | Self::File(file, _) => file.read(buffer),
        }
    }
}

/// Some lines of what is read.
pub struct LinesOf<R> {
    input: R,
    lines: LineRange,
    /// Newlines so far.
    newlines: u64,
}

impl<R> LinesOf<R> {
    pub fn new(input: R, lines: LineRange) -> Self {
        Self { input, lines, newlines: 0 }
    }
}

impl<R: Read> Read for LinesOf<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.lines == LineRange::ALL {
            return self.input.read(buffer);
        }
        while !self.lines.ends_by(self.newlines) {
            let len = self.input.read(buffer)?;
            if len == 0 {
                break;
            }
            let piece = &buffer[..len];
            let part = self.lines.cut(piece, self.newlines);
            self.newlines += memchr::memchr_iter(b'\n', piece).count() as u64;
            if !part.is_empty() {
                buffer.copy_within(part.clone(), 0);
                return Ok(part.len());
            }
        }
        Ok(0)
    }
}

/// Reads to the end and hands every chunk on. `failed` says what an error of reading means.
///
/// # Errors
/// That of reading, or the first one of `work`.
pub fn for_each_chunk(
    mut input: impl Read,
    failed: &'static str,
    mut work: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => work(&buffer[..len])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(surprisal::Error::from_io(error)).context(failed),
        }
    }
}

/// The files of a command line: stdin if none is named.
pub fn or_stdin(files: &[PathBuf]) -> Vec<PathBuf> {
    if files.is_empty() { vec!["-".into()] } else { files.to_vec() }
}

/// Whether a path stands for stdin.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Puts a file's name into an object of JSON under a key, and whether it had to be changed for that.
pub fn put_name(object: &mut Value, key: &str, path: &Path) {
    object[key] = json!(path.to_string_lossy());
    object[format!("{key}_renamed")] = json!(path.to_str().is_none());
}

/// A path as messages show it.
pub fn name(path: &Path) -> String {
    if is_stdin(path) { "stdin".into() } else { shown(&path.to_string_lossy()) }
}
