//! The worker: changes a private copy of the snapshot by flushing, merging and moving blocks.
//!
//! Whoever holds the worker lock makes a [`Worker`] from the newest snapshot, lets it work and
//! takes the next snapshot from [`Worker::snapshot`]. Nothing that an existing snapshot names is
//! written, so a worker that failed is dropped without a trace. It takes no locks and publishes
//! nothing. Rules: docs/format.md, "Merge work" and "Scheduling".

use super::merge::Merger;
use super::merge_input::{Input, Source};
use super::segment_input::SegmentInput;
use crate::error::{Error, ErrorKind, IoContext, Place, Result};
use crate::format::checkpoint::{
    CellPosition, Checkpoint, FreeEntry, Level, MAX_FREE_ENTRIES, MAX_SEGMENTS, Segment,
};
use crate::freelist::{Blocks, FreeList, Reuse, decode_record};
use crate::level::{self, Choice};
use crate::pager::{Pager, Run};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a worker needs to know about its database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerConfig {
    /// How many segments of one age are merged.
    pub(crate) automerge: usize,
    /// How many free-list changes a snapshot may carry itself.
    pub(crate) max_freelist: usize,
    /// Codec of the pages: 1 = plain.
    pub(crate) compression: u32,
}

/// What a call of [`Worker::work`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkDone {
    /// Pages written, as the checkpoint counts them.
    pub(crate) pages: u64,
    /// Whether anything changed.
    pub(crate) progressed: bool,
    /// Whether there was nothing left to do.
    pub(crate) finished: bool,
}

/// Works on a private copy of a snapshot.
pub(crate) struct Worker<'a> {
    pub(super) pager: &'a Pager,
    pub(super) config: WorkerConfig,
    /// Levels, redirects, log pointer; blocks and free list are in `blocks` once that is loaded.
    pub(super) state: Checkpoint,
    blocks: Option<Blocks>,
    smallest_snapshot_in_use: &'a mut dyn FnMut() -> Result<i64>,
    no_reuse: bool,
    changed: bool,
}

impl<'a> Worker<'a> {
    /// A worker on `checkpoint`, the newest snapshot. Free blocks are used again if they were freed
    /// before every snapshot in use, the checkpoint on disk included; never with `no_reuse`.
    pub(crate) fn new(
        pager: &'a Pager,
        checkpoint: &Checkpoint,
        config: WorkerConfig,
        smallest_snapshot_in_use: &'a mut dyn FnMut() -> Result<i64>,
        no_reuse: bool,
    ) -> Self {
        Worker {
            pager,
            config,
            state: checkpoint.clone(),
            blocks: None,
            smallest_snapshot_in_use,
            no_reuse,
            changed: false,
        }
    }

    /// Whether there is something to take a snapshot of.
    pub(crate) fn has_changed(&self) -> bool {
        self.changed
    }

    /// The snapshot as it would be now, except for id and free list.
    pub(crate) fn state(&self) -> &Checkpoint {
        &self.state
    }

    /// Whether merges should run before the next flush.
    pub(crate) fn is_full(&self) -> bool {
        level::is_full(&self.state.levels, self.config.automerge)
    }

    /// Merges until a flush may add a level. Returns the pages written.
    pub(crate) fn make_room(&mut self) -> Result<u64> {
        Ok(self.make_room_within(u64::MAX)?.0)
    }

    /// As `make_room`, but stops after about `pages` pages. Returns the pages written, and whether a
    /// flush may add a level now.
    pub(crate) fn make_room_within(&mut self, pages: u64) -> Result<(u64, bool)> {
        let mut done = 0;
        while self.is_full() {
            if done >= pages {
                return Ok((done, false));
            }
            match self.relieve_within(pages - done)? {
                Some(written) => done += written,
                None if level::has_room(&self.state.levels) => break,
                None => return Err(full()),
            }
        }
        Ok((done, true))
    }

    /// Merges the best candidate to the end; `None` if there is none.
    fn relieve(&mut self) -> Result<Option<u64>> {
        self.relieve_within(u64::MAX)
    }

    /// Merges up to `pages` pages of the best candidate; `None` if there is none.
    fn relieve_within(&mut self, pages: u64) -> Result<Option<u64>> {
        let choice = level::choose_under_pressure(&self.state.levels, self.config.automerge);
        let Some(choice) = choice else { return Ok(None) };
        let index = self.begin(choice);
        let step = self.merge_step(index, pages, false)?;
        Ok(Some(step.pages))
    }

