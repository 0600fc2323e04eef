//! The new database: changes gathered into transactions of moderate size.

use crate::batch::Batch;
use crate::database::Database;
use crate::error::Result;
use crate::work::Progress;
use crate::work::interrupted;
use std::ops::Bound;

/// Bytes of keys and values per transaction.
const BATCH_BYTES: usize = 1 << 20;

/// Takes changes in the order in which they happened.
pub(super) struct Target<'a> {
    database: &'a Database,
    batch: Batch,
    bytes: usize,
    done: u64,
    total: u64,
    progress: Progress<'a>,
}

impl<'a> Target<'a> {
    /// Writes to `database`; `total` bytes will be read.
    pub(super) fn new(database: &'a Database, total: u64, progress: Progress<'a>) -> Self {
        Target { database, batch: Batch::new(), bytes: 0, done: 0, total, progress }
    }

    /// Tells that more bytes were read.
    pub(super) fn advance(&mut self, bytes: u64) -> Result<()> {
        self.done = self.done.saturating_add(bytes);
        let total = self.total;
        if (self.progress)(self.done.min(total), total) { Ok(()) } else { Err(interrupted()) }
    }

    pub(super) fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.batch.insert(key, value);
        self.added(key.len() + value.len())
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.batch.remove(key);
        self.added(key.len())
    }

    /// Removes the keys strictly between two keys.
    pub(super) fn remove_between(&mut self, low: &[u8], high: &[u8]) -> Result<()> {
        self.batch.remove_range::<&[u8]>((Bound::Excluded(low), Bound::Excluded(high)));
        self.added(low.len() + high.len())
    }

    /// Removes the keys from `low` on, up to `high` exclusive.
    pub(super) fn remove_from(&mut self, low: &[u8], high: &[u8]) -> Result<()> {
        self.batch.remove_range::<&[u8]>((Bound::Included(low), Bound::Excluded(high)));
        self.added(low.len() + high.len())
    }

    fn added(&mut self, bytes: usize) -> Result<()> {
        self.bytes += bytes + 32;
        if self.bytes < BATCH_BYTES { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> Result<()> {
        self.database.apply(&self.batch)?;
        self.batch = Batch::new();
        self.bytes = 0;
        Ok(())
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> Result<()> {
        self.write()?;
        let total = self.total;
        self.advance(total)
    }
}
