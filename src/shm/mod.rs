//! Shared memory: chunks of 32 KiB that other threads and processes may change at any time.
//!
//! [`Shm`] is a table of the chunks touched so far, shared by its clones. It only grows.
//! A *pointer* is a 32-bit byte offset: chunk number << 15 | offset. Every access goes through
//! word atomics, so no torn or racing read is undefined behaviour; every pointer is checked
//! against the table, so a peer's nonsense becomes `Corrupt`. Chunk 0 is `header`'s; bytes that may
//! run through several chunks are `bytes`'s. docs/format-tree.md, "Chunks".
//!
//! This is the only room with unsafe code, and the cached address of a chunk is the only reason.
#![allow(unsafe_code)]

mod atomics;
mod bytes;
mod header;
#[cfg(test)]
mod tests;

pub(crate) use bytes::{Position, compare_words};
pub(crate) use header::{HeaderCopy, READER_SLOTS, ReaderSlot};

use crate::env::{CHUNK_BYTES, CHUNK_WORDS, HeapChunk, SharedChunk, SharedMemory};
use crate::error::{Error, IoContext, Place, Result};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Bits of a pointer that are the offset in the chunk.
pub(crate) const CHUNK_SHIFT: u32 = 15;
/// Bytes in a chunk.
pub(crate) const CHUNK_SIZE: u32 = 1 << CHUNK_SHIFT;
/// Bytes at the start of a chunk of tree data: its id and the number of the next chunk.
pub(crate) const CHUNK_HEADER: u32 = 8;
/// No tree may have as many chunks as this: the last addressable ones stay unused, so that a
/// pointer just behind an object never overflows.
pub(crate) const MAX_CHUNKS: u32 = 131_071;

const _: () = assert!(CHUNK_SIZE as usize == CHUNK_BYTES);

/// The words of a chunk.
pub(crate) type Words = [AtomicU32; CHUNK_WORDS];

/// The cached address of a chunk's words.
#[derive(Clone, Copy)]
struct Base(NonNull<Words>);

// SAFETY: a `Base` is a shared reference to atomics in all but lifetime; those are `Send` and
// `Sync`. Whether the owner beside it may change threads is decided by the owner's own type.
unsafe impl Send for Base {}
// SAFETY: as above.
unsafe impl Sync for Base {}

/// A chunk and whoever keeps it alive.
struct Chunk {
    base: Base,
    /// Never read, but the memory at `base` lives as long as this.
    _owner: Arc<dyn SharedChunk>,
}

impl Chunk {
    fn new(owner: Arc<dyn SharedChunk>) -> Self {
        Chunk { base: Base(NonNull::from(owner.words())), _owner: owner }
    }

    #[inline(always)]
    fn words(&self) -> &Words {
        // SAFETY: `base` was borrowed from `*owner` by `SharedChunk::words(&self)`. That borrow
        // could have been kept for as long as the owner is alive and not mutably borrowed: we hold
        // a count of the `Arc` for at least the lifetime of `&self`, and no `&mut` to the owner can
        // be had while we do. The reference is to atomics, so writes by others are allowed.
        unsafe { self.base.0.as_ref() }
    }
}

/// Chunks per group of the table.
const GROUP: usize = 512;
/// Groups of the table: enough for all pointers.
const GROUPS: usize = (MAX_CHUNKS as usize + 1) / GROUP;

/// Part of the table of chunks.
type Group = [OnceLock<Chunk>; GROUP];

/// The shared memory of a database; clones share one table of chunks.
#[derive(Clone)]
pub(crate) struct Shm(Arc<Table>);

struct Table {
    source: Arc<dyn SharedMemory>,
    groups: [OnceLock<Box<Group>>; GROUPS],
    /// Chunks `0..count` are in the table.
    count: AtomicU32,
    growing: Mutex<()>,
}

impl std::fmt::Debug for Shm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shm").field("chunks", &self.chunk_count()).finish_non_exhaustive()
    }
}

/// Chunks on the heap, shared by all clones of one [`Shm`].
#[derive(Debug, Default)]
struct HeapMemory(Mutex<Vec<Arc<HeapChunk>>>);

impl SharedMemory for HeapMemory {
    fn chunk(&self, index: u32) -> crate::env::Result<Arc<dyn SharedChunk>> {
        let mut chunks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while chunks.len() <= index as usize {
            chunks.push(HeapChunk::zeroed());
        }
        match chunks.get(index as usize) {
            Some(chunk) => Ok(Arc::clone(chunk) as Arc<dyn SharedChunk>),
            None => Err(crate::env::EnvError::OutOfMemory),
        }
    }

    fn release(&self, _delete: bool) -> crate::env::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }
}

#[cold]
#[inline(never)]
fn bad_pointer(pointer: u32) -> Error {
    Error::corrupt(Place::SharedMemory(pointer), "pointer leads outside the tree")
}

impl Shm {
    /// Memory of this process alone, with its header chunk.
    pub(crate) fn heap() -> Result<Self> {
        let shm = Shm::new(Arc::new(HeapMemory::default()));
        shm.ensure(1)?;
        Ok(shm)
    }

    /// No memory: every access fails.
    pub(crate) fn nothing() -> Self {
        Shm::new(Arc::new(HeapMemory::default()))
    }

