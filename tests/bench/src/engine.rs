//! What a storage engine must offer to be measured. Every workload is written against these traits
//! only, so that all engines do the same work; rows are checked by [`Digest`].

use anyhow::Result;
use std::path::Path;

/// Keys of all workloads.
pub(crate) type Key = [u8; 16];

/// A row to be written.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) key: Key,
    pub(crate) value: &'a [u8],
}

/// Count and order-independent sum of the rows an engine returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) rows: u64,
    pub(crate) sum: u64,
}

impl Digest {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.add_sum(siltstone_peer::digest(key, value));
    }

    pub(crate) fn add_sum(&mut self, sum: u64) {
        self.rows += 1;
        self.sum = self.sum.wrapping_add(sum);
    }
}

/// An engine with fixed settings.
pub(crate) trait Engine {
    fn name(&self) -> &'static str;
    /// Settings that matter, in words.
    fn settings(&self) -> String;
    /// What a commit survives: of an ordinary store, and of a durable one.
    fn durability(&self) -> (&'static str, &'static str);
    /// Whether it works on threads of its own after a call has returned.
    fn has_background_threads(&self) -> bool {
        false
    }
    /// Opens or creates the store in a directory. `durable`: a commit returns when synced.
    fn open(&self, directory: &Path, durable: bool) -> Result<Box<dyn Store>>;
}

/// An open store.
pub(crate) trait Store {
    /// One row, its own transaction.
    fn put(&mut self, row: &Row<'_>) -> Result<()>;
    /// All rows in one transaction.
    fn put_batch(&mut self, rows: &[Row<'_>]) -> Result<()>;
    /// One key, its own transaction.
    fn remove(&mut self, key: &Key) -> Result<()>;
    /// All keys of `from..to`, one transaction where the engine can.
    fn remove_range(&mut self, from: &Key, to: &Key) -> Result<()>;
    /// Reads the newest committed state, whatever a read view costs.
    fn get_fresh(&mut self, key: &Key, digest: &mut Digest) -> Result<()>;
    /// One read view for many reads.
    fn reader(&mut self) -> Result<Box<dyn Reader + '_>>;
    /// Brings the store to its most compact form, as far as it has a call for that.
    fn compact(&mut self) -> Result<()>;
    /// Closes cleanly.
    fn close(self: Box<Self>) -> Result<()>;
}

/// A read view.
pub(crate) trait Reader {
    /// Adds the row to the digest if it is there.
    fn get(&mut self, key: &Key, digest: &mut Digest) -> Result<()>;
    /// Adds at most `limit` rows in order, beginning at `from` or the first row.
    fn scan(&mut self, from: Option<&Key>, limit: usize, digest: &mut Digest) -> Result<()>;
}
