//! Blocks: which are free, which may be used again, where new segments begin.
//!
//! The free list lives in the database itself as system records; the checkpoint carries the latest
//! changes. [`FreeList`] is both, decoded once per worker. [`Blocks`] hands blocks out and takes
//! them back. Invariant: every block is used by a segment, reserved behind the last page of an
//! unfinished one, or free. Format and rules: docs/format.md, "Free list" and "Blocks".

use crate::error::{Error, ErrorKind, Place, Result};
use crate::format::checkpoint::{Checkpoint, FreeEntry};
use crate::format::geometry::{BlockId, Geometry, PageId};
use crate::format::page::EntryFlags;
use std::collections::{BTreeMap, BTreeSet};

/// A free-list change as a record of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SystemRecord {
    /// Type bits.
    pub(crate) flags: EntryFlags,
    /// Complement of the block number, big-endian: blocks descend in key order.
    pub(crate) key: [u8; 4],
    /// Snapshot id, big-endian, of an inserted block.
    pub(crate) value: Option<[u8; 8]>,
}

/// Decodes a free-list record found in the database.
pub(crate) fn decode_record(key: &[u8], value: &[u8], block_count: u32) -> Result<FreeEntry> {
    let broken = || Error::corrupt(Place::File, "a free-list record is malformed");
    let block = !u32::from_be_bytes(key.try_into().map_err(|_| broken())?);
    let id = i64::from_be_bytes(value.try_into().map_err(|_| broken())?);
    if !(1..=block_count).contains(&block) || id < 0 {
        return Err(broken());
    }
    Ok(FreeEntry { block, id })
}

/// The free blocks, as records plus changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct FreeList {
    free: BTreeMap<BlockId, i64>,
    stored: BTreeSet<BlockId>,
    changes: BTreeMap<BlockId, i64>,
    search_from: BlockId,
}

impl FreeList {
    /// `stored` are the visible records, `changes` the checkpoint's list.
    pub(crate) fn new(stored: impl IntoIterator<Item = FreeEntry>, changes: &[FreeEntry]) -> Self {
        let mut list = FreeList::default();
        for entry in stored {
            list.free.insert(entry.block, entry.id);
            list.stored.insert(entry.block);
        }
        for entry in changes {
            if entry.id < 0 {
                list.free.remove(&entry.block);
            } else {
                list.free.insert(entry.block, entry.id);
            }
            list.changes.insert(entry.block, entry.id);
        }
        list
    }

    /// Whether `block` is free.
    pub(crate) fn contains(&self, block: BlockId) -> bool {
        self.free.contains_key(&block)
    }

    /// All free blocks with the snapshot since which they are free.
    pub(crate) fn iter(&self) -> impl Iterator<Item = FreeEntry> {
        self.free.iter().map(|(&block, &id)| FreeEntry { block, id })
    }

    /// Changes not yet stored as records, as the checkpoint wants them.
    pub(crate) fn changes(&self) -> Vec<FreeEntry> {
        self.changes.iter().map(|(&block, &id)| FreeEntry { block, id }).collect()
    }

    /// How many changes are not yet stored as records.
    pub(crate) fn change_count(&self) -> usize {
        self.changes.len()
    }

    fn insert(&mut self, block: BlockId, id: i64) {
        self.free.insert(block, id);
        self.changes.insert(block, id);
        self.search_from = self.search_from.min(block);
    }

    fn remove(&mut self, block: BlockId) {
        self.free.remove(&block);
        if self.stored.contains(&block) {
            self.changes.insert(block, -1);
        } else {
            self.changes.remove(&block);
        }
    }

    /// Lowest block from `from` up to `before` (exclusive) that is free since before `limit`.
    fn find(&self, from: BlockId, before: BlockId, limit: i64) -> Option<BlockId> {
        if from >= before {
            return None;
        }
        self.free.range(from..before).find(|&(_, &id)| id < limit).map(|(&block, _)| block)
    }

    /// Hands over the changes as records, in key order, and counts them as stored from now on.
    pub(crate) fn store_changes(&mut self) -> Vec<SystemRecord> {
        let changes = std::mem::take(&mut self.changes);
        self.stored = self.free.keys().copied().collect();
        records(&changes)
    }
}

