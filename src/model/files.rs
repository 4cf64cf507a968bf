//! Files of a model folder that are there whole or not at all, whenever the program ends.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

/// How the names of unfinished files begin and end.
const UNFINISHED: (&str, &str) = (".surprisal-", ".tmp");

/// Writes a file so that a reader sees the old content or the new, never a part, even after a
/// power cut: under another name, synced, then renamed. The umask decides who may read it, as for
/// any file.
///
/// # Errors
/// [`Error::ModelFile`] if that fails; the old content is still there then.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let write = || {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(UNFINISHED.0).suffix(UNFINISHED.1);
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        // The name, too, should outlast a power cut; not every file system can do that.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    };
    write().map_err(|source| Error::ModelFile {
        path: path.to_owned(),
        source,
    })
}

/// Removes what [`write_whole`] left unfinished when the program was killed.
///
/// # Errors
/// [`Error::ModelFile`] if the folder cannot be read or such a file not be removed.
#[cfg(feature = "train")]
pub(crate) fn remove_unfinished(folder: &Path) -> Result<()> {
    let remove = || -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    remove().map_err(|source| Error::ModelFile {
        path: folder.to_owned(),
        source,
    })
}
