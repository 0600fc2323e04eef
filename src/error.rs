//! What can go wrong, on which file, and what to do about it.
//!
//! One [`Error`] type for the whole crate: a boxed record (eight bytes in a `Result`) of a
//! [`ErrorKind`], the path concerned and what was being done. Codes are those of lsm.h.

use crate::env::{EnvError, FilePath};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Result of a Siltstone call.
pub type Result<T> = core::result::Result<T, Error>;

/// Which role somebody else holds when a call is refused as busy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BusyRole {
    /// Another write transaction is open.
    Writer,
    /// Somebody is merging or flushing.
    Worker,
    /// Somebody is writing a checkpoint.
    Checkpointer,
    /// The write would start from a snapshot that is no longer the newest.
    StaleSnapshot,
    /// Another process has the file for itself, or has it open where it is wanted alone, or is just
    /// opening or closing it.
    OtherProcess,
    /// The owner file says that an instance in a sandbox, which knows no locks, has the file for
    /// itself; one that was killed leaves it behind.
    OwnerFile {
        /// Time since its last sign of life, if it tells.
        idle: Option<Duration>,
    },
    /// No reader slot is free.
    ReaderSlots,
    /// This handle still has open transactions, snapshots or cursors.
    OwnTransactions,
}

impl BusyRole {
    fn text(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            BusyRole::Writer => {
                "another write transaction is open; wait for it or raise the busy timeout"
            }
            BusyRole::Worker => "somebody else is merging or flushing; retry later",
            BusyRole::Checkpointer => "somebody else is writing a checkpoint; retry later",
            BusyRole::StaleSnapshot => {
                "the transaction's snapshot is not the newest; drop it and begin again"
            }
            BusyRole::OtherProcess => {
                "another process has the database open in a way that excludes this one, or is just \
                 opening or closing it; close it there, or raise the busy timeout"
            }
            BusyRole::OwnerFile { idle } => {
                let seen =
                    idle.map_or_else(String::new, |idle| format!(" (active {} ago)", ago(idle)));
                return Cow::Owned(format!(
                    "the owner file `-lock` beside the database says that somebody has it for \
                     itself{seen}; if no such program runs any more, break the lock \
                     (`siltstone unlock`)"
                ));
            }
            BusyRole::ReaderSlots => {
                "no reader slot is free; close snapshots that are no longer needed"
            }
            BusyRole::OwnTransactions => {
                "transactions, snapshots or cursors of this database are still open; drop them first"
            }
        })
    }
}

/// A time for people: its largest unit, rounded down.
fn ago(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    let unit = units.into_iter().find(|(unit, _)| seconds >= 2 * unit);
    let (unit, name) = unit.unwrap_or((1, "seconds"));
    format!("{} {name}", seconds / unit)
}

/// Where damage was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// A whole file, or no more precise place.
    File,
    /// The checkpoint stored in meta page 1 or 2.
    MetaPage(u32),
    /// The snapshot, wherever it came from.
    Checkpoint,
    /// A page, by its id.
    Page(u64),
    /// A block, by its number.
    Block(u32),
    /// A byte offset of the log.
    Log(u64),
    /// An offset in shared memory.
    SharedMemory(u32),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File => f.write_str("file"),
            Place::MetaPage(n) => write!(f, "meta page {n}"),
            Place::Checkpoint => f.write_str("checkpoint"),
            Place::Page(id) => write!(f, "page {id}"),
            Place::Block(n) => write!(f, "block {n}"),
            Place::Log(offset) => write!(f, "log offset {offset}"),
            Place::SharedMemory(offset) => write!(f, "shared memory offset {offset}"),
        }
    }
}

