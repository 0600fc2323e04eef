//! The in-memory tree: a versioned b-tree of one to three keys per node in shared memory.
//!
//! One writer appends nodes and keys and never changes what a reader may be using; the only edit
//! in place is a node's single spare child pointer, which names the transaction from which on it
//! counts. Readers therefore walk a published [`TreeRoot`](crate::format::tree_header::TreeRoot)
//! without locks. When the live tree has grown enough it becomes the *old* tree, is flushed to a
//! segment and its chunks are recycled. Layout and rules: docs/format-tree.md.
//!
//! | file | owns |
//! |---|---|
//! | `node` | nodes and entries as they stand in shared memory |
//! | `path` | finding a key, walking in order |
//! | `cursor`, `lookup` | what readers use |
//! | `chunks` | room for new objects, recycling |
//! | `writer`, `insert`, `remove`, `range` | changes |
//! | `savepoint` | marks and rolling back |
//! | `lifecycle` | initialise, old tree |
//! | `repair` | after a writer died |
//! | `check` | shape and order |

mod check;
mod chunks;
mod cursor;
mod insert;
mod lifecycle;
mod lookup;
mod node;
mod path;
mod range;
mod remove;
mod repair;
mod savepoint;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use check::{TreeCheck, check, check_chunks};
pub(crate) use cursor::TreeCursor;
pub(crate) use lifecycle::{discard_old, initialise, make_old, old_tree_is_read};
pub(crate) use lookup::{Found, lookup};
pub(crate) use repair::repair;
pub(crate) use savepoint::{TreeMark, UndoList, mark, rollback_to};
pub(crate) use writer::TreeWriter;

/// Most levels of nodes a tree may have.
pub(crate) const MAX_HEIGHT: u32 = 32;

/// `ids` wrap: whether `a` is `b` or came after it.
#[inline]
pub(crate) fn id_at_or_after(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) < 1 << 30
}
