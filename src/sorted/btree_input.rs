//! The b-tree of the next older level as the input of a merge: its keys, with pointers to the pages
//! to the right of them.
//!
//! The merge writes these pointers into its own cells, after which the b-tree is no longer needed.
//! A position is the leaf and the cell in it; cell -1 means that the key is that of the nearest
//! ancestor cell to the left. Format: docs/format.md, "Merges in progress".

use super::segment_input::SegmentInput;
use crate::error::{Error, Place, Result};
use crate::format::checkpoint::CellPosition;
use crate::format::geometry::PageId;
use crate::format::key::{KeyBuffer, KeyRef};
use crate::format::page::BtreeKey;
use crate::pager::{Page, Pager, Run};
use std::cmp::Ordering;

/// Most nodes from root to leaf.
const MAX_DEPTH: usize = 32;

/// A node on the path and the child the path goes through; in the leaf the current cell plus one.
#[derive(Debug)]
struct Step {
    page: Page,
    at: usize,
}

/// Forward reader of a b-tree's keys.
#[derive(Debug)]
pub(crate) struct BtreeInput<'a> {
    pager: &'a Pager,
    run: Run,
    /// Root first; empty at the end.
    path: Vec<Step>,
    depth: usize,
    key: KeyBuffer,
    previous: KeyBuffer,
    pointer: PageId,
}

impl<'a> BtreeInput<'a> {
    /// Opens the b-tree of `run` at `position`, or at its first key.
    pub(crate) fn open(
        pager: &'a Pager,
        run: Run,
        position: Option<CellPosition>,
    ) -> Result<Self> {
        let mut input = BtreeInput {
            pager,
            run,
            path: Vec::new(),
            depth: 0,
            key: KeyBuffer::default(),
            previous: KeyBuffer::default(),
            pointer: 0,
        };
        match position {
            Some(CellPosition { page: 0, .. }) => return Ok(input),
            Some(position) => input.restore(position)?,
            None => input.first()?,
        }
        if !input.path.is_empty() {
            input.load()?;
        }
        Ok(input)
    }

    /// Whether there is a current key.
    pub(crate) fn is_valid(&self) -> bool {
        !self.path.is_empty()
    }

