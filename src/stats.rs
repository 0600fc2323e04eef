//! Numbers and structure of a database, for people and programs.

mod tcl;

pub use tcl::{PageText, pages_as_tcl, ranges_as_tcl};

use crate::format::checkpoint::Redirect;

/// Sizes and counters; see [`Database::stats`](crate::Database::stats).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes of the live in-memory tree.
    pub live_tree_bytes: u64,
    /// Bytes of the old tree waiting to be flushed; 0 if there is none.
    pub old_tree_bytes: u64,
    /// Bytes of shared memory (in exclusive mode: heap) the trees occupy.
    pub memory_bytes: u64,
    /// Bytes held by the page cache.
    pub cache_bytes: u64,
    /// Bytes of a page.
    pub page_size: u32,
    /// Bytes of a block.
    pub block_size: u32,
    /// Codec of the pages: 0 not fixed yet, 1 none.
    pub compression_id: u32,
    /// Id of the newest snapshot.
    pub snapshot_id: i64,
    /// Id of the newest checkpoint on disk; 0 if there is none.
    pub checkpoint_id: i64,
    /// Bytes written to the database file since that checkpoint.
    pub bytes_since_checkpoint: u64,
    /// Blocks ever allocated.
    pub block_count: u32,
    /// Blocks that are free.
    pub free_blocks: u32,
    /// Bytes of the database file; 0 where the environment cannot tell.
    pub file_bytes: u64,
    /// Bytes of the log that recovery would read.
    pub log_bytes: u64,
    /// Levels.
    pub level_count: usize,
    /// Segments, inputs of merges included.
    pub segment_count: usize,
    /// Pages read from the file (not through a map) since open.
    pub pages_read: u64,
    /// Pages written since open.
    pub pages_written: u64,
    /// The application's version number.
    pub user_version: u32,
    /// What recovery found at open.
    pub recovery: RecoveryStats,
}

/// What recovery did when the database was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryStats {
    /// Transactions replayed from the log.
    pub transactions: u64,
    /// Bytes of log replayed.
    pub log_bytes: u64,
    /// Bytes behind the end of the replayed log that look like records: an unfinished transaction,
    /// remains of earlier use, or damage.
    pub bytes_after_end: u64,
}

/// A level of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelInfo {
    /// 0 = made by a flush, otherwise how often its content was merged.
    pub age: u16,
    /// Holds free-list records only.
    pub freelist_only: bool,
    /// The segment; of an unfinished merge what is already written.
    pub segment: SegmentInfo,
    /// Inputs of an unfinished merge, newest first.
    pub merging: Vec<SegmentInfo>,
    /// First key that is not merged yet.
    pub split_key: Option<Vec<u8>>,
}

/// A segment (sorted run).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// First page; in compressed files the byte offset of its record.
    pub first: u64,
    /// Last page; in compressed files the last byte.
    pub last: u64,
    /// Root of its b-tree, 0 if none.
    pub root: u64,
    /// Pages, or bytes in compressed files.
    pub size: u64,
}

/// A free block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FreeBlock {
    /// Its number.
    pub block: u32,
    /// Snapshot since which it is free.
    pub since: i64,
}

/// Structure of the database file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Structure {
    /// Levels, newest first.
    pub levels: Vec<LevelInfo>,
    /// Free blocks, ascending.
    pub free: Vec<FreeBlock>,
    /// Blocks moved below the oldest segment.
    pub redirects: Vec<Redirect>,
    /// First unused pages behind finished segments.
    pub append_points: Vec<u64>,
    /// Regions of the log, in recovery order, as byte ranges.
    pub log_regions: [(u64, u64); 3],
}

/// A page, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageInfo {
    /// Its id.
    pub id: u64,
    /// Flags of the footer: 1 b-tree, 2 skip next, 4 skip this.
    pub flags: u16,
    /// Pointer of the footer.
    pub pointer: u64,
    /// Usable bytes, footer included.
    pub bytes: Vec<u8>,
    /// Its cells.
    pub cells: Vec<CellInfo>,
}

/// A cell of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CellInfo {
    /// Offset within the usable bytes.
    pub offset: u32,
    /// Type bits: 1 start delete, 2 end delete, 4 point delete, 8 insert, 0x10 separator,
    /// 0x20 system.
    pub flags: u8,
    /// Absolute pointer.
    pub pointer: u64,
    /// The key.
    pub key: Vec<u8>,
    /// The value of an insert.
    pub value: Option<Vec<u8>>,
}

/// A record of the log, as [`Database::log_records`](crate::Database::log_records) gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogRecordInfo {
    /// A key is written.
    Insert {
        /// The key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
    },
    /// A key is deleted.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
    /// All keys strictly between are deleted.
    DeleteRange {
        /// Exclusive lower bound.
        low: Vec<u8>,
        /// Exclusive upper bound.
        high: Vec<u8>,
    },
    /// The transaction is complete.
    Commit,
    /// Filler.
    Padding {
        /// Bytes, the record's own included.
        bytes: u64,
    },
    /// Reading continues elsewhere.
    Jump {
        /// Offset.
        target: u64,
    },
}
