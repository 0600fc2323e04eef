//! Chunks on the heap, one set per file of the process.

use crate::handles::Identity;
use siltstone_env::{HeapChunk, Result, SharedChunk};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

/// File and position.
type Place = (Identity, u64);

static TABLE: Mutex<BTreeMap<Place, Arc<HeapChunk>>> = Mutex::new(BTreeMap::new());

/// The chunk at `start`. One that the file did not have before it grew is new, even if an earlier
/// file of the same identity had one there.
pub(crate) fn map(
    _file: &File,
    identity: Identity,
    start: u64,
    size_before: u64,
    _writable: bool,
) -> Result<Arc<dyn SharedChunk>> {
    let mut table = TABLE.lock().unwrap_or_else(PoisonError::into_inner);
    if size_before <= start {
        table.remove(&(identity, start));
    }
    Ok(table.entry((identity, start)).or_insert_with(HeapChunk::zeroed).clone())
}
