//! One piece of merge work on one level: from where it stands until a budget is spent or its inputs
//! are.
//!
//! An unfinished merge is left where C lsm1 can take it over: all pages closed, the b-tree's edge
//! written, every input on the beginning of a record, the split key one of them. Inputs are freed
//! only after all of them were read in order. Format: docs/format.md, "Merge work".

use super::btree_writer::BtreeWriter;
use super::gobble::Entrance;
use super::merge::{Merger, Plan};
use super::merge_input::{Input, Record, RecordInput, Source};
use super::segment_input::SegmentInput;
use super::segment_writer::{RecordHead, SegmentWriter};
use super::work::Worker;
use crate::error::{Error, Place, Result};
use crate::format::checkpoint::{Level, Merge};
use crate::format::geometry::PageId;
use crate::format::key::{KeyBuffer, KeyRef};
use crate::format::page::EntryFlags;
use crate::freelist::{Blocks, SystemRecord};
use crate::pager::writer::PageWriter;
use crate::pager::{Page, Run};

/// Deepest b-tree.
const MAX_DEPTH: usize = 32;

/// What a step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Data pages written.
    pub(super) pages: u64,
    /// The database became one segment, free list included.
    pub(super) in_one_segment: bool,
}

/// Free-list records as a merge reads them.
pub(super) fn system_records(records: Vec<SystemRecord>) -> Input<'static> {
    let record = |record: SystemRecord| Record {
        flags: record.flags,
        key: record.key.to_vec(),
        value: record.value.map(Vec::from).unwrap_or_default(),
    };
    Input::Records(RecordInput::new(records.into_iter().map(record).collect()))
}

/// Writes what becomes of the planned key. `false` if that would begin a page and may not.
pub(super) fn write_planned(
    merger: &mut Merger<'_>,
    plan: &Plan,
    may_begin_page: bool,
    writer: &mut SegmentWriter<'_>,
    blocks: &mut Blocks,
) -> Result<bool> {
    let (Some(flags), Some(source)) = (plan.flags, merger.source(plan.key)) else {
        return Ok(true);
    };
    let inserts = flags.contains(EntryFlags::INSERT);
    let value = merger.source(plan.value).filter(|_| inserts);
    let head = RecordHead {
        flags,
        pointer: plan.pointer,
        base: merger.current_pointer,
        key: source.key(),
        value_len: value.map_or(0, Source::value_len),
    };
    if !may_begin_page && writer.would_cross_page(&head) {
        return Ok(false);
    }
    writer.record(&head, blocks)?;
    if let Some(source) = merger.source_mut(plan.value).filter(|_| inserts) {
        source.copy_value(&mut |part| writer.value(part, blocks))?;
    }
    Ok(true)
}

impl<'a> Worker<'a> {
    /// Merges level `index` until `budget` pages are written or its inputs are exhausted.
    pub(super) fn merge_step(&mut self, index: usize, budget: u64, optimise: bool) -> Result<Step> {
        let mut blocks = self.take_blocks()?;
        let Some(level) = self.state.levels.get(index).cloned() else { return Ok(Step::default()) };
        let next = self.state.levels.get(index + 1);
        let takes_btree = match &level.merge {
            Some(merge) => merge.inputs.len() > level.right.len(),
            None => next.is_some_and(|next| {
                !next.is_merging()
                    && next.left.root != 0
                    && (!level.freelist_only || next.freelist_only)
            }),
        };
        let bottom = next.is_none();
        let mut merger = self.open_inputs(index, &level, takes_btree, bottom)?;
        let mut writer = self.open_output(index, &level, blocks.count)?;
        let mut extended = false;
        // The free list is added before the first system key is written or never: later changes (the
        // output itself takes blocks) and a merge resumed among system keys come too late.
        let mut before_system_keys = optimise && level.merge.is_none();
        let paused = loop {
            let plan = merger.next()?;
            let at_user_key =
                plan.is_some_and(|plan| merger.source(plan.key).is_some_and(|s| !s.is_system()));
            before_system_keys |= optimise && at_user_key;
            if !at_user_key && std::mem::take(&mut before_system_keys) {
                extended = self.add_free_list(index, &mut merger, &mut blocks)?;
                if extended {
                    continue;
                }
            }
            let Some(plan) = plan else { break None };
            let may_begin_page = extended || writer.pages_started() < budget.max(1);
            if !write_planned(&mut merger, &plan, may_begin_page, &mut writer, &mut blocks)? {
                break Some(plan);
            }
            merger.pass(&plan)?;
        };
        let pages = writer.pages_started();
        match paused {
            Some(plan) => self.pause(index, &plan, &merger, writer, &mut blocks)?,
            None => {
                let absorbed = if extended { index } else { 0 };
                self.finish(index, absorbed, takes_btree, &merger, writer, &mut blocks)?;
            }
        }
        self.count_pages(pages);
        self.put_blocks(blocks);
        let data_levels = self.state.levels.len();
        Ok(Step { pages, in_one_segment: optimise && paused.is_none() && data_levels <= 1 })
    }

