//! What background work did: the arguments and results of flush, work, compact and checkpoint.

use crate::error::Error;

/// Told how far a long call has come: bytes done and in total. Returning `false` stops the call,
/// which then fails with `Misuse` ("interrupted") and leaves everything consistent.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// The error of a call that its progress callback stopped.
pub(crate) fn interrupted() -> Error {
    Error::misuse("interrupted: the progress callback asked to stop")
}

/// What a [`WorkEvent`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkKind {
    /// In-memory trees became a new top level.
    Flush,
    /// A step of a merge ended.
    Merge,
    /// A checkpoint was written to a meta page.
    Checkpoint,
    /// The tree is over its limit and autowork is off: somebody should call `work`.
    WorkWanted,
}

/// A piece of work that ended; see `Options::on_work`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkEvent {
    /// What was done.
    pub kind: WorkKind,
    /// Bytes written to the database file.
    pub bytes: u64,
    /// Levels of the database afterwards.
    pub levels: usize,
}

/// How much a call of [`Database::work`](crate::Database::work) may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkLimit {
    /// Most bytes to write, rounded up to pages; `None` = until nothing is left to do.
    pub bytes: Option<u64>,
    /// How many segments make a merge worth while: `None` = the automerge option, 1 = merge
    /// everything into one segment.
    pub segments: Option<u32>,
}

impl WorkLimit {
    /// Until nothing is left, with the automerge option.
    pub const ALL: WorkLimit = WorkLimit { bytes: None, segments: None };

    /// At most so many bytes, with the automerge option.
    #[must_use]
    pub fn bytes(bytes: u64) -> Self {
        WorkLimit { bytes: Some(bytes), segments: None }
    }
}

/// What a call of `work` or `compact` did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkReport {
    /// Bytes written to the database file.
    pub bytes_written: u64,
    /// Whether there was nothing left to do.
    pub finished: bool,
}
