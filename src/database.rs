//! The database as users see it: one handle, its clones, and what can be done with them.

use crate::batch::Batch;
use crate::check::{self, CheckReport};
use crate::cursor::{Cursor, Iter};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::options::{Durability, Options};
use crate::shared::{Row, Settings, Shared};
use crate::snapshot::Snapshot;
use crate::stats::{LogRecordInfo, PageInfo, Stats, Structure};
use crate::transaction::WriteTransaction;
use crate::work::{Progress, WorkLimit, WorkReport};
use crate::{backup, shared, sorted};
use std::fmt;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// An open database. Cheap to clone, usable from all threads.
///
/// Single calls (`get`, `insert`, ...) each are a transaction of their own. For several changes
/// together see [`begin`](Self::begin), [`write`](Self::write) and [`Batch`]; for a fixed state to
/// read from see [`snapshot`](Self::snapshot).
///
/// When the last handle goes, and no other process has the file open, committed data is flushed to
/// segments, a checkpoint is written and the log removed. [`close`](Self::close) does the same and
/// reports errors.
///
/// ```
/// # use siltstone::Options;
/// # fn main() -> siltstone::Result<()> {
/// # let world = siltstone_memory::MemoryWorld::new();
/// let database = Options::new().open_with_env(world.process(), "app.lsm")?;
/// database.insert("greeting", "hello")?;
/// assert_eq!(database.get("greeting")?, Some(b"hello".to_vec()));
/// for entry in database.range("a".."z")? {
///     let (key, value) = entry?;
///     println!("{key:?} {value:?}");
/// }
/// database.close()
/// # }
/// ```
#[derive(Clone)]
pub struct Database {
    handle: Arc<Handle>,
}

/// One opening of a file, shared by the clones of a `Database`.
struct Handle {
    shared: Arc<Shared>,
    settings: Mutex<Settings>,
    busy_timeout: Duration,
    read_only: bool,
    closed: AtomicBool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.closed.swap(true, Ordering::AcqRel)
            && let Err(error) = self.shared.leave()
        {
            // Nobody is left to be told; the log keeps what was committed.
            shared::log_failed_close(&error);
        }
    }
}

impl Options {
    /// Opens (or creates) the database in this target's own world.
    ///
    /// # Errors
    /// `Misuse` for an illegal option; `Busy` when another process has it for itself, or has it
    /// open at all in [`Sharing::Exclusive`](crate::Sharing::Exclusive); `NotADatabase`, `Corrupt`,
    /// `Io`, `ReadOnly`, `CannotOpen`, `Mismatch`.
    #[cfg(feature = "default-env")]
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Database> {
        self.open_with_env(crate::default_env::default_env()?, path)
    }

    /// Opens (or creates) the database in the given world.
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open_with_env(&self, env: Arc<dyn Env>, path: impl AsRef<Path>) -> Result<Database> {
        self.validate()?;
        Database::open_in(&env, path.as_ref().as_os_str().as_encoded_bytes(), self)
    }
}

impl Database {
    /// Opens the database `path` with default options; creates it if missing.
    ///
    /// # Errors
    /// See [`Options::open`].
    #[cfg(feature = "default-env")]
    pub fn open(path: impl AsRef<Path>) -> Result<Database> {
        Options::new().open(path)
    }

    /// Creates the database `path`, which must not exist.
    ///
    /// # Errors
    /// `CannotOpen` if it does; see [`Options::open`].
    #[cfg(feature = "default-env")]
    pub fn create(path: impl AsRef<Path>) -> Result<Database> {
        Options::new().create_new(true).open(path)
    }

    /// Opens the database `path` for reading only: nothing is created or changed.
    ///
    /// # Errors
    /// See [`Options::open`].
    #[cfg(feature = "default-env")]
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Database> {
        Options::new().read_only(true).open(path)
    }

    pub(crate) fn open_in(env: &Arc<dyn Env>, name: &[u8], options: &Options) -> Result<Database> {
        let shared = Shared::open(env, name, options)?;
        Ok(Database {
            handle: Arc::new(Handle {
                shared,
                settings: Mutex::new(Settings::of(options)),
                busy_timeout: options.busy_timeout,
                read_only: options.read_only,
                closed: AtomicBool::new(false),
            }),
        })
    }

