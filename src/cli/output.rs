//! What is written: stdout, or a file that gets its name only when it is whole.

use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use super::interrupt;

const BUFFER: usize = 256 << 10;

/// Files that exist under a temporary name.
static TEMPORARIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn temporaries() -> MutexGuard<'static, Vec<PathBuf>> {
    TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves no unfinished file behind when the program is interrupted; a verb that waits for that
/// itself ([`interrupt::wait_for_it`]) ends by itself.
///
/// # Errors
/// If the signals cannot be caught.
pub fn remove_temporaries_on_interrupt() -> Result<()> {
    let handler = || {
        if interrupt::is_waited_for() {
            return;
        }
        // Held to the end: no file is made after this.
        let temporaries = temporaries();
        for path in temporaries.iter() {
            // It may have got its name meanwhile.
            let _ = std::fs::remove_file(path);
        }
        std::process::exit(interrupt::EXIT_CODE.into());
    };
    ctrlc::set_handler(handler).context("cannot watch for Ctrl-C")
}

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    /// Of an `-o` option, where `-` is stdout.
    pub fn named(path: &Path) -> Self {
        if path.as_os_str() == "-" {
            Self::Stdout
        } else {
            Self::File(path.to_owned())
        }
    }
}

/// Whether a file that exists may be replaced, and an archive sent to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    Never,
    Force,
}

impl Overwrite {
    /// Of the `-f` option.
    pub fn from_force(force: bool) -> Self {
        if force { Self::Force } else { Self::Never }
    }
}

/// What kind of bytes goes to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Text,
    /// Not for a terminal.
    Archive,
}

/// An open target.
pub enum Output {
    Stdout(BufWriter<StdoutLock<'static>>),
    /// A device or pipe that exists: written in place.
    Special(BufWriter<File>),
    File(Box<SafeFile>),
}

/// A file under a temporary name, beside the one that it will have. Dropped, it is removed.
pub struct SafeFile {
    writer: BufWriter<NamedTempFile>,
    path: PathBuf,
    overwrite: Overwrite,
}

impl Output {
    /// Opens a target. `input` must not be the same file.
    ///
    /// # Errors
    /// If it exists and must not be replaced, is the input, is a terminal and must not be, or
    /// cannot be made.
    pub fn open(
        target: &Target,
        input: Option<&Path>,
        content: Content,
        overwrite: Overwrite,
    ) -> Result<Self> {
        let path = match target {
            Target::Stdout => {
                let stdout = io::stdout().lock();
                if content == Content::Archive && overwrite == Overwrite::Never && stdout.is_terminal() {
                    bail!("stdout is a terminal, an archive is no text: name a file with -o, or use -f");
                }
                return Ok(Self::Stdout(BufWriter::with_capacity(BUFFER, stdout)));
            }
            Target::File(path) => path,
        };
        if let Some(input) = input.filter(|input| is_same_file(input, path)) {
            bail!(
                "{} is input and output at once: name another output with -o",
                input.display()
            );
        }
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => bail!("{} is a folder: name a file with -o", path.display()),
            Ok(found) if !found.is_file() => {
                let file = OpenOptions::new().write(true).open(path);
                let file = file.with_context(|| format!("cannot write {}", path.display()))?;
                Ok(Self::Special(BufWriter::with_capacity(BUFFER, file)))
            }
            Ok(_) if overwrite == Overwrite::Never => Err(exists(path)),
            _ => SafeFile::create(path, overwrite).map(|file| Self::File(Box::new(file))),
        }
    }

    /// The file that is replaced only by a whole one; none if every byte goes out at once.
    pub fn safe_path(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(&file.path),
            Self::Stdout(_) | Self::Special(_) => None,
        }
    }

    /// What was written so far, to be read again, where it is a file without its name yet.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn reopen(&mut self) -> Result<Option<File>> {
        let Self::File(file) = self else {
            return Ok(None);
        };
        file.writer.flush().context("cannot write the output")?;
        Ok(Some(
            file.writer
                .get_ref()
                .reopen()
                .context("cannot read the output again")?,
        ))
    }

    /// Makes everything last: flushed, synced, with the times and mode of `like`, under its name.
    ///
    /// # Errors
    /// If any of that fails; then no file is left.
    pub fn finish(self, like: Option<&Metadata>) -> Result<()> {
        match self {
            Self::Stdout(mut stdout) => stdout.flush().context("cannot write to stdout"),
            Self::Special(mut file) => file.flush().context("cannot write the output"),
            Self::File(file) => file.finish(like),
        }
    }
}

impl Write for Output {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(stdout) => stdout.write(data),
            Self::Special(file) => file.write(data),
            Self::File(file) => file.writer.write(data),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::Special(file) => file.flush(),
            Self::File(file) => file.writer.flush(),
        }
    }
}

impl SafeFile {
    fn create(path: &Path, overwrite: Overwrite) -> Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".surprisal-").suffix(".tmp");
        // As any program makes a file; the default would be for the owner alone.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut temporaries = temporaries();
        let file = builder.tempfile_in(folder(path));
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        temporaries.push(file.path().to_owned());
        let writer = BufWriter::with_capacity(BUFFER, file);
        Ok(Self {
            writer,
            path: path.to_owned(),
            overwrite,
        })
    }

    fn finish(self, like: Option<&Metadata>) -> Result<()> {
        let Self {
            writer,
            path,
            overwrite,
        } = self;
        let cannot = || format!("cannot write {}", path.display());
        let file = writer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .with_context(cannot)?;
        if let Some(like) = like {
            copy_times_and_mode(file.as_file(), like).with_context(cannot)?;
        }
        file.as_file().sync_all().with_context(cannot)?;
        let named = match overwrite {
            Overwrite::Force => file.persist(&path),
            Overwrite::Never => file.persist_noclobber(&path),
        };
        match named {
            Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(&path)),
            named => named.map_err(|failed| failed.error).with_context(cannot)?,
        };
        // The name, too, should outlast a power cut; not every file system can do that.
        let _ = File::open(folder(&path)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

/// A file to keep something in while the program runs; it is gone at its end, however that comes.
///
/// # Errors
/// If it cannot be made.
pub fn spool() -> Result<NamedTempFile> {
    let mut temporaries = temporaries();
    let builder = tempfile::Builder::new().prefix(".surprisal-").tempfile();
    let file = builder.context("cannot make a temporary file")?;
    temporaries.push(file.path().to_owned());
    Ok(file)
}

fn exists(path: &Path) -> anyhow::Error {
    anyhow::anyhow!("{} exists already: use -f to overwrite it", path.display())
}

fn copy_times_and_mode(file: &File, like: &Metadata) -> io::Result<()> {
    let permissions = like.permissions();
    // Without the bits that make a program run as somebody else.
    #[cfg(unix)]
    let permissions = {
        use std::os::unix::fs::PermissionsExt;
        std::fs::Permissions::from_mode(permissions.mode() & 0o777)
    };
    let times = FileTimes::new()
        .set_modified(like.modified()?)
        .set_accessed(like.accessed()?);
    // Times first: a mode without the right to write may forbid them.
    file.set_times(times)?;
    file.set_permissions(permissions)
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