/// The kinds of failure.
#[derive(thiserror::Error, Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Somebody else holds what the call needs (lsm code 5).
    #[error("busy: {}", .0.text())]
    Busy(BusyRole),
    /// Memory could not be had, or the configured cap is reached (7).
    #[error("out of memory: {0}")]
    OutOfMemory(Cow<'static, str>),
    /// A write on something opened read-only or without permission (8).
    #[error("read-only: {0}")]
    ReadOnly(Cow<'static, str>),
    /// The world failed (10, or 266 for a missing file).
    #[error("{operation}: {source}{}", advice(.operation, *.source))]
    Io {
        /// What was being done.
        operation: &'static str,
        /// What the world said.
        source: EnvError,
    },
    /// Bytes that break a rule of the format (11).
    #[error("corrupt: {place}: {rule}; try `siltstone check` and `siltstone recover`")]
    Corrupt {
        /// Where.
        place: Place,
        /// The rule that is broken.
        rule: Cow<'static, str>,
    },
    /// The file holds something, but no database (11).
    #[error("not a database: {0}")]
    NotADatabase(Cow<'static, str>),
    /// No space, or a limit of the format is reached (13).
    #[error("full: {0}")]
    Full(Cow<'static, str>),
    /// The file cannot be opened as asked (14).
    #[error("cannot open: {0}")]
    CannotOpen(Cow<'static, str>),
    /// Shared memory did not settle (15).
    #[error("protocol: {0}")]
    Protocol(Cow<'static, str>),
    /// A call in the wrong state or with an illegal argument (21).
    #[error("misuse: {0}")]
    Misuse(Cow<'static, str>),
    /// The file's pages are written by a codec that is not installed (50).
    #[error(
        "codec mismatch: the file needs codec {file}, the handle has {handle}; open it with that codec"
    )]
    Mismatch {
        /// Id in the file.
        file: u32,
        /// Id of the handle (1 = none).
        handle: u32,
    },
    /// A codec refused to compress or decompress (1).
    #[error("codec: {0}")]
    Codec(Cow<'static, str>),
    /// An earlier failure (of a sync, or damage found while writing) ended writing through this
    /// object (10).
    #[error("poisoned by an earlier failure ({0}); close and reopen the database")]
    Poisoned(Cow<'static, str>),
}

/// How the names of all operations that sync begin.
const SYNCING: &str = "syncing";

/// What to do about a failure of the world.
fn advice(operation: &str, source: EnvError) -> &'static str {
    match source {
        EnvError::NotFound => "; check the path",
        EnvError::CannotShare => {
            "; move the database to a local file system, or hold `siltstone hold-lock` around a \
             program that locks nothing"
        }
        _ if operation.starts_with(SYNCING) => {
            "; check the disk and its free space, then reopen the database"
        }
        EnvError::Io(_) => "; check the disk, then retry or reopen the database",
        _ => "",
    }
}

impl ErrorKind {
    fn code(&self) -> i32 {
        match self {
            ErrorKind::Codec(_) => 1,
            ErrorKind::Busy(_) => 5,
            ErrorKind::OutOfMemory(_) => 7,
            ErrorKind::ReadOnly(_) => 8,
            ErrorKind::Io { source, .. } => source.code(),
            ErrorKind::Poisoned(_) => 10,
            ErrorKind::Corrupt { .. } | ErrorKind::NotADatabase(_) => 11,
            ErrorKind::Full(_) => 13,
            ErrorKind::CannotOpen(_) => 14,
            ErrorKind::Protocol(_) => 15,
            ErrorKind::Misuse(_) => 21,
            ErrorKind::Mismatch { .. } => 50,
        }
    }

    /// Whether a sync failed, after which nothing is known about what is on disk.
    pub(crate) fn is_failed_sync(&self) -> bool {
        match self {
            ErrorKind::Io { operation, .. } => operation.starts_with(SYNCING),
            ErrorKind::Full(text) => text.starts_with(SYNCING),
            _ => false,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            ErrorKind::Codec(_) => "Codec",
            ErrorKind::Busy(_) => "Busy",
            ErrorKind::OutOfMemory(_) => "OutOfMemory",
            ErrorKind::ReadOnly(_) => "ReadOnly",
            ErrorKind::Io { .. } => "Io",
            ErrorKind::Poisoned(_) => "Poisoned",
            ErrorKind::Corrupt { .. } => "Corrupt",
            ErrorKind::NotADatabase(_) => "NotADatabase",
            ErrorKind::Full(_) => "Full",
            ErrorKind::CannotOpen(_) => "CannotOpen",
            ErrorKind::Protocol(_) => "Protocol",
            ErrorKind::Misuse(_) => "Misuse",
            ErrorKind::Mismatch { .. } => "Mismatch",
        }
    }
}

/// What failed, on which path, and what to do.
#[derive(Clone, PartialEq)]
pub struct Error(Box<Inner>);

#[derive(Clone, PartialEq)]
struct Inner {
    kind: ErrorKind,
    path: Option<FilePath>,
}

impl Error {
    /// An error of this kind; the engine attaches the path on its way out.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Error(Box::new(Inner { kind, path: None }))
    }

    /// The kind, for matching.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The kind's name, stable across versions.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.kind.name()
    }

    /// The result code lsm.h gives this error.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.0.kind.code()
    }

    /// The database concerned.
    #[must_use]
    pub fn path(&self) -> Option<&FilePath> {
        self.0.path.as_ref()
    }

    /// Whether waiting and retrying may help.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Busy(_))
    }

    /// Whether damaged bytes were found.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Corrupt { .. } | ErrorKind::NotADatabase(_))
    }

    /// Adds the path unless one is known.
    #[must_use]
    pub(crate) fn on(mut self, path: &FilePath) -> Self {
        self.0.path.get_or_insert_with(|| path.clone());
        self
    }

    /// Damage at `place`.
    pub(crate) fn corrupt(place: Place, rule: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Corrupt { place, rule: rule.into() })
    }

    /// A call in the wrong state or with an illegal argument.
    pub(crate) fn misuse(what: impl Into<Cow<'static, str>>) -> Self {
        Error::new(ErrorKind::Misuse(what.into()))
    }

    /// Somebody else holds `role`.
    pub(crate) fn busy(role: BusyRole) -> Self {
        Error::new(ErrorKind::Busy(role))
    }

    /// The world refused `operation`. A failed sync stays an `Io` error whatever its reason: no
    /// retry makes up for it.
    pub(crate) fn io(operation: &'static str, source: EnvError) -> Self {
        Error::new(match source {
            source if operation.starts_with(SYNCING) => ErrorKind::Io { operation, source },
            EnvError::Full => ErrorKind::Full(Cow::Owned(format!(
                "{operation}: no space left; free some and retry (nothing committed is lost)"
            ))),
            EnvError::ReadOnly => ErrorKind::ReadOnly(Cow::Owned(format!(
                "{operation}: no permission to write; check owner and mode of file and directory"
            ))),
            EnvError::OutOfMemory => ErrorKind::OutOfMemory(Cow::Borrowed(operation)),
            other => ErrorKind::Io { operation, source: other },
        })
    }
}

/// Attaches what was being done to a failure of the world.
pub(crate) trait IoContext<T> {
    /// Converts into [`Error`], naming the operation.
    fn during(self, operation: &'static str) -> Result<T>;
}

impl<T> IoContext<T> for core::result::Result<T, EnvError> {
    fn during(self, operation: &'static str) -> Result<T> {
        self.map_err(|source| Error::io(operation, source))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.path {
            Some(path) => write!(f, "{path}: {}", self.0.kind),
            None => self.0.kind.fmt(f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.0.kind).field("path", &self.0.path).finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.kind {
            ErrorKind::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_file_is_told_with_its_age() {
        for (seconds, text) in [
            (0, "0 seconds"),
            (119, "119 seconds"),
            (120, "2 minutes"),
            (3 * 3600 + 7, "3 hours"),
            (5 * 86_400, "5 days"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
        let idle = Some(Duration::from_secs(7200));
        let text = Error::busy(BusyRole::OwnerFile { idle }).to_string();
        assert!(text.contains("active 2 hours ago") && text.contains("siltstone unlock"), "{text}");
    }
}
