//! Sorted runs: searching, walking and merging what the levels of a snapshot hold.
//!
//! | file | owns |
//! |---|---|
//! | `search` | finding a key in one segment |
//! | `btree` | b-trees of segments |
//! | `segment_cursor` | the cells of one segment in order |
//! | `snapshot` | a checkpoint prepared for reading |
//! | `source` | one sorted sequence of a merged cursor: a tree or a segment |
//! | `level` | the sources of a level, unfinished merges included |
//! | `cursor` | all sources as one sequence |
//! | `get` | one key |

pub(crate) mod btree;
pub(crate) mod cursor;
pub(crate) mod get;
mod level;
mod search;
pub(crate) mod segment_cursor;
pub(crate) mod snapshot;
mod source;
#[cfg(test)]
mod tests;

use crate::format::tree_header::TreeRoot;
use crate::pager::Pager;
use crate::shm::Shm;
use snapshot::Snapshot;
use std::sync::Arc;

/// What a reader sees: the trees in memory, a snapshot of the file, and how its pages are read.
#[derive(Clone, Debug)]
pub(crate) struct ReadView {
    /// Where the trees are.
    pub(crate) shm: Shm,
    /// The live tree.
    pub(crate) live: TreeRoot,
    /// The old tree, unless there is none or the snapshot holds its content already.
    pub(crate) old: Option<TreeRoot>,
    /// The database file's part.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Reads its pages.
    pub(crate) pager: Arc<Pager>,
}