    /// Merges up to `pages` pages. `merge_count` segments make a merge worth while; 1 leads to a
    /// single segment, and to blocks moved towards the beginning of the file.
    pub(crate) fn work(&mut self, merge_count: usize, pages: u64) -> Result<WorkDone> {
        let merge_count = if merge_count == 0 { self.config.automerge } else { merge_count };
        let mut done = WorkDone::default();
        while done.pages < pages {
            let left = pages - done.pages;
            let choice = level::choose(&self.state.levels, merge_count, self.config.automerge);
            let step = match choice {
                Some(choice) => {
                    let index = self.begin(choice);
                    let step = self.merge_step(index, left, merge_count == 1)?;
                    // The snapshot of a database in one segment is saved before blocks move.
                    if step.in_one_segment {
                        done.pages += step.pages.max(1);
                        done.progressed = true;
                        return Ok(done);
                    }
                    Some(step.pages.max(1))
                }
                None if merge_count == 1 => self.move_block()?,
                None => None,
            };
            match step {
                Some(pages) => done.pages += pages,
                None => {
                    done.finished = true;
                    break;
                }
            }
            done.progressed = true;
        }
        Ok(done)
    }

    /// The next snapshot; the worker goes on from it.
    pub(crate) fn snapshot(&mut self) -> Result<Checkpoint> {
        self.settle_free_list()?;
        if let Some(blocks) = &self.blocks {
            self.state.block_count = blocks.count;
            self.state.append_points = blocks.append_points;
            self.state.free = blocks.list.changes();
        }
        self.state.id += 1;
        self.state.compression = self.config.compression;
        if let Some(blocks) = &mut self.blocks {
            blocks.snapshot_id = self.state.id;
        }
        self.changed = false;
        Ok(self.state.clone())
    }

    /// Moves the changes of the free list into the database when a snapshot cannot carry them.
    fn settle_free_list(&mut self) -> Result<()> {
        let limit = self.config.max_freelist.min(MAX_FREE_ENTRIES);
        let mut rounds = 0;
        while self.blocks.as_ref().is_some_and(|blocks| blocks.list.change_count() > limit) {
            let count = self.blocks.as_ref().map_or(0, |blocks| blocks.list.change_count());
            if rounds > 2 && count <= MAX_FREE_ENTRIES {
                break;
            }
            if rounds > 16 {
                return Err(full());
            }
            rounds += 1;
            while !level::has_room(&self.state.levels) {
                if self.relieve()?.is_none() {
                    return Err(full());
                }
            }
            self.write_free_list()?;
        }
        Ok(())
    }

    /// Blocks and free list, with what may be used again as of now.
    pub(super) fn take_blocks(&mut self) -> Result<Blocks> {
        let mut blocks = match self.blocks.take() {
            Some(blocks) => blocks,
            None => {
                let stored = self.stored_free_list()?;
                let list = FreeList::new(stored, &self.state.free);
                self.check_free_list(&list)?;
                Blocks::new(&self.state, *self.pager.geometry(), list)
            }
        };
        blocks.set_reuse(if self.no_reuse {
            Reuse::Never
        } else {
            Reuse::Before((self.smallest_snapshot_in_use)()?)
        });
        Ok(blocks)
    }

    /// Refuses to write by a free list that cannot be right: what segments use would be written
    /// over, or the file would grow without need.
    fn check_free_list(&self, list: &FreeList) -> Result<()> {
        let geometry = self.pager.geometry();
        for segment in self.state.levels.iter().flat_map(Level::segments) {
            for id in [segment.first, segment.last] {
                let block = geometry.block_of(id);
                if id != 0 && list.contains(block) {
                    let rule = "a block is both in use and free";
                    return Err(Error::corrupt(Place::Block(block), rule));
                }
            }
        }
        let size = self.pager.file().known_size();
        let Some(size) = size.during("reading the size of the database file")? else {
            return Ok(());
        };
        let held = size.div_ceil(u64::from(geometry.block_size()));
        let count = u64::from(self.state.block_count);
        let free = list.iter().filter(|entry| u64::from(entry.block) > held).count() as u64;
        // Blocks that unfinished segments have reserved need not have been written.
        if count.saturating_sub(held).saturating_sub(free) > 2 * MAX_SEGMENTS as u64 {
            let rule = "the block count is far beyond the end of the file";
            return Err(Error::corrupt(Place::Checkpoint, rule));
        }
        Ok(())
    }

    /// Keeps blocks and free list for the next operation.
    pub(super) fn keep_blocks(&mut self, blocks: Blocks) {
        self.changed |= blocks.list.change_count() != self.state.free.len();
        self.blocks = Some(blocks);
    }

    /// Ends an operation that changed something.
    pub(super) fn put_blocks(&mut self, blocks: Blocks) {
        self.state.block_count = blocks.count;
        self.blocks = Some(blocks);
        self.changed = true;
    }

    /// Counts pages written.
    pub(super) fn count_pages(&mut self, pages: u64) {
        self.state.pages_written = self.state.pages_written.wrapping_add(pages as u32);
    }

    /// Turns levels into one that is being merged. Returns its index.
    fn begin(&mut self, choice: Choice) -> usize {
        let (first, count) = match choice {
            Choice::Continue(index) => return index,
            Choice::Start { first, count } => (first, count),
        };
        let levels = &mut self.state.levels;
        let end = (first + count).min(levels.len());
        let merged: Vec<Level> = levels.drain(first.min(end)..end).collect();
        let level = Level {
            age: merged.first().map_or(0, |level| level.age).saturating_add(1),
            freelist_only: merged.iter().all(|level| level.freelist_only),
            left: Segment::default(),
            right: merged.iter().map(|level| level.left).collect(),
            merge: None,
        };
        levels.insert(first, level);
        first
    }

