//! What all users of one database file in a process share: trees, snapshot, page cache, roles.
//!
//! There is one [`Shared`] per file and process, found through the world's registry by the file's
//! identity. It owns the state behind one mutex (`view`), the three roles (`roles`), the parts the
//! one writer keeps between transactions (`writer`), and does flushes, merges and checkpoints
//! (`work`), if asked on threads of its own (`background`). It is opened by recovering checkpoint
//! and log (`open`, `recovery`) and ended by the last user (`close`).
//!
//! Lock order: global mutex, registry (`registry`), then role, then group of commits, then state.
//! Nobody waits for a role with the state locked, and no input or output happens with the state
//! locked.

mod background;
mod close;
mod combine;
mod connect;
mod exclusive_lock;
mod group;
mod guarded;
mod inspect;
mod load;
mod newest;
mod observe;
mod open;
mod queue;
mod read_only;
mod recovery;
mod registry;
mod role_locks;
mod roles;
mod signal;
mod slots;
#[cfg(test)]
mod slots_tests;
mod view;
mod wait;
mod work;
mod writer;

use crate::env::{Env, File, FilePath};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::options::{Durability, Options, Sharing, WorkObserver};
use crate::pager::Pager;
use crate::stats::RecoveryStats;
use crate::work::WorkEvent;
use background::BackgroundThreads;
use combine::Combiner;
use group::CommitGroup;
use guarded::Guarded;
use read_only::Reader;
use role_locks::RoleLocks;
use roles::Roles;
use slots::Slots;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use view::{Latest, State};
use writer::WriterParts;

pub(crate) use close::log_failed_close;
pub(crate) use combine::Row;
pub(crate) use connect::lock_out_others;
pub use exclusive_lock::ExclusiveLock;
pub(crate) use inspect::{free_list, runs};
pub(crate) use observe::observe;
pub(crate) use open::choose_codec;
pub(crate) use view::View;
pub(crate) use writer::WriterCore;

/// Options that may differ from handle to handle and change while open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) durability: Durability,
    pub(crate) autoflush: u64,
    pub(crate) autocheckpoint: u64,
    pub(crate) automerge: u32,
    pub(crate) max_freelist: u32,
    pub(crate) autowork: bool,
    pub(crate) use_log: bool,
    /// Told about what calls with these settings did.
    pub(crate) listener: Option<Arc<WorkListener>>,
}

/// Keeps what was done on behalf of one connection until somebody asks.
#[derive(Debug, Default)]
pub(crate) struct WorkListener {
    /// Pages written by flushes and merges.
    pages_written: AtomicU64,
    /// Whether events are kept.
    keeps_events: AtomicBool,
    events: Mutex<Vec<WorkEvent>>,
}

// Settings are the same only if the same connection listens.
impl PartialEq for WorkListener {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for WorkListener {}

impl WorkListener {
    fn note(&self, event: WorkEvent) {
        if self.keeps_events.load(Ordering::Relaxed) {
            self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        }
    }

    /// Counts pages that a session of work has stored.
    fn count_pages(&self, pages: u64) {
        self.pages_written.fetch_add(pages, Ordering::Relaxed);
    }

    /// Pages written by flushes and merges so far, those of b-trees among them, which the
    /// checkpoint does not count.
    pub(crate) fn pages_written(&self) -> u64 {
        self.pages_written.load(Ordering::Relaxed)
    }

    /// Whether events are kept until they are taken.
    pub(crate) fn keep_events(&self, on: bool) {
        self.keeps_events.store(on, Ordering::Relaxed);
    }