    pub(crate) fn shared(&self) -> Result<&Arc<Shared>> {
        let shared = &self.handle.shared;
        if self.handle.closed.load(Ordering::Acquire) {
            return Err(Error::misuse("the database is closed; open it again").on(&shared.path));
        }
        Ok(shared)
    }

    fn writable(&self) -> Result<&Arc<Shared>> {
        let shared = self.shared()?;
        if self.handle.read_only {
            return Err(Error::new(crate::ErrorKind::ReadOnly(
                "this handle was opened read-only; open the database for writing".into(),
            ))
            .on(&shared.path));
        }
        shared.check_writable()?;
        Ok(shared)
    }

    fn settings(&self) -> Settings {
        self.handle.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.handle.settings.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn write_row(&self, row: Row<'_>) -> Result<()> {
        self.writable()?.write_row(self.settings(), self.handle.busy_timeout, row)
    }

    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// `Io`, `Corrupt`, `Misuse` after close.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        let shared = self.shared()?;
        let view = shared.view().map_err(|error| error.on(&shared.path))?;
        sorted::get(&view.read, key.as_ref()).map_err(|error| error.on(&shared.path))
    }

    /// Whether `key` exists.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        let shared = self.shared()?;
        let view = shared.view().map_err(|error| error.on(&shared.path))?;
        sorted::contains(&view.read, key.as_ref()).map_err(|error| error.on(&shared.path))
    }

    /// The newest committed state, to read from while writers go on.
    ///
    /// # Errors
    /// `Misuse` after close.
    pub fn snapshot(&self) -> Result<Snapshot> {
        let shared = self.shared()?;
        let view = shared.view().map_err(|error| error.on(&shared.path))?;
        Ok(Snapshot::new(Arc::clone(shared), view))
    }

    /// All entries of the newest committed state, in order.
    ///
    /// # Errors
    /// `Misuse` after close; items carry their own.
    pub fn iter(&self) -> Result<Iter<'static>> {
        self.snapshot()?.iter()
    }

    /// The entries whose keys lie in `range`; of the newest committed state.
    ///
    /// # Errors
    /// `Misuse` after close; items carry their own.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<Iter<'static>> {
        self.snapshot()?.range(range)
    }

    /// The entries whose keys begin with `prefix`; of the newest committed state.
    ///
    /// # Errors
    /// `Misuse` after close; items carry their own.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Iter<'static>> {
        self.snapshot()?.prefix(prefix)
    }

    /// A cursor over the newest committed state, not positioned yet.
    ///
    /// # Errors
    /// `Misuse` after close.
    pub fn cursor(&self) -> Result<Cursor<'static>> {
        self.snapshot()?.cursor()
    }

    /// Writes `key`, replacing any value it had, in a transaction of its own. Threads that do this at
    /// the same time under [`Durability::Full`] share one transaction and its sync.
    ///
    /// # Errors
    /// `Busy`, `Full`, `OutOfMemory`, `Io`, `ReadOnly`, `Poisoned`, `Misuse`.
    pub fn insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.write_row(Row { key: key.as_ref(), value: Some(value.as_ref()) })
    }

    /// Removes `key`; it need not exist.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.write_row(Row { key: key.as_ref(), value: None })
    }

    /// Removes every key in `range`.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove_range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<()> {
        self.write(|transaction| transaction.remove_range(range))
    }

    /// Applies all changes of `batch` in one transaction.
    ///
    /// # Errors
    /// As [`insert`](Self::insert); nothing is applied then.
    pub fn apply(&self, batch: &Batch) -> Result<()> {
        self.write(|transaction| batch.apply(transaction))
    }

    /// Begins the write transaction, waiting up to the busy timeout for another one to end.
    ///
    /// # Errors
    /// `Busy`, `ReadOnly`, `Poisoned`, `Io`, `Misuse` after close.
    pub fn begin(&self) -> Result<WriteTransaction> {
        self.begin_timeout(self.handle.busy_timeout)
    }

    /// Begins the write transaction, waiting up to `timeout`.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn begin_timeout(&self, timeout: Duration) -> Result<WriteTransaction> {
        let shared = self.writable()?;
        Ok(WriteTransaction::new(shared.begin(self.settings(), timeout)?))
    }

    /// Runs `body` in a write transaction: commits if it returns `Ok`, rolls back otherwise.
    ///
    /// # Errors
    /// Those of `body`, of [`begin`](Self::begin) and of [`WriteTransaction::commit`].
    pub fn write<T>(&self, body: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        let transaction = self.begin()?;
        match body(&transaction) {
            Ok(value) => transaction.commit().map(|()| value),
            // Whoever sees the error may tell of what `body` has read.
            Err(error) => transaction.rollback().and(Err(error)),
        }
    }

    /// Writes the in-memory trees to the file as a new top level.
    ///
    /// # Errors
    /// `Busy` while a transaction or other work goes on; `Full`, `Io`, `Corrupt`.
    pub fn flush(&self) -> Result<()> {
        let shared = self.writable()?;
        shared.flush(&self.settings(), self.handle.busy_timeout)
    }

    /// Merges segments (after flushing a tree that waits for it), as far as `limit` allows.
    ///
    /// # Errors
    /// `Busy` while other work goes on; `Full`, `Io`, `Corrupt`.
    pub fn work(&self, limit: WorkLimit) -> Result<WorkReport> {
        let shared = self.writable()?;
        shared.work(&self.settings(), limit, self.handle.busy_timeout, &mut |_, _| true)
    }

    /// Flushes and merges everything into one segment, moves it to the front of the file and
    /// writes a checkpoint.
    ///
    /// # Errors
    /// As [`work`](Self::work).
    pub fn compact(&self) -> Result<WorkReport> {
        self.compact_with(&mut |_, _| true)
    }

    /// As [`compact`](Self::compact), telling how far it has come.
    ///
    /// # Errors
    /// As [`work`](Self::work); `Misuse` ("interrupted") when stopped.
    pub fn compact_with(&self, progress: Progress<'_>) -> Result<WorkReport> {
        let shared = self.writable()?;
        shared.compact(&self.settings(), self.handle.busy_timeout, progress)
    }

    /// Makes the newest snapshot of the file the one that recovery starts from. Returns how many
    /// bytes had been written to the file since the previous checkpoint, 0 if nothing was new.
    ///
    /// # Errors
    /// `Busy` while another checkpoint is written; `Io`.
    pub fn checkpoint(&self) -> Result<u64> {
        let shared = self.writable()?;
        let written = shared.checkpoint(&self.settings(), self.handle.busy_timeout)?;
        // An empty database has a first checkpoint, too.
        Ok(written.map_or(0, |bytes| bytes.max(1)))
    }

    /// Verifies the whole database: every page, record and pointer, the order of keys, and that
    /// every block is used, reserved or free. Damage is reported, not returned as an error.
    ///
    /// # Errors
    /// `Io`, `Misuse` after close.
    pub fn check(&self) -> Result<CheckReport> {
        self.check_with(&mut |_, _| true)
    }

    /// As [`check`](Self::check), telling how far it has come.
    ///
    /// # Errors
    /// `Io`; `Misuse` ("interrupted") when stopped.
    pub fn check_with(&self, progress: Progress<'_>) -> Result<CheckReport> {
        let shared = self.shared()?;
        let view = shared.view().map_err(|error| error.on(&shared.path))?;
        check::check(&view.read, progress).map_err(|error| error.on(&shared.path))
    }

    /// Copies the newest committed state into a new database file `path` of this target's own
    /// world, while writers go on. Returns the number of entries copied.
    ///
    /// # Errors
    /// `CannotOpen` if `path` exists; `Full`, `Io`, `Corrupt`.
    #[cfg(feature = "default-env")]
    pub fn backup(&self, path: impl AsRef<Path>) -> Result<u64> {
        self.backup_with(crate::default_env::default_env()?, path, &mut |_, _| true)
    }

    /// As [`backup`](Self::backup), into any world, telling how far it has come.
    ///
    /// # Errors
    /// As [`backup`](Self::backup); `Misuse` ("interrupted") when stopped.
    pub fn backup_with(
        &self,
        env: Arc<dyn Env>,
        path: impl AsRef<Path>,
        progress: Progress<'_>,
    ) -> Result<u64> {
        let shared = self.shared()?;
        backup::backup(&self.snapshot()?, shared, env, path.as_ref(), progress)
    }

    /// Sizes and counters.
    ///
    /// # Errors
    /// `Io`, `Misuse` after close.
    pub fn stats(&self) -> Result<Stats> {
        let shared = self.shared()?;
        shared.stats().map_err(|error| error.on(&shared.path))
    }

    /// Levels, free blocks, redirects, log regions.
    ///
    /// # Errors
    /// `Io`, `Corrupt`, `Misuse` after close.
    pub fn structure(&self) -> Result<Structure> {
        let shared = self.shared()?;
        shared.structure().map_err(|error| error.on(&shared.path))
    }

    /// Ids of the pages of the segment that begins at page `first`.
    ///
    /// # Errors
    /// `Misuse` if none begins there; `Io`, `Corrupt`.
    pub fn segment_pages(&self, first: u64) -> Result<Vec<u64>> {
        let shared = self.shared()?;
        shared.segment_pages(first).map_err(|error| error.on(&shared.path))
    }

    /// First and last page of the segment that begins at page `first`, block by block.
    ///
    /// # Errors
    /// `Misuse` if none begins there; `Io`, `Corrupt`.
    pub fn segment_ranges(&self, first: u64) -> Result<Vec<(u64, u64)>> {
        let shared = self.shared()?;
        shared.segment_ranges(first).map_err(|error| error.on(&shared.path))
    }

    /// A page of a segment, decoded.
    ///
    /// # Errors
    /// `Misuse` if no segment has it; `Io`, `Corrupt`.
    pub fn page(&self, id: u64) -> Result<PageInfo> {
        let shared = self.shared()?;
        shared.page(id).map_err(|error| error.on(&shared.path))
    }

    /// The records of the log from where recovery would start, with their offsets.
    ///
    /// # Errors
    /// `Io`, `Misuse` after close.
    pub fn log_records(&self) -> Result<Vec<(u64, LogRecordInfo)>> {
        let shared = self.shared()?;
        shared.log_records().map_err(|error| error.on(&shared.path))
    }

    /// The application's version number; see [`WriteTransaction::set_user_version`].
    ///
    /// # Errors
    /// `Misuse` after close.
    pub fn user_version(&self) -> Result<u32> {
        let shared = self.shared()?;
        let view = shared.view().map_err(|error| error.on(&shared.path))?;
        Ok(view.header.user_version)
    }

    /// Sets the application's version number; see [`WriteTransaction::set_user_version`].
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn set_user_version(&self, version: u32) -> Result<()> {
        self.write(|transaction| transaction.set_user_version(version))
    }

    /// Changes what survives power loss, for transactions that begin from now on.
    pub fn set_durability(&self, durability: Durability) {
        self.change_settings(|settings| settings.durability = durability);
    }

    /// Changes the tree size that triggers a flush; see [`Options::autoflush`].
    ///
    /// # Errors
    /// `Misuse` for an illegal value.
    pub fn set_autoflush(&self, bytes: u64) -> Result<()> {
        Options::new().autoflush(bytes).validate()?;
        self.change_settings(|settings| settings.autoflush = bytes);
        Ok(())
    }

    /// Changes when checkpoints are written; see [`Options::autocheckpoint`].
    ///
    /// # Errors
    /// `Misuse` for an illegal value.
    pub fn set_autocheckpoint(&self, bytes: u64) -> Result<()> {
        Options::new().autocheckpoint(bytes).validate()?;
        self.change_settings(|settings| settings.autocheckpoint = bytes);
        Ok(())
    }

    /// Changes how many segments are merged together; see [`Options::automerge`].
    ///
    /// # Errors
    /// `Misuse` for an illegal value.
    pub fn set_automerge(&self, segments: u32) -> Result<()> {
        Options::new().automerge(segments).validate()?;
        self.change_settings(|settings| settings.automerge = segments);
        Ok(())
    }

    /// Changes whether writes flush and merge as they go; see [`Options::autowork`].
    pub fn set_autowork(&self, on: bool) {
        self.change_settings(|settings| settings.autowork = on);
    }

    /// Ends all use of this handle and its clones. If it was the last one of the file, committed
    /// data is flushed, a checkpoint written, the log removed and the file cut to its used size.
    ///
    /// # Errors
    /// `Busy` while transactions, snapshots or iterators are in use (the handle then stays open in
    /// its clones, and is closed when the last of them goes); `Full`, `Io`: nothing committed is
    /// lost, the log keeps it for the next open.
    pub fn close(self) -> Result<()> {
        let shared = Arc::clone(self.shared()?);
        if self.handle.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let outcome = shared.close();
        if matches!(&outcome, Err(error) if error.is_busy()) {
            self.handle.closed.store(false, Ordering::Release);
        }
        outcome
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("path", &self.handle.shared.path)
            .field("read_only", &self.handle.read_only)
            .finish_non_exhaustive()
    }
}
