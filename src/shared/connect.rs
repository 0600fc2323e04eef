//! Coming in: the locks by which processes of one database know of each other.
//!
//! Whoever connects holds DMS1 alone, so that nobody is ever half connected. In shared mode every
//! read-write client then holds DMS2 shared and, as long as there are any left, a client lock of its
//! own; who finds neither readers nor writers is the first and recovers the database. In exclusive
//! mode DMS2 is held exclusively for the whole life of the object, together with the first client
//! lock, so that C's read-only clients see a live database and keep off the file.
//! Instances in sandboxes know no locks; an owner file stands for those they would hold.
//! Rules: docs/format-sharing.md, "Connecting".

use crate::env::{Env, EnvError, File, FilePath, LockId, LockMode};
use crate::error::{BusyRole, Error, IoContext, Result};
use crate::options::Options;
use crate::shm::Shm;
use std::time::Duration;

/// Least time to wait for somebody else to finish connecting or disconnecting.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// First and longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));

/// What stands in the way of an attempt.
pub(super) enum Obstacle {
    /// Somebody is connecting or disconnecting.
    Connecting,
    /// Somebody has the file in a mode that excludes ours.
    Occupied,
}

/// Repeats `attempt` while obstacles are likely to go away.
pub(super) fn persist<T>(
    env: &dyn Env,
    busy_timeout: Duration,
    mut attempt: impl FnMut() -> Result<std::result::Result<T, Obstacle>>,
) -> Result<T> {
    let started = env.now();
    let mut pause = PAUSES.0;
    loop {
        // Counted up to the beginning of an attempt: a process that was suspended in the middle of
        // one shall not give up for that.
        let waited = env.now().saturating_sub(started);
        let patience = match attempt()? {
            Ok(value) => return Ok(value),
            Err(Obstacle::Connecting) => busy_timeout.max(CONNECT_PATIENCE),
            Err(Obstacle::Occupied) => busy_timeout,
        };
        let left = patience.saturating_sub(waited);
        if left.is_zero() {
            return Err(Error::busy(BusyRole::OtherProcess));
        }
        env.sleep(pause.min(left));
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Waits until no owner file says that an instance without locks has the database for itself.
pub(super) fn await_owner(env: &dyn Env, path: &FilePath, busy_timeout: Duration) -> Result<()> {
    let mut found = None;
    let outcome = persist(env, busy_timeout, || {
        found = env.owner(path).during("reading the owner file")?;
        Ok(if found.is_none() { Ok(()) } else { Err(Obstacle::Occupied) })
    });
    match found {
        Some(owner) => Err(Error::busy(BusyRole::OwnerFile { idle: owner.idle })),
        None => outcome,
    }
}

/// A lock held while a borrow lasts; given back on every way out.
pub(super) struct Held<'a> {
    file: &'a dyn File,
    lock: LockId,
}

impl Held<'_> {
    /// Leaves the lock to whoever owns the file handle.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Nobody is left to be told; the lock goes with the file handle at the latest.
        let _ = self.file.lock(self.lock, LockMode::Unlock);
    }
}

/// Takes `lock` if it is free.
pub(super) fn take(file: &dyn File, lock: LockId, mode: LockMode) -> Result<Option<Held<'_>>> {
    match file.lock(lock, mode) {
        Ok(()) => Ok(Some(Held { file, lock })),
        Err(EnvError::Busy) => Ok(None),
        Err(error) => Err(error).during("locking the database file"),
    }
}

/// Whether nobody else stands in the way of `lock` in `mode`.
pub(super) fn is_free(file: &dyn File, lock: LockId, mode: LockMode) -> Result<bool> {
    file.test_lock(lock, 1, mode).during("testing a lock of the database file")
}

/// Who is there already when a read-write client comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Neighbours {
    /// Nobody: the database has to be recovered.
    Nobody,
    /// Read-only clients that have outlived the last writer.
    Readers,
    /// Other read-write clients.
    Writers,
}

/// Connects a read-write client in shared mode. `arrive` is called with DMS1 held.
pub(super) fn connect<T>(
    env: &dyn Env,
    file: &dyn File,
    busy_timeout: Duration,
    mut arrive: impl FnMut(Shm, Neighbours) -> Result<T>,
) -> Result<T> {
    persist(env, busy_timeout, || {
        let Some(_connecting) = take(file, LockId::DMS1, LockMode::Exclusive)? else {
            return Ok(Err(Obstacle::Connecting));
        };
        // Before anything is created beside somebody else's exclusive database.
        if !is_free(file, LockId::DMS2, LockMode::Shared)? {
            return Ok(Err(Obstacle::Occupied));
        }
        let neighbours = if !is_free(file, LockId::DMS2, LockMode::Exclusive)? {
            Neighbours::Writers
        } else if is_free(file, LockId::DMS3, LockMode::Exclusive)? {
            Neighbours::Nobody
        } else {
            Neighbours::Readers
        };
        let arrived = arrive(shared_memory(file)?, neighbours)?;
        let Some(client) = take(file, LockId::DMS2, LockMode::Shared)? else {
            return Ok(Err(Obstacle::Occupied));
        };
        take_client_lock(file)?;
        client.keep();
        Ok(Ok(arrived))
    })
}

