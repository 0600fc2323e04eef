//! A cursor over the raw cells of one segment, separators included.
//!
//! Key and value are borrowed from the page when they are entirely on it, else assembled into
//! buffers of the cursor. Neighbouring keys must be in order: anything else is damage. After an
//! error the cursor stands nowhere. Format: docs/format.md, "Pages and cells" and "Reading".

use super::cursor::rest;
use super::search::{self, Landing, read_body};
use crate::error::Result;
use crate::format::checkpoint::CellPosition;
use crate::format::geometry::PageId;
use crate::format::key::{KeyBuffer, KeyRef};
use crate::format::page::{DataCell, EntryFlags};
use crate::pager::{Page, Pager, Run};
use std::sync::Arc;

/// A cursor over one segment.
#[derive(Clone, Debug)]
pub(crate) struct SegmentCursor {
    run: Arc<Run>,
    page: Page,
    index: usize,
    cell: DataCell,
    valid: bool,
    /// The key when it is not all on the page.
    spilled_key: Vec<u8>,
    /// The value when it is not all on the page and was asked for.
    spilled_value: Vec<u8>,
    value_is_loaded: bool,
    /// The key left behind on another page.
    left_key: KeyBuffer,
}

impl SegmentCursor {
    /// A cursor that stands nowhere yet.
    pub(crate) fn new(run: Arc<Run>) -> Self {
        SegmentCursor {
            run,
            page: Page::default(),
            index: 0,
            cell: DataCell::default(),
            valid: false,
            spilled_key: Vec::new(),
            spilled_value: Vec::new(),
            value_is_loaded: false,
            left_key: KeyBuffer::default(),
        }
    }

    /// Lets it stand nowhere and gives up large buffers.
    pub(super) fn rest(&mut self) {
        self.valid = false;
        for buffer in [&mut self.spilled_key, &mut self.spilled_value, &mut self.left_key.bytes] {
            rest(buffer);
        }
    }

    /// Whether it stands on a cell.
    #[inline]
    pub(crate) fn is_valid(&self) -> bool {
        self.valid
    }

    /// What the current entry is; once the cursor has run off an end, what the last one was.
    #[inline]
    pub(crate) fn flags(&self) -> EntryFlags {
        self.cell.flags
    }

