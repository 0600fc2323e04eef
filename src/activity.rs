//! Who uses a database file at this moment and what they are doing, as anybody can see from
//! outside: plain data, filled in by `shared::observe`. What the locks mean is specified in
//! docs/format-sharing.md, "Locks".

use crate::env::{LockId, LockMode};
use crate::stats::LevelInfo;

/// Who has a database file open, as its locks tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Presence {
    /// Nobody, or none but read-only clients that read for themselves.
    Nobody,
    /// Read-only clients alone, in the shared memory that the last writer left to them.
    Readers,
    /// Read-write clients in shared mode, and perhaps read-only ones.
    Clients,
    /// One process that has locked all others out.
    Exclusive,
}

/// A lock byte and how it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockActivity {
    /// The lock.
    pub lock: LockId,
    /// Held by nobody (`Unlock`), by some (`Shared`) or by one (`Exclusive`).
    pub held: LockMode,
}

/// A reader slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SlotActivity {
    /// Its number, 0 to 5.
    pub number: u8,
    /// The snapshot from which blocks are kept; 0 = the slot says nothing.
    pub snapshot_id: i64,
    /// The chunk of shared memory from which chunks are kept.
    pub chunk_id: u32,
    /// Whether readers rely on it. Otherwise it is a remark that anybody may change.
    pub locked: bool,
}

/// What shared memory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryActivity {
    /// A write transaction runs, or its writer has died.
    pub writing: bool,
    /// Number of the newest committed transaction, counted since the memory was made.
    pub transaction: u32,
    /// Bytes of the live in-memory tree.
    pub live_tree_bytes: u64,
    /// Bytes of the old tree that waits to be flushed; 0 if there is none.
    pub old_tree_bytes: u64,
    /// Bytes of the chunks of both.
    pub memory_bytes: u64,
    /// Regions of the log, in recovery order, as byte ranges.
    pub log_regions: [(u64, u64); 3],
    /// The application's version number.
    pub user_version: u32,
    /// The six reader slots.
    pub slots: Vec<SlotActivity>,
}

/// What goes on in a database file; see [`observe`](crate::observe).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity {
    /// Who is there.
    pub presence: Presence,
    /// All locks of the protocol, in the order of their numbers.
    pub locks: Vec<LockActivity>,
    /// What shared memory holds; `None` if nobody shares any.
    pub memory: Option<MemoryActivity>,
    /// Id of the newest snapshot: of shared memory, or else of the checkpoint on disk.
    pub snapshot_id: i64,
    /// Id of the newest checkpoint on disk; 0 if there is none.
    pub checkpoint_id: i64,
    /// Bytes written to the database file since that checkpoint.
    pub bytes_since_checkpoint: u64,
    /// Levels of the newest snapshot, newest first. Split keys are not looked up.
    pub levels: Vec<LevelInfo>,
    /// Bytes of a page.
    pub page_size: u32,
    /// Bytes of a block.
    pub block_size: u32,
    /// Blocks ever allocated.
    pub block_count: u32,
    /// Codec of the pages: 0 not fixed yet, 1 none.
    pub compression_id: u32,
    /// Bytes of the database file; 0 where the environment cannot tell.
    pub file_bytes: u64,
    /// Bytes of the log file; 0 if there is none or the environment cannot tell.
    pub log_file_bytes: u64,
}

impl Activity {
    /// How `lock` is held.
    #[must_use]
    pub fn held(&self, lock: LockId) -> LockMode {
        held(&self.locks, lock)
    }

    /// How many client locks are held: as many read-write clients are connected, up to 16. Beyond
    /// that they have none.
    #[must_use]
    pub fn clients(&self) -> usize {
        (0..LockId::CLIENT_SLOTS)
            .filter_map(LockId::client)
            .filter(|lock| self.held(*lock) != LockMode::Unlock)
            .count()
    }
}

/// How `lock` is held, as `locks` tells.
pub(crate) fn held(locks: &[LockActivity], lock: LockId) -> LockMode {
    locks.iter().find(|entry| entry.lock == lock).map_or(LockMode::Unlock, |entry| entry.held)
}
