//! What one tree says about one key, without a cursor.

use super::node::{EntryHeader, flags};
use super::path::Path;
use crate::error::Result;
use crate::format::page::EntryFlags;
use crate::format::tree_header::TreeRoot;
use crate::shm::Shm;

/// What a source says about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The key has this source's value.
    Value,
    /// The key is deleted, whatever older sources say.
    Deleted,
    /// Ask the next older source.
    Undecided,
}

/// What the tree says about `key`. If it has a value and `value` is given, that is replaced by it.
pub(crate) fn lookup(
    shm: &Shm,
    root: &TreeRoot,
    key: &[u8],
    value: Option<&mut Vec<u8>>,
) -> Result<Found> {
    let mut path = Path::default();
    let order = path.seek(shm, root, key)?;
    if !path.is_valid() {
        return Ok(Found::Undecided);
    }
    if order.is_eq() {
        let header = EntryHeader::read(shm, path.entry())?;
        if header.flags.contains(EntryFlags::INSERT) {
            if let Some(value) = value {
                value.clear();
                header.value(shm, path.entry(), value)?;
            }
            return Ok(Found::Value);
        }
        let deleted = header.flags.contains(EntryFlags::POINT_DELETE);
        return Ok(if deleted { Found::Deleted } else { Found::Undecided });
    }
    // Either neighbour alone may tell that the key lies inside a deleted range.
    let (here, there) = if order.is_lt() {
        (EntryFlags::START_DELETE, EntryFlags::END_DELETE)
    } else {
        (EntryFlags::END_DELETE, EntryFlags::START_DELETE)
    };
    if flags(shm, path.entry())?.contains(here) {
        return Ok(Found::Deleted);
    }
    if order.is_lt() {
        path.next(shm, root)?
    } else {
        path.previous(shm, root)?
    }
    if path.is_valid() && flags(shm, path.entry())?.contains(there) {
        return Ok(Found::Deleted);
    }
    Ok(Found::Undecided)
}
