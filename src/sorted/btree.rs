//! The b-tree of a segment: the way down to a data page, and walking its keys in order.
//!
//! A key lives in exactly one node; children are left of their cell, the last one in the footer.
//! Nodes on the lowest level lead to data pages. Format: docs/format.md, "Segments" and "Merging".

use crate::error::Result;
use crate::format::checkpoint::CellPosition;
use crate::format::geometry::PageId;
use crate::format::key::{KeyBuffer, KeyRef, Probe};
use crate::format::page::BtreeKey;
use crate::pager::{Page, Pager, Run};
use std::cmp::Ordering;
use std::sync::Arc;

/// Levels a b-tree can have.
const MAX_DEPTH: usize = 32;

/// Copies the key of data cell 0 of page `id`, to which an indirect cell refers.
fn indirect_key(pager: &Pager, run: &Run, id: PageId, out: &mut Vec<u8>) -> Result<bool> {
    let page = pager.page(run, id)?;
    if page.is_btree() {
        return Err(page.broken("a b-tree key is said to be on a b-tree page"));
    }
    let cell = page.data_cell(0)?;
    out.clear();
    super::search::read_body(pager, run, &page, &cell, (0, cell.key_len), out)?;
    Ok(cell.flags.is_system())
}

/// Copies the key of b-tree cell `index` of `page`.
fn copy_key(
    pager: &Pager,
    run: &Run,
    page: &Page,
    index: usize,
    into: &mut KeyBuffer,
) -> Result<()> {
    match page.btree_cell(index)?.key {
        BtreeKey::Direct(key) => into.set(key),
        BtreeKey::Indirect(id) => {
            into.system = indirect_key(pager, run, id, &mut into.bytes)?;
        }
    }
    Ok(())
}

/// Copies the key of a b-tree cell that a checkpoint names by page and plain index.
pub(crate) fn stored_key(
    pager: &Pager,
    run: &Run,
    at: CellPosition,
    into: &mut KeyBuffer,
) -> Result<()> {
    let page = pager.real_page(run, at.page)?;
    if !page.is_btree() {
        return Err(page.broken("split key of a b-tree is on a data page"));
    }
    copy_key(pager, run, &page, at.cell as usize, into)
}

/// Compares the key of b-tree cell `index` with `key`.
fn compare(
    pager: &Pager,
    run: &Run,
    page: &Page,
    index: usize,
    key: KeyRef<'_>,
    scratch: &mut Vec<u8>,
) -> Result<Ordering> {
    match page.btree_cell(index)?.key {
        BtreeKey::Direct(cell) => Ok(cell.cmp(&key)),
        BtreeKey::Indirect(id) => {
            let system = indirect_key(pager, run, id, scratch)?;
            Ok(KeyRef { system, bytes: scratch }.cmp(&key))
        }
    }
}

/// Index of the child in which `key` is: left of the first cell with a greater key.
fn child_for(
    pager: &Pager,
    run: &Run,
    page: &Page,
    key: KeyRef<'_>,
    scratch: &mut Vec<u8>,
) -> Result<usize> {
    let (probe, bytes, footer) = (Probe::new(key), page.bytes(), page.footer());
    let (mut low, mut high) = (0, page.cell_count());
    while low < high {
        let index = low.midpoint(high);
        let order = match footer.btree_key(bytes, index) {
            Some(here) => probe.order_of(here),
            None => compare(pager, run, page, index, key, scratch)?,
        };
        if order.is_gt() {
            high = index;
        } else {
            low = index + 1;
        }
    }
    Ok(low)
}

/// The real id of child `index`.
fn real_child(pager: &Pager, run: &Run, page: &Page, index: usize) -> Result<PageId> {
    let id = run.real_id(pager.geometry(), page.btree_child(index)?);
    if id == page.id() {
        return Err(page.broken("b-tree page is its own child"));
    }
    Ok(id)
}

/// Turns `page` to the data page on which a search for `key` goes on.
pub(crate) fn descend(
    pager: &Pager,
    run: &Run,
    key: KeyRef<'_>,
    page: &mut Page,
    scratch: &mut Vec<u8>,
) -> Result<()> {
    pager.turn_to(run, run.segment.root, page)?;
    if !page.is_btree() {
        return Err(page.broken("root of a b-tree is a data page"));
    }
    for _ in 0..MAX_DEPTH {
        let index = child_for(pager, run, page, key, scratch)?;
        pager.turn_to(run, real_child(pager, run, page, index)?, page)?;
        if !page.is_btree() {
            return Ok(());
        }
    }
    Err(page.broken("b-tree is deeper than 32 levels"))
}

/// A node on the way to the current leaf, and the child taken. On the leaf: the child right of the
/// current key, so 0 says that the key is in a node above.
#[derive(Clone, Debug)]
struct Step {
    page: Page,
    child: usize,
}

/// Walks the keys of a segment's b-tree in ascending order: the separators a merge writes.
#[derive(Clone, Debug)]
pub(crate) struct BtreeCursor {
    run: Arc<Run>,
    path: Vec<Step>,
    key: KeyBuffer,
    pointer: PageId,
    valid: bool,
}

impl BtreeCursor {
    /// A cursor that stands nowhere yet.
    pub(crate) fn new(run: Arc<Run>) -> Self {
        let key = KeyBuffer::default();
        BtreeCursor { run, path: Vec::new(), key, pointer: 0, valid: false }
    }

    /// Whether it stands on a key.
    pub(crate) fn is_valid(&self) -> bool {
        self.valid
    }

