//! Shared memory of a world: named objects of 32 KiB chunks.
//!
//! An object lives as long as its name or a user of it. Removing the name leaves the users with
//! what they have, as unlinking a mapped file does; the next user starts a fresh object.

use crate::environment::Process;
use crate::shared::Shared;
use siltstone_env::{EnvError, FilePath, HeapChunk, Result, SharedChunk, SharedMemory};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most chunks of one object (1 GiB): a wild index must not eat the machine.
const MOST_CHUNKS: u32 = 1 << 15;

/// A named object.
#[derive(Debug, Default)]
pub(crate) struct SharedObject {
    chunks: Mutex<Vec<Arc<HeapChunk>>>,
}

impl SharedObject {
    fn chunk(&self, index: u32, may_grow: bool) -> Result<Arc<HeapChunk>> {
        if index >= MOST_CHUNKS {
            return Err(EnvError::Full);
        }
        let mut chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        while may_grow && chunks.len() <= index as usize {
            chunks.push(HeapChunk::zeroed());
        }
        chunks.get(index as usize).cloned().ok_or(EnvError::NotFound)
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
    process: Arc<Process>,
    name: FilePath,
    /// Whether the database file is open for writing.
    may_grow: bool,
    object: Mutex<Option<Arc<SharedObject>>>,
}

impl MemoryShared {
    pub(crate) fn new(process: Arc<Process>, name: FilePath, may_grow: bool) -> Self {
        MemoryShared { process, name, may_grow, object: Mutex::new(None) }
    }

    fn object(&self) -> MutexGuard<'_, Option<Arc<SharedObject>>> {
        self.object.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shared(&self) -> &Shared {
        &self.process.shared
    }

    fn may_grow(&self) -> bool {
        self.may_grow && self.shared().writable().is_ok()
    }

    /// What the name leads to now.
    fn named(&self) -> Option<Arc<SharedObject>> {
        self.shared().directory().memory.get(&self.name).cloned()
    }

    /// The object of the name, made if allowed.
    fn find(&self, may_grow: bool) -> Result<Arc<SharedObject>> {
        if may_grow {
            Ok(self.shared().directory().memory.entry(self.name.clone()).or_default().clone())
        } else {
            self.named().ok_or(EnvError::NotFound)
        }
    }
}

impl SharedMemory for MemoryShared {
    fn chunk(&self, index: u32) -> Result<Arc<dyn SharedChunk>> {
        self.process.alive()?;
        let may_grow = self.may_grow();
        let mut object = self.object();
        let found = match object.as_ref() {
            Some(present) => present.clone(),
            None => self.find(may_grow)?,
        };
        let chunk = found.chunk(index, may_grow)?;
        *object = Some(found);
        Ok(chunk)
    }

    fn release(&self, delete: bool) -> Result<()> {
        self.process.alive()?;
        if delete && !self.may_grow() {
            return Err(EnvError::ReadOnly);
        }
        let released = self.object().take();
        if delete {
            let mut directory = self.shared().directory();
            if let Some(named) = directory.memory.get(&self.name)
                && released.is_none_or(|released| Arc::ptr_eq(&released, named))
            {
                directory.memory.remove(&self.name);
            }
        }
        Ok(())
    }

    fn is_current(&self) -> Result<bool> {
        self.process.alive()?;
        let Some(object) = self.object().clone() else { return Ok(true) };
        Ok(self.named().is_some_and(|named| Arc::ptr_eq(&object, &named)))
    }

    fn is_writable(&self) -> bool {
        // Readers may store into memory that others made, unless the medium is read-only.
        let exists = || self.object().is_some() || self.named().is_some();
        self.shared().writable().is_ok() && (self.may_grow || exists())
    }
}
