//! Opening: find or make the one [`Shared`] of a file, keeping other processes out.
//!
//! Single-process mode takes lock DMS2 exclusively for the whole life of the object, after making
//! sure that no read-only client of another process is in; it also holds the first client lock, so
//! that C's read-only clients see a live database and keep off the file. A read-only open instead
//! holds the read-only-transaction lock, which stops every writer from reusing space.

use super::guarded::Guarded;
use super::recovery::{self, Recovered};
use super::roles::Roles;
use super::view::State;
use super::{Settings, Shared};
use crate::codec::Codec;
use crate::env::{Access, Env, EnvError, File, FileId, FilePath, LockId, LockMode};
use crate::error::{BusyRole, Error, ErrorKind, IoContext, Result};
use crate::format::checkpoint::{COMPRESSION_EMPTY, COMPRESSION_NONE, Checkpoint};
use crate::format::geometry::Geometry;
use crate::options::{Durability, Mapping, Options};
use crate::pager::{Pager, PagerOptions};
use crate::sorted::Snapshot;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

/// Pause while another thread of this process finishes closing the same file.
const CLOSING_PAUSE: Duration = Duration::from_micros(200);

impl Shared {
    /// The object of the file `name`, made if this process has none yet. Counts one handle.
    pub(crate) fn open(env: &Arc<dyn Env>, name: &[u8], options: &Options) -> Result<Arc<Shared>> {
        let path = match env.canonical_path(name) {
            Ok(path) => path,
            Err(error) => {
                let given = FilePath::from_bytes(name);
                return Err(cannot_open(error, "finding the directory").on(&given));
            }
        };
        Self::open_path(env, &path, options).map_err(|error| error.on(&path))
    }

    fn open_path(env: &Arc<dyn Env>, path: &FilePath, options: &Options) -> Result<Arc<Shared>> {
        let (file, created) = open_file(&**env, path, options)?;
        let key = match file.id().during("identifying the database file")? {
            Some(id) => id,
            None => FileId(path.as_bytes().to_vec()),
        };
        let started = env.now();
        loop {
            // Dropped only after the registry is unlocked: the last drop locks it itself.
            let existing;
            {
                let mut registry = env.registry().lock();
                let Some(entry) = registry.get(&key) else {
                    let shared = Self::create(env, path, file, &key, created, options)?;
                    registry.insert(key, Box::new(Arc::downgrade(&shared)));
                    return Ok(shared);
                };
                let Some(weak) = entry.downcast_ref::<Weak<Shared>>() else {
                    let what = "the file is open in this process through another engine";
                    return Err(Error::new(ErrorKind::CannotOpen(what.into())));
                };
                existing = weak.upgrade();
                if let Some(shared) = existing.as_ref().filter(|shared| !shared.is_closed()) {
                    return Arc::clone(shared).join(options);
                }
            }
            drop(existing);
            // Another thread is closing it: its final flush and checkpoint take a moment.
            let limit = options.busy_timeout.max(Duration::from_secs(10));
            if env.now().saturating_sub(started) > limit {
                return Err(Error::busy(BusyRole::OwnTransactions));
            }
            env.sleep(CLOSING_PAUSE);
        }
    }

    /// Adds a handle to an object that exists.
    fn join(self: Arc<Self>, options: &Options) -> Result<Arc<Shared>> {
        if options.create_new {
            let what = "create_new: the database exists and is open in this process";
            return Err(Error::new(ErrorKind::CannotOpen(what.into())));
        }
        if self.read_only && !options.read_only {
            let what = "open for reading only in this process; close that handle first";
            return Err(Error::new(ErrorKind::CannotOpen(what.into())));
        }
        self.handles.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
        Ok(self)
    }

    fn create(
        env: &Arc<dyn Env>,
        path: &FilePath,
        file: Arc<dyn File>,
        key: &FileId,
        created: bool,
        options: &Options,
    ) -> Result<Arc<Shared>> {
        lock_out_others(&**env, &*file, options)?;
        if created {
            env.sync_directory(path).during("syncing the directory of the new database")?;
        }
        let found = recovery::find_checkpoint(&**env, path, &*file, options)?;
        let codec = choose_codec(&found.checkpoint, options)?;
        let compression = codec.as_ref().map_or(COMPRESSION_NONE, |codec| codec.id());
        let checkpoint = &found.checkpoint;
        let geometry = Geometry::new(checkpoint.page_size, checkpoint.block_size, codec.is_some())?;
        let pager = Arc::new(Pager::new(
            Arc::clone(&file),
            geometry,
            codec,
            PagerOptions { cache_bytes: options.cache_bytes, map_bytes: map_limit(options) },
        ));
        let recovered = recovery::replay_log(&**env, path, &found, options)?;
        let Recovered { checkpoint, header, shm, stats, log_exists } = recovered;
        if log_exists && !options.read_only && options.durability != Durability::None {
            // Whoever wrote the checkpoint may have died before its sync. Log and blocks that
            // only older ones need are about to be given up for it.
            file.sync().during("syncing the checkpoint found")?;
        }
        let snapshot = Arc::new(Snapshot::new(checkpoint, &pager)?);
        let state = State::new(header, shm, snapshot, &found);
        Ok(Arc::new(Shared {
            env: Arc::clone(env),
            path: path.clone(),
            pager,
            read_only: options.read_only,
            recovery: stats,
            file,
            registry_key: key.clone(),
            tree_limit: options.tree_limit,
            compression,
            state: Guarded::new(env.mutex(), state),
            roles: Roles::default(),
            writer: Mutex::new(None),
            observer: options.on_work.clone(),
            settings: Settings::of(options),
            handles: AtomicUsize::new(1),
            closed: AtomicBool::new(false),
            poisoned: OnceLock::new(),
        }))
    }
}