    /// The current key.
    pub(crate) fn key(&self) -> KeyRef<'_> {
        self.key.as_ref()
    }

    /// The page to the right of the current key.
    pub(crate) fn pointer(&self) -> PageId {
        self.pointer
    }

    /// Where the merge is to go on.
    pub(crate) fn position(&self) -> CellPosition {
        match self.path.last() {
            Some(leaf) => CellPosition {
                page: leaf.page.id(),
                cell: (leaf.at as u32) << 8 | self.depth as u32,
            },
            None => CellPosition::default(),
        }
    }

    /// The cell that holds the current key.
    pub(crate) fn key_position(&self) -> CellPosition {
        match self.holder() {
            Some((page, index)) => CellPosition { page: page.id(), cell: index as u32 },
            None => CellPosition::default(),
        }
    }

    /// Moves to the next key.
    pub(crate) fn advance(&mut self) -> Result<()> {
        if self.path.is_empty() {
            return Ok(());
        }
        self.step()?;
        if self.path.is_empty() {
            return Ok(());
        }
        std::mem::swap(&mut self.key, &mut self.previous);
        self.load()?;
        if self.previous.as_ref().cmp(&self.key.as_ref()) != Ordering::Less {
            let page = self.path.last().map_or(0, |leaf| leaf.page.id());
            return Err(Error::corrupt(Place::Page(page), "b-tree keys do not ascend"));
        }
        Ok(())
    }

    fn node(&self, id: PageId) -> Result<Page> {
        let page = self.pager.page(&self.run, id)?;
        if page.is_btree() {
            Ok(page)
        } else {
            Err(page.broken("a data page stands where a b-tree node must be"))
        }
    }

    fn first(&mut self) -> Result<()> {
        let root = self.pager.real_page(&self.run, self.run.segment.root)?;
        if !root.is_btree() {
            return Err(root.broken("the b-tree root is a data page"));
        }
        let mut page = root;
        loop {
            if self.path.len() >= MAX_DEPTH {
                return Err(page.broken("the b-tree is too deep"));
            }
            let below = self.pager.page(&self.run, page.btree_child(0)?)?;
            self.path.push(Step { page, at: 0 });
            if !below.is_btree() {
                break;
            }
            page = below;
        }
        self.depth = self.path.len();
        self.step()
    }

    /// Follows the first children from the last node of the path down to a leaf.
    fn descend(&mut self) -> Result<()> {
        while self.path.len() < self.depth {
            let Some(step) = self.path.last() else { return Ok(()) };
            let page = self.node(step.page.btree_child(step.at)?)?;
            self.path.push(Step { page, at: 0 });
        }
        Ok(())
    }

    /// To the next cell, without loading its key.
    fn step(&mut self) -> Result<()> {
        let mut is_leaf = true;
        while let Some(step) = self.path.last_mut() {
            if step.at < step.page.cell_count() {
                step.at += 1;
                return if is_leaf { Ok(()) } else { self.descend() };
            }
            is_leaf = false;
            self.path.pop();
        }
        Ok(())
    }

    fn holder(&self) -> Option<(&Page, usize)> {
        self.path.iter().rev().find(|step| step.at > 0).map(|step| (&step.page, step.at - 1))
    }

    fn load(&mut self) -> Result<()> {
        let Some(leaf) = self.path.last() else { return Ok(()) };
        self.pointer = leaf.page.btree_child(leaf.at)?;
        let mut key = std::mem::take(&mut self.key);
        let done = self.read_held_key(&mut key);
        self.key = key;
        done
    }

    fn read_held_key(&self, out: &mut KeyBuffer) -> Result<()> {
        let Some((page, index)) = self.holder() else { return Ok(()) };
        self.read_key(page.btree_cell(index)?.key, out)
    }

    fn read_key(&self, key: BtreeKey<'_>, out: &mut KeyBuffer) -> Result<()> {
        match key {
            BtreeKey::Direct(key) => {
                out.set(key);
                Ok(())
            }
            BtreeKey::Indirect(id) => {
                let page = self.run.real_id(self.pager.geometry(), id);
                let position = Some(CellPosition { page, cell: 0 });
                let input = SegmentInput::open(self.pager, self.run.clone(), position, true)?;
                out.set(KeyRef { system: input.flags().is_system(), bytes: input.key() });
                Ok(())
            }
        }
    }

    /// Finds the path to the leaf a merge stopped at.
    fn restore(&mut self, position: CellPosition) -> Result<()> {
        let leaf = self.pager.real_page(&self.run, position.page)?;
        let at = (position.cell >> 8) as usize;
        let depth = (position.cell & 0xFF) as usize;
        if !leaf.is_btree() || !(1..=MAX_DEPTH).contains(&depth) {
            return Err(leaf.broken("a merge stands on a page that is no b-tree leaf"));
        }
        let mut wanted = None;
        if leaf.cell_count() > 0 {
            let cell = leaf.btree_cell(0)?;
            let mut key = KeyBuffer::default();
            self.read_key(cell.key, &mut key)?;
            wanted = Some(key);
        }
        self.depth = depth;
        let mut page = self.pager.real_page(&self.run, self.run.segment.root)?;
        loop {
            if !page.is_btree() {
                return Err(page.broken("a data page stands where a b-tree node must be"));
            }
            if self.path.len() + 1 == depth {
                break;
            }
            let mut index = page.cell_count();
            if let Some(wanted) = &wanted {
                index = self.child_index(&page, wanted.as_ref())?;
            }
            let next = self.node(page.btree_child(index)?)?;
            self.path.push(Step { page, at: index });
            page = next;
        }
        if page.id() != leaf.id() || at > leaf.cell_count() {
            return Err(leaf.broken("a merge stands outside the b-tree of the next level"));
        }
        self.path.push(Step { page, at });
        Ok(())
    }

    /// Which child of `page` holds `key`.
    fn child_index(&self, page: &Page, key: KeyRef<'_>) -> Result<usize> {
        let mut buffer = KeyBuffer::default();
        for index in 0..page.cell_count() {
            let cell = page.btree_cell(index)?;
            self.read_key(cell.key, &mut buffer)?;
            if buffer.as_ref() > key {
                return Ok(index);
            }
        }
        Ok(page.cell_count())
    }
}
