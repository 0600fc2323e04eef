//! Read-only clients in shared mode.
//!
//! Each time it begins to read, a client that is not attached looks whether read-write clients are
//! there. If so it attaches to their shared memory, for good: its lock DMS3 keeps that alive. If not
//! it holds the lock of private read-only transactions, which keeps everybody from reusing log and
//! blocks, and recovers checkpoint and log into memory of its own for as long as the view lives.
//! Sizes and codec are those of the state read, which may not be those found at the opening.
//! Rules: docs/format-sharing.md, "Read-only clients".

use super::connect::{self, Company, Obstacle};
use super::open::{Opened, Opening};
use super::slots::Slots;
use super::view::{Content, Hold, View};
use super::{Shared, recovery};
use crate::checkpoint;
use crate::env::{Access, Env, EnvError, File, FileId, LockId, LockMode, RawMutex};
use crate::error::{IoContext, Result};
use crate::options::Options;
use crate::pager::Pager;
use crate::shm::Shm;
use crate::sorted::Snapshot;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a read-only client reads from.
#[derive(Debug)]
pub(super) struct Reader {
    options: Options,
    private: Arc<PrivateReaders>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Attached to the memory of read-write clients.
    live: bool,
    pager: Arc<Pager>,
    /// What was recovered without a log, with the meta pages it came from: good until those change.
    settled: Option<(Vec<u8>, Shm, Arc<Snapshot>)>,
}

impl Reader {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a private view is in use.
    pub(super) fn is_reading(&self) -> bool {
        *self.private.count() > 0
    }
}

/// Counts the private views of a process, which hold one lock together.
#[derive(Debug)]
struct PrivateReaders {
    file: Arc<dyn File>,
    count: Mutex<usize>,
}

impl PrivateReaders {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>) -> Result<PrivateLock> {
        let mut count = self.count();
        if *count == 0 {
            let lock = LockId::READ_ONLY_TRANSACTION;
            self.file.lock(lock, LockMode::Shared).during("locking a read-only transaction")?;
        }
        *count += 1;
        Ok(PrivateLock(Arc::clone(self)))
    }
}

/// A private view's share of the lock of read-only transactions.
#[derive(Debug)]
pub(super) struct PrivateLock(Arc<PrivateReaders>);

impl Drop for PrivateLock {
    fn drop(&mut self) {
        let mut count = self.0.count();
        *count = count.saturating_sub(1);
        if *count == 0 {
            // Nobody is left to be told; the lock goes with the file handle at the latest.
            let _ = self.0.file.lock(LockId::READ_ONLY_TRANSACTION, LockMode::Unlock);
        }
    }
}

/// The handle of a reader: one that may lock and map for writing where that is permitted, since
/// readers write their slots; the database file itself is never written through it.
pub(super) fn open_for_reading(
    env: &dyn Env,
    opening: &Opening<'_>,
    file: Arc<dyn File>,
) -> Result<Arc<dyn File>> {
    match env.open(opening.path, Access::ReadWrite) {
        Ok(writable) => Ok(writable),
        Err(EnvError::ReadOnly) => Ok(file),
        Err(error) => Err(error).during("opening the database file"),
    }
}

impl Opening<'_> {
    /// A read-only client in shared mode.
    pub(super) fn read_only(
        &self,
        file: Arc<dyn File>,
        key: &FileId,
        mutex: Arc<dyn RawMutex>,
    ) -> Result<Arc<Shared>> {
        let file = open_for_reading(&**self.env, self, file)?;
        let slots = Slots::new(Arc::clone(&file));
        let private = Arc::new(PrivateReaders { file: Arc::clone(&file), count: Mutex::new(0) });
        let (live, opened) =
            connect::persist(
                &**self.env,
                self.options.busy_timeout,
                || match connect::look_around(&*file, || private.enter())? {
                    Err(obstacle) => Ok(Err(obstacle)),
                    Ok((Company::Clients, _)) => {
                        let shm = connect::shared_memory(&*file)?;
                        self.join(&file, shm).map(|opened| Ok((true, opened)))
                    }
                    Ok((Company::Nobody, _lock)) => {
                        self.recover(&file, false, Shm::heap()?).map(|opened| Ok((false, opened)))
                    }
                },
            )?;
        let reader = Reader {
            options: self.options.clone(),
            private,
            inner: Mutex::new(Inner { live, pager: Arc::clone(&opened.pager), settled: None }),
        };
        let mut shared = Shared::assemble(self, file, key, opened, Some(slots), mutex);
        shared.reader = Some(reader);
        Ok(Arc::new(shared))
    }
}

impl Shared {
    /// The newest committed state for a read-only client.
    pub(super) fn read_only_view(&self, slots: &Arc<Slots>) -> Result<Arc<View>> {
        let Some(reader) = &self.reader else { return self.slot_view(slots) };
        self.with_patience(|| {
            let mut inner = reader.inner();
            if inner.live {
                let pager = Arc::clone(&inner.pager);
                drop(inner);
                return self.try_slot_view(slots, &pager);
            }
            let looked = connect::look_around(&*self.file, || reader.private.enter())?;
            match looked {
                Err(Obstacle::Connecting | Obstacle::Occupied) => Ok(None),
                Ok((Company::Nobody, None)) => Ok(None),
                Ok((Company::Nobody, Some(lock))) => {
                    self.private_view(reader, &mut inner, lock).map(Some)
                }
                Ok((Company::Clients, _)) => {
                    self.attach(reader, &mut inner)?;
                    Ok(None)
                }
            }
        })
    }

    fn opening<'a>(&'a self, reader: &'a Reader) -> Opening<'a> {
        Opening { env: &self.env, path: &self.path, options: &reader.options }
    }

    /// Attaches to the memory of read-write clients; DMS3 is held.
    fn attach(&self, reader: &Reader, inner: &mut Inner) -> Result<()> {
        let shm = connect::shared_memory(&*self.file)?;
        let Opened { pager, state, .. } = self.opening(reader).join(&self.file, shm)?;
        *self.state.lock() = state;
        *inner = Inner { live: true, pager, settled: None };
        Ok(())
    }

    /// Recovers a state of this view's own; the lock of private read-only transactions is held.
    fn private_view(
        &self,
        reader: &Reader,
        inner: &mut Inner,
        lock: PrivateLock,
    ) -> Result<Arc<View>> {
        let hold = Hold::Private { _guard: lock };
        let meta = checkpoint::read_raw(&*self.file)?;
        let has_log = recovery::has_log(&*self.env, &self.path)?;
        if let Some((known, shm, snapshot)) = &inner.settled
            && !has_log
            && *known == meta
        {
            let (header, _) = shm.load_tree_header()?;
            let pager = Arc::clone(&inner.pager);
            let content = Content::new(header, shm, Arc::clone(snapshot), pager);
            return Ok(Arc::new(View::new(content, hold)));
        }
        let opened = self.opening(reader).recover(&self.file, false, Shm::heap()?)?;
        let Opened { pager, state, .. } = opened;
        let (header, shm) = (state.header, state.shm.clone());
        let snapshot = Arc::clone(&state.snapshot);
        *self.state.lock() = state;
        inner.pager = Arc::clone(&pager);
        inner.settled = (!has_log).then(|| (meta, shm.clone(), Arc::clone(&snapshot)));
        Ok(Arc::new(View::new(Content::new(header, &shm, snapshot, pager), hold)))
    }
}
