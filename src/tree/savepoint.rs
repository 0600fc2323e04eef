//! Marks and rolling back to them.
//!
//! Rolling back clears the spare children set since the mark, gives back the chunks taken since
//! and restores root, write position, tree size and the application's version number. The
//! transaction number stays: a number is never used for two histories.
//! docs/format-tree.md, "Rolling back".

use super::node::{NODE_WORDS, SPARE_CHILD, SPARE_INDEX, SPARE_TRANSACTION, corrupt};
use super::writer::TreeWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::format::tree_header::{TreeHeader, TreeRoot};
use crate::shm::{CHUNK_SHIFT, Shm};
use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

/// Nodes whose spare child was set in this write transaction, in that order. Cleared when the
/// transaction ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct UndoList(Vec<u32>);

impl UndoList {
    /// Forgets everything: the transaction has been published.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn push(&mut self, node: u32) -> Result<()> {
        if self.0.len() == self.0.capacity() {
            self.0.try_reserve(1 + self.0.len()).map_err(|_| {
                Error::new(ErrorKind::OutOfMemory(Cow::Borrowed(
                    "growing the list of changes to undo; commit in smaller transactions",
                )))
            })?;
        }
        self.0.push(node);
        Ok(())
    }
}

/// A state of the live tree to which its writer can return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TreeMark {
    live: TreeRoot,
    write_offset: u32,
    chunk_count: u32,
    next_chunk_id: u32,
    user_version: u32,
    undo_len: usize,
}

impl TreeMark {
    /// Bytes of the live tree.
    pub(crate) fn live_bytes(&self) -> u32 {
        self.live.bytes
    }
}

/// Takes back the spare child of a node.
pub(super) fn clear_spare(shm: &Shm, node: u32) -> Result<()> {
    let words = shm.words::<NODE_WORDS>(node)?;
    for index in [SPARE_TRANSACTION, SPARE_INDEX, SPARE_CHILD] {
        if let Some(word) = words.get(index) {
            word.store(0, Relaxed);
        }
    }
    Ok(())
}

/// The present state of the live tree of `header`.
pub(crate) fn mark(header: &TreeHeader, undo: &UndoList) -> TreeMark {
    TreeMark {
        live: header.live,
        write_offset: header.write_offset,
        chunk_count: header.chunk_count,
        next_chunk_id: header.next_chunk_id,
        user_version: header.user_version,
        undo_len: undo.0.len(),
    }
}

/// Returns to `mark`, which must be of this write transaction and not lie behind a mark that was
/// returned to since.
pub(crate) fn rollback_to(
    shm: &Shm,
    header: &mut TreeHeader,
    undo: &mut UndoList,
    mark: &TreeMark,
) -> Result<()> {
    for node in undo.0.iter().skip(mark.undo_len) {
        clear_spare(shm, *node)?;
    }
    undo.0.truncate(mark.undo_len);

    let last = mark.write_offset.wrapping_sub(1) >> CHUNK_SHIFT;
    let (_, mut next) = shm.chunk_header(last)?;
    shm.set_chunk_next(last, 0)?;
    let mut recycled = Vec::new();
    let mut taken = header.next_chunk_id.wrapping_sub(mark.next_chunk_id);
    while next != 0 {
        taken = taken
            .checked_sub(1)
            .ok_or_else(|| corrupt(next << CHUNK_SHIFT, "list of chunks has no end"))?;
        if next < mark.chunk_count {
            recycled.push(next);
        }
        (_, next) = shm.chunk_header(next)?;
    }
    // Back to the front in the order they had there, so that the published first chunk is again
    // the first if this writer dies before it publishes.
    let mut id = shm.chunk_header(header.first_chunk)?.0;
    for chunk in recycled.into_iter().rev() {
        id = id.wrapping_sub(1);
        shm.set_chunk_id(chunk, id)?;
        shm.set_chunk_next(chunk, header.first_chunk)?;
        header.first_chunk = chunk;
    }

    header.live = TreeRoot { transaction: header.live.transaction, ..mark.live };
    header.write_offset = mark.write_offset;
    header.chunk_count = mark.chunk_count;
    header.next_chunk_id = mark.next_chunk_id;
    header.user_version = mark.user_version;
    Ok(())
}

impl TreeWriter<'_> {
    /// The present state.
    pub(crate) fn mark(&self) -> TreeMark {
        mark(self.header, self.undo)
    }

    /// Returns to `to`; see [`rollback_to`].
    pub(crate) fn rollback_to(&mut self, to: &TreeMark) -> Result<()> {
        rollback_to(self.shm, self.header, self.undo, to)
    }
}
