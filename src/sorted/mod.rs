//! Sorted runs: searching, walking and merging what the levels of a snapshot hold.
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

pub(crate) mod btree;
pub(crate) mod cursor;
pub(crate) mod get;
mod level;
mod search;
pub(crate) mod segment_cursor;
pub(crate) mod snapshot;
#[cfg(test)]
mod tests;

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
