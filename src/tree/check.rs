//! Whether a tree keeps the rules of its format: shape, order, range flags, chunk list.
//! docs/format-tree.md, "Rules that always hold".

use super::node::{EntryHeader, NODE_WORDS, SPARE_INDEX, SPARE_TRANSACTION};
use super::node::{checked_height, child, corrupt, first_byte, keys};
use crate::error::Result;
use crate::format::page::EntryFlags;
use crate::format::tree_header::{TreeHeader, TreeRoot};
use crate::shm::{CHUNK_SHIFT, Shm};
use std::sync::atomic::Ordering::Relaxed;

/// What a check has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TreeCheck {
    /// Nodes.
    pub(crate) nodes: u64,
    /// Entries.
    pub(crate) entries: u64,
    /// Bytes of keys and values.
    pub(crate) payload: u64,
}

struct Checker<'a> {
    shm: &'a Shm,
    root: &'a TreeRoot,
    found: TreeCheck,
    /// More nodes than fit into the chunks are a cycle.
    most_nodes: u64,
    previous: Option<EntryFlags>,
    previous_key: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Verifies one version of a tree: every node and entry.
pub(crate) fn check(shm: &Shm, root: &TreeRoot) -> Result<TreeCheck> {
    let mut checker = Checker {
        shm,
        root,
        found: TreeCheck::default(),
        most_nodes: shm.capacity() / 12,
        previous: None,
        previous_key: Vec::new(),
        key: Vec::new(),
        value: Vec::new(),
    };
    if root.node != 0 {
        checker.node(root.node, checked_height(root)?)?;
    } else if root.height != 0 {
        return Err(corrupt(0, "empty tree has a height"));
    }
    if checker.previous.is_some_and(|flags| flags.contains(EntryFlags::START_DELETE)) {
        return Err(corrupt(root.node, "last entry starts a deleted range"));
    }
    Ok(checker.found)
}

impl Checker<'_> {
    fn node(&mut self, node: u32, height: u32) -> Result<()> {
        self.found.nodes += 1;
        if self.found.nodes > self.most_nodes {
            return Err(corrupt(node, "nodes form a cycle"));
        }
        let [before, middle, after] = keys(self.shm, node)?;
        if middle == 0 {
            return Err(corrupt(node, "middle key of a node is missing"));
        }
        let mut children = [0; 4];
        if height > 1 {
            let words = self.shm.words::<NODE_WORDS>(node)?;
            if words[SPARE_TRANSACTION].load(Relaxed) != 0
                && first_byte(words[SPARE_INDEX].load(Relaxed)) > 3
            {
                return Err(corrupt(node, "spare child replaces no child"));
            }
            children = std::array::from_fn(|index| child(words, index, self.root.transaction));
            if (before == 0) != (children[0] == 0)
                || (after == 0) != (children[3] == 0)
                || children[1] == 0
                || children[2] == 0
            {
                return Err(corrupt(node, "children and keys of a node do not match"));
            }
        }
        let [first, second, third, fourth] = children;
        for (child, key) in [(first, before), (second, middle), (third, after), (fourth, 0)] {
            if child != 0 {
                self.node(child, height - 1)?;
            }
            if key != 0 {
                self.entry(key)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, pointer: u32) -> Result<()> {
        let header = EntryHeader::read(self.shm, pointer)?;
        self.key.clear();
        self.value.clear();
        header.key(self.shm, pointer, &mut self.key)?;
        header.value(self.shm, pointer, &mut self.value)?;
        let flags = header.flags;
        if flags == EntryFlags::NONE
            || flags.contains(EntryFlags::DECISIVE)
            || flags.intersects(EntryFlags::SEPARATOR.union(EntryFlags::SYSTEM))
        {
            return Err(corrupt(pointer, "flags of an entry are contradictory"));
        }
        if self.previous.is_some() && self.previous_key >= self.key {
            return Err(corrupt(pointer, "keys are out of order"));
        }
        let opened = self.previous.is_some_and(|flags| flags.contains(EntryFlags::START_DELETE));
        if opened != flags.contains(EntryFlags::END_DELETE) {
            return Err(corrupt(pointer, "ends of a deleted range do not meet"));
        }
        self.found.entries += 1;
        self.found.payload += (self.key.len() + self.value.len()) as u64;
        self.previous = Some(flags);
        std::mem::swap(&mut self.previous_key, &mut self.key);
        Ok(())
    }
}

/// Verifies the list of chunks; true only between write transactions.
pub(crate) fn check_chunks(shm: &Shm, header: &TreeHeader) -> Result<()> {
    let broken = |chunk: u32, rule| corrupt(chunk << CHUNK_SHIFT, rule);
    let mut id = header.next_chunk_id.wrapping_add(1).wrapping_sub(header.chunk_count);
    let mut chunk = header.first_chunk;
    for _ in 1..header.chunk_count {
        if chunk == 0 || chunk >= header.chunk_count {
            return Err(broken(chunk, "list of chunks leaves the tree"));
        }
        let (found, next) = shm.chunk_header(chunk)?;
        if found != id {
            return Err(broken(chunk, "ids of the chunks are not consecutive"));
        }
        id = id.wrapping_add(1);
        if next == 0 && header.write_offset.wrapping_sub(1) >> CHUNK_SHIFT != chunk {
            return Err(broken(chunk, "last chunk is not the one being written"));
        }
        chunk = next;
    }
    if chunk != 0 || id != header.next_chunk_id {
        return Err(broken(chunk, "list of chunks does not hold all chunks"));
    }
    Ok(())
}