    fn open_inputs(
        &self,
        index: usize,
        level: &Level,
        takes_btree: bool,
        bottom: bool,
    ) -> Result<Merger<'a>> {
        let position = |number: usize| {
            level.merge.as_ref().and_then(|merge| merge.inputs.get(number)).copied()
        };
        let mut sources = Vec::with_capacity(level.right.len() + 1);
        let mut pointer = 0;
        for number in 0..level.right.len() {
            let separators = !bottom && !takes_btree && number + 1 == level.right.len();
            let run = self.run(index, Some(number))?;
            let input = SegmentInput::open(self.pager, run, position(number), separators)?;
            if separators && level.merge.is_none() {
                pointer = input.first_pointer()?;
            }
            sources.push(Source::new(Input::Segment(Box::new(input))));
        }
        if takes_btree {
            let run = self.run(index + 1, None)?;
            pointer = self.named_id(&run, run.segment.first);
            let input = Input::btree(self.pager, run, position(level.right.len()))?;
            sources.push(Source::new(input));
        }
        if let Some(merge) = &level.merge {
            pointer = merge.current_pointer;
        }
        Merger::new(sources, !bottom, bottom, pointer)
    }

    /// The id by which a pointer into `run` names the page that really is `id`.
    pub(super) fn named_id(&self, run: &Run, id: PageId) -> PageId {
        let geometry = self.pager.geometry();
        let block = geometry.block_of(id);
        let moved = run.redirects.iter().find(|redirect| redirect.to == block);
        moved.map_or(id, |redirect| {
            id + u64::from(redirect.from - redirect.to) * geometry.ids_per_block()
        })
    }

    fn open_output(
        &self,
        index: usize,
        level: &Level,
        block_count: u32,
    ) -> Result<SegmentWriter<'a>> {
        let geometry = *self.pager.geometry();
        if level.left.is_empty() {
            // Compressed segments may share the sector, but not the block, of an input.
            let avoided = if geometry.compressed() {
                Vec::new()
            } else {
                level.right.iter().map(|segment| geometry.block_of(segment.last)).collect()
            };
            return Ok(SegmentWriter::new(PageWriter::new(self.pager, avoided)));
        }
        let mut run = self.run(index, None)?;
        run.block_count = block_count;
        let reserved = if geometry.is_last_on_block(level.left.last) {
            self.pager.next_block(&run, geometry.block_of(level.left.last))?
        } else {
            0
        };
        let edge = self.right_edge(&run)?;
        let nodes = edge.iter().map(|page| (page.id(), page.bytes()));
        let btree = BtreeWriter::resume(geometry.page_size(), nodes, level.left.first)?;
        let skip = level.merge.as_ref().map_or(0, |merge| merge.skip);
        let pages = PageWriter::resume(self.pager, &level.left, reserved);
        let mut writer = SegmentWriter::resume(pages, btree, skip);
        if edge.is_empty() {
            // All its records begin on one page.
            let mut input = SegmentInput::open(self.pager, run, None, true)?;
            let mut last = KeyBuffer::default();
            while input.is_valid() {
                last.set(KeyRef { system: input.flags().is_system(), bytes: input.key() });
                input.advance()?;
            }
            writer.set_last_key(last.as_ref());
        }
        Ok(writer)
    }

    /// The nodes from the root of `run` along the greatest keys to the leaf.
    fn right_edge(&self, run: &Run) -> Result<Vec<Page>> {
        let mut edge: Vec<Page> = Vec::new();
        let mut id = run.segment.root;
        while id != 0 {
            let page = self.pager.real_page(run, id)?;
            if !page.is_btree() {
                break;
            }
            if edge.len() >= MAX_DEPTH {
                return Err(page.broken("the b-tree is too deep"));
            }
            id = page.footer().pointer;
            edge.push(page);
        }
        if edge.is_empty() && run.segment.root != 0 {
            return Err(Error::corrupt(
                Place::Page(run.segment.root),
                "the b-tree root is a data page",
            ));
        }
        Ok(edge)
    }

    /// Lets the free list end up in the same segment: newer levels that hold nothing else, and the
    /// changes in memory. `false` if there is nothing to add or a newer level holds data.
    fn add_free_list(
        &self,
        index: usize,
        merger: &mut Merger<'a>,
        blocks: &mut Blocks,
    ) -> Result<bool> {
        let newer = self.state.levels.get(..index).unwrap_or_default();
        let nothing = index == 0 && blocks.list.change_count() == 0;
        if nothing || newer.iter().any(|level| !level.freelist_only || level.is_merging()) {
            return Ok(false);
        }
        let mut sources = vec![Source::new(system_records(blocks.list.store_changes()))];
        for number in 0..index {
            let input = SegmentInput::open(self.pager, self.run(number, None)?, None, false)?;
            sources.push(Source::new(Input::Segment(Box::new(input))));
        }
        merger.add_newer(sources)?;
        Ok(true)
    }

    /// Leaves the merge unfinished before the planned key.
    fn pause(
        &mut self,
        index: usize,
        plan: &Plan,
        merger: &Merger<'a>,
        writer: SegmentWriter<'a>,
        blocks: &mut Blocks,
    ) -> Result<()> {
        let Some(source) = merger.source(plan.key) else { return Ok(()) };
        let (left, skip) = writer.suspend(blocks)?;
        let merge = Merge {
            inputs: merger.positions(),
            skip,
            split: source.key_position(),
            current_pointer: merger.current_pointer,
        };
        let key = KeyRef { system: source.is_system(), bytes: source.key() };
        let right_count = self.state.levels.get(index).map_or(0, |level| level.right.len());
        let mut kept = Vec::with_capacity(right_count);
        for number in 0..right_count {
            let anchor = merger.source(number).and_then(|s| s.segment()).map_or(0, |s| s.anchor());
            let run = self.run(index, Some(number))?;
            let mut needed = self.first_needed(&run, key, anchor)?;
            if run.segment.root == 0 {
                let newer = number.checked_sub(1).and_then(|newer| merger.source(newer));
                let entrance = match newer.and_then(|newer| newer.segment()) {
                    Some(newer) => Entrance::of_input(newer),
                    None => self.entrance_from_newer_level(index, key)?,
                };
                match (entrance, &mut needed) {
                    (Entrance::None, _) => {}
                    (Entrance::At(pointer), Some(needed)) => {
                        needed.push(run.real_id(self.pager.geometry(), pointer));
                    }
                    _ => needed = None,
                }
            }
            kept.push(needed);
        }
        if let Some(level) = self.state.levels.get_mut(index) {
            level.left = left;
            level.merge = Some(merge);
        }
        for (number, first) in kept.into_iter().enumerate() {
            if let Some(first) = first {
                self.gobble(index, number, first, blocks)?;
            }
        }
        Ok(())
    }

    /// Replaces the inputs by the finished output, `absorbed` newer levels with them.
    fn finish(
        &mut self,
        index: usize,
        absorbed: usize,
        takes_btree: bool,
        merger: &Merger<'a>,
        writer: SegmentWriter<'a>,
        blocks: &mut Blocks,
    ) -> Result<()> {
        let begin = index - absorbed;
        let mut released = Vec::new();
        for number in begin..index {
            released.push(self.run(number, None)?);
        }
        let Some(level) = self.state.levels.get(index).cloned() else { return Ok(()) };
        for number in 0..level.right.len() {
            released.push(self.run(index, Some(number))?);
        }
        let left = writer.finish(begin > 0, merger.current_pointer, blocks)?;
        let was_last = index + 1 == self.state.levels.len();
        let output =
            left.map(|left| Level { left, right: Vec::new(), merge: None, ..level.clone() });
        if let (true, true, Some(next)) =
            (takes_btree, output.is_some(), self.state.levels.get_mut(index + 1))
        {
            next.left.root = 0;
        }
        self.state.levels.splice(begin..=index, output);
        self.release(&released, blocks)?;
        if was_last {
            self.state.redirects.clear();
        }
        Ok(())
    }
}
