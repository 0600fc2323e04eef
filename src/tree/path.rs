//! The way from the root to an entry, and the walk in key order.
//!
//! In the lowest step the cell is the slot of the current key; in the steps above it is the index
//! of the child the way goes through, so the next greater key of a parent stands at that same
//! index. Every way is at most `MAX_HEIGHT` steps long whatever the nodes say.

use super::MAX_HEIGHT;
use super::node::{NODE_WORDS, Sought, checked_height, child, corrupt, keys, pick};
use crate::error::Result;
use crate::format::tree_header::TreeRoot;
use crate::shm::Shm;
use std::cmp::Ordering;
use std::sync::atomic::Ordering::Relaxed;

/// A node and a slot or child index in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) node: u32,
    pub(super) cell: u32,
}

/// A position in a tree.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Path {
    steps: [Step; MAX_HEIGHT as usize],
    /// Steps in use; 0 = beyond either end.
    depth: u32,
    /// The entry the path leads to.
    entry: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// The slot among those of a node whose entry is nearest to the key sought, that entry, and how it
/// compares to the key.
#[inline(always)]
fn nearest(shm: &Shm, slots: [u32; 3], sought: &Sought<'_>) -> Result<(u32, u32, Ordering)> {
    let [before, middle, after] = slots;
    let order = sought.order_of(shm, middle)?;
    let (slot, beside) = match order {
        Ordering::Less => (2, after),
        Ordering::Greater => (0, before),
        Ordering::Equal => return Ok((1, middle, order)),
    };
    if beside == 0 {
        return Ok((1, middle, order));
    }
    Ok((slot, beside, sought.order_of(shm, beside)?))
}

impl Path {
    /// Steps in use; 0 = beyond either end.
    #[inline]
    pub(super) fn depth(&self) -> u32 {
        self.depth
    }

    /// Whether there is an entry here.
    #[inline]
    pub(super) fn is_valid(&self) -> bool {
        self.depth != 0
    }

    /// Pointer to the entry.
    #[inline]
    pub(super) fn entry(&self) -> u32 {
        self.entry
    }

    /// Step `index` from the root.
    #[inline]
    pub(super) fn step(&self, index: u32) -> Step {
        self.steps.get(index as usize).copied().unwrap_or_default()
    }

    /// The lowest step.
    #[inline]
    pub(super) fn bottom(&self) -> Step {
        self.step(self.depth.wrapping_sub(1))
    }

    #[inline(always)]
    fn push(&mut self, node: u32, cell: u32) {
        if let Some(step) = self.steps.get_mut(self.depth as usize) {
            *step = Step { node, cell };
            self.depth += 1;
        }
    }

    #[inline(always)]
    fn set_cell(&mut self, cell: u32) {
        if let Some(step) = self.steps.get_mut(self.depth.wrapping_sub(1) as usize) {
            step.cell = cell;
        }
    }

    /// Leads to `key` or one of its neighbours; tells how the entry found compares to `key`.
    /// `Less` and no entry if the tree is empty.
    #[inline]
    pub(super) fn seek(&mut self, shm: &Shm, root: &TreeRoot, key: &[u8]) -> Result<Ordering> {
        self.depth = 0;
        if root.node == 0 {
            return Ok(Ordering::Less);
        }
        let height = checked_height(root)?;
        let mut node = root.node;
        let sought = Sought::new(key);
        for _ in 1..height {
            let words = shm.words::<NODE_WORDS>(node)?;
            let [before, middle, after, ..] = words.each_ref().map(|word| word.load(Relaxed));
            let (slot, entry, order) = nearest(shm, [before, middle, after], &sought)?;
            if order.is_eq() {
                self.push(node, slot);
                self.entry = entry;
                return Ok(order);
            }
            let index = slot + u32::from(order.is_lt());
            self.push(node, index);
            node = child(words, index as usize, root.transaction);
        }
        let (slot, entry, order) = nearest(shm, keys(shm, node)?, &sought)?;
        self.push(node, slot);
        self.entry = entry;
        Ok(order)
    }

