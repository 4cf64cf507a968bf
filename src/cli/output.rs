//! What is written: stdout, or a file that gets its name only when it is whole.
//!
//! Every file that a verb writes is opened by a [`Guard`], which knows what the verb reads and
//! writes besides.

use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Seek, Stdout, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use surprisal::atomic_file::{AtomicFile, AtomicFolder, Existing, folder, unfinished};

use super::input::{self, BUFFER};
use super::streams::{require_stdout, say};

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Stdout,
    File(PathBuf),
}

impl Target {
    /// Whether it is something there that is no file: a pipe, which may wait for its reader, or a device.
    pub fn is_special(&self) -> bool {
        let special = |found: Metadata| !found.is_file() && !found.is_dir();
        matches!(self, Self::File(path) if path.metadata().is_ok_and(special))
    }

    /// Of an `-o` option, where `-` is stdout.
    pub fn named(path: &Path) -> Self {
        let is_stdout = [Path::new("-"), Path::new("/dev/stdout")].contains(&path);
        if is_stdout { Self::Stdout } else { Self::File(path.to_owned()) }
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

    /// Of a regular file or pipe that stdin comes from or stdout goes to.
    #[cfg(unix)]
    fn of_stream(stream: impl std::os::fd::AsFd) -> Option<Self> {
        let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
        let metadata = file.metadata().ok()?;
        let is_own = metadata.is_file() || std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type());
        is_own.then(|| Self::of_metadata(&metadata))
    }

    #[cfg(not(unix))]
    fn of_stream<T>(_stream: T) -> Option<Self> {
        None
    }
}

/// The argument of an option that names a folder to write: not `-`, which is stdout elsewhere.
pub fn folder_parser() -> impl clap::builder::TypedValueParser<Value = PathBuf> {
    use clap::builder::TypedValueParser;
    clap::builder::PathBufValueParser::new().try_map(|path| match path.as_os_str() == "-" {
        true => Err("a folder cannot be stdout: ./- is a folder of that name"),
        false => Ok(path),
    })
}

/// Writes a folder, which [`Guard::check_folder`] has checked: whole, or not at all.
///
/// # Errors
/// If that fails; what had the name before is still there then.
pub fn write_folder(path: &Path, write: impl FnOnce(&Path) -> surprisal::Result<()>) -> Result<()> {
    let folder = AtomicFolder::create(path)?;
    folder.fill(write)?;
    Ok(folder.persist()?)
}

/// Opens outputs: none that is an input or another output, none that exists unless it may be
/// replaced.
pub struct Guard {
    inputs: Vec<Identity>,
    /// What stdout goes to is the first.
    outputs: Vec<Identity>,
    is_stdout_taken: bool,
    existing: Existing,
    /// Folders that were looked at for what a killed run left; none if nothing is to be said of it.
    folders: Option<Vec<PathBuf>>,
}

