//! Paths in a log.

use std::ffi::OsString;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A path as it was named. In the log it is a string or, if it is not Unicode, the list of its bytes (on Windows of its
/// 16-bit units), so that the run finds the file again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedPath(PathBuf);

impl LoggedPath {
    /// A path that is to be logged.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl Deref for LoggedPath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Serialize for LoggedPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.to_str() {
            Some(text) => text.serialize(serializer),
            None => units(self).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for LoggedPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Units(Vec<u16>),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Text(text) => text.into(),
            Form::Units(units) => of_units(&units).into(),
        }))
    }
}

#[cfg(windows)]
fn units(path: &Path) -> Vec<u16> {
    std::os::windows::ffi::OsStrExt::encode_wide(path.as_os_str()).collect()
}

#[cfg(windows)]
fn of_units(units: &[u16]) -> OsString {
    std::os::windows::ffi::OsStringExt::from_wide(units)
}

#[cfg(not(windows))]
fn units(path: &Path) -> Vec<u16> {
    path.as_os_str().as_encoded_bytes().iter().map(|&byte| byte.into()).collect()
}

/// A path from elsewhere is for reading only: what is no byte, or no text where paths have to be, is replaced.
#[cfg(not(windows))]
fn of_units(units: &[u16]) -> OsString {
    let bytes: Vec<u8> = units.iter().map(|&unit| u8::try_from(unit).unwrap_or(b'?')).collect();
    #[cfg(unix)]
    return std::os::unix::ffi::OsStringExt::from_vec(bytes);
    #[cfg(not(unix))]
    String::from_utf8_lossy(&bytes).into_owned().into()
}
