//! An open file.

use crate::{EnvError, LockId, LockMode, MaybeSync, Result, SharedMemory};
use std::fmt::Debug;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

/// Identity of a file that no second name can hide: device and inode on unix.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct FileId(pub Vec<u8>);

/// An open file. All positions are explicit; methods may be called from several threads.
pub trait File: MaybeSync + Debug {
    /// Fills `buffer` from `offset`. Returns how many bytes the file held; the rest is zeroed.
    /// Interrupted and partial reads are continued, so a count below the length means end of file.
    /// A world that cannot tell the [`size`](Self::size) says that the file held everything.
    ///
    /// # Errors
    /// `Io`.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize>;

    /// Writes all of `bytes` at `offset`, extending the file; holes read as zero.
    ///
    /// # Errors
    /// `Full` when space or quota ends, `ReadOnly`, `Io`. Part of the bytes may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Writes the slices one after the other from `offset`. Default: one write each.
    ///
    /// # Errors
    /// As `write_at`.
    fn write_vectored_at(&self, offset: u64, slices: &[IoSlice<'_>]) -> Result<()> {
        let mut at = offset;
        for slice in slices {
            self.write_at(at, slice)?;
            at += slice.len() as u64;
        }
        Ok(())
    }

    /// Cuts the file to `size` bytes. Never grows it.
    ///
    /// # Errors
    /// `ReadOnly`, `Io`.
    fn truncate(&self, size: u64) -> Result<()>;

    /// Present size in bytes.
    ///
    /// # Errors
    /// `Io`; `Unsupported` for a C environment, which has no such call.
    fn size(&self) -> Result<u64>;

    /// Present size in bytes, `None` in a world that cannot tell.
    ///
    /// # Errors
    /// `Io`.
    fn known_size(&self) -> Result<Option<u64>> {
        match self.size() {
            Ok(size) => Ok(Some(size)),
            Err(EnvError::Unsupported) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns when everything written before through any handle of this file, and its size, would
    /// survive power loss.
    ///
    /// # Errors
    /// `Io`; afterwards nothing is known about unsynced data.
    fn sync(&self) -> Result<()>;

    /// Reserves space up to `size` bytes if that is cheap. No byte read changes; the reported size
    /// stays or grows to `size`, and bytes beyond the old end read as zero. Default: nothing.
    ///
    /// # Errors
    /// `Full`, `Io`.
    fn allocate(&self, _size: u64) -> Result<()> {
        Ok(())
    }

    /// Bytes that a torn write may damage together: 512 or more, a power of two.
    fn sector_size(&self) -> u32 {
        512
    }

    /// Identity of the file, if the world can tell; the canonical path stands in otherwise.
    ///
    /// # Errors
    /// `Io`.
    fn id(&self) -> Result<Option<FileId>> {
        Ok(None)
    }

    /// Takes, changes or releases one lock for this handle without waiting. Changing shared to
    /// exclusive and back happens in place. Dropping the handle releases what it took; dropping
    /// another one releases nothing.
    ///
    /// The owner is the handle or, where the system knows no better, the process: an engine uses
    /// one locking handle per file and process, so that both are the same to it. Where no lock
    /// reaches other processes every call succeeds.
    ///
    /// # Errors
    /// `Busy` when another handle's owner holds it in a conflicting mode (the lock held before is
    /// kept), `ReadOnly` for an exclusive lock through a file opened read-only, `CannotShare` where
    /// the file system knows no locks, `Io`.
    fn lock(&self, lock: LockId, mode: LockMode) -> Result<()>;

    /// Whether locks `first ..` (`count` of them) could be taken in `mode` as far as other owners
    /// are concerned. Takes nothing.
    ///
    /// # Errors
    /// `Io`.
    fn test_lock(&self, first: LockId, count: u8, mode: LockMode) -> Result<bool>;

    /// Locks any byte range, beyond the 29 locks, without waiting.
    ///
    /// The engine uses it for one byte of its own: 4066, the last that lsm1 reserves (it would be
    /// lock 30), marks that a writer waits for its turn. No C peer ever locks it.
    ///
    /// # Errors
    /// `Unsupported` unless the world says `range_locks`; `Busy`, `Io`.
    fn lock_range(&self, _range: Range<u64>, _mode: LockMode) -> Result<()> {
        Err(EnvError::Unsupported)
    }

    /// The shared memory that belongs to this database file; `None` if this world has none. Nothing
    /// is created before the first [`SharedMemory::chunk`]; through a file opened
    /// [`ReadOnly`](crate::Access::ReadOnly) nothing is ever created, grown or deleted.
    ///
    /// # Errors
    /// `CannotShare` where locks or memory do not reach every process that uses the file; `Io`,
    /// `ReadOnly`.
    fn shared_memory(&self) -> Result<Option<Arc<dyn SharedMemory>>> {
        Ok(None)
    }

    /// A read-only map of the file as it is now; `None` if this world cannot map.
    ///
    /// # Errors
    /// `Io`, `OutOfMemory`.
    fn map(&self) -> Result<Option<Arc<dyn FileMap>>> {
        Ok(None)
    }
}

/// A read-only view of a file, kept as long as anybody holds it.
///
/// The file may change below the view; whoever borrows a range must know that nothing writes it
/// meanwhile (pages of a snapshot protected by its lock are such ranges). If somebody outside
/// truncates the file, touching the lost part ends the process on unix (SIGBUS).
pub trait FileMap: MaybeSync + Debug {
    /// The bytes, as many as the file had when it was mapped.
    fn bytes(&self) -> &[u8];
}
