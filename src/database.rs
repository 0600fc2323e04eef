//! The database as users see it.
#![allow(missing_docs, unused_variables, clippy::missing_errors_doc)]
use crate::check::CheckReport;
use crate::cursor::{Cursor, Iter};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::options::{Durability, Options};
use crate::snapshot::Snapshot;
use crate::stats::{LogRecordInfo, PageInfo, Stats, Structure};
use crate::transaction::WriteTransaction;
use crate::work::{WorkLimit, WorkReport};
use std::io::Write;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Progress of a long operation: (done, total) in bytes. Return false to stop (the call then returns `Error` Misuse "interrupted").
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// An open database: cheap to clone, usable from all threads.
#[derive(Clone, Debug)]
pub struct Database {}

fn nyi<T>() -> Result<T> {
    Err(Error::misuse("not built yet"))
}

impl Database {
    pub fn open(path: impl AsRef<Path>) -> Result<Database> {
        Options::new().open(path)
    }
    pub fn create(path: impl AsRef<Path>) -> Result<Database> {
        Options::new().create_new(true).open(path)
    }
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Database> {
        Options::new().read_only(true).open(path)
    }
    pub(crate) fn open_in(env: Arc<dyn Env>, name: &[u8], options: Options) -> Result<Database> {
        nyi()
    }

    // ---- reading (each call sees the newest committed state)
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        nyi()
    }
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        nyi()
    }
    /// Iterators own a snapshot.
    pub fn iter(&self) -> Result<Iter<'static>> {
        nyi()
    }
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<Iter<'static>> {
        nyi()
    }
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Iter<'static>> {
        nyi()
    }
    pub fn cursor(&self) -> Result<Cursor<'static>> {
        nyi()
    }
    pub fn snapshot(&self) -> Result<Snapshot> {
        nyi()
    }

    // ---- writing (each call its own transaction)
    pub fn insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        nyi()
    }
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<()> {
        nyi()
    }
    pub fn remove_range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<()> {
        nyi()
    }
    /// Applies all changes in one transaction.
    pub fn apply(&self, batch: &Batch) -> Result<()> {
        nyi()
    }
    /// Waits up to the busy timeout.
    pub fn begin(&self) -> Result<WriteTransaction> {
        nyi()
    }
    pub fn begin_timeout(&self, timeout: Duration) -> Result<WriteTransaction> {
        nyi()
    }
    /// Runs `body` in a transaction: commits if it returns Ok, rolls back otherwise.
    pub fn write<T>(&self, body: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        nyi()
    }

    // ---- work
    /// Trees to disk as a new top level.
    pub fn flush(&self) -> Result<()> {
        nyi()
    }
    pub fn work(&self, limit: WorkLimit) -> Result<WorkReport> {
        nyi()
    }
    /// Everything into one segment, blocks moved to the front, checkpoint.
    pub fn compact(&self) -> Result<WorkReport> {
        nyi()
    }
    pub fn compact_with(&self, progress: Progress<'_>) -> Result<WorkReport> {
        nyi()
    }
    /// Bytes that had been written since the previous checkpoint; 0 if there was nothing new.
    pub fn checkpoint(&self) -> Result<u64> {
        nyi()
    }

    // ---- care
    pub fn check(&self) -> Result<CheckReport> {
        nyi()
    }
    pub fn check_with(&self, progress: Progress<'_>) -> Result<CheckReport> {
        nyi()
    }
    /// A consistent copy of the newest committed state as a new database file, while writers go on.
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<u64> {
        nyi()
    }
    pub fn backup_with(
        &self,
        env: Arc<dyn Env>,
        path: impl AsRef<Path>,
        progress: Progress<'_>,
    ) -> Result<u64> {
        nyi()
    }

    // ---- looking inside
    pub fn stats(&self) -> Result<Stats> {
        nyi()
    }
    pub fn structure(&self) -> Result<Structure> {
        nyi()
    }
    /// Ids of the pages of the segment that starts at page `first`.
    pub fn segment_pages(&self, first: u64) -> Result<Vec<u64>> {
        nyi()
    }
    pub fn page(&self, id: u64) -> Result<PageInfo> {
        nyi()
    }
    /// Records of the log from where recovery would start: (offset, record).
    pub fn log_records(&self) -> Result<Vec<(u64, LogRecordInfo)>> {
        nyi()
    }
    pub fn user_version(&self) -> Result<u32> {
        nyi()
    }
    pub fn set_user_version(&self, version: u32) -> Result<()> {
        nyi()
    }

    // ---- options that may change while open
    pub fn set_durability(&self, durability: Durability) {}
    pub fn set_autoflush(&self, bytes: u64) -> Result<()> {
        nyi()
    }
    pub fn set_autocheckpoint(&self, bytes: u64) -> Result<()> {
        nyi()
    }
    pub fn set_automerge(&self, segments: u32) -> Result<()> {
        nyi()
    }
    pub fn set_autowork(&self, on: bool) {}

    /// Ends all use: flush, checkpoint, log removed, file cut to its used size when the last user is gone. Other clones get `Misuse` from then on.
    pub fn close(self) -> Result<()> {
        nyi()
    }
}

/// Changes to be applied together.
#[derive(Clone, Debug, Default)]
pub struct Batch {}

impl Batch {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn insert(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        self
    }
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> &mut Self {
        self
    }
    pub fn remove_range<K: AsRef<[u8]>>(&mut self, range: impl RangeBounds<K>) -> &mut Self {
        self
    }
    pub fn len(&self) -> usize {
        0
    }
    pub fn is_empty(&self) -> bool {
        true
    }
    pub fn clear(&mut self) {}
}

/// Reads whatever is readable of a damaged file `from` and writes it to a new database `to`.
pub fn recover(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    options: &Options,
    progress: Progress<'_>,
) -> Result<RecoverReport> {
    nyi()
}

/// What `recover` found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RecoverReport {
    /// Entries written to the new database.
    pub entries: u64,
    /// Pages that could be read.
    pub pages_read: u64,
    /// Pages that were damaged.
    pub pages_damaged: u64,
    /// What was wrong, in words.
    pub problems: Vec<String>,
}
