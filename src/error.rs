//! The library's one error type. Every variant says what failed, where, and what to do about it.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::model::Identity;

/// What can go wrong in the library. The command line prints it, with its causes, on one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing failed below us.
    #[error(transparent)]
    Io(#[from] std::io::Error),

    /// A file of a model folder could not be read or written.
    #[error("{}: {source}", path.display())]
    ModelFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A model (its configuration, its weights or its embedded form) is not usable.
    #[error("unusable model: {0}")]
    Model(String),

    /// The input does not begin as an archive does.
    #[error("not a surprisal archive (at byte {offset}): {what}")]
    NotAnArchive {
        /// Where, in bytes from the start of the input.
        offset: u64,
        /// What was found.
        what: String,
    },

    /// The archive was written by a version that this program does not know.
    #[error(
        "{what} {found} is not known to this program (it knows {} to {}): use the version that wrote it",
        known.start(), known.end()
    )]
    Version {
        /// What has versions: the format, or the learner.
        what: &'static str,
        /// The version in the archive.
        found: u16,
        /// The versions that this program reads.
        known: RangeInclusive<u16>,
    },

    /// The archive needs a model that is not at hand.
    #[error("the archive was made with model '{name}' ({wanted}), {at_hand}: pass the right folder with -m")]
    WrongModel {
        /// The name recorded in the archive.
        name: String,
        /// The identity recorded in the archive.
        wanted: Identity,
        /// What is there instead, as a phrase.
        at_hand: String,
    },

    /// The archive is damaged or cut short.
    #[error("damaged archive: {what} ({place}); everything before it was intact")]
    Damaged {
        /// What is wrong.
        what: String,
        /// Where: a block number, a byte offset.
        place: String,
    },

    /// A kernel was asked for that this processor lacks.
    #[error("this processor does not have {0}")]
    Unavailable(&'static str),

    /// There is no such range of lines.
    #[error("lines {from}..{to} are no range: lines count from 1, and the first comes first")]
    Lines {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },

    /// A name that nothing has.
    #[error("unknown {what} '{name}': use one of {known}")]
    UnknownName {
        /// What has such names.
        what: &'static str,
        /// The name.
        name: String,
        /// Those that there are, with commas between them.
        known: String,
    },

    /// A setting is out of range.
    #[error("the {what} must be {wanted}, not {value}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// Its value.
        value: String,
        /// What it may be, as a phrase.
        wanted: String,
    },

    /// Settings that do not go together, as a sentence.
    #[error("{0}")]
    Conflict(&'static str),

    /// A line is longer than the model codes.
    #[error("the line has {len} characters, but the model codes at most {max}")]
    LineTooLong {
        /// Its characters.
        len: usize,
        /// The most of them.
        max: usize,
    },

    /// A line has a character that is not in the model's vocabulary.
    #[error("character {position} of the line, {character:?}, is none of the model's")]
    UnknownCharacter {
        /// Where, from 1.
        position: usize,
        /// The character.
        character: char,
    },

    /// A text file does not serve for a training.
    #[error("{}{} {what}", path.display(), line.map_or_else(String::new, |line| format!(", line {line}")))]
    Corpus {
        /// The file.
        path: PathBuf,
        /// The line, from 1, if it is because of one.
        line: Option<u64>,
        /// Why, as a verb and what follows it.
        what: String,
    },

    /// A GPU is not there, does not serve, or failed.
    #[error("{0}")]
    Device(String),

    /// Training failed.
    #[error("training: {0}")]
    Training(String),
}

/// `Result` with this library's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The typed error inside an [`std::io::Error`], where this library put one there.
    pub fn from_io(error: std::io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Io)
    }

    pub(crate) fn damaged(what: impl Into<String>, place: impl Into<String>) -> Self {
        Self::Damaged { what: what.into(), place: place.into() }
    }

    pub(crate) fn model(what: impl Into<String>) -> Self {
        Self::Model(what.into())
    }

    /// [`Error::Setting`] unless the setting holds what is wanted.
    pub(crate) fn unless(
        holds: bool,
        what: &'static str,
        value: impl ToString,
        wanted: impl Into<String>,
    ) -> Result<()> {
        let error = || Self::Setting { what, value: value.to_string(), wanted: wanted.into() };
        holds.then_some(()).ok_or_else(error)
    }
}

/// Lets the reader and the writer, which speak [`std::io`], carry an [`Error`] out of `read` and
/// `write`; [`Error::from_io`] brings it back.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            Error::Damaged { .. } | Error::NotAnArchive { .. } => {
                Self::new(std::io::ErrorKind::InvalidData, error)
            }
            other => Self::other(other),
        }
    }
}
