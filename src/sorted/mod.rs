//! Sorted runs: searching, walking, merging and writing what the levels of a snapshot hold.
//!
//! | file | owns |
//! |---|---|
//! | `search` | finding a key in one segment |
//! | `btree` | b-trees of segments |
//! | `segment_cursor` | the cells of one segment in order |
//! | `snapshot` | a checkpoint prepared for reading |
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
pub(crate) mod btree;
mod btree_writer;
pub(crate) mod cursor;
mod flush;
pub(crate) mod get;
mod gobble;
mod level;
mod merge;
pub(crate) mod merge_input;
mod merge_step;
mod search;
pub(crate) mod segment_cursor;
mod segment_input;
mod segment_writer;
pub(crate) mod snapshot;
#[cfg(test)]
pub(crate) mod test_file;
#[cfg(test)]
mod test_history;
#[cfg(test)]
mod tests;
pub(crate) mod work;

use crate::pager::Pager;
use snapshot::Snapshot;
use std::sync::Arc;

/// What a reader sees: a snapshot, and how its pages are read.
#[derive(Clone, Debug)]
pub(crate) struct ReadView {
    /// The database file's part.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Reads its pages.
    pub(crate) pager: Arc<Pager>,
}
