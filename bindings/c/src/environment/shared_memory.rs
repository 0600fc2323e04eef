//! Shared memory of a caller's environment: `xShmMap`, `xShmUnmap`, `xShmBarrier`.
//!
//! `xShmUnmap` unmaps everything at once, so it is called when no chunk is in use any more. The
//! engine lets go of all chunks before it deletes the memory; should chunks be in use nevertheless,
//! the memory is deleted through a second file, and the first keeps it mapped until they are gone.

use super::caller::CallerEnv;
use super::file::{CallerFile, OpenFile};
use siltstone::env::{CHUNK_WORDS, EnvError, FilePath, Result, SharedChunk, SharedMemory};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Through which file the memory is had.
#[derive(Debug)]
enum Source {
    /// The one that was asked for it.
    First(Arc<OpenFile>),
    /// One of the memory's own.
    Own(CallerFile),
}

impl Source {
    fn file(&self) -> Result<&Arc<OpenFile>> {
        match self {
            Source::First(file) => Ok(file),
            Source::Own(file) => file.file(),
        }
    }
}

/// The memory that belongs to a file.
#[derive(Debug)]
pub(super) struct CallerMemory {
    env: Arc<CallerEnv>,
    path: FilePath,
    writable: bool,
    source: Mutex<Source>,
}

impl CallerMemory {
    pub(super) fn new(env: Arc<CallerEnv>, path: FilePath, file: Arc<OpenFile>) -> Self {
        let writable = file.is_writable();
        CallerMemory { env, path, writable, source: Mutex::new(Source::First(file)) }
    }

    fn source(&self) -> MutexGuard<'_, Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes the memory that somebody here still reads.
    fn delete_in_use(&self, source: &mut Source) -> Result<()> {
        let other = self.env.open_anew(&self.path, true)?;
        // What is not mapped is not deleted.
        other.file()?.map_chunk(0).map(|_| ())?;
        other.file()?.chunk_done();
        other.file()?.unmap(true)?;
        *source = Source::Own(other);
        Ok(())
    }
}

impl SharedMemory for CallerMemory {
    fn chunk(&self, index: u32) -> Result<Arc<dyn SharedChunk>> {
        let file = Arc::clone(self.source().file()?);
        let words = file.map_chunk(index)?.cast();
        Ok(Arc::new(CallerChunk { words, file }))
    }

    fn release(&self, delete: bool) -> Result<()> {
        if delete && !self.writable {
            return Err(EnvError::ReadOnly);
        }
        let mut source = self.source();
        if !source.file()?.unmap(delete)? && delete {
            self.delete_in_use(&mut source)?;
        }
        Ok(())
    }

    fn is_writable(&self) -> bool {
        self.writable
    }

    fn barrier(&self) {
        fence(Ordering::SeqCst);
        if let Ok(file) = self.source().file() {
            file.barrier();
        }
        // Many environments have an empty function there.
        fence(Ordering::SeqCst);
    }
}

/// A chunk, mapped as long as it lives.
struct CallerChunk {
    words: NonNull<[AtomicU32; CHUNK_WORDS]>,
    file: Arc<OpenFile>,
}

// SAFETY: what it points to are atomics, and `OpenFile` may be dropped by any thread.
unsafe impl Send for CallerChunk {}
// SAFETY: as above.
unsafe impl Sync for CallerChunk {}

impl SharedChunk for CallerChunk {
    fn words(&self) -> &[AtomicU32; CHUNK_WORDS] {
        // SAFETY: `xShmMap` gave an aligned chunk of 32 KiB, which stays mapped while it counts as
        // in use (`OpenFile::unmap`) and its file is open. Others change it by whole words or
        // under a lock that keeps us away, as the protocol has it.
        unsafe { self.words.as_ref() }
    }
}

impl Drop for CallerChunk {
    fn drop(&mut self) {
        self.file.chunk_done();
    }
}

impl fmt::Debug for CallerChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerChunk")
    }
}
