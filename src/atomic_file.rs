//! Files and folders that are there whole or not at all, whenever the program ends.
//!
//! On Linux a file has no name until it is whole (`O_TMPFILE`, then `linkat`): whatever kills the
//! program leaves nothing behind. Elsewhere, and while a file replaces another one, it has a name
//! that says what it is; [`remove_unfinished`] is for handlers of signals.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::{Builder, TempPath};

use crate::Error;

/// How temporary names begin, and with what they end.
const UNFINISHED: (&str, &str) = (".surprisal-", ".tmp");

/// The temporary names in use.
static TEMPORARIES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// What happens to a file that has the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays: [`io::ErrorKind::AlreadyExists`].
    Keep,
    /// It is replaced at once by the whole new file.
    Replace,
}

/// A file that gets its name when it is whole; dropped before, it is gone.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    path: PathBuf,
    /// None where the file has no name at all.
    temporary: Option<TempPath>,
}

impl AtomicFile {
    /// Makes the file that is to have this name. The umask decides who may read it.
    ///
    /// # Errors
    /// If the folder is not there or nothing can be made in it.
    pub fn create(path: &Path) -> io::Result<Self> {
        let (file, temporary) = match unnamed(folder(path))? {
            Some(file) => (file, None),
            None => {
                let (file, temporary) = temporary(folder(path), |path| {
                    File::options().read(true).write(true).create_new(true).open(path)
                })?;
                (file, Some(temporary))
            }
        };
        Ok(Self { file, path: path.to_owned(), temporary })
    }

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The name that it will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, synced: it outlasts a power cut.
    ///
    /// # Errors
    /// If that fails; what had the name before is still there then.
    pub fn persist(self, existing: Existing) -> io::Result<()> {
        let folder = folder(&self.path);
        self.file.sync_all()?;
        let temporary = match self.temporary {
            Some(temporary) => temporary,
            None => match link(&self.file, &self.path) {
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists && existing == Existing::Replace =>
                {
                    temporary(folder, |path| link(&self.file, path))?.1
                }
                linked => {
                    linked?;
                    sync(folder);
                    return Ok(());
                }
            },
        };
        match existing {
            Existing::Keep => temporary.persist_noclobber(&self.path),
            Existing::Replace => temporary.persist(&self.path),
        }
        .map_err(|failed| failed.error)?;
        sync(folder);
        Ok(())
    }
}

impl io::Write for AtomicFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A folder of some files that gets its name when it is whole; dropped before, it is gone.
#[derive(Debug)]
pub struct AtomicFolder {
    path: PathBuf,
    /// Removed with all that is in it.
    temporary: PathBuf,
}

impl Drop for AtomicFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.temporary);
    }
}

impl AtomicFolder {
    /// Makes the folder that is to have this name.
    ///
    /// # Errors
    /// If nothing can be made where it is to be.
    pub fn create(path: &Path) -> io::Result<Self> {
        // Of a link, the folder that it leads to.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let ((), temporary) = temporary(folder(&path), |path| std::fs::create_dir(path))?;
        let temporary = temporary.keep().map_err(|error| error.error)?;
        Ok(Self { path, temporary })
    }

    /// Writes the files into the folder that is given. Errors name them as they will be.
    ///
    /// # Errors
    /// That of writing.
    pub fn fill(&self, write: impl FnOnce(&Path) -> crate::Result<()>) -> crate::Result<()> {
        write(&self.temporary).map_err(|error| match error {
            Error::ModelFile { path, source } => {
                let path = self.path.join(path.strip_prefix(&self.temporary).unwrap_or(&path));
                Error::ModelFile { path, source }
            }
            other => other,
        })
    }

    /// Gives it its name; a folder that had it is replaced whole, whatever is in it.
    ///
    /// # Errors
    /// If that fails; what had the name before is still there then.
    pub fn persist(self) -> io::Result<()> {
        let new = &self.temporary;
        sync(new);
        if self.path.exists() {
            exchange(new, &self.path)?;
        } else {
            std::fs::rename(new, &self.path)?;
        }
        sync(folder(&self.path));
        Ok(())
    }
}

