//! Sorted runs: searching, walking, writing and merging what the levels of a snapshot hold.
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
//! | `segment_writer`, `btree_writer` | a segment and its b-tree while they are written |
//! | `segment_input`, `merge_input` | what merges read |
//! | `merge` | several inputs as one sequence of records to write |
//! | `merge_step`, `gobble` | a piece of a merge, inputs freed as it goes |
//! | `flush` | in-memory trees as a new top level |
//! | `block_move` | blocks moved towards the beginning of the file |
//! | `work` | the worker: all of these on a private snapshot |

mod block_move;
mod btree;
mod btree_writer;
mod cursor;
mod flush;
mod get;
mod gobble;
mod level;
mod merge;
mod merge_input;
mod merge_step;
mod search;
mod segment_cursor;
mod segment_input;
mod segment_writer;
mod snapshot;
mod source;
#[cfg(test)]
pub(crate) mod test_file;
#[cfg(test)]
mod tests;
mod work;

use crate::format::tree_header::TreeRoot;
use crate::pager::Pager;
use crate::shm::Shm;
use std::sync::Arc;

pub use cursor::Seek;

pub(crate) use btree::{descend, stored_key};
pub(crate) use cursor::MergedCursor;
pub(crate) use get::{contains, get};
pub(crate) use merge_input::Input;
pub(crate) use search::read_body;
pub(crate) use segment_cursor::SegmentCursor;
pub(crate) use snapshot::Snapshot;
pub(crate) use work::{WorkDone, Worker, WorkerConfig};

/// What a reader sees: versions of the trees, a snapshot of the file, and how both are read.
#[derive(Clone, Debug)]
pub(crate) struct ReadView {
    /// Where the trees are.
    pub(crate) shm: Shm,
    /// The live tree.
    pub(crate) live: TreeRoot,
    /// The old tree, unless the snapshot has its content.
    pub(crate) old: Option<TreeRoot>,
    /// The database file's part.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Reads its pages.
    pub(crate) pager: Arc<Pager>,
}