fn map_limit(options: &Options) -> u64 {
    match options.mapping {
        Mapping::Off => 0,
        Mapping::All => u64::MAX,
        Mapping::First(bytes) => bytes,
    }
}

fn cannot_open(error: EnvError, operation: &'static str) -> Error {
    match error {
        EnvError::NotFound => Error::io(operation, error),
        EnvError::ReadOnly => Error::new(ErrorKind::ReadOnly(
            "no permission to write; open read-only, or check owner and mode".into(),
        )),
        other => Error::io(operation, other),
    }
}

/// Opens the database file; tells whether it was created.
fn open_file(env: &dyn Env, path: &FilePath, options: &Options) -> Result<(Arc<dyn File>, bool)> {
    let access = if options.read_only { Access::ReadOnly } else { Access::ReadWrite };
    match env.open(path, access) {
        Ok(file) => {
            if options.create_new && file.size().during("reading the size of the file")? > 0 {
                let what = "create_new: the file exists and is not empty";
                return Err(Error::new(ErrorKind::CannotOpen(what.into())));
            }
            Ok((file, false))
        }
        Err(EnvError::NotFound) if options.create && !options.read_only => {
            let file = env
                .open(path, Access::ReadWriteCreate)
                .map_err(|error| cannot_open(error, "creating the database file"))?;
            Ok((file, true))
        }
        Err(error) => Err(cannot_open(error, "opening the database file")),
    }
}

/// Takes the locks of single-process mode.
pub(crate) fn lock_out_others(env: &dyn Env, file: &dyn File, options: &Options) -> Result<()> {
    let busy = |_| Error::busy(BusyRole::OtherProcess);
    let started = env.now();
    let mut pause = Duration::from_millis(1);
    let attempt = || -> std::result::Result<(), EnvError> {
        if options.read_only {
            file.lock(LockId::DMS1, LockMode::Shared)?;
            let free = file.test_lock(LockId::DMS2, 1, LockMode::Exclusive)?;
            let outcome = if free {
                file.lock(LockId::READ_ONLY_TRANSACTION, LockMode::Shared)
            } else {
                Err(EnvError::Busy)
            };
            file.lock(LockId::DMS1, LockMode::Unlock)?;
            return outcome;
        }
        file.lock(LockId::DMS1, LockMode::Exclusive)?;
        let mut outcome = file.lock(LockId::DMS2, LockMode::Exclusive);
        for lock in [LockId::DMS3, LockId::READ_ONLY_TRANSACTION] {
            if outcome.is_ok() && !file.test_lock(lock, 1, LockMode::Exclusive)? {
                outcome = Err(EnvError::Busy);
            }
        }
        if let (Ok(()), Some(client)) = (&outcome, LockId::client(0)) {
            outcome = file.lock(client, LockMode::Exclusive);
        }
        if outcome.is_err() {
            file.lock(LockId::DMS2, LockMode::Unlock)?;
        }
        file.lock(LockId::DMS1, LockMode::Unlock)?;
        outcome
    };
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(EnvError::Busy) => {}
            Err(error) => return Err(Error::io("locking the database file", error)),
        }
        let waited = env.now().saturating_sub(started);
        let left = options.busy_timeout.saturating_sub(waited);
        if left.is_zero() {
            return Err(busy(()));
        }
        env.sleep(pause.min(left));
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// The codec for this file: the handle's own, or one found for the file's id.
pub(crate) fn choose_codec(
    checkpoint: &Checkpoint,
    options: &Options,
) -> Result<Option<Arc<dyn Codec>>> {
    let file = checkpoint.compression;
    let own = options.codec.as_ref().map_or(COMPRESSION_NONE, |codec| codec.id());
    if file == COMPRESSION_EMPTY || file == own {
        return Ok(options.codec.clone());
    }
    let found = match &options.codec_factory {
        Some(factory) => factory.codec(file),
        None if options.codec.is_none() => crate::codec::built_in(file),
        None => None,
    };
    match found {
        Some(codec) if codec.id() == file => Ok(Some(codec)),
        _ => Err(Error::new(ErrorKind::Mismatch { file, handle: own })),
    }
}