/// The memory all clients share, with its first chunk.
pub(super) fn shared_memory(file: &dyn File) -> Result<Shm> {
    let memory = file.shared_memory().during("opening the shared memory file")?;
    let memory =
        memory.ok_or_else(|| Error::io("opening the shared memory file", EnvError::Unsupported))?;
    let shm = Shm::new(memory);
    shm.ensure(1)?;
    Ok(shm)
}

/// Takes the first free client lock. There may be more clients than locks: DMS2 is what counts.
fn take_client_lock(file: &dyn File) -> Result<()> {
    for slot in 0..LockId::CLIENT_SLOTS {
        if let Some(lock) = LockId::client(slot)
            && let Some(held) = take(file, lock, LockMode::Exclusive)?
        {
            held.keep();
            break;
        }
    }
    Ok(())
}

/// Gives back whatever a client may hold, DMS1 last.
pub(super) fn disconnect(file: &dyn File) -> Result<()> {
    for number in (1..=LockId::COUNT).rev() {
        if let Some(lock) = LockId::from_number(number) {
            file.lock(lock, LockMode::Unlock).during("unlocking the database file")?;
        }
    }
    Ok(())
}

/// Takes the locks of exclusive mode, or of a reader that keeps every writer from reusing space.
pub(crate) fn lock_out_others(env: &dyn Env, file: &dyn File, options: &Options) -> Result<()> {
    persist(env, options.busy_timeout, || {
        let mode = if options.read_only { LockMode::Shared } else { LockMode::Exclusive };
        let Some(_connecting) = take(file, LockId::DMS1, mode)? else {
            return Ok(Err(Obstacle::Occupied));
        };
        if options.read_only {
            return lock_out_writers(file);
        }
        let Some(alone) = take(file, LockId::DMS2, LockMode::Exclusive)? else {
            return Ok(Err(Obstacle::Occupied));
        };
        for lock in [LockId::DMS3, LockId::READ_ONLY_TRANSACTION] {
            if !is_free(file, lock, LockMode::Exclusive)? {
                return Ok(Err(Obstacle::Occupied));
            }
        }
        if let Some(first) = LockId::client(0) {
            let Some(client) = take(file, first, LockMode::Exclusive)? else {
                return Ok(Err(Obstacle::Occupied));
            };
            client.keep();
        }
        alone.keep();
        Ok(Ok(()))
    })
}

fn lock_out_writers(file: &dyn File) -> Result<std::result::Result<(), Obstacle>> {
    if !is_free(file, LockId::DMS2, LockMode::Exclusive)? {
        return Ok(Err(Obstacle::Occupied));
    }
    let lock = take(file, LockId::READ_ONLY_TRANSACTION, LockMode::Shared)?;
    Ok(lock.map(Held::keep).ok_or(Obstacle::Occupied))
}

/// Who else is there, as a read-only client sees it.
pub(super) enum Company {
    /// Read-write clients in shared mode: DMS3 is held from now on.
    Clients,
    /// Nobody: the lock of private read-only transactions is held by `private` from now on.
    Nobody,
}

/// Looks for read-write clients and takes the lock that fits. Every client holds DMS2, also those
/// that found no client lock left.
pub(super) fn look_around<P>(
    file: &dyn File,
    private: impl FnOnce() -> Result<P>,
) -> Result<std::result::Result<(Company, Option<P>), Obstacle>> {
    let Some(_connecting) = take(file, LockId::DMS1, LockMode::Shared)? else {
        return Ok(Err(Obstacle::Connecting));
    };
    if is_free(file, LockId::DMS2, LockMode::Exclusive)? {
        return Ok(Ok((Company::Nobody, Some(private()?))));
    }
    if !is_free(file, LockId::DMS2, LockMode::Shared)? {
        return Ok(Err(Obstacle::Occupied));
    }
    let Some(live) = take(file, LockId::DMS3, LockMode::Shared)? else {
        return Ok(Err(Obstacle::Occupied));
    };
    live.keep();
    Ok(Ok((Company::Clients, None)))
}
