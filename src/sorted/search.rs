//! Finding a key in one segment: through its b-tree, through a pointer from the newer neighbour, or
//! from the beginning.
//!
//! A search ends on the greatest cell at or below the key. A pointer is believed to be at worst too
//! far left: whenever the key lies behind the last cell of a page, the next page is asked, unless a
//! b-tree led here and no key was left out of it. Format: docs/format.md, "Reading".

use super::btree;
use crate::error::Result;
use crate::format::geometry::PageId;
use crate::format::key::{KeyRef, Probe};
use crate::format::page::{DataCell, PageFlags};
use crate::pager::{Page, Pager, Run};
use std::cmp::Ordering;

/// Where a search in a segment ended; the page is in the caller's hands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Landing {
    /// On the greatest cell at or below the key.
    At {
        /// Its index on the page.
        index: usize,
        /// Its header.
        cell: DataCell,
        /// Whether the keys are equal.
        exact: bool,
    },
    /// All cells are greater; the page is the first one that has cells.
    Before,
    /// There are no cells.
    Empty,
}

/// Appends bytes `from .. from + len` of the body (key, then value) of a cell to `out`.
pub(crate) fn read_body(
    pager: &Pager,
    run: &Run,
    page: &Page,
    cell: &DataCell,
    (from, len): (usize, usize),
    out: &mut Vec<u8>,
) -> Result<()> {
    let here = cell.limit.saturating_sub(cell.body);
    let now = here.saturating_sub(from).min(len);
    out.extend_from_slice(page.part(cell.body + from.min(here), now));
    let (mut skip, mut missing) = (from.saturating_sub(here), len - now);
    let mut budget = run.page_budget(pager.geometry());
    let mut next = page.clone();
    while missing > 0 {
        let id = match pager.next_id(run, &next)? {
            Some(id) if budget > 0 => id,
            _ => return Err(page.broken("record runs past the end of its segment")),
        };
        budget -= 1;
        pager.turn_to(run, id, &mut next)?;
        if next.is_btree() {
            continue;
        }
        let held = next.footer().content_end;
        let now = held.saturating_sub(skip).min(missing);
        out.extend_from_slice(next.part(skip.min(held), now));
        skip = skip.saturating_sub(held);
        missing -= now;
    }
    Ok(())
}

/// Decodes cell `index` and compares its key with `key`.
#[inline]
pub(crate) fn compare_cell(
    pager: &Pager,
    run: &Run,
    page: &Page,
    index: usize,
    key: KeyRef<'_>,
    scratch: &mut Vec<u8>,
) -> Result<(DataCell, Ordering)> {
    let cell = page.data_cell(index)?;
    let order = cell.flags.is_system().cmp(&key.system);
    if order.is_ne() {
        return Ok((cell, order));
    }
    if cell.has_key_on_page() {
        return Ok((cell, page.part(cell.body, cell.key_len).cmp(key.bytes)));
    }
    // Often the bytes on this page decide.
    let here = page.part(cell.body, cell.limit.saturating_sub(cell.body));
    let same = key.bytes.get(..here.len()).unwrap_or(key.bytes);
    let order = here.cmp(same);
    if order.is_ne() {
        return Ok((cell, order));
    }
    scratch.clear();
    read_body(pager, run, page, &cell, (0, cell.key_len), scratch)?;
    Ok((cell, scratch.as_slice().cmp(key.bytes)))
}

/// Searches the segment of `run` for `key` and leaves `page` where the search ended.
///
/// `pointer` is that of the greatest cell at or below `key` in the newer neighbour, 0 = none.
pub(crate) fn search(
    pager: &Pager,
    run: &Run,
    pointer: PageId,
    key: KeyRef<'_>,
    page: &mut Page,
    scratch: &mut Vec<u8>,
) -> Result<Landing> {
    if run.segment.root != 0 {
        btree::descend(pager, run, key, page, scratch)?;
        return land(pager, run, key, page, scratch, true);
    }
    if turn_to_pointer(pager, run, pointer, page)? {
        let landing = land(pager, run, key, page, scratch, false)?;
        let plausible = matches!(landing, Landing::At { .. }) || page.id() == run.start;
        if plausible {
            return Ok(landing);
        }
    }
    pager.turn_to(run, run.start, page)?;
    land(pager, run, key, page, scratch, false)
}