    /// Memory of the world. Nothing is accessible before `ensure`.
    pub(crate) fn new(source: Arc<dyn SharedMemory>) -> Self {
        Shm(Arc::new(Table {
            source,
            groups: [const { OnceLock::new() }; GROUPS],
            count: AtomicU32::new(0),
            growing: Mutex::new(()),
        }))
    }

    /// Makes chunks `0..count` accessible, creating missing ones.
    pub(crate) fn ensure(&self, count: u32) -> Result<()> {
        if self.chunk_count() >= count { Ok(()) } else { self.grow(count) }
    }

    #[cold]
    fn grow(&self, count: u32) -> Result<()> {
        if count > MAX_CHUNKS {
            return Err(Error::corrupt(
                Place::SharedMemory(0),
                "more chunks than can be addressed",
            ));
        }
        let _alone = self.0.growing.lock().unwrap_or_else(PoisonError::into_inner);
        for index in self.chunk_count()..count {
            let owner = self.0.source.chunk(index).during("growing shared memory")?;
            let place = self.0.groups.get(index as usize / GROUP).and_then(|group| {
                let group = group.get_or_init(|| Box::new([const { OnceLock::new() }; GROUP]));
                group.get(index as usize % GROUP)
            });
            if let Some(place) = place {
                place.get_or_init(|| Chunk::new(owner));
            }
            self.0.count.store(index + 1, Ordering::Release);
        }
        Ok(())
    }

    #[inline(always)]
    fn find(&self, number: u32) -> Option<&Words> {
        let group = self.0.groups.get(number as usize / GROUP)?.get()?;
        Some(group.get(number as usize % GROUP)?.get()?.words())
    }

    /// How many chunks are accessible.
    #[inline]
    pub(crate) fn chunk_count(&self) -> u32 {
        self.0.count.load(Ordering::Acquire)
    }

    /// Gives the memory back to the world, after the chunks if this is the last of its clones; see
    /// [`SharedMemory::release`].
    pub(crate) fn release(self, delete: bool) -> Result<()> {
        let source = Arc::clone(&self.0.source);
        drop(self);
        source.release(delete).during("releasing shared memory")
    }

    /// Whether anything may be stored in the memory.
    pub(crate) fn is_writable(&self) -> bool {
        self.0.source.is_writable()
    }

    /// Whether others who open the database now find this same memory.
    pub(crate) fn is_current(&self) -> Result<bool> {
        self.0.source.is_current().during("looking for the shared memory file")
    }

    /// Whether the memory has any name left: cheaper than [`is_current`](Self::is_current).
    pub(crate) fn has_name(&self) -> Result<bool> {
        self.0.source.has_name().during("looking for the shared memory file")
    }

    /// The words of a chunk.
    #[inline(always)]
    pub(crate) fn chunk(&self, number: u32) -> Result<&Words> {
        match self.find(number) {
            Some(words) => Ok(words),
            None => Err(bad_pointer(number.wrapping_mul(CHUNK_SIZE))),
        }
    }

    /// The words of a tree chunk from `pointer`, which must be aligned, to the chunk's end.
    #[inline(always)]
    pub(crate) fn rest(&self, pointer: u32) -> Result<&[AtomicU32]> {
        let offset = pointer & (CHUNK_SIZE - 1);
        if let Some(words) = self.find(pointer >> CHUNK_SHIFT)
            && pointer & 3 == 0
            && offset >= CHUNK_HEADER
            && pointer >= CHUNK_SIZE
            && let Some(words) = words.get((offset >> 2) as usize..)
        {
            return Ok(words);
        }
        Err(bad_pointer(pointer))
    }

    /// `N` words of an object at `pointer` in a tree chunk.
    #[inline(always)]
    pub(crate) fn words<const N: usize>(&self, pointer: u32) -> Result<&[AtomicU32; N]> {
        match self.rest(pointer)?.first_chunk() {
            Some(words) => Ok(words),
            None => Err(bad_pointer(pointer)),
        }
    }

    /// The id of a chunk of tree data and the number of the chunk after it.
    pub(crate) fn chunk_header(&self, number: u32) -> Result<(u32, u32)> {
        let [id, next, ..] = self.tree_chunk(number)?;
        Ok((id.load(Ordering::Relaxed), next.load(Ordering::Relaxed)))
    }

    /// Writes the id of a chunk of tree data.
    pub(crate) fn set_chunk_id(&self, number: u32, id: u32) -> Result<()> {
        self.tree_chunk(number)?[0].store(id, Ordering::Relaxed);
        Ok(())
    }

    /// Links a chunk of tree data to the one after it; 0 = it is the last.
    pub(crate) fn set_chunk_next(&self, number: u32, next: u32) -> Result<()> {
        self.tree_chunk(number)?[1].store(next, Ordering::Relaxed);
        Ok(())
    }

    fn tree_chunk(&self, number: u32) -> Result<&Words> {
        if number == 0 {
            return Err(bad_pointer(0));
        }
        self.chunk(number)
    }

    /// A full barrier: on both sides of every lock operation that guards shared memory.
    pub(crate) fn barrier(&self) {
        self.0.source.barrier();
    }
}
