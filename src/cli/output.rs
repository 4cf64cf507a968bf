//! What is written: stdout, or a file that gets its name only when it is whole.
//!
//! Every file that a verb writes is opened by a [`Guard`], which knows what the verb reads and
//! writes besides.

use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Seek, Stdout, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use surprisal::atomic_file::{AtomicFile, AtomicFolder, Existing, folder, unfinished};
use tempfile::NamedTempFile;

use super::input;
use super::streams::{require_stdout, say};

const BUFFER: usize = 256 << 10;

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    /// Of an `-o` option, where `-` is stdout.
    pub fn named(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Stdout } else { Self::File(path.to_owned()) }
    }
}

/// What kind of bytes goes to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Text,
    /// Not for a terminal.
    Archive,
}

/// What tells whether two names are of the same file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Identity {
    #[cfg(unix)]
    Inode { device: u64, inode: u64 },
    /// A name that no file has yet, in a folder; or any file where there are no inodes.
    Name(PathBuf),
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        if let Ok(metadata) = path.metadata() {
            return Some(Self::of_metadata(&metadata));
        }
        let folder = folder(path).canonicalize().ok()?;
        let name = folder.join(path.file_name()?);
        Some(Self::Name(name.canonicalize().unwrap_or(name)))
    }

    #[cfg(unix)]
    fn of_metadata(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self::Inode { device: metadata.dev(), inode: metadata.ino() }
    }

    /// Of a regular file that stdin comes from or stdout goes to.
    #[cfg(unix)]
    fn of_stream(stream: impl std::os::fd::AsFd) -> Option<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        let metadata = file.metadata().ok()?;
        metadata.is_file().then(|| Self::of_metadata(&metadata))
    }

    #[cfg(not(unix))]
    fn of_stream<T>(_stream: T) -> Option<Self> {
        None
    }
}

/// Opens outputs: none that is an input or another output, none that exists unless it may be
/// replaced.
pub struct Guard {
    inputs: Vec<Identity>,
    outputs: Vec<Identity>,
    is_stdout_taken: bool,
    existing: Existing,
    /// Folders that were looked at for what a killed run left.
    folders: Vec<PathBuf>,
}

impl Guard {
    /// `force` is the `-f` option: files that exist may be replaced, a terminal may get an archive.
    pub fn new<'a>(inputs: impl IntoIterator<Item = &'a Path>, force: bool) -> Self {
        let identity = |path: &Path| {
            if input::is_stdin(path) { Identity::of_stream(io::stdin()) } else { Identity::of(path) }
        };
        Self {
            inputs: inputs.into_iter().filter_map(identity).collect(),
            outputs: Vec::new(),
            is_stdout_taken: false,
            folders: Vec::new(),
            existing: if force { Existing::Replace } else { Existing::Keep },
        }
    }

    /// Opens a target.
    ///
    /// # Errors
    /// If it exists and must not be replaced, is an input or another output, is a terminal and must
    /// not be, or cannot be made.
    pub fn open(&mut self, target: &Target, content: Content) -> Result<Output> {
        let path = match target {
            Target::Stdout => return self.open_stdout(content),
            Target::File(path) => path,
        };
        let shown = path.display();
        let identity = Identity::of(path);
        match path.metadata() {
            Ok(found) if found.is_dir() => bail!("{shown} is a folder: name a file with -o"),
            Ok(found) if !found.is_file() => {
                let file = OpenOptions::new().write(true).open(path);
                let file = file.with_context(|| format!("cannot write {shown}"))?;
                return Ok(Output::Special(BufWriter::with_capacity(BUFFER, file)));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            error => {
                error.with_context(|| format!("cannot write {shown}"))?;
            }
        }
        if identity.as_ref().is_some_and(|id| self.inputs.contains(id)) {
            bail!("{shown} is input and output at once: name another output");
        }
        if identity.as_ref().is_some_and(|id| self.outputs.contains(id)) {
            bail!("{shown} is written already by the same command: name another output");
        }
        if self.existing == Existing::Keep && path.exists() {
            return Err(exists(path));
        }
        let file = AtomicFile::create(path).with_context(|| format!("cannot make {shown}"))?;
        self.outputs.extend(identity);
        self.mention_unfinished(folder(path));
        Ok(Output::File(BufWriter::with_capacity(BUFFER, file), self.existing))
    }

    /// # Errors
    /// If one of the files of a folder is an input.
    pub fn refuse_inputs(&self, folder: &Path, files: &[&str]) -> Result<()> {
        for file in files.iter().map(|file| folder.join(file)) {
            if Identity::of(&file).is_some_and(|id| self.inputs.contains(&id)) {
                bail!("{} is input and output at once: name another folder", file.display());
            }
        }
        Ok(())
    }

    /// Makes sure that a folder of these files can be made, or replaced: that it holds nothing else.
    ///
    /// # Errors
    /// If it exists and must not be replaced, holds other files, inputs or outputs, or cannot be made.
    pub fn check_folder(&self, path: &Path, files: &[&str]) -> Result<()> {
        let shown = path.display();
        let cannot = || format!("cannot write {shown}");
        match std::fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            entries => {
                for entry in entries.with_context(cannot)? {
                    let entry = entry.with_context(cannot)?;
                    if !files.iter().any(|file| entry.file_name() == *file) {
                        bail!("{shown} holds other files than those of a model: name another folder");
                    }
                    if self.existing == Existing::Keep {
                        return Err(exists(path));
                    }
                }
            }
        }
        self.refuse_inputs(path, files)?;
        let is_within = |output: &Identity| matches!((output, path.canonicalize()), (Identity::Name(name), Ok(path)) if name.starts_with(&path));
        if self.outputs.iter().any(is_within) {
            bail!("{shown} is replaced whole: name an output outside of it");
        }
        AtomicFolder::create(path).map(drop).with_context(cannot)
    }

    /// Says once of a folder what runs that were killed have left in it.
    fn mention_unfinished(&mut self, folder: &Path) {
        if self.folders.iter().any(|known| known == folder) {
            return;
        }
        self.folders.push(folder.to_owned());
        for left in unfinished(folder).unwrap_or_default() {
            say(&format!("{}: left by a run that was killed, or that still goes on", left.display()));
        }
    }

    fn open_stdout(&mut self, content: Content) -> Result<Output> {
        require_stdout()?;
        let stdout = io::stdout();
        if content == Content::Archive && self.existing == Existing::Keep && stdout.is_terminal() {
            bail!("stdout is a terminal, an archive is no text: name a file with -o, or use -f");
        }
        if Identity::of_stream(io::stdout()).is_some_and(|id| self.inputs.contains(&id)) {
            bail!("stdout goes to the file that is read: name another output");
        }
        if std::mem::replace(&mut self.is_stdout_taken, true) {
            bail!("two outputs cannot both be stdout: name a file for one");
        }
        Ok(Output::Stdout(BufWriter::with_capacity(BUFFER, stdout)))
    }
}

