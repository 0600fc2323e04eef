//! Inserting entries: flags of ranges around them, nodes that split.
//! docs/format-tree.md, "Writing".

use super::MAX_HEIGHT;
use super::chunks::NodeSize;
use super::node::{Entries, EntryHeader, Node, flags};
use super::path::Path;
use super::writer::TreeWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::format::page::EntryFlags;
use std::borrow::Cow;
use std::cmp::Ordering;

/// Which neighbour to ask.
#[derive(Clone, Copy)]
enum Neighbour {
    Before,
    After,
}

impl TreeWriter<'_> {
    /// Gives `key` the value `value`.
    pub(crate) fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.whole_or_nothing(|writer| writer.put(EntryFlags::INSERT, key, Some(value)))
    }

    /// Deletes `key`, here and in everything older.
    pub(crate) fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.whole_or_nothing(|writer| writer.put(EntryFlags::POINT_DELETE, key, None))
    }

    /// Adds an entry for `key`: an insert, a delete or one end of a range.
    pub(super) fn put(&mut self, kind: EntryFlags, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let root = self.root();
        let mut path = Path::default();
        let order = path.seek(self.shm, &root, key)?;
        if !path.is_valid() {
            let entry = self.write_entry(kind, key, value)?;
            let node = Node::packed(&Entries::single(entry, 0, 0), 0, 1, 1);
            self.header.live.node = self.write_node(&node, NodeSize::Full)?;
            self.header.live.height = 1;
            return Ok(());
        }
        let entry = if kind.intersects(EntryFlags::RANGE) {
            match self.write_range_end(kind, key, &path, order)? {
                Some(entry) => entry,
                None => return Ok(()),
            }
        } else {
            let present = flags(self.shm, path.entry())?;
            let around = match order {
                Ordering::Equal => EntryFlags(present.0 & EntryFlags::RANGE.0),
                Ordering::Less if present.contains(EntryFlags::START_DELETE) => EntryFlags::RANGE,
                Ordering::Greater if present.contains(EntryFlags::END_DELETE) => EntryFlags::RANGE,
                _ => EntryFlags::NONE,
            };
            self.write_entry(kind.union(around), key, value)?
        };
        if order.is_eq() {
            return self.replace_entry(&path, entry);
        }
        self.insert_entry(&path, path.bottom().cell + u32::from(order.is_lt()), entry)
    }

    /// The entry for one end of a range, or `None` if the entries around it make it superfluous.
    fn write_range_end(
        &mut self,
        kind: EntryFlags,
        key: &[u8],
        path: &Path,
        order: Ordering,
    ) -> Result<Option<u32>> {
        let header = EntryHeader::read(self.shm, path.entry())?;
        let (neighbour, beside) = if kind.contains(EntryFlags::START_DELETE) {
            (Neighbour::Before, order.is_gt())
        } else {
            (Neighbour::After, order.is_lt())
        };
        let covered = if beside { self.neighbour(path, neighbour)? } else { header.flags };
        if covered.contains(kind) {
            return Ok(None);
        }
        if order.is_ne() {
            return self.write_entry(kind, key, None).map(Some);
        }
        let mut value = Vec::new();
        if header.value_len.is_some() {
            header.value(self.shm, path.entry(), &mut value)?;
        }
        let value = header.value_len.map(|_| value.as_slice());
        self.write_entry(header.flags.union(kind), key, value).map(Some)
    }

    /// The flags of the entry beside the one `path` leads to.
    fn neighbour(&self, path: &Path, which: Neighbour) -> Result<EntryFlags> {
        let mut beside = *path;
        match which {
            Neighbour::Before => beside.previous(self.shm, &self.root())?,
            Neighbour::After => beside.next(self.shm, &self.root())?,
        }
        if beside.is_valid() { flags(self.shm, beside.entry()) } else { Ok(EntryFlags::NONE) }
    }

    /// How a copy of the node at step `depth - 1` of a path must look.
    pub(super) fn size_at(&self, depth: u32) -> NodeSize {
        if depth > 1 && depth == self.header.live.height { NodeSize::Leaf } else { NodeSize::Full }
    }

    /// Puts `entry` in the place of the one `path` leads to.
    pub(super) fn replace_entry(&mut self, path: &Path, entry: u32) -> Result<()> {
        let (depth, step) = (path.depth(), path.bottom());
        let mut node = Node::read(self.shm, step.node, depth < self.header.live.height)?;
        if let Some(slot) = node.keys.get_mut(step.cell as usize) {
            *slot = entry;
        }
        let new = self.write_node(&node, self.size_at(depth))?;
        self.replace_child(path, depth - 1, new)
    }

    /// Puts `entry` before slot `slot` of the lowest node of `path`; full nodes split.
    fn insert_entry(&mut self, path: &Path, slot: u32, entry: u32) -> Result<()> {
        let (mut left, mut entry, mut right) = (0, entry, 0);
        let (mut depth, mut slot) = (path.depth(), slot as usize);
        loop {
            let step = path.step(depth - 1);
            let node = Node::read(self.shm, step.node, depth < self.header.live.height)?;
            let size = self.size_at(depth);
            let mut entries = node.entries();
            entries.insert(slot.saturating_sub(node.first_slot()), left, entry, right);
            if !node.is_full() {
                let node = Node::packed(&entries, 0, entries.count(), 0);
                let new = self.write_node(&node, size)?;
                return self.replace_child(path, depth - 1, new);
            }
            // The old middle key goes up. The half that takes the new key keeps the old one in its
            // middle slot.
            let first = slot & 1;
            let (left_node, right_node) = if slot < 2 {
                (Node::packed(&entries, 0, 2, first), Node::packed(&entries, 3, 1, 1))
            } else {
                (Node::packed(&entries, 0, 1, 1), Node::packed(&entries, 2, 2, first))
            };
            left = self.write_node(&left_node, size)?;
            right = self.write_node(&right_node, size)?;
            entry = node.keys[1];
            depth -= 1;
            if depth == 0 {
                return self.grow(left, entry, right);
            }
            slot = path.step(depth - 1).cell as usize;
        }
    }

    /// A new root above the halves of the old one.
    fn grow(&mut self, left: u32, entry: u32, right: u32) -> Result<()> {
        if self.header.live.height >= MAX_HEIGHT {
            return Err(Error::new(ErrorKind::Full(Cow::Borrowed(
                "the in-memory tree has reached its format's limit of 32 levels",
            ))));
        }
        let node = Node::packed(&Entries::single(entry, left, right), 0, 1, 1);
        self.header.live.node = self.write_node(&node, NodeSize::Full)?;
        self.header.live.height += 1;
        Ok(())
    }
}