    /// The key.
    pub(crate) fn key(&self) -> KeyRef<'_> {
        self.key.as_ref()
    }

    /// The data page right of the key, as named inside the segment.
    pub(crate) fn pointer(&self) -> PageId {
        self.pointer
    }

    /// Where it stands, as a checkpoint stores it; page 0 behind the last key.
    pub(crate) fn position(&self) -> CellPosition {
        match self.path.last() {
            Some(leaf) if self.valid => CellPosition {
                page: leaf.page.id(),
                cell: (leaf.child as u32) << 8 | self.path.len() as u32,
            },
            _ => CellPosition::default(),
        }
    }

    /// The cell that holds the key.
    pub(crate) fn key_position(&self) -> CellPosition {
        let holder = self.path.iter().rfind(|step| self.valid && step.child > 0);
        holder.map_or_else(CellPosition::default, |step| CellPosition {
            page: step.page.id(),
            cell: step.child as u32 - 1,
        })
    }

    /// Goes to the first key.
    pub(crate) fn first(&mut self, pager: &Pager) -> Result<()> {
        self.valid = false;
        self.path.clear();
        self.key.bytes.clear();
        self.pointer = 0;
        if self.run.segment.root == 0 {
            return Ok(());
        }
        let mut page = pager.real_page(&self.run, self.run.segment.root)?;
        if !page.is_btree() {
            return Err(page.broken("root of a b-tree is a data page"));
        }
        while page.is_btree() {
            if self.path.len() >= MAX_DEPTH {
                return Err(page.broken("b-tree is deeper than 32 levels"));
            }
            let child = pager.real_page(&self.run, real_child(pager, &self.run, &page, 0)?)?;
            self.path.push(Step { page, child: 0 });
            page = child;
        }
        self.advance(pager)
    }

    /// Goes to the next key.
    pub(crate) fn next(&mut self, pager: &Pager) -> Result<()> {
        if !std::mem::replace(&mut self.valid, false) {
            return Ok(());
        }
        self.advance(pager)
    }

    fn advance(&mut self, pager: &Pager) -> Result<()> {
        let depth = self.path.len();
        let has_more = |step: &Step| step.child < step.page.cell_count();
        let Some(level) = self.path.iter().rposition(has_more) else {
            self.path.clear();
            return Ok(());
        };
        self.path.truncate(level + 1);
        if let Some(step) = self.path.last_mut() {
            step.child += 1;
        }
        while self.path.len() < depth {
            let Some(above) = self.path.last() else { break };
            let id = real_child(pager, &self.run, &above.page, above.child)?;
            let page = pager.real_page(&self.run, id)?;
            if !page.is_btree() {
                return Err(page.broken("b-tree is not equally deep everywhere"));
            }
            self.path.push(Step { page, child: 0 });
        }
        let previous = std::mem::take(&mut self.key);
        let first = previous.bytes.is_empty() && self.pointer == 0;
        self.load(pager)?;
        if !first && previous.as_ref() >= self.key.as_ref() {
            self.valid = false;
            return Err(self.broken("b-tree keys do not ascend"));
        }
        Ok(())
    }

    fn broken(&self, rule: &'static str) -> crate::error::Error {
        self.path.last().map_or_else(|| Page::default().broken(rule), |step| step.page.broken(rule))
    }

    /// Reads key and pointer of the place the path describes.
    fn load(&mut self, pager: &Pager) -> Result<()> {
        let Some(leaf) = self.path.last() else { return Ok(()) };
        let Some(holder) = self.path.iter().rfind(|step| step.child > 0) else {
            return Err(leaf.page.broken("b-tree position is before the first key"));
        };
        self.pointer = leaf.page.btree_child(leaf.child)?;
        copy_key(pager, &self.run, &holder.page, holder.child - 1, &mut self.key)?;
        self.valid = true;
        Ok(())
    }

    /// Goes to a stored position.
    pub(crate) fn at(&mut self, pager: &Pager, position: CellPosition) -> Result<()> {
        self.valid = false;
        self.path.clear();
        if position.page == 0 {
            return Ok(());
        }
        let (depth, child) = ((position.cell & 0xFF) as usize, (position.cell >> 8) as usize);
        let run = Arc::clone(&self.run);
        let leaf = pager.real_page(&run, position.page)?;
        let wrong = leaf.broken("stored b-tree position does not exist");
        let legal = (1..=MAX_DEPTH).contains(&depth) && child <= leaf.cell_count();
        if !leaf.is_btree() || !legal || run.segment.root == 0 {
            return Err(wrong);
        }
        // The way from the root to this leaf is the way to its first key.
        let mut scratch = Vec::new();
        let mut first = KeyBuffer::default();
        if leaf.cell_count() > 0 {
            copy_key(pager, &run, &leaf, 0, &mut first)?;
        }
        let mut id = run.segment.root;
        for _ in 1..depth {
            let page = pager.real_page(&run, id)?;
            if !page.is_btree() {
                return Err(wrong);
            }
            let child = if leaf.cell_count() > 0 {
                child_for(pager, &run, &page, first.as_ref(), &mut scratch)?
            } else {
                page.cell_count()
            };
            id = real_child(pager, &run, &page, child)?;
            self.path.push(Step { page, child });
        }
        if id != leaf.id() {
            self.path.clear();
            return Err(wrong);
        }
        self.path.push(Step { page: leaf, child });
        self.load(pager)
    }
}
