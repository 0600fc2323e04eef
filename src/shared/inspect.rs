//! Looking inside: sizes, levels, pages, free blocks, log records.

use super::Shared;
use crate::env::{Access, EnvError};
use crate::error::{Error, IoContext, Result};
use crate::format::checkpoint::{CellPosition, Checkpoint, Level, Segment};
use crate::format::geometry::PageId;
use crate::format::key::KeyBuffer;
use crate::format::page::EntryFlags;
use crate::freelist::{FreeList, decode_record};
use crate::log::{self, LogEntry, LogOperation};
use crate::pager::{Pager, Run};
use crate::sorted::{MergedCursor, ReadView, SegmentCursor, Snapshot, stored_key};
use crate::stats::{
    CellInfo, FreeBlock, LevelInfo, LogRecordInfo, PageInfo, SegmentInfo, Stats, Structure,
};
use std::sync::Arc;

/// The free list of a view: the records in the database and the checkpoint's changes.
pub(crate) fn free_list(view: &ReadView) -> Result<FreeList> {
    let checkpoint = &view.snapshot.checkpoint;
    let mut cursor = MergedCursor::over_system_keys(view);
    cursor.first(view)?;
    let mut stored = Vec::new();
    while cursor.is_valid() {
        cursor.load_value(view)?;
        stored.push(decode_record(cursor.key(), cursor.loaded_value(), checkpoint.block_count)?);
        cursor.next(view)?;
    }
    Ok(FreeList::new(stored, &checkpoint.free))
}

/// All segments of a snapshot, newest first.
pub(crate) fn runs(snapshot: &Snapshot) -> impl Iterator<Item = &Arc<Run>> {
    snapshot.levels.iter().flat_map(|level| {
        std::iter::once(&level.left).chain(level.rights.iter().map(|right| &right.run))
    })
}

/// A level, with the key up to which its merge has come.
pub(super) fn level_info(level: &Level, split_key: Option<Vec<u8>>) -> LevelInfo {
    LevelInfo {
        age: level.age,
        freelist_only: level.freelist_only,
        segment: segment_info(&level.left),
        merging: level.right.iter().map(segment_info).collect(),
        split_key,
    }
}

fn segment_info(segment: &Segment) -> SegmentInfo {
    let Segment { first, last, root, size } = *segment;
    SegmentInfo { first, last, root, size }
}

impl Shared {
    /// How many blocks, from the first, hold anything.
    pub(super) fn blocks_in_use(&self) -> Result<u32> {
        let view = self.view()?;
        let free = free_list(&view.read)?;
        let mut blocks = view.read.snapshot.checkpoint.block_count;
        while blocks > 0 && free.contains(blocks) {
            blocks -= 1;
        }
        Ok(blocks)
    }

    /// Sizes and counters.
    pub(crate) fn stats(&self) -> Result<Stats> {
        let view = self.view()?;
        let free = free_list(&view.read)?;
        let file_bytes = self.file_bytes()?;
        if self.slots.is_some() {
            self.refresh_checkpoint(&view.read.shm)?;
        }
        let state = self.state.lock();
        let checkpoint = &view.read.snapshot.checkpoint;
        let page_size = view.read.pager.geometry().page_size();
        let unsynced = checkpoint.pages_written.wrapping_sub(state.checkpoint_pages);
        Ok(Stats {
            live_tree_bytes: view.read.live.bytes.into(),
            old_tree_bytes: view.read.old.map_or(0, |old| old.bytes.into()),
            memory_bytes: u64::from(state.shm.chunk_count()) * crate::env::CHUNK_BYTES as u64,
            cache_bytes: view.read.pager.cache_bytes() as u64,
            page_size,
            block_size: view.read.pager.geometry().block_size(),
            compression_id: checkpoint.compression,
            snapshot_id: checkpoint.id,
            checkpoint_id: state.checkpoint_id,
            bytes_since_checkpoint: u64::from(unsynced) * u64::from(page_size),
            block_count: checkpoint.block_count,
            free_blocks: free.iter().count() as u32,
            file_bytes,
            log_bytes: view
                .header
                .log
                .regions
                .iter()
                .map(|region| region.end.saturating_sub(region.start))
                .sum(),
            level_count: checkpoint.levels.len(),
            segment_count: checkpoint.segment_count(),
            pages_read: view.read.pager.pages_read(),
            pages_written: view.read.pager.pages_written(),
            user_version: view.header.user_version,
            recovery: self.recovery,
        })
    }

