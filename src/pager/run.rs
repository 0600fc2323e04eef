//! A run: the pages of one segment in order, found by following block pointers.
//!
//! Ids found *inside* the oldest segment (and pointers into it) may be in the numbering before its
//! blocks were moved; [`Pager::page`] translates them, once. Ids that a checkpoint or a [`Page`]
//! gives are real already. Chains are checked as they are walked: docs/format.md, "Runs",
//! "Moving blocks" and "Validation".

use super::{Page, Pager};
use crate::env::FileMap;
use crate::error::{Error, Place, Result};
use crate::format::checkpoint::{Redirect, Segment};
use crate::format::geometry::{BlockId, Geometry, PageId};
use std::sync::{Arc, OnceLock};

/// What is needed to walk and search one segment.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The segment.
    pub(crate) segment: Segment,
    /// Moved blocks; empty unless this is the oldest segment of its snapshot.
    pub(crate) redirects: Arc<[Redirect]>,
    /// Blocks the checkpoint speaks of.
    pub(crate) block_count: u32,
    /// Blocks that fit into the file: a damaged checkpoint cannot make walks longer than that.
    held_blocks: u32,
    /// Real page on which a search without b-tree and pointer begins: the first page, or where the
    /// merge that consumes this segment has arrived.
    pub(crate) start: PageId,
    /// Map of the file, if there is one; pages beyond it are read through the cache.
    pub(super) map: Option<Arc<dyn FileMap>>,
    /// Whether keys start on more than one page; found out when first asked.
    several_key_pages: OnceLock<bool>,
}

impl Run {
    pub(super) fn new(
        segment: Segment,
        redirects: Arc<[Redirect]>,
        (block_count, held_blocks): (u32, u32),
        map: Option<Arc<dyn FileMap>>,
    ) -> Self {
        let start = segment.first;
        let several_key_pages = OnceLock::new();
        Run { segment, redirects, block_count, held_blocks, start, map, several_key_pages }
    }

    /// The same run, searched from `start` on.
    #[must_use]
    pub(crate) fn starting_at(mut self, start: PageId) -> Self {
        self.start = start;
        self
    }

    /// Where `block`, as named inside the segment, really is.
    #[inline]
    pub(crate) fn real_block(&self, block: BlockId) -> BlockId {
        for redirect in self.redirects.iter() {
            if redirect.from == block {
                return redirect.to;
            }
        }
        block
    }

    /// Where page `id`, as named inside the segment, really is.
    #[inline]
    pub(crate) fn real_id(&self, geometry: &Geometry, id: PageId) -> PageId {
        if self.redirects.is_empty() {
            return id;
        }
        let block = geometry.block_of(id);
        let real = self.real_block(block);
        let distance = u64::from(block.saturating_sub(real)) * geometry.ids_per_block();
        id.saturating_sub(distance)
    }

    /// Upper bound of the pages in the file, so that no walk is endless.
    #[inline]
    pub(crate) fn page_budget(&self, geometry: &Geometry) -> u64 {
        let per_block = if geometry.compressed() {
            // A record takes at least 7 bytes.
            geometry.ids_per_block() / 7
        } else {
            geometry.ids_per_block()
        };
        (u64::from(self.held_blocks) + 1) * per_block
    }

    /// Upper bound of the bytes of one record, before memory for it is asked for.
    pub(crate) fn byte_budget(&self, geometry: &Geometry) -> u64 {
        self.page_budget(geometry).saturating_mul(u64::from(geometry.page_size()))
    }

    /// Upper bound of the blocks of a segment.
    pub(super) fn block_budget(&self) -> usize {
        self.held_blocks as usize + 1
    }
}

impl Pager {
    /// Checks a block pointer found in `block` and translates it.
    pub(super) fn follow(&self, run: &Run, block: BlockId, pointer: Option<u32>) -> Result<u32> {
        let broken = |rule: String| Error::corrupt(Place::Block(block), rule);
        let pointer = pointer.ok_or_else(|| broken("block pointer is missing".to_owned()))?;
        let real = run.real_block(pointer);
        if !(1..=run.block_count).contains(&pointer) || real == block {
            return Err(broken(format!("block pointer {pointer} leads nowhere")));
        }
        Ok(real)
    }

