//! Taking entries out of the tree, as deleting a range does with what lies inside.
//!
//! Nodes that would become empty take a key from a sibling or are merged with it. Any tree that
//! keeps the shape rules will do: others only read the result. docs/format-tree.md, "Writing".

use super::chunks::NodeSize;
use super::node::{Entries, Node, compare, corrupt};
use super::path::Path;
use super::writer::TreeWriter;
use crate::error::Result;

impl TreeWriter<'_> {
    /// Takes out all entries strictly between `low` and `high`.
    pub(super) fn remove_between(&mut self, low: &[u8], high: &[u8]) -> Result<()> {
        loop {
            let root = self.root();
            let mut path = Path::default();
            if path.seek(self.shm, &root, low)?.is_le() {
                path.next(self.shm, &root)?;
            }
            if !path.is_valid() || compare(self.shm, path.entry(), high)?.is_ge() {
                return Ok(());
            }
            self.remove(&mut path)?;
        }
    }

    /// Takes out the entry `path` leads to.
    fn remove(&mut self, path: &mut Path) -> Result<()> {
        if path.depth() < self.header.live.height {
            // An entry between children is overwritten by its successor, which is then taken out
            // below. The overwriting may have copied nodes the successor's path leads through.
            let mut next = *path;
            next.next(self.shm, &self.root())?;
            let successor = next.entry();
            let depth = path.depth();
            self.replace_entry(path, successor)?;
            path.follow(self.shm, &self.root(), depth)?;
            path.next(self.shm, &self.root())?;
        }
        self.remove_from(path)
    }

    /// Takes the entry `path` leads to, which must be in a lowest node, out of it.
    fn remove_from(&mut self, path: &Path) -> Result<()> {
        let (mut depth, mut merged) = (path.depth(), 0);
        let mut slot = path.bottom().cell as usize;
        loop {
            let height = self.header.live.height;
            let interior = depth < height;
            let node = Node::read(self.shm, path.step(depth - 1).node, interior)?;
            let mut entries = node.entries();
            entries.remove(slot.saturating_sub(node.first_slot()), merged);
            if entries.count() > 0 {
                let node = Node::packed(&entries, 0, entries.count(), 1.min(3 - entries.count()));
                let new = self.write_node(&node, self.size_at(depth))?;
                return self.replace_child(path, depth - 1, new);
            }
            if depth == 1 {
                self.header.live.node = merged;
                self.header.live.height = height.saturating_sub(1);
                return Ok(());
            }

            // A lowest node of two levels may be the root in a moment: others read roots whole.
            let size = if interior || height <= 2 { NodeSize::Full } else { NodeSize::Leaf };
            let above = path.step(depth - 2);
            let mut parent = Node::read(self.shm, above.node, true)?;
            let index = above.cell as usize;
            let from_left = index > parent.first_slot();
            let between = if from_left { index - 1 } else { index };
            let beside = if from_left { index - 1 } else { index + 1 };
            let (Some(key), Some(sibling)) =
                (parent.keys.get(between).copied(), parent.children.get(beside).copied())
            else {
                return Err(corrupt(above.node, "child index of a node is impossible"));
            };
            let sibling = Node::read(self.shm, sibling, interior)?.entries();
            let (mut left, right) = if from_left { (sibling, entries) } else { (entries, sibling) };
            left.extend(key, &right);
            if sibling.count() < 3 {
                let node = Node::packed(&left, 0, left.count(), 0);
                merged = self.write_node(&node, size)?;
                slot = between;
                depth -= 1;
                continue;
            }

            // Four keys in a row: one side keeps two, one goes up, the other side has the last.
            let (up, nodes) = self.halves(&left, from_left);
            let left = self.write_node(&nodes.0, size)?;
            let right = self.write_node(&nodes.1, size)?;
            for (at, value) in [(between, left), (between + 1, right)] {
                if let Some(child) = parent.children.get_mut(at) {
                    *child = value;
                }
            }
            if let Some(slot) = parent.keys.get_mut(between) {
                *slot = up;
            }
            let new = self.write_node(&parent, NodeSize::Full)?;
            return self.replace_child(path, depth - 2, new);
        }
    }

    /// Two nodes and the key between them, out of four keys.
    fn halves(&self, entries: &Entries, more_on_the_left: bool) -> (u32, (Node, Node)) {
        if more_on_the_left {
            let nodes = (Node::packed(entries, 0, 2, 1), Node::packed(entries, 3, 1, 1));
            (entries.key(2), nodes)
        } else {
            let nodes = (Node::packed(entries, 0, 1, 1), Node::packed(entries, 2, 2, 1));
            (entries.key(1), nodes)
        }
    }
}