    /// Bytes of the old tree, if it waits to be flushed, and of the live one. Takes no reader slot.
    pub(crate) fn tree_sizes(&self) -> Result<(u64, u64)> {
        let (mut header, snapshot, shm) = {
            let state = self.state.lock();
            (state.header, Arc::clone(&state.snapshot), state.shm.clone())
        };
        let mut pointer = snapshot.checkpoint.log.pointer;
        if self.slots.is_some() {
            (header, _) = shm.load_tree_header()?;
            pointer = Checkpoint::decode(&shm.load_snapshot()?.0)?.log.pointer;
        }
        let waits = crate::tree::old_tree_is_read(&header, pointer);
        let old = if waits { header.old.bytes.into() } else { 0 };
        Ok((old, header.live.bytes.into()))
    }

    /// Bytes written to the file since the last checkpoint.
    pub(crate) fn bytes_since_checkpoint(&self) -> Result<u64> {
        let view = self.view()?;
        if self.slots.is_some() {
            self.refresh_checkpoint(&view.read.shm)?;
        }
        let before = self.state.lock().checkpoint_pages;
        let written = view.read.snapshot.checkpoint.pages_written.wrapping_sub(before);
        Ok(u64::from(written) * u64::from(view.read.pager.geometry().page_size()))
    }

    /// Id of the codec the newest snapshot names: 0 as long as nothing was written.
    pub(crate) fn file_codec_id(&self) -> Result<u32> {
        Ok(self.view()?.read.snapshot.checkpoint.compression)
    }

    /// Levels, free blocks, redirects, log regions.
    pub(crate) fn structure(&self) -> Result<Structure> {
        let view = self.view()?;
        let snapshot = &view.read.snapshot;
        let levels = snapshot.checkpoint.levels.iter().zip(&snapshot.levels);
        let regions = view.header.log.regions;
        Ok(Structure {
            levels: levels
                .map(|(level, read)| level_info(level, read.split().map(|key| key.bytes.to_vec())))
                .collect(),
            free: free_list(&view.read)?
                .iter()
                .map(|entry| FreeBlock { block: entry.block, since: entry.id })
                .collect(),
            redirects: snapshot.checkpoint.redirects.clone(),
            append_points: snapshot
                .checkpoint
                .append_points
                .iter()
                .copied()
                .filter(|&point| point != 0)
                .collect(),
            log_regions: regions.map(|region| (region.start, region.end)),
        })
    }

    /// Ids of the pages of the segment that begins at page `first`.
    pub(crate) fn segment_pages(&self, first: PageId) -> Result<Vec<PageId>> {
        let view = self.view()?;
        let run = runs(&view.read.snapshot).find(|run| run.segment.first == first);
        let run = run.ok_or_else(|| Error::misuse(format!("no segment begins at page {first}")))?;
        let mut pages = Vec::new();
        walk(&view.read.pager, run, &mut |id| {
            pages.push(id);
            true
        })?;
        Ok(pages)
    }

    /// First and last page of the segment that begins at page `first`, block by block.
    pub(crate) fn segment_ranges(&self, first: PageId) -> Result<Vec<(PageId, PageId)>> {
        let view = self.view()?;
        let run = runs(&view.read.snapshot).find(|run| run.segment.first == first);
        let run = run.ok_or_else(|| Error::misuse(format!("no segment begins at page {first}")))?;
        let geometry = view.read.pager.geometry();
        let blocks = view.read.pager.blocks_of(run)?;
        let mut ranges: Vec<_> = blocks
            .iter()
            .map(|&block| (geometry.first_on_block(block), geometry.last_on_block(block)))
            .collect();
        if let Some(range) = ranges.first_mut() {
            range.0 = run.segment.first;
        }
        if let Some(range) = ranges.last_mut() {
            range.1 = run.segment.last;
        }
        Ok(ranges)
    }

