//! A file in memory for the unit tests of the writing side: counts syncs and can run full.

use crate::env::{EnvError, File, LockId, LockMode, Result};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The file.
#[derive(Debug)]
pub(crate) struct MemoryFile {
    bytes: Mutex<Vec<u8>>,
    syncs: AtomicU64,
    writes_left: AtomicU64,
}

impl Default for MemoryFile {
    fn default() -> Self {
        MemoryFile {
            bytes: Mutex::default(),
            syncs: AtomicU64::new(0),
            writes_left: AtomicU64::new(u64::MAX),
        }
    }
}

impl MemoryFile {
    /// How often it was synchronised.
    pub(crate) fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// Lets `count` more writes succeed.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn limit_writes(&self, count: u64) {
        self.writes_left.store(count, Ordering::Relaxed);
    }

    /// A copy of the content.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn content(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

impl File for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let bytes = self.bytes.lock().unwrap();
        let tail = bytes.get(offset as usize..).unwrap_or_default();
        let count = tail.len().min(buffer.len());
        buffer[..count].copy_from_slice(&tail[..count]);
        buffer[count..].fill(0);
        Ok(count)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        let left = self.writes_left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(EnvError::Full);
        }
        self.writes_left.store(left - 1, Ordering::Relaxed);
        let mut bytes = self.bytes.lock().unwrap();
        let end = offset as usize + data.len();
        if bytes.len() < end {
            bytes.resize(end, 0);
        }
        bytes[offset as usize..end].copy_from_slice(data);
        Ok(())
    }

    fn truncate(&self, size: u64) -> Result<()> {
        let mut bytes = self.bytes.lock().unwrap();
        let size = bytes.len().min(size as usize);
        bytes.truncate(size);
        Ok(())
    }

    fn size(&self) -> Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn sync(&self) -> Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn lock(&self, _lock: LockId, _mode: LockMode) -> Result<()> {
        Ok(())
    }

    fn test_lock(&self, _first: LockId, _count: u8, _mode: LockMode) -> Result<bool> {
        Ok(true)
    }
}
