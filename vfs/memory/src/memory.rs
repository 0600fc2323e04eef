//! Shared memory of a world: named objects of 32 KiB chunks.
//!
//! An object lives as long as its name or a user of it. Removing the name leaves the users with
//! what they have, as unlinking a mapped file does; the next user starts a fresh object.

use crate::environment::Process;
use crate::shared::Shared;
use siltstone_env::{EnvError, FilePath, HeapChunk, Result, SharedChunk, SharedMemory};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// The most chunks of one object (1 GiB): a wild index must not eat the machine.
const MOST_CHUNKS: u32 = 1 << 15;

/// A named object.
#[derive(Debug, Default)]
pub(crate) struct SharedObject {
    chunks: Mutex<Vec<Arc<HeapChunk>>>,
}

impl SharedObject {
    fn chunk(&self, index: u32) -> Result<Arc<HeapChunk>> {
        if index >= MOST_CHUNKS {
            return Err(EnvError::Full);
        }
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        while chunks.len() <= index as usize {
            chunks.push(HeapChunk::zeroed());
        }
        chunks.get(index as usize).cloned().ok_or(EnvError::Full)
    }

    /// An object of its own with the same words.
    pub(crate) fn copy(&self) -> Arc<SharedObject> {
        let chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        let copies = chunks.iter().map(|chunk| {
            let copy = HeapChunk::zeroed();
            for (target, source) in copy.words().iter().zip(chunk.words()) {
                target.store(source.load(Ordering::SeqCst), Ordering::SeqCst);
            }
            copy
        });
        Arc::new(SharedObject { chunks: Mutex::new(copies.collect()) })
    }

    /// How many chunks exist.
    pub(crate) fn len(&self) -> usize {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// One handle's view of the object.
#[derive(Debug)]
pub(crate) struct MemoryShared {
    pub(crate) shared: Arc<Shared>,
    pub(crate) process: Arc<Process>,
    pub(crate) name: FilePath,
    object: Mutex<Option<Arc<SharedObject>>>,
}

impl MemoryShared {
    pub(crate) fn new(shared: Arc<Shared>, process: Arc<Process>, name: FilePath) -> Self {
        MemoryShared { shared, process, name, object: Mutex::new(None) }
    }
}

impl SharedMemory for MemoryShared {
    fn chunk(&self, index: u32) -> Result<Arc<dyn SharedChunk>> {
        self.process.alive()?;
        let mut object = self.object.lock().unwrap_or_else(PoisonError::into_inner);
        let object = object.get_or_insert_with(|| {
            self.shared.directory().memory.entry(self.name.clone()).or_default().clone()
        });
        Ok(object.chunk(index)?)
    }

    fn release(&self, delete: bool) -> Result<()> {
        self.process.alive()?;
        *self.object.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if delete {
            self.shared.directory().memory.remove(&self.name);
        }
        Ok(())
    }
}
