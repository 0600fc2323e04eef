//! A file for the tests of this room: bytes behind a mutex, counted and failing calls.

use crate::env::{EnvError, File, LockId, LockMode, Result};
use std::sync::{Mutex, MutexGuard};

#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) bytes: Vec<u8>,
    pub(super) writes: usize,
    pub(super) syncs: usize,
    /// Bytes that may still be written before the disk is full.
    pub(super) space: Option<usize>,
    pub(super) fail_sync: bool,
    /// As in a C environment, which cannot tell.
    pub(super) no_size: bool,
}

#[derive(Debug, Default)]
pub(super) struct TestFile(Mutex<Counted>);

impl TestFile {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        TestFile(Mutex::new(Counted { bytes, ..Counted::default() }))
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap()
    }

    pub(super) fn writes_and_syncs(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.writes, inner.syncs)
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.inner().bytes.clone()
    }
}

impl File for TestFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let inner = self.inner();
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(inner.bytes.len());
        let got = buffer.len().min(inner.bytes.len() - start);
        buffer[..got].copy_from_slice(&inner.bytes[start..start + got]);
        buffer[got..].fill(0);
        Ok(got)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let mut inner = self.inner();
        inner.writes += 1;
        let count = inner.space.map_or(bytes.len(), |space| space.min(bytes.len()));
        if let Some(space) = &mut inner.space {
            *space -= count;
        }
        let end = offset as usize + count;
        if inner.bytes.len() < end {
            inner.bytes.resize(end, 0);
        }
        inner.bytes[offset as usize..end].copy_from_slice(&bytes[..count]);
        if count < bytes.len() { Err(EnvError::Full) } else { Ok(()) }
    }

    fn truncate(&self, size: u64) -> Result<()> {
        self.inner().bytes.truncate(size as usize);
        Ok(())
    }

    fn size(&self) -> Result<u64> {
        let inner = self.inner();
        if inner.no_size { Err(EnvError::Unsupported) } else { Ok(inner.bytes.len() as u64) }
    }

    fn sync(&self) -> Result<()> {
        let mut inner = self.inner();
        inner.syncs += 1;
        if inner.fail_sync { Err(EnvError::Io(5)) } else { Ok(()) }
    }

    fn lock(&self, _: LockId, _: LockMode) -> Result<()> {
        Ok(())
    }

    fn test_lock(&self, _: LockId, _: u8, _: LockMode) -> Result<bool> {
        Ok(true)
    }
}