    /// A page of a segment, decoded.
    pub(crate) fn page(&self, id: PageId) -> Result<PageInfo> {
        let view = self.view()?;
        for run in runs(&view.read.snapshot) {
            let mut found = false;
            walk(&view.read.pager, run, &mut |at| {
                found |= at == id;
                !found
            })?;
            if found {
                return page_info(&view.read.pager, run, id);
            }
        }
        Err(Error::misuse(format!("no segment has a page {id}")))
    }

    /// The records of the log from where recovery would start.
    pub(crate) fn log_records(&self) -> Result<Vec<(u64, LogRecordInfo)>> {
        let file = match self.env.open(&self.log_path(), Access::ReadOnly) {
            Ok(file) => file,
            Err(EnvError::NotFound) => return Ok(Vec::new()),
            Err(error) => return Err(error).during("opening the log"),
        };
        let pointer = self.view()?.read.snapshot.checkpoint.log;
        let mut records = Vec::new();
        log::visit_records(&*file, pointer, &mut |offset, entry| {
            records.push((
                offset,
                match entry {
                    LogEntry::Operation(LogOperation::Insert { key, value }) => {
                        LogRecordInfo::Insert { key: key.to_vec(), value: value.to_vec() }
                    }
                    LogEntry::Operation(LogOperation::Delete { key }) => {
                        LogRecordInfo::Delete { key: key.to_vec() }
                    }
                    LogEntry::Operation(LogOperation::DeleteRange { low, high }) => {
                        LogRecordInfo::DeleteRange { low: low.to_vec(), high: high.to_vec() }
                    }
                    LogEntry::Commit => LogRecordInfo::Commit,
                    LogEntry::Padding { bytes } => LogRecordInfo::Padding { bytes },
                    LogEntry::Jump { target } => LogRecordInfo::Jump { target },
                },
            ));
            Ok(())
        })?;
        Ok(records)
    }
}

/// Shows `visit` every page of a segment until it returns false.
fn walk(pager: &Pager, run: &Run, visit: &mut dyn FnMut(PageId) -> bool) -> Result<()> {
    let mut page = pager.real_page(run, run.segment.first)?;
    for _ in 0..run.page_budget(pager.geometry()) {
        if !visit(page.id()) {
            return Ok(());
        }
        match pager.next_id(run, &page)? {
            Some(next) => page = pager.real_page(run, next)?,
            None => return Ok(()),
        }
    }
    Err(page.broken("pages of the segment do not end"))
}

fn page_info(pager: &Pager, run: &Arc<Run>, id: PageId) -> Result<PageInfo> {
    let page = pager.real_page(run, id)?;
    let footer = page.footer();
    let mut cells = Vec::new();
    for index in 0..page.cell_count() {
        let offset =
            footer.cell_offset(page.bytes(), index).map_err(|rule| page.broken(rule))? as u32;
        if page.is_btree() {
            let mut key = KeyBuffer::default();
            stored_key(pager, run, CellPosition { page: id, cell: index as u32 }, &mut key)?;
            let flags = if key.as_ref().system { 0x30 } else { 0x10 };
            let pointer = page.btree_child(index)?;
            let key = key.as_ref().bytes.to_vec();
            cells.push(CellInfo { offset, flags, pointer, key, value: None });
        } else {
            let cell = page.data_cell(index)?;
            let mut cursor = SegmentCursor::new(Arc::clone(run));
            cursor.at(pager, CellPosition { page: id, cell: index as u32 })?;
            let key = cursor.key().bytes.to_vec();
            let insert = cell.flags.contains(EntryFlags::INSERT);
            let value = if insert { Some(cursor.value(pager)?.to_vec()) } else { None };
            cells.push(CellInfo { offset, flags: cell.flags.0, pointer: cell.pointer, key, value });
        }
    }
    Ok(PageInfo {
        id,
        flags: footer.flags.0,
        pointer: footer.pointer,
        bytes: page.bytes().to_vec(),
        cells,
    })
}
