//! What is read: a file or stdin.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where bytes come from.
pub enum Source {
    Stdin,
    File {
        path: PathBuf,
        file: File,
        metadata: Box<Metadata>,
    },
}

impl Source {
    /// Opens a file; `-` is stdin.
    ///
    /// # Errors
    /// If the file cannot be opened, or is a folder.
    pub fn open(path: &Path) -> Result<Self> {
        if is_stdin(path) {
            return Ok(Self::Stdin);
        }
        let file = File::open(path).context("cannot open it")?;
        let metadata = Box::new(file.metadata().context("cannot open it")?);
        if metadata.is_dir() {
            bail!("it is a folder, not a file: pack it (tar) or name the files in it");
        }
        Ok(Self::File {
            path: path.to_owned(),
            file,
            metadata,
        })
    }

    /// Bytes to come, where that is known.
    pub fn len(&self) -> Option<u64> {
        self.metadata().map(Metadata::len)
    }

    /// Of a regular file.
    pub fn metadata(&self) -> Option<&Metadata> {
        match self {
            Self::File { metadata, .. } if metadata.is_file() => Some(metadata),
            _ => None,
        }
    }

    /// The path, unless it is stdin.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdin => None,
            Self::File { path, .. } => Some(path),
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stdin => io::stdin().lock().read(buffer),
            Self::File { file, .. } => file.read(buffer),
        }
    }
}

/// The files of a command line: stdin if none is named.
pub fn or_stdin(files: Vec<PathBuf>) -> Vec<PathBuf> {
    if files.is_empty() { vec!["-".into()] } else { files }
}

/// Whether a path stands for stdin.
pub fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A path as messages show it.
pub fn name(path: &Path) -> String {
    if is_stdin(path) {
        "stdin".into()
    } else {
        path.display().to_string()
    }
}