/// Gives each of two folders the other's name.
fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags};
        if rustix::fs::renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE).is_ok() {
            return Ok(());
        }
    }
    let mut aside = a.as_os_str().to_owned();
    aside.push("-old");
    std::fs::rename(b, &aside)?;
    std::fs::rename(a, b).inspect_err(|_| drop(std::fs::rename(&aside, b)))?;
    std::fs::rename(&aside, a)
}

/// Writes a file so that a reader sees the old content or the new, never a part of either.
///
/// # Errors
/// [`Error::ModelFile`] if that fails; the old content is still there then.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> crate::Result<()> {
    let write = || {
        let mut file = AtomicFile::create(path)?;
        io::Write::write_all(&mut file, content)?;
        file.persist(Existing::Replace)
    };
    write().map_err(|source| Error::ModelFile { path: path.to_owned(), source })
}

/// Removes the temporary names of this process. From then on no further one can be made: call it
/// only before the process ends.
pub fn remove_unfinished() {
    let temporaries = TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner);
    for path in temporaries.iter() {
        // It may have got its name meanwhile.
        let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir_all(path));
    }
    std::mem::forget(temporaries);
}

/// Files in a folder that a process which was killed, or still runs, has under a temporary name.
///
/// # Errors
/// If the folder cannot be read.
pub fn unfinished(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.as_encoded_bytes();
        if name.starts_with(UNFINISHED.0.as_bytes()) && name.ends_with(UNFINISHED.1.as_bytes()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// The folder that a file is in.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes something under a temporary name in a folder, which [`remove_unfinished`] knows.
fn temporary<T>(folder: &Path, make: impl FnMut(&Path) -> io::Result<T>) -> io::Result<(T, TempPath)> {
    // Held until the name is noted, so that a signal finds every one.
    let mut temporaries = TEMPORARIES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut builder = Builder::new();
    let prefix = format!("{}unfinished-", UNFINISHED.0);
    let made = builder.prefix(&prefix).suffix(UNFINISHED.1).make_in(folder, make);
    // Without the temporary name, which says nothing to a user.
    let made = made.map_err(|error| io::Error::from(error.kind()))?;
    temporaries.retain(|path| path.exists());
    temporaries.push(made.path().to_owned());
    Ok(made.into_parts())
}

/// A name, too, should outlast a power cut; not every file system can do that.
fn sync(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// A file without a name, where system and file system have such.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::Errno;
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::from_raw_mode(0o666)) {
        // Naming it goes by way of /proc.
        Ok(file) => Ok(Path::new("/proc/self/fd").exists().then(|| file.into())),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_folder: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// Gives a file without a name one that is free.
#[cfg(target_os = "linux")]
fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD};
    use std::os::fd::AsRawFd;
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn link(_file: &File, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_folder_is_replaced_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("folder");
        for name in ["old", "new"] {
            drop(AtomicFolder::create(&path).unwrap());
            let folder = AtomicFolder::create(&path).unwrap();
            folder.fill(|path| write_whole(&path.join(name), name.as_bytes())).unwrap();
            let failed = folder.fill(|path| write_whole(&path.join("none/x"), b"")).unwrap_err();
            assert!(failed.to_string().contains("folder/none/x"), "{failed}");
            folder.persist().unwrap();
        }
        let names = |path: &Path| -> Vec<_> {
            std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect()
        };
        assert_eq!((names(place.path()), names(&path)), (vec!["folder".into()], vec!["new".into()]));
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        let names = || std::fs::read_dir(place.path()).unwrap().count();
        for with_temporary in [false, true] {
            let create = || {
                if !with_temporary {
                    return AtomicFile::create(&path).unwrap();
                }
                let (file, name) = temporary(place.path(), |path| File::create_new(path)).unwrap();
                AtomicFile { file, path: path.clone(), temporary: Some(name) }
            };
            create().write_all(b"never named").unwrap();
            assert_eq!(names(), 0);
            for content in ["new", "newer"] {
                let mut file = create();
                file.write_all(content.as_bytes()).unwrap();
                file.persist(Existing::Replace).unwrap();
                assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
            }
            let error = create().persist(Existing::Keep).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!((std::fs::read_to_string(&path).unwrap(), names()), ("newer".into(), 1));
            std::fs::remove_file(&path).unwrap();
        }
        let (_, name) = temporary(place.path(), |path| File::create_new(path)).unwrap();
        assert_eq!(unfinished(place.path()).unwrap(), [name.to_path_buf()]);
    }
}
