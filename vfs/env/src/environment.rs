//! A world.

use crate::{File, FilePath, MaybeSync, RawMutex, Registry, Result, StdMutex};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

/// What a world can do beyond the minimum. Asked once, at open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Locks and shared memory reach other processes.
    pub multi_process: bool,
    /// `File::lock` keeps other processes out, if only as one exclusive owner.
    pub process_locks: bool,
    /// `File::map` gives maps.
    pub maps: bool,
    /// `Env::sync_directory` makes names durable.
    pub directory_sync: bool,
    /// `File::lock_range` works.
    pub range_locks: bool,
    /// Several threads may be used.
    pub threads: bool,
}

/// How to open a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read and write; create if missing.
    ReadWriteCreate,
    /// Read and write; `NotFound` if missing.
    ReadWrite,
    /// Read only; creates nothing.
    ReadOnly,
}

/// A world: where files live and time passes.
pub trait Env: MaybeSync + Debug + 'static {
    /// What this world can do.
    fn capabilities(&self) -> Capabilities;

    /// The canonical form of a user's name for a file. The file need not exist; its directory must
    /// where the world has directories.
    ///
    /// # Errors
    /// `NotFound` for a missing directory, `Io`.
    fn canonical_path(&self, name: &[u8]) -> Result<FilePath>;

    /// Opens a file. Each call gives an independent handle.
    ///
    /// # Errors
    /// `NotFound`, `ReadOnly` (no permission), `Full`, `Io`.
    fn open(&self, path: &FilePath, access: Access) -> Result<Arc<dyn File>>;

    /// Removes a file's name. Open handles stay usable.
    ///
    /// # Errors
    /// `NotFound`, `ReadOnly`, `Io`.
    fn remove(&self, path: &FilePath) -> Result<()>;

    /// Makes creation or removal of `path` durable. Default: nothing.
    ///
    /// # Errors
    /// `Io`.
    fn sync_directory(&self, _path: &FilePath) -> Result<()> {
        Ok(())
    }

    /// Time since an arbitrary fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// Fills `buffer` with random bytes (unpredictable in real worlds, seeded in simulated ones).
    ///
    /// # Errors
    /// `Io`, `Unsupported`.
    fn random(&self, buffer: &mut [u8]) -> Result<()>;

    /// Waits about this long, or returns at once where waiting is impossible.
    fn sleep(&self, duration: Duration);

    /// A new mutex. Default: the standard library's.
    fn mutex(&self) -> Arc<dyn RawMutex> {
        Arc::new(StdMutex::default())
    }

    /// The table of open databases of this process.
    fn registry(&self) -> &Registry;
}