    /// The page behind `page` in run order; `None` behind the last.
    #[inline]
    pub(crate) fn next_id(&self, run: &Run, page: &Page) -> Result<Option<PageId>> {
        if self.geometry.compressed() {
            return self.next_record(run, page);
        }
        let id = page.id();
        if id == run.segment.last {
            return Ok(None);
        }
        if !self.is_last_on_block(id) {
            return Ok(Some(id + 1));
        }
        let block = self.geometry.block_of(id);
        let next = self.follow(run, block, page.next_pointer())?;
        Ok(Some(self.geometry.first_on_block(next)))
    }

    /// The page behind page `id`, which cannot be read.
    pub(crate) fn next_id_unread(&self, run: &Run, id: PageId) -> Result<Option<PageId>> {
        if self.geometry.compressed() {
            return self.next_record_unread(run, id);
        }
        if id == run.segment.last {
            return Ok(None);
        }
        if !self.is_last_on_block(id) {
            return Ok(Some(id.saturating_add(1)));
        }
        let next = self.next_block(run, self.geometry.block_of(id))?;
        Ok(Some(self.geometry.first_on_block(next)))
    }

    /// The page before `page` in run order; `None` before the first.
    pub(crate) fn previous_id(&self, run: &Run, page: &Page) -> Result<Option<PageId>> {
        let id = page.id();
        if id == run.segment.first {
            return Ok(None);
        }
        if self.geometry.compressed() {
            return self.record_before(run, id);
        }
        if !self.geometry.is_first_on_block(id) {
            return Ok(Some(id - 1));
        }
        let block = self.geometry.block_of(id);
        let previous = self.follow(run, block, page.previous_pointer())?;
        Ok(Some(self.geometry.last_on_block(previous)))
    }

    /// Moves `page` on to the next data page on which a cell starts; `false` behind the last.
    pub(crate) fn turn_forward(&self, run: &Run, page: &mut Page) -> Result<bool> {
        for _ in 0..run.page_budget(&self.geometry) {
            let Some(id) = self.next_id(run, page)? else { return Ok(false) };
            self.turn_to(run, id, page)?;
            if !page.is_btree() && page.cell_count() > 0 {
                return Ok(true);
            }
        }
        Err(page.broken("pages of the segment do not end"))
    }

    /// Moves `page` back to the previous data page on which a cell starts; `false` before the first.
    pub(crate) fn turn_back(&self, run: &Run, page: &mut Page) -> Result<bool> {
        for _ in 0..run.page_budget(&self.geometry) {
            let Some(id) = self.previous_id(run, page)? else { return Ok(false) };
            self.turn_to(run, id, page)?;
            if !page.is_btree() && page.cell_count() > 0 {
                return Ok(true);
            }
        }
        Err(page.broken("pages of the segment do not begin"))
    }

    /// Whether cells start on more than one data page from the run's start on.
    ///
    /// Only then can pointers from the newer neighbour be trusted when the segment has no b-tree:
    /// such a b-tree existed and was taken over. Otherwise the pointers may be those to a segment
    /// merged away long ago, a defect of C lsm1.
    pub(crate) fn has_several_key_pages(&self, run: &Run) -> Result<bool> {
        if let Some(&known) = run.several_key_pages.get() {
            return Ok(known);
        }
        let mut page = self.real_page(run, run.start)?;
        let begins = !page.is_btree() && page.cell_count() > 0;
        let several =
            (begins || self.turn_forward(run, &mut page)?) && self.turn_forward(run, &mut page)?;
        Ok(*run.several_key_pages.get_or_init(|| several))
    }

    /// The last page of the run: in compressed files the last record that is no padding.
    pub(crate) fn last_id(&self, run: &Run) -> Result<PageId> {
        if !self.geometry.compressed() {
            return Ok(run.segment.last);
        }
        self.record_before(run, run.segment.last.saturating_add(1))?.ok_or_else(|| {
            Error::corrupt(Place::Page(run.segment.last), "segment ends with padding only")
        })
    }
}