/// Records that bring about `changes`: insertions, and open ranges around removed blocks.
fn records(changes: &BTreeMap<BlockId, i64>) -> Vec<SystemRecord> {
    // Keyed by the complement, so in key order.
    let mut out: BTreeMap<u32, (EntryFlags, Option<i64>)> = BTreeMap::new();
    let removed = |block: BlockId| changes.get(&block).is_some_and(|&id| id < 0);
    for (&block, &id) in changes {
        if id >= 0 {
            let slot = out.entry(!block).or_default();
            slot.0 = slot.0.union(EntryFlags::INSERT);
            slot.1 = Some(id);
            continue;
        }
        // Neighbours removed together share one range: a boundary does not remove its own key.
        if !removed(block.saturating_add(1)) {
            let flags = &mut out.entry(!block.saturating_add(1)).or_default().0;
            *flags = flags.union(EntryFlags::START_DELETE);
        }
        if !removed(block.saturating_sub(1)) {
            let flags = &mut out.entry(!block.saturating_sub(1)).or_default().0;
            *flags = flags.union(EntryFlags::END_DELETE);
        }
    }
    let record = |(key, (flags, id)): (u32, (EntryFlags, Option<i64>))| SystemRecord {
        flags: flags.union(EntryFlags::SYSTEM),
        key: key.to_be_bytes(),
        value: id.map(i64::to_be_bytes),
    };
    out.into_iter().map(record).collect()
}

/// Which free blocks may be written again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reuse {
    /// None: somebody reads without leaving a trace.
    Never,
    /// Those free since before this snapshot.
    Before(i64),
}

/// Hands out and takes back blocks and append points for one worker.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    geometry: Geometry,
    /// Highest block ever allocated.
    pub(crate) count: u32,
    /// First unused pages behind finished segments.
    pub(crate) append_points: [PageId; 4],
    /// The free list.
    pub(crate) list: FreeList,
    /// Snapshot the worker started from: what it frees is free since then.
    pub(crate) snapshot_id: i64,
    reuse: Reuse,
}

impl Blocks {
    /// State of `checkpoint`, whose free list is `list`.
    pub(crate) fn new(checkpoint: &Checkpoint, geometry: Geometry, list: FreeList) -> Self {
        Blocks {
            geometry,
            count: checkpoint.block_count,
            append_points: checkpoint.append_points,
            list,
            snapshot_id: checkpoint.id,
            reuse: Reuse::Never,
        }
    }

    /// From now on, which free blocks may be used again.
    pub(crate) fn set_reuse(&mut self, reuse: Reuse) {
        self.reuse = reuse;
        self.list.search_from = 0;
    }

    /// A block to write: a free one if the rules allow, else a new one at the end of the file.
    pub(crate) fn allocate(&mut self) -> Result<BlockId> {
        if let Reuse::Before(limit) = self.reuse {
            // What is freed while this worker runs is too young, so the search never goes back.
            let found = self.list.find(self.list.search_from, BlockId::MAX, limit);
            self.list.search_from = found.map_or(BlockId::MAX, |block| block + 1);
            if let Some(block) = found {
                if block > self.count {
                    return Err(Error::corrupt(
                        Place::Block(block),
                        "a free block beyond the file",
                    ));
                }
                self.list.remove(block);
                return Ok(block);
            }
        }
        if self.count >= i32::MAX as u32 {
            return Err(Error::new(ErrorKind::Full("the file has 2^31-1 blocks".into())));
        }
        self.count += 1;
        Ok(self.count)
    }

    /// A free block to move block `from` to: not the first one, and before it.
    pub(crate) fn allocate_before(&mut self, from: BlockId) -> Option<BlockId> {
        let Reuse::Before(limit) = self.reuse else { return None };
        let block = self.list.find(2, from, limit)?;
        self.list.remove(block);
        Some(block)
    }

    /// Takes back a block no segment of the next snapshot uses.
    ///
    /// # Errors
    /// `Corrupt` if it is free already: the free list and the segments contradict each other.
    pub(crate) fn free(&mut self, block: BlockId) -> Result<()> {
        if self.list.contains(block) {
            return Err(Error::corrupt(Place::Block(block), "a block is both in use and free"));
        }
        for point in &mut self.append_points {
            if *point != 0 && self.geometry.block_of(*point) == block {
                *point = 0;
            }
        }
        self.list.insert(block, self.snapshot_id);
        Ok(())
    }

    /// Takes back a block that was allocated but never part of a segment.
    pub(crate) fn return_unused(&mut self, block: BlockId) {
        self.list.insert(block, 0);
    }

    /// An append point to start a segment at, not on one of `avoided` blocks.
    pub(crate) fn take_append_point(&mut self, avoided: &[BlockId]) -> Option<PageId> {
        let geometry = self.geometry;
        let usable = |point: PageId| point != 0 && !avoided.contains(&geometry.block_of(point));
        let slot = self.append_points.iter_mut().rev().find(|slot| usable(**slot))?;
        Some(std::mem::take(slot))
    }

