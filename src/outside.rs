//! What can be done to a database without opening it: looking who uses it, and keeping everybody
//! out.

use crate::activity::Activity;
use crate::env::{Env, EnvError, FilePath};
use crate::error::{BusyRole, Error, IoContext, Result};
use crate::shared::{self, ExclusiveLock};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Who has the database `path` open and what they are doing, in this target's own world. Takes no
/// lock, recovers nothing and writes nothing, so nobody is disturbed.
///
/// Where locks belong to processes (unixes other than Linux), locks of this process are not seen.
///
/// ```no_run
/// let activity = siltstone::observe("app.lsm")?;
/// println!("{:?}, {} read-write clients", activity.presence, activity.clients());
/// # Ok::<(), siltstone::Error>(())
/// ```
///
/// # Errors
/// `Io`; `NotADatabase`, `Corrupt` if there is nothing to be seen in the file; `Protocol` if shared
/// memory is damaged.
#[cfg(feature = "default-env")]
pub fn observe(path: impl AsRef<Path>) -> Result<Activity> {
    observe_with_env(crate::default_env::default_env()?, path)
}

/// As [`observe`], in any world.
///
/// # Errors
/// As [`observe`].
pub fn observe_with_env(env: Arc<dyn Env>, path: impl AsRef<Path>) -> Result<Activity> {
    let path = canonical(&*env, path.as_ref())?;
    shared::observe(&*env, &path).map_err(|error| error.on(&path))
}

/// Keeps everybody out of the existing database `path`, this process included, until the guard is
/// dropped; waits up to `timeout` for those who are in. The database is not opened and nothing is
/// recovered. For running programs that use the file without being able to lock it.
///
/// # Errors
/// `Busy` if somebody is in; `Io`, `ReadOnly`.
#[cfg(feature = "default-env")]
pub fn lock_exclusively(path: impl AsRef<Path>, timeout: Duration) -> Result<ExclusiveLock> {
    lock_exclusively_with_env(crate::default_env::default_env()?, path, timeout)
}

/// As [`lock_exclusively`], in any world.
///
/// # Errors
/// As [`lock_exclusively`].
pub fn lock_exclusively_with_env(
    env: Arc<dyn Env>,
    path: impl AsRef<Path>,
    timeout: Duration,
) -> Result<ExclusiveLock> {
    let path = canonical(&*env, path.as_ref())?;
    ExclusiveLock::take(env, &path, timeout).map_err(|error| error.on(&path))
}

/// Removes the owner file that a killed instance in a sandbox left beside the database `path`;
/// tells whether there was one. Such instances know no locks: make sure that none runs any more, or
/// two of them damage the file.
///
/// # Errors
/// `Busy` if the owner is this process; `Io`, `ReadOnly`.
#[cfg(feature = "default-env")]
pub fn break_lock(path: impl AsRef<Path>) -> Result<bool> {
    break_lock_with_env(crate::default_env::default_env()?, path)
}

/// As [`break_lock`], in any world.
///
/// # Errors
/// As [`break_lock`].
pub fn break_lock_with_env(env: Arc<dyn Env>, path: impl AsRef<Path>) -> Result<bool> {
    let path = canonical(&*env, path.as_ref())?;
    let broken = match env.break_owner(&path) {
        Err(EnvError::Busy) => Err(Error::busy(BusyRole::OwnTransactions)),
        outcome => outcome.during("removing the owner file"),
    };
    broken.map_err(|error| error.on(&path))
}

fn canonical(env: &dyn Env, path: &Path) -> Result<FilePath> {
    let name = path.as_os_str().as_encoded_bytes();
    let given = FilePath::from_bytes(name);
    let found = env.canonical_path(name).during("finding the directory");
    found.map_err(|error| error.on(&given))
}
