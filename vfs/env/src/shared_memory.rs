//! Memory that all connections of a database see, in chunks of 32 KiB.

use crate::{MaybeSync, Result};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// Bytes in a chunk.
pub const CHUNK_BYTES: usize = 32768;
/// 32-bit words in a chunk.
pub const CHUNK_WORDS: usize = CHUNK_BYTES / 4;

/// One chunk: memory that other threads or processes may change at any time, hence atomics.
pub trait SharedChunk: MaybeSync + Debug {
    /// The words of the chunk, 8-byte aligned. The address never changes while the chunk lives.
    fn words(&self) -> &[AtomicU32; CHUNK_WORDS];
}

/// The shared memory of one database, growing chunk by chunk.
pub trait SharedMemory: MaybeSync + Debug {
    /// Chunk `index`, created zeroed if it did not exist. Repeated calls give the same memory.
    ///
    /// # Errors
    /// `Full` or `Io` when the memory cannot be had.
    fn chunk(&self, index: u32) -> Result<Arc<dyn SharedChunk>>;

    /// Gives up the memory; with `delete` also removes its name, so that the next user starts anew.
    /// Chunks handed out before stay readable until dropped.
    ///
    /// # Errors
    /// `Io` when the name cannot be removed.
    fn release(&self, delete: bool) -> Result<()>;
}

/// A chunk on the heap, for worlds and modes without shared memory.
#[repr(C, align(8))]
pub struct HeapChunk([AtomicU32; CHUNK_WORDS]);

impl HeapChunk {
    /// A zeroed chunk.
    #[must_use]
    pub fn zeroed() -> Arc<Self> {
        Arc::new(HeapChunk([const { AtomicU32::new(0) }; CHUNK_WORDS]))
    }
}

impl SharedChunk for HeapChunk {
    fn words(&self) -> &[AtomicU32; CHUNK_WORDS] {
        &self.0
    }
}

impl Debug for HeapChunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeapChunk")
    }
}
