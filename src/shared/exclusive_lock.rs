//! Locking everybody out of a database without opening it: for programs that use the file but
//! cannot lock it themselves, such as those in a sandbox. The locks are those of exclusive mode.

use super::connect::{await_owner, disconnect, lock_out_others};
use super::registry::OpenDatabases;
use crate::env::{Access, Env, File, FileId, FilePath};
use crate::error::{BusyRole, Error, IoContext, Result};
use crate::options::Options;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The lock of a database that nobody has open and nobody can open, until this is dropped. See
/// [`lock_exclusively`](crate::lock_exclusively).
#[must_use = "the lock goes when this is dropped"]
pub struct ExclusiveLock {
    file: Arc<dyn File>,
    /// Keeps this process from opening the database too.
    _entry: Entry,
}

/// A place in the registry, held by nobody's `Shared`.
struct Entry {
    env: Arc<dyn Env>,
    key: FileId,
}

/// What stands in the registry for a file that is locked and not open.
struct LockedOut;

impl Entry {
    fn new(env: &Arc<dyn Env>, key: FileId) -> Result<Self> {
        let mut registry = OpenDatabases::lock(&**env)?;
        if registry.contains_key(&key) {
            return Err(Error::busy(BusyRole::OwnTransactions));
        }
        registry.insert(key.clone(), Box::new(LockedOut));
        Ok(Entry { env: Arc::clone(env), key })
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        OpenDatabases::lock_at_the_end(&*self.env).remove(&self.key);
    }
}

impl ExclusiveLock {
    /// Locks the existing database `path`, waiting up to `timeout` for others to leave.
    pub(crate) fn take(env: Arc<dyn Env>, path: &FilePath, timeout: Duration) -> Result<Self> {
        let file = env.open(path, Access::ReadWrite).during("opening the database file")?;
        let key = file.id().during("identifying the database file")?;
        let key = key.unwrap_or_else(|| FileId(path.as_bytes().to_vec()));
        let entry = Entry::new(&env, key)?;
        await_owner(&*env, path, timeout)?;
        lock_out_others(&*env, &*file, &Options::new().busy_timeout(timeout))?;
        Ok(ExclusiveLock { file, _entry: entry })
    }
}

impl Drop for ExclusiveLock {
    fn drop(&mut self) {
        // Nobody is left to be told; the lock goes with the file handle at the latest.
        let _ = disconnect(&*self.file);
    }
}

impl fmt::Debug for ExclusiveLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExclusiveLock").field("file", &self.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use siltstone_memory::{MemoryEnv, MemoryWorld};

    fn lock(env: Arc<MemoryEnv>) -> Result<ExclusiveLock> {
        let path = env.canonical_path(b"a.lsm").unwrap();
        ExclusiveLock::take(env, &path, Duration::ZERO)
    }

    fn is_busy<T>(outcome: Result<T>) -> bool {
        outcome.is_err_and(|error| matches!(error.kind(), ErrorKind::Busy(_)))
    }

    #[test]
    fn nobody_comes_in_while_it_is_held() {
        let world = MemoryWorld::new();
        assert!(lock(world.process()).is_err(), "there is no file yet");
        let open = |env| Options::new().open_with_env(env, "a.lsm");
        open(world.process()).unwrap().insert("a", "1").unwrap();
        let own = world.process();
        let held = lock(own.clone()).unwrap();
        assert!(is_busy(open(world.process())));
        assert!(is_busy(lock(world.process())));
        assert!(is_busy(Options::new().read_only(true).open_with_env(world.process(), "a.lsm")));
        assert!(open(own.clone()).is_err() && is_busy(lock(own.clone())));
        drop(held);
        assert_eq!(world.locks("a.lsm"), []);
        open(own).unwrap();
    }

    #[test]
    fn it_is_not_had_while_somebody_is_in() {
        let world = MemoryWorld::new();
        let own = world.process();
        let writer = Options::new().open_with_env(own.clone(), "a.lsm").unwrap();
        writer.insert("a", "1").unwrap();
        assert!(is_busy(lock(world.process())) && is_busy(lock(own)));
        let reader =
            Options::new().read_only(true).open_with_env(world.process(), "a.lsm").unwrap();
        let reading = reader.snapshot().unwrap();
        drop(writer);
        assert!(is_busy(lock(world.process())), "a reader is still there");
        drop((reading, reader));
        drop(lock(world.process()).unwrap());
    }
}