    /// What has happened since the last call, oldest first.
    pub(crate) fn take_events(&self) -> Vec<WorkEvent> {
        if !self.keeps_events.load(Ordering::Relaxed) {
            return Vec::new();
        }
        std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Settings {
    pub(crate) fn of(options: &Options) -> Self {
        Settings {
            durability: options.durability,
            autoflush: options.autoflush,
            autocheckpoint: options.autocheckpoint,
            automerge: options.automerge,
            max_freelist: options.max_freelist,
            autowork: options.autowork,
            use_log: options.use_log,
            listener: None,
        }
    }
}

/// One open database file of this process.
pub(crate) struct Shared {
    pub(crate) env: Arc<dyn Env>,
    pub(crate) path: FilePath,
    pub(crate) pager: Arc<Pager>,
    pub(crate) read_only: bool,
    pub(crate) recovery: RecoveryStats,
    /// The database file; holds the locks that keep other processes out.
    file: Arc<dyn File>,
    registry_key: crate::env::FileId,
    tree_limit: u64,
    /// Codec of the pages: 1 = none.
    compression: u32,
    state: Guarded<State>,
    /// What was read last; shared mode only.
    latest: Mutex<Latest>,
    roles: Roles,
    /// Reader slots; `None` in exclusive mode.
    slots: Option<Arc<Slots>>,
    /// What a read-only client in shared mode is attached to.
    reader: Option<Reader>,
    /// How long the handle that opened the file waits for others.
    busy_timeout: Duration,
    /// The mode asked for; whether the world could give it, `slots` tells.
    sharing: Sharing,
    /// The lock bytes of the roles; none where no other process can have the file open.
    role_locks: Option<RoleLocks>,
    background: BackgroundThreads,
    /// Rows that wait for a thread that writes them.
    combiner: Combiner,
    /// Commits that wait for a sync of the log.
    group: CommitGroup,
    /// Only touched by the holder of the writer role, so nobody ever waits here.
    writer: Mutex<Option<WriterParts>>,
    observer: Option<Arc<dyn WorkObserver>>,
    /// Settings of the handle that opened the file: used by the final flush.
    settings: Settings,
    /// A transaction relied on syncs, whatever the handle that opened the file wants.
    relies_on_syncs: AtomicBool,
    /// Handles that are open.
    handles: AtomicUsize,
    /// Set once the final flush and checkpoint are done.
    closed: AtomicBool,
    /// Why nothing may be written any more.
    poisoned: OnceLock<Error>,
}

impl Shared {
    /// Name of the log file.
    fn log_path(&self) -> FilePath {
        self.path.with_suffix("-log")
    }

    /// Refuses writing to what was opened read-only or has failed before.
    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.read_only {
            let what = "the database was opened read-only; open it for writing";
            return Err(Error::new(ErrorKind::ReadOnly(what.into())).on(&self.path));
        }
        match self.poisoned.get() {
            Some(error) => {
                Err(Error::new(ErrorKind::Poisoned(error.to_string().into())).on(&self.path))
            }
            None => Ok(()),
        }
    }

    /// Refuses a forked child, before it waits for what its copy of this memory says others have.
    fn check_process(&self) -> Result<()> {
        let outcome = self.env.check_process().during("using the database in this process");
        outcome.map_err(|error| error.on(&self.path))
    }

    /// Ends all writing: memory or disk is no longer what it should be.
    fn poison(&self, error: &Error) {
        let _ = self.poisoned.set(error.clone());
    }

    /// Whether snapshots, iterators or a transaction are in use.
    pub(crate) fn in_use(&self) -> bool {
        self.roles.is_taken(roles::Role::Writer)
            || self.combiner.is_busy()
            || self.group.is_waiting()
            || self.state.lock().has_readers()
            || self.slots.as_ref().is_some_and(|slots| slots.any_held())
            || self.reader.as_ref().is_some_and(Reader::is_reading)
    }

    fn tell(&self, settings: &Settings, event: WorkEvent) {
        if let Some(listener) = &settings.listener {
            listener.note(event);
        }
        #[cfg(feature = "tracing")]
        tracing::debug!(kind = ?event.kind, bytes = event.bytes, levels = event.levels, "work");
        #[cfg(feature = "metrics")]
        metrics::counter!("siltstone_work_bytes", "kind" => format!("{:?}", event.kind))
            .increment(event.bytes);
        if let Some(observer) = &self.observer {
            observer.observe(&event);
        }
    }

    fn level_count(&self) -> usize {
        self.state.lock().snapshot.checkpoint.levels.len()
    }

    /// Codec of the pages: 1 = none.
    pub(crate) fn codec_id(&self) -> u32 {
        self.compression
    }

    /// Whether other processes may have the file open.
    pub(crate) fn is_shared(&self) -> bool {
        self.slots.is_some()
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("path", &self.path).finish_non_exhaustive()
    }
}