    /// The current key.
    #[inline]
    pub(crate) fn key(&self) -> KeyRef<'_> {
        let bytes = if self.cell.has_key_on_page() {
            self.page.part(self.cell.body, self.cell.key_len)
        } else {
            &self.spilled_key
        };
        KeyRef { system: self.cell.flags.is_system(), bytes }
    }

    /// The current value; empty unless the entry is an insert.
    #[inline]
    pub(crate) fn value(&mut self, pager: &Pager) -> Result<&[u8]> {
        self.load_value(pager)?;
        Ok(self.loaded_value())
    }

    /// Makes the current value available to `loaded_value`.
    #[inline]
    pub(crate) fn load_value(&mut self, pager: &Pager) -> Result<()> {
        if !self.cell.is_on_page() && !self.value_is_loaded {
            let part = (self.cell.key_len, self.cell.value_len);
            self.spilled_value.clear();
            let into = &mut self.spilled_value;
            read_body(pager, &self.run, &self.page, &self.cell, part, into)?;
            self.value_is_loaded = true;
        }
        Ok(())
    }

    /// The current value once loaded.
    #[inline]
    pub(crate) fn loaded_value(&self) -> &[u8] {
        if self.cell.is_on_page() {
            return self.page.part(self.cell.body + self.cell.key_len, self.cell.value_len);
        }
        &self.spilled_value
    }

    /// Where it stands, as a checkpoint stores it; page 0 behind the last cell.
    #[inline]
    pub(crate) fn position(&self) -> CellPosition {
        if self.valid {
            CellPosition { page: self.page.id(), cell: self.index as u32 }
        } else {
            CellPosition::default()
        }
    }

    /// Goes to the first cell.
    #[cfg(test)]
    pub(crate) fn first(&mut self, pager: &Pager) -> Result<()> {
        self.valid = false;
        pager.turn_to(&self.run, self.run.segment.first, &mut self.page)?;
        let here = !self.page.is_btree() && self.page.cell_count() > 0;
        if here || pager.turn_forward(&self.run, &mut self.page)? {
            self.enter(pager, 0)?;
        }
        Ok(())
    }

    /// Goes to the last cell.
    pub(crate) fn last(&mut self, pager: &Pager) -> Result<()> {
        self.valid = false;
        pager.turn_to(&self.run, pager.last_id(&self.run)?, &mut self.page)?;
        let here = !self.page.is_btree() && self.page.cell_count() > 0;
        if here || pager.turn_back(&self.run, &mut self.page)? {
            self.enter(pager, self.page.cell_count() - 1)?;
        }
        Ok(())
    }

    /// Goes to a stored position.
    pub(crate) fn at(&mut self, pager: &Pager, position: CellPosition) -> Result<()> {
        self.valid = false;
        if position.page == 0 {
            return Ok(());
        }
        pager.turn_to(&self.run, position.page, &mut self.page)?;
        if self.page.is_btree() {
            return Err(self.page.broken("stored position is on a b-tree page"));
        }
        self.enter(pager, position.cell as usize)
    }

    /// Goes to the greatest cell at or below `key`, else to the first cell.
    pub(crate) fn search(
        &mut self,
        pager: &Pager,
        pointer: PageId,
        key: KeyRef<'_>,
    ) -> Result<Landing> {
        self.valid = false;
        let scratch = &mut self.spilled_key;
        let landing = search::search(pager, &self.run, pointer, key, &mut self.page, scratch)?;
        match landing {
            Landing::At { index, .. } => self.enter(pager, index)?,
            Landing::Before => self.enter(pager, 0)?,
            Landing::Empty => self.cell = DataCell::default(),
        }
        Ok(landing)
    }

    /// The pointer for the next older segment, right after a search that ended on `landing`.
    pub(crate) fn pointer_behind(
        &self,
        pager: &Pager,
        landing: &Landing,
        floor: Option<KeyRef<'_>>,
    ) -> Result<PageId> {
        let mut scratch = Vec::new();
        search::pointer_behind(pager, &self.run, &self.page, landing, floor, &mut scratch)
    }

    /// Goes to the next cell.
    #[inline]
    pub(crate) fn next(&mut self, pager: &Pager) -> Result<()> {
        if !self.valid {
            return Ok(());
        }
        let index = self.index + 1;
        if index < self.page.cell_count() {
            let left = self.cell;
            self.enter(pager, index)?;
            return self.check_order_on_page(left, false);
        }
        self.leave_page();
        if pager.turn_forward(&self.run, &mut self.page)? {
            self.enter(pager, 0)?;
            if self.left_key.as_ref() >= self.key() {
                return self.disorder();
            }
        }
        Ok(())
    }

    /// Goes to the previous cell.
    pub(crate) fn previous(&mut self, pager: &Pager) -> Result<()> {
        if !self.valid {
            return Ok(());
        }
        let spilled = !self.cell.has_key_on_page();
        if let (Some(index), false) = (self.index.checked_sub(1), spilled) {
            let left = self.cell;
            self.enter(pager, index)?;
            return self.check_order_on_page(left, true);
        }
        let index = self.index;
        self.leave_page();
        let back = if index > 0 {
            Some(index - 1)
        } else if pager.turn_back(&self.run, &mut self.page)? {
            self.page.cell_count().checked_sub(1)
        } else {
            None
        };
        if let Some(index) = back {
            self.enter(pager, index)?;
            if self.left_key.as_ref() <= self.key() {
                return self.disorder();
            }
        }
        Ok(())
    }

    fn leave_page(&mut self) {
        let mut left = std::mem::take(&mut self.left_key);
        left.set(self.key());
        self.left_key = left;
        self.valid = false;
    }

    /// Stands on cell `index` of the current page.
    #[inline]
    fn enter(&mut self, pager: &Pager, index: usize) -> Result<()> {
        self.valid = false;
        self.value_is_loaded = false;
        self.cell = self.page.data_cell(index)?;
        self.index = index;
        if !self.cell.has_key_on_page() {
            self.load_key(pager)?;
        }
        self.valid = true;
        Ok(())
    }

    #[cold]
    fn load_key(&mut self, pager: &Pager) -> Result<()> {
        self.spilled_key.clear();
        let into = &mut self.spilled_key;
        read_body(pager, &self.run, &self.page, &self.cell, (0, self.cell.key_len), into)
    }

    /// Compares the current key with that of a cell left behind on the same page.
    #[inline]
    fn check_order_on_page(&mut self, left: DataCell, backward: bool) -> Result<()> {
        let left = KeyRef {
            system: left.flags.is_system(),
            bytes: self.page.part(left.body, left.key_len),
        };
        let here = self.key();
        let ordered = if backward { here < left } else { left < here };
        if ordered { Ok(()) } else { self.disorder() }
    }

    #[cold]
    fn disorder(&mut self) -> Result<()> {
        self.valid = false;
        Err(self.page.broken("keys do not ascend"))
    }
}
