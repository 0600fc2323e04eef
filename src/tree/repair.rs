//! Repair after a writer died in the middle of a write transaction.
//!
//! The next writer settles which header is the published one, takes back spare children of later
//! transactions and puts chunks that were being recycled back to the front of the list. Only the
//! ids in the chunks are believed, never their links, so the result does not depend on where the
//! writer, or an earlier repair, stopped. The header used is the one in shared memory, whatever
//! the caller knew before. docs/format-tree.md, "Repair".

use super::id_at_or_after;
use super::node::{NODE_WORDS, SPARE_TRANSACTION, checked_height, child, corrupt, keys};
use super::savepoint::clear_spare;
use crate::error::{Error, Place, Result};
use crate::format::tree_header::{TreeHeader, TreeRoot};
use crate::shm::{CHUNK_SHIFT, Shm};
use std::sync::atomic::Ordering::Relaxed;

/// Makes shared memory what the published header says and takes back the dead writer's mark.
/// Returns that header. Needs the writer lock.
pub(crate) fn repair(shm: &Shm) -> Result<TreeHeader> {
    shm.settle_tree_header()?;
    let (header, _) = shm.load_tree_header()?;
    shm.ensure(header.chunk_count)?;
    clear_later_versions(shm, &header)?;
    relink_chunks(shm, &header)?;
    shm.barrier();
    shm.set_writer_flag(false)?;
    Ok(header)
}

/// Takes back the spare children that transactions after the published one have set.
fn clear_later_versions(shm: &Shm, header: &TreeHeader) -> Result<()> {
    if header.live.node == 0 || header.live.height < 2 {
        return Ok(());
    }
    let height = checked_height(&header.live)?;
    // More nodes than fit into the chunks are a cycle or a web.
    let mut left = shm.capacity() / (4 * NODE_WORDS as u64);
    clear_below(shm, &header.live, header.live.node, height, &mut left)
}

fn clear_below(shm: &Shm, root: &TreeRoot, node: u32, height: u32, left: &mut u64) -> Result<()> {
    *left = left.checked_sub(1).ok_or_else(|| corrupt(node, "nodes form a cycle"))?;
    let words = shm.words::<NODE_WORDS>(node)?;
    if words[SPARE_TRANSACTION].load(Relaxed) > root.transaction {
        clear_spare(shm, node)?;
    }
    if height <= 2 {
        return Ok(());
    }
    let slots = keys(shm, node)?;
    for index in 0..4 {
        let used = index < 3 && slots.get(index).is_some_and(|key| *key != 0);
        let after = index > 0 && slots.get(index - 1).is_some_and(|key| *key != 0);
        if used || after {
            clear_below(shm, root, child(words, index, root.transaction), height - 1, left)?;
        }
    }
    Ok(())
}

/// Gives recycled chunks back their places at the front and links all chunks by their ids.
///
/// The published first chunk is the first again. Behind it come the chunks with ids that are not
/// yet to be given, then all others in the order of their ids, which stay as they are. Only ids
/// below that of the first chunk move up by one: a savepoint that was rolled back may have put
/// recycled chunks back in another order.
fn relink_chunks(shm: &Shm, header: &TreeHeader) -> Result<()> {
    let broken =
        |rule| Error::corrupt(Place::SharedMemory(header.first_chunk << CHUNK_SHIFT), rule);
    let count = header.chunk_count;
    if count < 2 || !(1..count).contains(&header.first_chunk) {
        return Err(broken("first chunk is not among the chunks"));
    }
    let lowest = header.next_chunk_id.wrapping_add(1).wrapping_sub(count);
    let first_place = shm.chunk_header(header.first_chunk)?.0.wrapping_sub(lowest);
    let mut chunks = Vec::with_capacity(count as usize);
    for number in (1..count).rev() {
        let id = shm.chunk_header(number)?.0;
        let place = id.wrapping_sub(lowest);
        if number == header.first_chunk {
            chunks.push((0, None, number));
        } else if place < count - 1 {
            chunks.push((2, Some(place), number));
        } else if id_at_or_after(id, header.next_chunk_id) {
            chunks.push((1, None, number));
        } else {
            return Err(broken("id of a chunk is out of range"));
        }
    }
    chunks.sort_by_key(|(group, place, _)| (*group, *place));
    for ((_, place, _), new) in chunks.iter().zip(0u32..) {
        let moved_up = |place: u32| place < first_place && first_place < count && place + 1 == new;
        if !place.is_none_or(|place| place == new || moved_up(place)) {
            return Err(broken("ids of the chunks are not consecutive"));
        }
    }
    let next = chunks.iter().skip(1).map(|(.., number)| *number).chain([0]);
    for (((.., number), next), place) in chunks.iter().zip(next).zip(0u32..) {
        shm.set_chunk_id(*number, lowest.wrapping_add(place))?;
        shm.set_chunk_next(*number, next)?;
    }
    Ok(())
}
