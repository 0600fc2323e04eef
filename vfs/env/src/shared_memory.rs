//! Memory that all connections of a database see, in chunks of 32 KiB.

use crate::{MaybeSync, Result};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};

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
    /// Memory had through a file opened read-only is never created and never grows. Whoever makes
    /// chunks keeps other processes from making some at the same time, by a lock.
    ///
    /// # Errors
    /// `NotFound` for a chunk that does not exist and may not be made, `ReadOnly` without
    /// permission, `NotAFile` where something else has the memory's name, `Full` or `Io` when the
    /// memory cannot be had, `CannotShare` where a file system maps nothing.
    fn chunk(&self, index: u32) -> Result<Arc<dyn SharedChunk>>;

    /// Gives up the memory; with `delete` also removes its name, so that the next user starts anew.
    /// Chunks handed out before stay readable until dropped. A name that leads to other memory by
    /// now is left alone.
    ///
    /// # Errors
    /// `Io` when the name cannot be removed, `ReadOnly` when it may not.
    fn release(&self, delete: bool) -> Result<()>;

    /// Whether the memory's name still leads to the memory in use: false once it was removed or
    /// given to another file, which splits those who came before from those who come later. True
    /// while no chunk was asked for, and for memory without a name.
    ///
    /// # Errors
    /// `Io`.
    fn is_current(&self) -> Result<bool> {
        Ok(true)
    }

    /// Whether the memory has any name left, or none was ever needed. A cheap way to notice that it
    /// was removed or given up for another file: false implies that
    /// [`is_current`](Self::is_current) is false too, but not the other way round.
    ///
    /// # Errors
    /// `Io`.
    fn has_name(&self) -> Result<bool> {
        self.is_current()
    }

    /// A full memory barrier, which stands on both sides of every lock operation that guards the
    /// memory. Default: the processor's.
    fn barrier(&self) {
        fence(Ordering::SeqCst);
    }

    /// Whether words may be stored. False where the memory can only be had for reading (or does not
    /// exist and may not be made): storing into its words ends the process.
    fn is_writable(&self) -> bool {
        true
    }
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
