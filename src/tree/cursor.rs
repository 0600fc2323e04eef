//! A reader's position in one version of a tree.
//!
//! The key and the kind of the current entry are kept in the cursor (the key in a buffer that is
//! reused), so a position outlives changes of the tree: [`TreeCursor::reseek`] finds the place of
//! the remembered key again, and if its entry is gone the cursor stands between two entries until
//! it is moved. Values are fetched only when asked for. docs/format-tree.md, "Reading".

use super::node::{EntryHeader, compare, corrupt};
use super::path::Path;
use crate::error::Result;
use crate::format::page::EntryFlags;
use crate::format::tree_header::TreeRoot;
use crate::shm::Shm;
use std::cmp::Ordering;

/// A longer key's buffer is not kept for the next use.
const MAX_KEPT_KEY: usize = 4096;

/// A position in one tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreeCursor {
    path: Path,
    /// The version the path belongs to.
    root: TreeRoot,
    place: Place,
    header: EntryHeader,
    key: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Beyond either end, or never positioned.
    #[default]
    End,
    /// On an entry.
    Entry,
    /// Where the entry of the remembered key was. The path leads to a neighbour that compares so
    /// to the key.
    Gap(Ordering),
    /// The tree has changed; only the key is good.
    Stale,
}

impl TreeCursor {
    /// A cursor that stands nowhere.
    pub(crate) fn new() -> Self {
        TreeCursor::default()
    }

    /// Lets it stand nowhere and gives up a large buffer.
    pub(crate) fn rest(&mut self) {
        self.place = Place::End;
        self.key.clear();
        self.key.shrink_to(MAX_KEPT_KEY);
    }

    /// Whether there is a current key.
    #[inline]
    pub(crate) fn is_valid(&self) -> bool {
        self.place != Place::End
    }

    /// What the current entry is; nothing if it is gone.
    #[inline]
    pub(crate) fn flags(&self) -> EntryFlags {
        self.header.flags
    }

    /// The current key.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Length of the current value; `None` if the entry has none.
    #[inline]
    pub(crate) fn value_len(&self) -> Option<u32> {
        self.header.value_len
    }

    /// Replaces `out` by the current value; empty if there is none.
    pub(crate) fn value(&self, shm: &Shm, out: &mut Vec<u8>) -> Result<()> {
        out.clear();
        if self.place == Place::Entry && self.header.value_len.is_some() {
            self.header.value(shm, self.path.entry(), out)?;
        }
        Ok(())
    }

    /// Goes nowhere.
    pub(crate) fn clear(&mut self) {
        self.place = Place::End;
        self.header = EntryHeader::default();
        self.key.clear();
    }

    /// Goes to `key`, or to the entry before or after it; tells how the current key compares to
    /// `key`. `Less` and not valid if the tree is empty.
    #[inline]
    pub(crate) fn seek(&mut self, shm: &Shm, root: &TreeRoot, key: &[u8]) -> Result<Ordering> {
        self.root = *root;
        self.place = Place::End;
        let order = self.path.seek(shm, root, key)?;
        if order.is_eq() {
            self.header = EntryHeader::read(shm, self.path.entry())?;
            self.key.clear();
            self.key.extend_from_slice(key);
            self.place = Place::Entry;
        } else {
            self.load(shm)?;
        }
        Ok(order)
    }

    /// Goes to the smallest entry.
    pub(crate) fn first(&mut self, shm: &Shm, root: &TreeRoot) -> Result<()> {
        self.root = *root;
        self.place = Place::End;
        self.path.first(shm, root)?;
        self.load(shm)
    }

    /// Goes to the greatest entry.
    pub(crate) fn last(&mut self, shm: &Shm, root: &TreeRoot) -> Result<()> {
        self.root = *root;
        self.place = Place::End;
        self.path.last(shm, root)?;
        self.load(shm)
    }

    /// Goes to the next greater entry, or beyond the end.
    #[inline]
    pub(crate) fn next(&mut self, shm: &Shm, root: &TreeRoot) -> Result<()> {
        self.step(shm, root, Ordering::Greater)
    }

    /// Goes to the next smaller entry, or beyond the start.
    #[inline]
    pub(crate) fn previous(&mut self, shm: &Shm, root: &TreeRoot) -> Result<()> {
        self.step(shm, root, Ordering::Less)
    }

    #[inline(always)]
    fn step(&mut self, shm: &Shm, root: &TreeRoot, direction: Ordering) -> Result<()> {
        if self.place == Place::Stale || *root != self.root {
            self.reseek(shm, root)?;
        }
        match self.place {
            Place::End | Place::Stale => return Ok(()),
            // The neighbour the path leads to is the one wanted.
            Place::Gap(order) if order == direction => {}
            _ if direction.is_gt() => self.path.next(shm, root)?,
            _ => self.path.previous(shm, root)?,
        }
        self.place = Place::End;
        // Without this, damaged nodes could lead round in circles for ever.
        if self.path.is_valid() && compare(shm, self.path.entry(), &self.key)? != direction {
            return Err(corrupt(self.path.entry(), "keys are out of order"));
        }
        self.load(shm)
    }

    /// The tree is about to change or has changed: the path is not followed any more. The current
    /// key stays; the next move, or [`TreeCursor::reseek`], finds its place again.
    pub(crate) fn tree_changed(&mut self) {
        if self.place != Place::End {
            self.place = Place::Stale;
            self.header = EntryHeader::default();
        }
    }

    /// Finds the place of the current key in the tree as it is now. If its entry is gone the key
    /// stays current, with no flags and no value, and `next` and `previous` go on from there.
    /// Tells how the entry found compares to the key.
    pub(crate) fn reseek(&mut self, shm: &Shm, root: &TreeRoot) -> Result<Ordering> {
        self.root = *root;
        if self.place == Place::End {
            return Ok(Ordering::Less);
        }
        self.place = Place::Stale;
        self.header = EntryHeader::default();
        let order = self.path.seek(shm, root, &self.key)?;
        if order.is_eq() {
            self.header = EntryHeader::read(shm, self.path.entry())?;
            self.place = Place::Entry;
        } else {
            self.place = Place::Gap(order);
        }
        Ok(order)
    }

    /// Takes over the entry the path leads to.
    #[inline]
    fn load(&mut self, shm: &Shm) -> Result<()> {
        if !self.path.is_valid() {
            self.clear();
            return Ok(());
        }
        let entry = self.path.entry();
        self.header = EntryHeader::read(shm, entry)?;
        self.key.clear();
        self.header.key(shm, entry, &mut self.key)?;
        self.place = Place::Entry;
        Ok(())
    }
}
