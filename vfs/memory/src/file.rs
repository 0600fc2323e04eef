//! An open file of a simulated process.

use crate::content::Content;
use crate::environment::Process;
use crate::locks::Owner;
use crate::memory::MemoryShared;
use crate::shared::Node;
use crate::trace::Event;
use siltstone_env::{EnvError, File, FileId, FilePath, LockId, LockMode, Result, SharedMemory};
use std::io::IoSlice;
use std::ops::Range;
use std::sync::{Arc, PoisonError};

/// A handle. Dropping it releases its locks.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    process: Arc<Process>,
    node: Arc<Node>,
    path: FilePath,
    owner: Owner,
    writable: bool,
}

impl MemoryFile {
    pub(crate) fn new(
        process: Arc<Process>,
        node: Arc<Node>,
        path: FilePath,
        owner: Owner,
        writable: bool,
    ) -> Self {
        MemoryFile { process, node, path, owner, writable }
    }

    fn may_write(&self) -> Result<()> {
        self.process.alive()?;
        if !self.writable {
            return Err(EnvError::ReadOnly);
        }
        self.process.shared.writable()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.may_write()?;
        if bytes.is_empty() {
            return Ok(());
        }
        Content::end(offset, bytes.len())?;
        let mut content = self.node.content.write().unwrap_or_else(PoisonError::into_inner);
        let file = self.node.number;
        self.process.shared.event(|| Event::Write { file, offset, bytes: bytes.into() })?;
        content.write(offset, bytes)
    }
}

impl File for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.process.alive()?;
        let content = self.node.content.read().unwrap_or_else(PoisonError::into_inner);
        Ok(content.read(offset, buffer))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.write(offset, bytes)
    }

    fn write_vectored_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<()> {
        self.write(
            offset,
            &slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<_>>(),
        )
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.may_write()?;
        let mut content = self.node.content.write().unwrap_or_else(PoisonError::into_inner);
        if size < content.size() {
            self.process.shared.event(|| Event::Truncate { file: self.node.number, size })?;
            content.resize(size);
        }
        Ok(())
    }

    fn size(&self) -> Result<u64> {
        self.process.alive()?;
        Ok(self.node.content.read().unwrap_or_else(PoisonError::into_inner).size())
    }

    fn sync(&self) -> Result<()> {
        self.process.alive()?;
        let _content = self.node.content.write().unwrap_or_else(PoisonError::into_inner);
        self.process.shared.event(|| Event::Sync { file: self.node.number })
    }

    fn sector_size(&self) -> u32 {
        self.process.shared.settings.sector_size
    }

    fn id(&self) -> Result<Option<FileId>> {
        self.process.alive()?;
        Ok(Some(self.node.id()))
    }

    fn lock(&self, lock: LockId, mode: LockMode) -> Result<()> {
        self.lock_range(lock.byte_offset()..lock.byte_offset() + 1, mode)
    }

    fn test_lock(&self, first: LockId, count: u8, mode: LockMode) -> Result<bool> {
        self.process.alive()?;
        let end = first.byte_offset() + 1;
        let range = end.saturating_sub(u64::from(count))..end;
        Ok(!self.node.locks().conflicts(&self.owner, &range, mode))
    }

    fn lock_range(&self, range: Range<u64>, mode: LockMode) -> Result<()> {
        self.process.alive()?;
        if mode == LockMode::Exclusive && !self.writable {
            return Err(EnvError::ReadOnly);
        }
        self.node.locks().set(&self.owner, range, mode)
    }

    fn shared_memory(&self) -> Result<Option<Arc<dyn SharedMemory>>> {
        self.process.alive()?;
        let shared = &self.process.shared;
        if !shared.settings.shared_memory {
            return Ok(None);
        }
        let name = self.path.with_suffix("-shm");
        Ok(Some(Arc::new(MemoryShared::new(self.process.clone(), name, self.writable))))
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.node.locks().release_handle(self.owner.handle);
    }
}
