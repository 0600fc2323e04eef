//! How a reader takes what is published: header and snapshot first, then a slot that protects both,
//! then another look at what they were loaded from. Only if nothing has changed meanwhile did the
//! slot protect them in time.
//!
//! tests/loom compiles this file, `slots` and the header chunk with other atomics and tries every
//! order. Rules: docs/format-sharing.md, "Beginning to read".

use super::slots::{SlotGuard, Slots};
use crate::error::Result;
use crate::format::tree_header::{TreeHeader, WORDS};
use crate::shm::{HeaderCopy, ReaderSlot, Shm};
use std::sync::Arc;

/// A tree header and the words of a snapshot that belong together, under a reader slot.
pub(super) struct Loaded {
    pub(super) header: TreeHeader,
    /// Empty if the snapshot is the one known before.
    pub(super) words: Vec<u32>,
    pub(super) slot: SlotGuard,
}

/// Loads the newest state under a slot; `None` if it changed meanwhile or no slot can be had.
pub(super) fn load(slots: &Arc<Slots>, shm: &Shm, known: Option<i64>) -> Result<Option<Loaded>> {
    let (header, header_copy) = shm.load_tree_header()?;
    let same = |id: i64| -> Result<bool> {
        Ok(shm.snapshot_id_in(HeaderCopy::First)? == id
            && shm.snapshot_id_in(HeaderCopy::Second)? == id)
    };
    let (snapshot_id, words, snapshot_copy) = match known {
        Some(id) if same(id)? => (id, Vec::new(), HeaderCopy::First),
        _ => {
            let (words, copy) = shm.load_snapshot()?;
            (id_of(&words), words, copy)
        }
    };
    let need = ReaderSlot { tree_id: header.used_chunk_id, snapshot_id };
    let Some(slot) = slots.acquire(shm, need, oldest_chunk_id(&header))? else { return Ok(None) };
    if !shm.tree_header_unchanged(&header, header_copy)?
        || shm.snapshot_id_in(snapshot_copy)? != snapshot_id
    {
        return Ok(None);
    }
    shm.ensure(header.chunk_count)?;
    Ok(Some(Loaded { header, words, slot }))
}

/// Protects again what was loaded before, if it is the newest state still: `header`, which stands
/// `encoded` in shared memory, and the snapshot with this id. `None` if it is not, or if no slot
/// can be had.
pub(super) fn protect_again(
    slots: &Arc<Slots>,
    shm: &Shm,
    header: &TreeHeader,
    encoded: &[u32; WORDS],
    snapshot_id: i64,
) -> Result<Option<SlotGuard>> {
    let need = ReaderSlot { tree_id: header.used_chunk_id, snapshot_id };
    let Some(slot) = slots.acquire(shm, need, oldest_chunk_id(header))? else { return Ok(None) };
    // The slot must be visible before this last look: who recycles looks the other way round.
    shm.barrier();
    Ok(shm.shows(encoded, snapshot_id)?.then_some(slot))
}

/// Ids of chunks before this one are of another age of the sequence, which wraps.
fn oldest_chunk_id(header: &TreeHeader) -> u32 {
    header.next_chunk_id.wrapping_add(1).wrapping_sub(1 << 30)
}

/// The id in the words of a snapshot.
pub(super) fn id_of(words: &[u32]) -> i64 {
    let word = |index| i64::from(words.get(index).copied().unwrap_or(0));
    word(0) << 32 | word(1)
}
