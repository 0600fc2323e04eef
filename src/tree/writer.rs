//! The writer of the live tree.
//!
//! Works on the connection's private header and on shared memory; nothing is visible to readers
//! before the header is published. Each operation happens entirely or not at all: if it fails, for
//! instance because the memory limit is reached, it takes back what it did.

use super::node::{NODE_WORDS, Node, SPARE_CHILD, SPARE_INDEX, SPARE_TRANSACTION, WRITING};
use super::node::{byte_word, corrupt};
use super::path::Path;
use super::savepoint::UndoList;
use crate::error::Result;
use crate::format::tree_header::{TreeHeader, TreeRoot};
use crate::shm::Shm;
use crate::tree::chunks::NodeSize;
use std::sync::atomic::Ordering::Relaxed;

/// Changes the live tree within a write transaction.
pub(crate) struct TreeWriter<'a> {
    /// Where the tree is.
    pub(super) shm: &'a Shm,
    /// The private header; its transaction number must have been raised when the write
    /// transaction began.
    pub(super) header: &'a mut TreeHeader,
    /// What this transaction must undo if it is rolled back.
    pub(super) undo: &'a mut UndoList,
    /// Whether any reader may need the chunk with this id.
    pub(super) chunk_in_use: &'a mut dyn FnMut(u32) -> Result<bool>,
    /// No chunk is added that makes the shared memory longer than this.
    pub(super) limit_bytes: u64,
}

impl<'a> TreeWriter<'a> {
    /// A writer of the live tree of `header`.
    pub(crate) fn new(
        shm: &'a Shm,
        header: &'a mut TreeHeader,
        undo: &'a mut UndoList,
        chunk_in_use: &'a mut dyn FnMut(u32) -> Result<bool>,
        limit_bytes: u64,
    ) -> Self {
        TreeWriter { shm, header, undo, chunk_in_use, limit_bytes }
    }

    /// The live tree with everything this writer did.
    #[inline]
    pub(super) fn root(&self) -> TreeRoot {
        TreeRoot { transaction: WRITING, ..self.header.live }
    }

    /// Does `change`, or nothing if it fails.
    pub(super) fn whole_or_nothing<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let mark = self.mark();
        match change(self) {
            Ok(done) => Ok(done),
            Err(error) => {
                self.rollback_to(&mark)?;
                Err(error)
            }
        }
    }

    /// Makes the way through the first `level` steps of `path` lead to `new` where it leads on now.
    pub(super) fn replace_child(&mut self, path: &Path, level: u32, new: u32) -> Result<()> {
        let (mut level, mut new) = (level, new);
        while let Some(above) = level.checked_sub(1) {
            let step = path.step(above);
            let words = self.shm.words::<NODE_WORDS>(step.node)?;
            if words[SPARE_TRANSACTION].load(Relaxed) == 0 {
                self.undo.push(step.node)?;
                words[SPARE_CHILD].store(new, Relaxed);
                words[SPARE_INDEX].store(byte_word(step.cell as u8), Relaxed);
                words[SPARE_TRANSACTION].store(self.header.live.transaction, Relaxed);
                return Ok(());
            }
            let mut node = Node::read(self.shm, step.node, true)?;
            *node
                .children
                .get_mut(step.cell as usize)
                .ok_or_else(|| corrupt(step.node, "child index of a node is impossible"))? = new;
            new = self.write_node(&node, NodeSize::Full)?;
            level = above;
        }
        self.header.live.node = new;
        Ok(())
    }
}
