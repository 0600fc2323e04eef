//! Every page and cell of one segment: footers, cell headers, records that go on over pages, and
//! the order of keys.

use super::Checker;
use super::pointers::Below;
use crate::error::Result;
use crate::format::geometry::PageId;
use crate::format::key::{KeyBuffer, KeyRef};
use crate::format::page::{BtreeKey, EntryFlags, PageFlags};
use crate::pager::{Page, Run};
use crate::sorted::read_body;

/// A data page on which a key begins.
pub(super) struct KeyPage {
    pub(super) id: PageId,
    pub(super) flags: PageFlags,
    pub(super) first: KeyBuffer,
}

/// What a walk over a segment found.
#[derive(Default)]
pub(super) struct SegmentMap {
    /// In run order.
    pub(super) key_pages: Vec<KeyPage>,
    pub(super) last_key: Option<KeyBuffer>,
    /// Pages of all kinds.
    pub(super) pages: u64,
    /// Whether every page could be read and the end was reached.
    pub(super) is_complete: bool,
}

/// State of a walk.
struct Walk<'a> {
    run: &'a Run,
    below: Option<&'a Below>,
    map: SegmentMap,
    previous: KeyBuffer,
    key: KeyBuffer,
    /// Bytes of the last record that must still come; unknown at first in an input a merge has
    /// given up the beginning of.
    missing: Option<u64>,
    has_previous: bool,
}

/// Walks the pages of `run`. `shortened` says that a merge may have given up its beginning.
pub(super) fn walk(
    checker: &mut Checker<'_>,
    run: &Run,
    below: Option<&Below>,
    shortened: bool,
) -> Result<SegmentMap> {
    let pager = std::sync::Arc::clone(checker.pager);
    let mut walk = Walk {
        run,
        below,
        map: SegmentMap { is_complete: true, ..SegmentMap::default() },
        previous: KeyBuffer::default(),
        key: KeyBuffer::default(),
        missing: (!shortened).then_some(0),
        has_previous: false,
    };
    let page_size = u64::from(pager.geometry().page_size());
    let mut id = run.segment.first;
    let mut page = Page::default();
    for _ in 0..run.page_budget(pager.geometry()) {
        checker.advance(page_size)?;
        checker.report.pages += 1;
        walk.map.pages += 1;
        let read = pager.turn_to(run, id, &mut page);
        let next = if checker.problems.noted(read)?.is_some() {
            walk.page(checker, &page)?;
            pager.next_id(run, &page)
        } else {
            walk.map.is_complete = false;
            walk.missing = None;
            pager.next_id_unread(run, id)
        };
        match checker.problems.noted(next)? {
            Some(Some(next)) => id = next,
            Some(None) => {
                if walk.missing.is_some_and(|missing| missing > 0) {
                    checker
                        .problems
                        .add(format!("page {id}: a record runs past the end of its segment"));
                }
                return Ok(walk.finish());
            }
            None => {
                walk.map.is_complete = false;
                return Ok(walk.finish());
            }
        }
    }
    checker.problems.add(format!("page {id}: pages of the segment do not end"));
    walk.map.is_complete = false;
    Ok(walk.finish())
}

impl Walk<'_> {
    fn finish(mut self) -> SegmentMap {
        self.map.last_key = self.has_previous.then_some(self.previous);
        self.map
    }

    fn page(&mut self, checker: &mut Checker<'_>, page: &Page) -> Result<()> {
        if page.is_btree() {
            return self.btree_page(checker, page);
        }
        let footer = *page.footer();
        if page.cell_count() > 0 {
            let first = footer.cell_offset(page.bytes(), 0).map_err(|rule| page.broken(rule));
            let first = checker.problems.noted(first)?;
            if first.is_some_and(|first| self.missing.is_some_and(|left| left > first as u64)) {
                checker.problems.add(format!("page {}: a record begins inside another", page.id()));
            }
        }
        let held = footer.content_end as u64;
        self.missing = self.missing.map(|missing| missing.saturating_sub(held));
        for index in 0..page.cell_count() {
            checker.report.records += 1;
            self.cell(checker, page, index)?;
        }
        Ok(())
    }

    fn cell(&mut self, checker: &mut Checker<'_>, page: &Page, index: usize) -> Result<()> {
        let pager = std::sync::Arc::clone(checker.pager);
        let Some(cell) = checker.problems.noted(page.data_cell(index))? else {
            self.missing = None;
            return Ok(());
        };
        let wanted = cell.key_len as u64 + cell.value_len as u64;
        if wanted > self.run.byte_budget(pager.geometry()) {
            checker
                .problems
                .add(format!("page {}: record {index} is larger than the file", page.id()));
            self.missing = None;
            return Ok(());
        }
        let here = cell.limit.saturating_sub(cell.body) as u64;
        self.missing = Some(wanted.saturating_sub(here));
        self.key.system = cell.flags.is_system();
        self.key.bytes.clear();
        let body = (0, cell.key_len);
        let read = read_body(&pager, self.run, page, &cell, body, &mut self.key.bytes);
        if checker.problems.noted(read)?.is_none() {
            return Ok(());
        }
        if self.has_previous && self.previous.as_ref() >= self.key.as_ref() {
            checker
                .problems
                .add(format!("page {}: key of record {index} does not ascend", page.id()));
        }
        let repeats = cell.flags.contains(EntryFlags::RANGE.union(EntryFlags::POINT_DELETE));
        if repeats && cell.flags.contains(EntryFlags::INSERT) {
            checker.problems.add(format!("page {}: record {index} is contradictory", page.id()));
        }
        if let Some(below) = self.below {
            let at = (page.id(), index);
            super::pointers::check_pointer(checker, below, self.key.as_ref(), cell.pointer, at);
        }
        if self.map.key_pages.last().is_none_or(|known| known.id != page.id()) {
            let first = self.key.clone();
            let flags = page.flags();
            self.map.key_pages.push(KeyPage { id: page.id(), flags, first });
        }
        std::mem::swap(&mut self.previous, &mut self.key);
        self.has_previous = true;
        Ok(())
    }

    /// Cells of a b-tree node, dead ones included; where it leads is checked from the root.
    fn btree_page(&mut self, checker: &mut Checker<'_>, page: &Page) -> Result<()> {
        let mut previous: Option<KeyRef<'_>> = None;
        for index in 0..page.cell_count() {
            let Some(cell) = checker.problems.noted(page.btree_cell(index))? else { continue };
            let BtreeKey::Direct(key) = cell.key else { continue };
            if previous.is_some_and(|previous| previous >= key) {
                checker
                    .problems
                    .add(format!("page {}: b-tree key {index} does not ascend", page.id()));
            }
            previous = Some(key);
        }
        Ok(())
    }
}