/// Turns to the page a pointer names if it can be trusted.
fn turn_to_pointer(pager: &Pager, run: &Run, pointer: PageId, page: &mut Page) -> Result<bool> {
    if pointer == 0 {
        return Ok(false);
    }
    let id = run.real_id(pager.geometry(), pointer);
    if !pager.geometry().contains(id, run.block_count) || !pager.has_several_key_pages(run)? {
        return Ok(false);
    }
    Ok(pager.turn_to(run, id, page).is_ok() && !page.is_btree())
}

/// Finds the key on `page` or, where it may lie further right, on the pages behind.
fn land(
    pager: &Pager,
    run: &Run,
    key: KeyRef<'_>,
    page: &mut Page,
    scratch: &mut Vec<u8>,
    by_btree: bool,
) -> Result<Landing> {
    if (page.is_btree() || page.cell_count() == 0) && !pager.turn_forward(run, page)? {
        return Ok(Landing::Empty);
    }
    for _ in 0..run.page_budget(pager.geometry()) {
        let landing = search_page(pager, run, key, page, scratch)?;
        let may_lie_behind = !by_btree || page.flags().contains(PageFlags::SKIP_NEXT);
        match landing {
            Landing::At { index, exact: false, .. }
                if may_lie_behind && index + 1 == page.cell_count() => {}
            _ => return Ok(landing),
        }
        let mut next = page.clone();
        let lies_behind = pager.turn_forward(run, &mut next)?
            && compare_cell(pager, run, &next, 0, key, scratch)?.1.is_le();
        if !lies_behind {
            return Ok(landing);
        }
        *page = next;
    }
    Err(page.broken("pages of the segment do not end"))
}

/// Binary search among the cells of one page. Only the cell it ends on is decoded and checked
/// entirely; of the others no more is read than the key.
fn search_page(
    pager: &Pager,
    run: &Run,
    key: KeyRef<'_>,
    page: &Page,
    scratch: &mut Vec<u8>,
) -> Result<Landing> {
    let (probe, bytes, footer) = (Probe::new(key), page.bytes(), page.footer());
    let (mut low, mut high) = (0, page.cell_count());
    while low < high {
        let index = low.midpoint(high);
        let order = match footer.data_key(bytes, index) {
            Some(here) => probe.order_of(here),
            None => compare_cell(pager, run, page, index, key, scratch)?.1,
        };
        match order {
            Ordering::Equal => {
                return Ok(Landing::At { index, cell: page.data_cell(index)?, exact: true });
            }
            Ordering::Less => low = index + 1,
            Ordering::Greater => high = index,
        }
    }
    match low.checked_sub(1) {
        Some(index) => Ok(Landing::At { index, cell: page.data_cell(index)?, exact: false }),
        None => Ok(Landing::Before),
    }
}

/// The pointer that a search in the next older segment begins with.
///
/// A cell below `floor`, the split key of that segment's unfinished merge, may point to a page that
/// the merge has given up already: then 0.
pub(crate) fn pointer_behind(
    pager: &Pager,
    run: &Run,
    page: &Page,
    landing: &Landing,
    floor: Option<KeyRef<'_>>,
    scratch: &mut Vec<u8>,
) -> Result<PageId> {
    match (landing, floor) {
        (Landing::Empty, _) | (Landing::Before, Some(_)) => Ok(0),
        (Landing::Before, None) => Ok(page.footer().pointer),
        (Landing::At { cell, .. }, None) => Ok(cell.pointer),
        (Landing::At { index, cell, .. }, Some(floor)) => {
            let (_, order) = compare_cell(pager, run, page, *index, floor, scratch)?;
            Ok(if order.is_ge() { cell.pointer } else { 0 })
        }
    }
}