    /// A run over a segment of level `index`: its left one, or its right one with this number.
    pub(super) fn run(&self, index: usize, right: Option<usize>) -> Result<Run> {
        let levels = &self.state.levels;
        let Some(level) = levels.get(index) else { return Err(no_such_segment()) };
        let segment = match right {
            Some(number) => level.right.get(number),
            None => Some(&level.left),
        };
        let oldest = match right {
            Some(number) => number + 1 == level.right.len(),
            None => !level.is_merging(),
        };
        let moved = oldest && index + 1 == levels.len();
        let redirects: Arc<[_]> =
            if moved { self.state.redirects.as_slice().into() } else { [].into() };
        let segment = *segment.ok_or_else(no_such_segment)?;
        self.pager.run(segment, redirects, self.state.block_count)
    }

    /// Frees the blocks of segments that no level uses any more.
    pub(super) fn release(&self, runs: &[Run], blocks: &mut Blocks) -> Result<()> {
        let mut released = BTreeSet::new();
        for run in runs {
            released.extend(self.pager.blocks_of(run)?);
        }
        let released: Vec<u32> = released.into_iter().collect();
        self.release_blocks(&released, blocks)
    }

    /// Frees those of `released` on which no segment begins or ends.
    pub(super) fn release_blocks(&self, released: &[u32], blocks: &mut Blocks) -> Result<()> {
        let geometry = self.pager.geometry();
        let segments = self.state.levels.iter().flat_map(Level::segments);
        let kept: BTreeSet<u32> = segments
            .filter(|segment| !segment.is_empty())
            .flat_map(|segment| [geometry.block_of(segment.first), geometry.block_of(segment.last)])
            .collect();
        released.iter().filter(|block| !kept.contains(block)).try_for_each(|&b| blocks.free(b))
    }

    /// The free-list records that stand in the database.
    fn stored_free_list(&self) -> Result<Vec<FreeEntry>> {
        let mut sources = Vec::new();
        for (index, level) in self.state.levels.iter().enumerate() {
            if !level.left.is_empty() {
                self.add_system_source(self.run(index, None)?, &mut sources)?;
            }
            for number in 0..level.right.len() {
                let run = self.run(index, Some(number))?;
                let position = level.merge.as_ref().and_then(|merge| merge.inputs.get(number));
                let at = SegmentInput::open(self.pager, run.clone(), position.copied(), false)?;
                if at.is_valid() && at.flags().is_system() {
                    sources.push(Source::new(Input::Segment(Box::new(at))));
                } else if at.is_valid() {
                    self.add_system_source(run, &mut sources)?;
                }
            }
        }
        let mut merger = Merger::new(sources, false, true, 0)?;
        let mut out = Vec::new();
        while let Some(plan) = merger.next()? {
            if plan.flags.is_some() {
                let key = merger.source(plan.key).map(|source| source.key().to_vec());
                let mut value = Vec::new();
                if let Some(source) = merger.source_mut(plan.value) {
                    source.copy_value(&mut |part| {
                        value.extend_from_slice(part);
                        Ok(())
                    })?;
                }
                let key = key.unwrap_or_default();
                out.push(decode_record(&key, &value, self.state.block_count)?);
            }
            merger.pass(&plan)?;
        }
        Ok(out)
    }

    /// Adds the system records of `run`, which are its last ones, if it has any.
    fn add_system_source(&self, run: Run, sources: &mut Vec<Source<'a>>) -> Result<()> {
        let mut first = CellPosition::default();
        let mut id = Some(self.pager.last_id(&run)?);
        let mut budget = run.page_budget(self.pager.geometry());
        while let (Some(at), 1..) = (id, budget) {
            budget -= 1;
            let page = self.pager.real_page(&run, at)?;
            if !page.is_btree() && page.cell_count() > 0 {
                let mut index = page.cell_count();
                while index > 0 && page.data_cell(index - 1)?.flags.is_system() {
                    index -= 1;
                }
                if index < page.cell_count() {
                    first = CellPosition { page: page.id(), cell: index as u32 };
                }
                if index > 0 {
                    break;
                }
            }
            id = self.pager.previous_id(&run, &page)?;
        }
        let input = SegmentInput::open(self.pager, run, Some(first), false)?;
        if input.is_valid() {
            sources.push(Source::new(Input::Segment(Box::new(input))));
        }
        Ok(())
    }
}

/// The format has no room for another segment.
fn full() -> Error {
    Error::new(ErrorKind::Full("the database has 40 segments and none can be merged".into()))
}

fn no_such_segment() -> Error {
    Error::misuse("a merge names a segment that does not exist")
}