    /// Remembers the first unused page behind a finished segment, if a slot is free.
    pub(crate) fn add_append_point(&mut self, point: PageId) {
        if let Some(slot) = self.append_points.iter_mut().find(|slot| **slot == 0) {
            *slot = point;
        }
    }

    /// Highest block that is not free; 0 if all are.
    pub(crate) fn highest_used(&self) -> BlockId {
        (1..=self.count).rev().find(|&block| !self.list.contains(block)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(block: BlockId, id: i64) -> FreeEntry {
        FreeEntry { block, id }
    }

    fn blocks(list: FreeList, count: u32) -> Blocks {
        let mut checkpoint = Checkpoint::empty(1024, 65536);
        checkpoint.block_count = count;
        checkpoint.id = 50;
        Blocks::new(&checkpoint, checkpoint.geometry().unwrap(), list)
    }

    #[test]
    fn changes_lie_over_the_stored_records() {
        let list = FreeList::new(
            [entry(3, 20), entry(7, 21), entry(9, 22)],
            &[entry(4, 30), entry(7, -1), entry(9, 40)],
        );
        let all: Vec<FreeEntry> = list.iter().collect();
        assert_eq!(all, [entry(3, 20), entry(4, 30), entry(9, 40)]);
        assert_eq!(list.changes(), [entry(4, 30), entry(7, -1), entry(9, 40)]);
    }

    #[test]
    fn allocation_respects_snapshots_in_use() {
        let list = FreeList::new([entry(2, 40), entry(3, 10)], &[entry(5, 12)]);
        let mut blocks = blocks(list, 9);
        assert_eq!(blocks.allocate().unwrap(), 10, "no reuse allowed yet");
        blocks.set_reuse(Reuse::Before(40));
        assert_eq!(blocks.allocate().unwrap(), 3);
        assert_eq!(blocks.list.changes(), [entry(3, -1), entry(5, 12)]);
        blocks.free(4).unwrap();
        assert_eq!(blocks.allocate().unwrap(), 5, "block 4 is younger than the limit");
        assert_eq!(blocks.list.changes(), [entry(3, -1), entry(4, 50)]);
        blocks.return_unused(10);
        assert_eq!(blocks.allocate().unwrap(), 10);
        assert_eq!(blocks.allocate().unwrap(), 11);
        blocks.set_reuse(Reuse::Before(41));
        assert_eq!(blocks.allocate_before(3), Some(2));
        assert_eq!(blocks.allocate_before(3), None);
    }

    #[test]
    fn append_points_are_taken_from_the_last_slot_and_lost_with_their_block() {
        let mut blocks = blocks(FreeList::default(), 9);
        for point in [70, 140, 210, 270, 330] {
            blocks.add_append_point(point);
        }
        assert_eq!(blocks.append_points, [70, 140, 210, 270]);
        assert_eq!(blocks.take_append_point(&[5]), Some(210));
        blocks.free(2).unwrap();
        assert_eq!(blocks.append_points, [0, 140, 0, 270]);
        assert_eq!(blocks.take_append_point(&[3, 5]), None);
    }

    #[test]
    fn records_of_removed_neighbours_share_a_range() {
        let mut list = FreeList::new(
            [entry(3, 9), entry(4, 9), entry(6, 9), entry(8, 9)],
            &[entry(3, -1), entry(4, -1), entry(5, 33), entry(6, -1), entry(8, -1)],
        );
        let key = |block: u32| (!block).to_be_bytes();
        let shape: Vec<([u8; 4], u8)> =
            list.store_changes().iter().map(|r| (r.key, r.flags.0 & 0x1F)).collect();
        assert_eq!(
            shape,
            [(key(9), 1), (key(7), 3), (key(5), 8 | 1 | 2), (key(2), 2)],
            "start at 9, both at 7, insert between at 5, end at 2"
        );
        assert_eq!(list.change_count(), 0);
        let all: Vec<FreeEntry> = list.iter().collect();
        assert_eq!(all, [entry(5, 33)]);
        // Stored now: taking it must leave a removal behind.
        list.remove(5);
        assert_eq!(list.changes(), [entry(5, -1)]);
    }

    #[test]
    fn malformed_records_are_noticed() {
        let good = decode_record(&(!7u32).to_be_bytes(), &33i64.to_be_bytes(), 9).unwrap();
        assert_eq!(good, entry(7, 33));
        assert!(decode_record(&(!7u32).to_be_bytes(), &33i64.to_be_bytes(), 6).is_err());
        assert!(decode_record(&[1, 2, 3], &33i64.to_be_bytes(), 6).is_err());
        assert!(decode_record(&(!7u32).to_be_bytes(), &[1], 9).is_err());
        assert!(decode_record(&(!0u32).to_be_bytes(), &33i64.to_be_bytes(), 9).is_err());
    }
}