/// An open target.
pub enum Output {
    Stdout(BufWriter<Stdout>),
    /// A device or pipe that exists: written in place.
    Special(BufWriter<File>),
    File(BufWriter<AtomicFile>, Existing),
}

impl Output {
    /// The file that is replaced only by a whole one; none if every byte goes out at once.
    pub fn safe_path(&self) -> Option<&Path> {
        match self {
            Self::File(file, _) => Some(file.get_ref().path()),
            Self::Stdout(_) | Self::Special(_) => None,
        }
    }

    /// What was written so far, to be read from its beginning, where it is a file without its name
    /// yet. Nothing may be written afterwards.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn reopen(&mut self) -> Result<Option<File>> {
        let Self::File(file, _) = self else {
            return Ok(None);
        };
        file.flush().context("cannot write the output")?;
        let mut written = file.get_ref().file().try_clone();
        if let Ok(file) = &mut written {
            file.rewind().context("cannot read the output again")?;
        }
        Ok(Some(written.context("cannot read the output again")?))
    }

    /// Makes everything last: flushed, synced, with the times and mode of `like`, under its name.
    ///
    /// # Errors
    /// If any of that fails; then no file is left.
    pub fn finish(self, like: Option<&Metadata>) -> Result<()> {
        let (file, existing) = match self {
            Self::Stdout(mut stdout) => return stdout.flush().context("cannot write to stdout"),
            Self::Special(mut file) => return file.flush().context("cannot write the output"),
            Self::File(file, existing) => (file, existing),
        };
        let path = file.get_ref().path().to_owned();
        let finish = || {
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            if let Some(like) = like {
                copy_times_and_mode(file.file(), like)?;
            }
            file.persist(existing)
        };
        finish().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(&path),
            _ => anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
        })
    }
}

impl Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(data),
            Self::Special(file) => file.write(data),
            Self::File(file, _) => file.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::Special(file) => file.flush(),
            Self::File(file, _) => file.flush(),
        }
    }
}

/// A file to keep something in while the program runs; it is gone at its end.
///
/// # Errors
/// If it cannot be made.
pub fn spool() -> Result<NamedTempFile> {
    surprisal::atomic_file::spool().context("cannot make a temporary file")
}

fn exists(path: &Path) -> anyhow::Error {
    anyhow::anyhow!("{} exists already: use -f to overwrite it", path.display())
}

fn copy_times_and_mode(file: &File, like: &Metadata) -> io::Result<()> {
    let permissions = like.permissions();
    // Without the set-user-ID and set-group-ID bits.
    #[cfg(unix)]
    let permissions = {
        use std::os::unix::fs::PermissionsExt;
        std::fs::Permissions::from_mode(permissions.mode() & 0o777)
    };
    let times = FileTimes::new().set_modified(like.modified()?).set_accessed(like.accessed()?);
    // Times first: a mode without the right to write may forbid them.
    file.set_times(times)?;
    file.set_permissions(permissions)
}
