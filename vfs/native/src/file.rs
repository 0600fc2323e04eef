//! An open file of the operating system.

use crate::beside::Belonging;
use crate::environment::{LockStyle, same_process};
use crate::errno::from_io;
use crate::handles::{self, Identity};
use crate::shared_memory::NativeMemory;
use crate::sys::{self, locks::Locks};
use siltstone_env::{
    EnvError, File, FileId, FileMap, FilePath, LockId, LockMode, Result, SharedMemory,
};
use std::io::{ErrorKind, IoSlice};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

/// A descriptor with an open file description of its own.
#[derive(Debug)]
pub(crate) struct NativeFile {
    /// Shared with the table of parked descriptors when the handle goes.
    descriptor: Arc<std::fs::File>,
    path: FilePath,
    identity: Identity,
    process: u32,
    writable: bool,
    locks: Locks,
}

impl NativeFile {
    pub(crate) fn new(
        descriptor: std::fs::File,
        path: FilePath,
        process: u32,
        writable: bool,
        style: LockStyle,
    ) -> Result<Self> {
        let metadata = descriptor.metadata().map_err(from_io)?;
        if !metadata.is_file() {
            return Err(EnvError::NotAFile);
        }
        let identity = (metadata.dev(), metadata.ino());
        handles::opened(identity);
        let locks = Locks::new(style, identity);
        Ok(NativeFile {
            descriptor: Arc::new(descriptor),
            path,
            identity,
            process,
            writable,
            locks,
        })
    }

    fn may_write(&self) -> Result<()> {
        same_process(self.process)?;
        if self.writable { Ok(()) } else { Err(EnvError::ReadOnly) }
    }
}

/// Refuses transfers that end beyond what the system can express.
fn within_reach(offset: u64, length: usize) -> Result<()> {
    match offset.checked_add(length as u64) {
        Some(end) if end <= i64::MAX as u64 => Ok(()),
        _ => Err(EnvError::Full),
    }
}

impl File for NativeFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        same_process(self.process)?;
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..)
            && !rest.is_empty()
        {
            let Ok(()) = within_reach(offset, done + rest.len()) else { break };
            match self.descriptor.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(from_io(error)),
            }
        }
        if let Some(rest) = buffer.get_mut(done..) {
            rest.fill(0);
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.may_write()?;
        within_reach(offset, bytes.len())?;
        self.descriptor.write_all_at(bytes, offset).map_err(from_io)
    }

    fn write_vectored_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<()> {
        self.may_write()?;
        within_reach(offset, slices.iter().map(|slice| slice.len()).sum())?;
        sys::space::write_vectored(&self.descriptor, offset, slices)
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.may_write()?;
        if size < self.size()? {
            self.descriptor.set_len(size).map_err(from_io)?;
        }
        Ok(())
    }

    fn size(&self) -> Result<u64> {
        same_process(self.process)?;
        Ok(self.descriptor.metadata().map_err(from_io)?.len())
    }

    fn sync(&self) -> Result<()> {
        same_process(self.process)?;
        // The size belongs to the data: fdatasync keeps what is needed to read it back.
        self.descriptor.sync_data().map_err(from_io)
    }

    fn allocate(&self, size: u64) -> Result<()> {
        self.may_write()?;
        within_reach(size, 0)?;
        let present = self.size()?;
        if size <= present {
            return Ok(());
        }
        sys::space::reserve(&self.descriptor, present..size)
    }

    fn id(&self) -> Result<Option<FileId>> {
        Ok(Some(handles::id(self.identity)))
    }

    fn lock(&self, lock: LockId, mode: LockMode) -> Result<()> {
        same_process(self.process)?;
        self.locks.set(&self.descriptor, lock.byte_offset()..lock.byte_offset() + 1, mode)
    }

    fn test_lock(&self, first: LockId, count: u8, mode: LockMode) -> Result<bool> {
        same_process(self.process)?;
        let end = first.byte_offset() + 1;
        let range = end.saturating_sub(u64::from(count))..end;
        if range.is_empty() || mode == LockMode::Unlock {
            return Ok(true);
        }
        self.locks.is_free(&self.descriptor, range, mode)
    }

    fn lock_range(&self, range: Range<u64>, mode: LockMode) -> Result<()> {
        same_process(self.process)?;
        if range.is_empty() {
            return Ok(());
        }
        self.locks.set(&self.descriptor, range, mode)
    }

    fn shared_memory(&self) -> Result<Option<Arc<dyn SharedMemory>>> {
        same_process(self.process)?;
        sys::file_system::reaches_everybody(&self.descriptor)?;
        // Where there are no locks, asking for one says so.
        let byte = LockId::DMS2.byte_offset();
        self.locks.is_free(&self.descriptor, byte..byte + 1, LockMode::Shared)?;
        let belonging = Belonging::of(&self.descriptor.metadata().map_err(from_io)?);
        let name = self.path.with_suffix("-shm");
        Ok(Some(Arc::new(NativeMemory::new(name, self.process, belonging, self.writable))))
    }

    fn map(&self) -> Result<Option<Arc<dyn FileMap>>> {
        let size = self.size()?;
        sys::maps::map(&self.descriptor, size)
    }
}

impl Drop for NativeFile {
    fn drop(&mut self) {
        // A forked child owns no locks, and its parent may have held the table while forking.
        if same_process(self.process).is_ok() {
            self.locks.release(&self.descriptor);
            handles::closed(self.identity, &self.descriptor, self.locks.owned_by_process());
        }
    }
}