impl Guard {
    /// `force` is the `-f` option: files that exist may be replaced, a terminal may get an archive. `quiet` is
    /// `-q`.
    pub fn new(inputs: &[PathBuf], force: bool, quiet: bool) -> Self {
        let identity = |path: &PathBuf| {
            if input::is_stdin(path) { Identity::of_stream(io::stdin()) } else { Identity::of(path) }
        };
        Self {
            inputs: inputs.iter().filter_map(identity).collect(),
            outputs: Identity::of_stream(io::stdout()).into_iter().collect(),
            is_stdout_taken: false,
            folders: (!quiet).then(Vec::new),
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
        let cannot = || format!("cannot write {shown}");
        match path.metadata() {
            Ok(found) if found.is_dir() => bail!("{shown} is a folder: name a file with -o"),
            Ok(found) if !found.is_file() => {
                // Of a device there may be many inputs and outputs.
                if !is_device(&found) {
                    self.take(path)?;
                }
                let file = OpenOptions::new().write(true).open(path).with_context(cannot)?;
                self.refuse_terminal(content, &file, &shown.to_string())?;
                return Ok(Output::Special(BufWriter::with_capacity(BUFFER, file)));
            }
            Ok(_) if folder(path) == Path::new("/dev") => {
                bail!("{shown} leads to a file that is open already: name that file")
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            error => {
                error.with_context(cannot)?;
            }
        }
        self.take(path)?;
        // Also a link that leads nowhere.
        if self.existing == Existing::Keep && path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        let file = AtomicFile::create(path).with_context(|| format!("cannot make {shown}"))?;
        self.mention_unfinished(folder(path));
        Ok(Output::File(BufWriter::with_capacity(BUFFER, file), self.existing))
    }

    /// Makes a name that of an output.
    fn take(&mut self, path: &Path) -> Result<()> {
        self.refuse(path)?;
        self.outputs.extend(Identity::of(path));
        Ok(())
    }

    /// # Errors
    /// If it is an input or an output.
    fn refuse(&self, path: &Path) -> Result<()> {
        let Some(identity) = Identity::of(path) else { return Ok(()) };
        if self.inputs.contains(&identity) {
            bail!("{} is input and output at once: name another output", path.display());
        }
        if self.outputs.contains(&identity) {
            bail!("{} is written already by the same command: name another output", path.display());
        }
        Ok(())
    }

    /// # Errors
    /// If one of the files of a folder is an input or an output.
    pub fn refuse_files(&self, folder: &Path, files: &[&str]) -> Result<()> {
        files.iter().try_for_each(|file| self.refuse(&folder.join(file)))
    }

    /// # Errors
    /// If it is one and would get an archive.
    fn refuse_terminal(&self, content: Content, stream: &impl IsTerminal, name: &str) -> Result<()> {
        if content == Content::Archive && self.existing == Existing::Keep && stream.is_terminal() {
            bail!("{name} is a terminal, an archive is no text: name a file with -o, or use -f");
        }
        Ok(())
    }

    /// Makes sure that a folder of these files can be made, or replaced: that it holds nothing else.
    ///
    /// # Errors
    /// If it exists and must not be replaced, holds other files, inputs or outputs, or cannot be made.
    pub fn check_folder(&mut self, path: &Path, files: &[&str]) -> Result<()> {
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
        self.refuse_files(path, files)?;
        let is_within = |output: &Identity| matches!((output, path.canonicalize()), (Identity::Name(name), Ok(path)) if name.starts_with(&path));
        if self.outputs.iter().any(is_within) {
            bail!("{shown} is replaced whole: name an output outside of it");
        }
        AtomicFolder::create(path).map(drop).with_context(cannot)?;
        self.mention_unfinished(folder(path));
        Ok(())
    }

    /// Says once of a folder what runs that were killed have left in it.
    fn mention_unfinished(&mut self, folder: &Path) {
        let Some(folders) =
            self.folders.as_mut().filter(|folders| !folders.iter().any(|known| known == folder))
        else {
            return;
        };
        folders.push(folder.to_owned());
        for left in unfinished(folder).unwrap_or_default() {
            say(&format!("{}: left by a run that was killed, or that still goes on", left.display()));
        }
    }

    fn open_stdout(&mut self, content: Content) -> Result<Output> {
        require_stdout()?;
        let stdout = io::stdout();
        self.refuse_terminal(content, &stdout, "stdout")?;
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
        let written = match self {
            Self::Stdout(stdout) => stdout.write(data),
            Self::Special(file) => file.write(data),
            Self::File(file, _) => file.write(data),
        };
        // Where bytes are copied, an error could as well be one of reading.
        written.map_err(|error| {
            let name = self.safe_path().map_or("the output".into(), Path::to_string_lossy);
            io::Error::new(error.kind(), format!("cannot write {name}: {error}"))
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => stdout.flush(),
            Self::Special(file) => file.flush(),
            Self::File(file, _) => file.flush(),
        }
    }
}

/// Whether it is a terminal, `/dev/null` or the like.
fn is_device(metadata: &Metadata) -> bool {
    #[cfg(unix)]
    return std::os::unix::fs::FileTypeExt::is_char_device(&metadata.file_type());
    #[cfg(not(unix))]
    return !metadata.is_file();
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