    /// Takes the same `depth` steps from the root again, after nodes on the way were copied.
    pub(super) fn follow(&mut self, shm: &Shm, root: &TreeRoot, depth: u32) -> Result<()> {
        self.depth = depth;
        let mut node = root.node;
        for (index, step) in self.steps.iter_mut().take(depth as usize).enumerate() {
            step.node = node;
            let cell = step.cell as usize;
            if index as u32 + 1 == depth {
                self.entry = pick(&keys(shm, node)?, cell);
            } else {
                node = child(shm.words::<NODE_WORDS>(node)?, cell, root.transaction);
            }
        }
        Ok(())
    }

    /// Leads to the smallest entry.
    pub(super) fn first(&mut self, shm: &Shm, root: &TreeRoot) -> Result<()> {
        self.end(shm, root, Side::Left)
    }

    /// Leads to the greatest entry.
    pub(super) fn last(&mut self, shm: &Shm, root: &TreeRoot) -> Result<()> {
        self.end(shm, root, Side::Right)
    }

    fn end(&mut self, shm: &Shm, root: &TreeRoot, side: Side) -> Result<()> {
        self.depth = 0;
        if root.node == 0 {
            return Ok(());
        }
        let height = checked_height(root)?;
        self.descend(shm, root, height, root.node, side)
    }

    /// From `node`, the next step, to the outermost entry below it.
    #[inline]
    fn descend(
        &mut self,
        shm: &Shm,
        root: &TreeRoot,
        height: u32,
        mut node: u32,
        side: Side,
    ) -> Result<()> {
        loop {
            let slots = keys(shm, node)?;
            let slot = match side {
                Side::Left => u32::from(slots[0] == 0),
                Side::Right => 1 + u32::from(slots[2] != 0),
            };
            if self.depth + 1 >= height {
                self.push(node, slot);
                return self.arrive(pick(&slots, slot as usize));
            }
            let index = slot + u32::from(side == Side::Right);
            self.push(node, index);
            node = child(shm.words::<NODE_WORDS>(node)?, index as usize, root.transaction);
        }
    }

    #[inline(always)]
    fn arrive(&mut self, entry: u32) -> Result<()> {
        self.entry = entry;
        if entry == 0 {
            return Err(corrupt(self.bottom().node, "middle key of a node is missing"));
        }
        Ok(())
    }

    /// To the next greater entry, or beyond the end.
    #[inline]
    pub(super) fn next(&mut self, shm: &Shm, root: &TreeRoot) -> Result<()> {
        if self.depth == 0 {
            return Ok(());
        }
        let height = checked_height(root)?;
        let Step { node, cell } = self.bottom();
        if self.depth < height {
            let index = cell + 1;
            self.set_cell(index);
            let below = child(shm.words::<NODE_WORDS>(node)?, index as usize, root.transaction);
            return self.descend(shm, root, height, below, Side::Left);
        }
        let mut at = cell + 1;
        loop {
            let Step { node, .. } = self.bottom();
            let entry = shm.words::<3>(node)?.get(at as usize).map_or(0, |word| word.load(Relaxed));
            if entry != 0 {
                self.set_cell(at);
                return self.arrive(entry);
            }
            self.depth -= 1;
            if self.depth == 0 {
                return Ok(());
            }
            at = self.bottom().cell;
        }
    }

    /// To the next smaller entry, or beyond the start.
    #[inline]
    pub(super) fn previous(&mut self, shm: &Shm, root: &TreeRoot) -> Result<()> {
        if self.depth == 0 {
            return Ok(());
        }
        let height = checked_height(root)?;
        let Step { node, cell } = self.bottom();
        if self.depth < height {
            let below = child(shm.words::<NODE_WORDS>(node)?, cell as usize, root.transaction);
            return self.descend(shm, root, height, below, Side::Right);
        }
        let mut at = cell;
        loop {
            let Step { node, .. } = self.bottom();
            if let Some(before) = at.checked_sub(1) {
                let entry =
                    shm.words::<3>(node)?.get(before as usize).map_or(0, |word| word.load(Relaxed));
                if entry != 0 {
                    self.set_cell(before);
                    return self.arrive(entry);
                }
            }
            self.depth -= 1;
            if self.depth == 0 {
                return Ok(());
            }
            at = self.bottom().cell;
        }
    }
}
