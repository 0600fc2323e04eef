//! Work on request, and looking inside.

use super::{Connection, is_mismatch, not_open};
use crate::error::Result;
use crate::stats::{PageInfo, RecoveryStats, Stats, Structure};
use crate::work::{WorkLimit, WorkReport};

/// Bytes of the in-memory trees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeSizes {
    /// The one that waits to be flushed; 0 if none does.
    pub old: u64,
    /// The one that is written to.
    pub live: u64,
}

impl Connection {
    /// Writes the in-memory trees to the file; see [`Database::flush`](crate::Database::flush).
    ///
    /// # Errors
    /// `Misuse` while a cursor or transaction is open; `Busy`, `ReadOnly`, `Full`, `Io`, `Corrupt`.
    pub fn flush(&mut self) -> Result<()> {
        let (settings, timeout) = (self.settings.clone(), self.options.busy_timeout);
        self.idle()?.flush(&settings, timeout)
    }

    /// Flushes an old tree that waits, then merges; see [`Database::work`](crate::Database::work).
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn work(&mut self, limit: WorkLimit) -> Result<WorkReport> {
        let (settings, timeout) = (self.settings.clone(), self.options.busy_timeout);
        self.idle()?.work(&settings, limit, timeout, &mut |_, _| true)
    }

    /// Writes a checkpoint; see [`Database::checkpoint`](crate::Database::checkpoint). Tells how many
    /// bytes had been written to the file since the one before. Cursors and a transaction may be
    /// open. Nothing happens to a file whose codec is missing.
    ///
    /// # Errors
    /// `Busy`, `ReadOnly`, `Full`, `Io`; `Misuse` if the connection is not open.
    pub fn checkpoint(&mut self) -> Result<u64> {
        let (settings, timeout) = (self.settings.clone(), self.options.busy_timeout);
        match self.writable() {
            Err(error) if is_mismatch(&error) => Ok(0),
            shared => Ok(shared?.checkpoint(&settings, timeout)?.unwrap_or(0)),
        }
    }

    /// Sizes and counters of the file.
    ///
    /// # Errors
    /// `Busy`, `Io`, `Mismatch`; `Misuse` if the connection is not open.
    pub fn stats(&mut self) -> Result<Stats> {
        let shared = self.ready()?;
        shared.stats().map_err(|error| error.on(&shared.path))
    }

    /// Levels, free blocks, redirects, log regions.
    ///
    /// # Errors
    /// As [`stats`](Self::stats); `Corrupt`.
    pub fn structure(&mut self) -> Result<Structure> {
        let shared = self.ready()?;
        shared.structure().map_err(|error| error.on(&shared.path))
    }

    /// Ids of the pages of the segment that begins at page `first`.
    ///
    /// # Errors
    /// As [`structure`](Self::structure); `Misuse` if none begins there.
    pub fn segment_pages(&mut self, first: u64) -> Result<Vec<u64>> {
        let shared = self.ready()?;
        shared.segment_pages(first).map_err(|error| error.on(&shared.path))
    }

    /// First and last page of the segment that begins at page `first`, block by block.
    ///
    /// # Errors
    /// As [`segment_pages`](Self::segment_pages).
    pub fn segment_ranges(&mut self, first: u64) -> Result<Vec<(u64, u64)>> {
        let shared = self.ready()?;
        shared.segment_ranges(first).map_err(|error| error.on(&shared.path))
    }

    /// A page of a segment, decoded.
    ///
    /// # Errors
    /// As [`structure`](Self::structure); `Misuse` if no segment has it.
    pub fn page(&mut self, id: u64) -> Result<PageInfo> {
        let shared = self.ready()?;
        shared.page(id).map_err(|error| error.on(&shared.path))
    }

    /// Bytes of the in-memory trees, as far as this process has looked.
    ///
    /// # Errors
    /// As [`stats`](Self::stats).
    pub fn tree_sizes(&mut self) -> Result<TreeSizes> {
        let shared = self.ready()?;
        let (old, live) = shared.tree_sizes().map_err(|error| error.on(&shared.path))?;
        Ok(TreeSizes { old, live })
    }

    /// Bytes written to the file since the last checkpoint.
    ///
    /// # Errors
    /// As [`stats`](Self::stats).
    pub fn bytes_since_checkpoint(&mut self) -> Result<u64> {
        let shared = self.ready()?;
        shared.bytes_since_checkpoint().map_err(|error| error.on(&shared.path))
    }

    /// Id of the codec the file was written with: 0 as long as nothing was, 1 for none. Known also
    /// if the connection does not have it.
    ///
    /// # Errors
    /// As [`stats`](Self::stats), but not `Mismatch`.
    pub fn file_codec_id(&mut self) -> Result<u32> {
        let missing = self.missing_codec()?;
        match (&self.shared, missing) {
            // Also if another connection of this process has it open with a codec of its own.
            (Some(shared), _) => shared.file_codec_id().map_err(|error| error.on(&shared.path)),
            (None, missing) => missing.ok_or_else(not_open),
        }
    }

    /// Page size and block size in bytes: those of the file once it is open.
    #[must_use]
    pub fn page_and_block_size(&self) -> (u32, u32) {
        match &self.shared {
            Some(shared) => {
                let geometry = shared.pager.geometry();
                (geometry.page_size(), geometry.block_size())
            }
            None => (self.options.page_size, self.options.block_size),
        }
    }

    /// Whether other processes may have the file open; `None` as long as it is not open here.
    #[must_use]
    pub fn is_shared(&self) -> Option<bool> {
        self.shared.as_ref().map(|shared| shared.is_shared())
    }

    /// Pages read from the file, not counting mapped ones, since this connection was opened, by all
    /// users of the file in this process.
    #[must_use]
    pub fn pages_read(&self) -> u64 {
        let read = self.shared.as_ref().map_or(0, |shared| shared.pager.pages_read());
        read.saturating_sub(self.pages_read_before)
    }

    /// Pages that flushes and merges of this connection have written.
    #[must_use]
    pub fn pages_written(&self) -> u64 {
        self.listener.pages_written()
    }

    /// What recovery did when this process opened the file.
    #[must_use]
    pub fn recovery(&self) -> Option<RecoveryStats> {
        self.shared.as_ref().map(|shared| shared.recovery)
    }
}
