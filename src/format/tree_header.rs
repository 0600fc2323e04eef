//! The 152-byte header of the in-memory tree, as it stands twice in chunk 0 of shared memory.
//!
//! Layout: docs/format.md, "In-memory tree". 38 words in host order, the last two a checksum over
//! the first 36.

/// Words in a tree header.
pub const WORDS: usize = 38;

/// Root of one version of a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeRoot {
    /// Offset of the root node in shared memory; 0 = empty tree.
    pub node: u32,
    /// Levels of nodes.
    pub height: u32,
    /// Bytes taken by the tree, copies included.
    pub bytes: u32,
    /// Transaction that made this version.
    pub transaction: u32,
}

/// A piece of the log that holds live records: `start..end`; `(0, 0)` = absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRegion {
    /// First byte.
    pub start: u64,
    /// First byte behind.
    pub end: u64,
}

/// State of the log as all connections see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// Running checksum at the end of region 2.
    pub checksum: [u32; 2],
    /// Checkpoint id up to which space was reclaimed.
    pub snapshot_id: i64,
    /// Regions in recovery order; appends go to the end of the last.
    pub regions: [LogRegion; 3],
}

/// The tree header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeHeader {
    /// Id of the oldest chunk that new readers may need.
    pub used_chunk_id: u32,
    /// Id for the next chunk taken into use.
    pub next_chunk_id: u32,
    /// Chunk number with the smallest id.
    pub first_chunk: u32,
    /// Chunks in use, chunk 0 included.
    pub chunk_count: u32,
    /// The live tree.
    pub live: TreeRoot,
    /// Next free byte.
    pub write_offset: u32,
    /// The old tree, waiting to be flushed.
    pub old: TreeRoot,
    /// Last chunk id used by the old tree; 0 = there is none.
    pub old_chunk_id: u32,
    /// The application's version number.
    pub user_version: u32,
    /// Padding, carried verbatim.
    pub padding: u32,
    /// Log pointer of the old tree: byte offset << 1 | toggle.
    pub old_log_pointer: i64,
    /// Log checksum at that pointer.
    pub old_log_checksum: [u32; 2],
    /// The log.
    pub log: LogState,
}
