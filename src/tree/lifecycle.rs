//! The life of a tree: initialised empty, filled, made old, flushed, discarded.
//! docs/format-tree.md, "Live and old tree".

use crate::error::Result;
use crate::format::tree_header::{TreeHeader, TreeRoot};
use crate::shm::{CHUNK_HEADER, CHUNK_SIZE, Shm};

/// Makes an empty tree, ignoring whatever the memory held, and returns its header, not yet
/// published. The log's state is left to the caller.
pub(crate) fn initialise(shm: &Shm) -> Result<TreeHeader> {
    shm.ensure(2)?;
    shm.set_chunk_id(1, 1)?;
    shm.set_chunk_next(1, 0)?;
    Ok(TreeHeader {
        used_chunk_id: 1,
        next_chunk_id: 2,
        first_chunk: 1,
        chunk_count: 2,
        live: TreeRoot { transaction: 1, ..TreeRoot::default() },
        write_offset: CHUNK_SIZE + CHUNK_HEADER,
        ..TreeHeader::default()
    })
}

/// Makes the live tree old and starts an empty one; `log_pointer` is that of the newest snapshot.
/// Nothing happens, and false is returned, while there is an old tree already.
pub(crate) fn make_old(header: &mut TreeHeader, log_pointer: i64) -> bool {
    let last_id = header.next_chunk_id.wrapping_sub(1);
    // Chunk ids wrap, and 0 means "no old tree": at that one id the tree stays live a little more.
    if header.old_chunk_id != 0 || last_id == 0 {
        return false;
    }
    let [.., region] = header.log.regions;
    // The toggle differs from the snapshot's, so that no two snapshots share a log pointer.
    header.old_log_pointer = (region.end << 1).cast_signed() | (!log_pointer & 1);
    header.old_log_checksum = header.log.checksum;
    header.old_chunk_id = last_id;
    header.old = header.live;
    header.live = TreeRoot { transaction: 1, ..TreeRoot::default() };
    true
}

/// Whether readers of a snapshot with this log pointer must read the old tree as well.
pub(crate) fn old_tree_is_read(header: &TreeHeader, log_pointer: i64) -> bool {
    header.old_chunk_id != 0 && header.old_log_pointer != log_pointer
}

/// Gives the old tree's chunks up for recycling; its content must be in a snapshot.
pub(crate) fn discard_old(header: &mut TreeHeader) {
    if header.old_chunk_id != 0 {
        header.used_chunk_id = header.old_chunk_id;
        header.old_chunk_id = 0;
    }
}
