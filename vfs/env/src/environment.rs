//! A world.

use crate::{
    EnvError, File, FilePath, MaybeSync, Owner, RawMutex, Registry, Result, StdMutex, Task, Thread,
};
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

    /// Opens a file that belongs to `database`, such as its log. As `open`, but a file created here
    /// takes mode and owner of the database file, as far as the process may give them away, so that
    /// whoever may use the database may use this file too. Default: `open`.
    ///
    /// # Errors
    /// As `open`.
    fn open_beside(
        &self,
        path: &FilePath,
        access: Access,
        _database: &FilePath,
    ) -> Result<Arc<dyn File>> {
        self.open(path, access)
    }

    /// Whether the name still leads to the open file: false once the name was removed or given to
    /// another file. Worlds whose files have no `id` cannot tell and say true, as does the default.
    ///
    /// # Errors
    /// `Io`.
    fn is_current(&self, _path: &FilePath, _file: &dyn File) -> Result<bool> {
        Ok(true)
    }

    /// Who has the database `path` for itself as its [owner file](crate::OwnerRecord) says; `None`
    /// without such a file, and for its own owner. Default: the world knows no owner files.
    ///
    /// # Errors
    /// `Io`, `ReadOnly`.
    fn owner(&self, _path: &FilePath) -> Result<Option<Owner>> {
        Ok(None)
    }

    /// Removes the owner file that a killed process left of the database `path`; tells whether there
    /// was one. Default: there is none.
    ///
    /// # Errors
    /// `Busy` if the owner is this process; `ReadOnly`, `NotAFile`, `Io`.
    fn break_owner(&self, _path: &FilePath) -> Result<bool> {
        Ok(false)
    }

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

    /// Starts a thread that runs `body`. The name is for tools that list threads. Default: there are
    /// no threads to be had.
    ///
    /// # Errors
    /// `Unsupported` where no threads can be started, and always without `Capabilities::threads`;
    /// `Io` when the system has no room for another one.
    fn spawn(&self, _name: &str, _body: Task) -> Result<Box<dyn Thread>> {
        Err(EnvError::Unsupported)
    }

    /// Refuses a child made by `fork` of the process that this world belongs to: memory that both
    /// have copies of may say there that somebody holds or leads what nobody will ever give back.
    /// Asked before anybody waits for such memory. Default: there are no such children.
    ///
    /// # Errors
    /// `Forked`.
    fn check_process(&self) -> Result<()> {
        Ok(())
    }

    /// A new mutex. Default: the standard library's.
    ///
    /// # Errors
    /// `OutOfMemory`, `Code` where this world's mutexes can run out.
    fn mutex(&self) -> Result<Arc<dyn RawMutex>> {
        Ok(Arc::new(StdMutex::default()))
    }

    /// The mutex that this world wants to be held while a database is found, opened or let go of,
    /// besides the lock of the registry itself: always the same one, taken before that lock.
    /// Default: none.
    ///
    /// # Errors
    /// `OutOfMemory`, `Code` where this world fails to give it.
    fn global_mutex(&self) -> Result<Option<Arc<dyn RawMutex>>> {
        Ok(None)
    }

    /// The table of open databases of this process.
    fn registry(&self) -> &Registry;
}
