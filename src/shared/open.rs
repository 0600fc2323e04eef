//! Opening: find or make the one [`Shared`] of a file.
//!
//! In shared mode the first client of all processes recovers checkpoint and log into the shared
//! memory, and later ones take over what is there; in exclusive mode everything is this process's
//! own. Which locks that takes is `connect`'s.

use super::background::BackgroundThreads;
use super::combine::Combiner;
use super::connect::{Neighbours, Obstacle, await_owner, connect, lock_out_others, persist};
use super::group::CommitGroup;
use super::guarded::Guarded;
use super::load::load;
use super::recovery::{self, Found, Recovered};
use super::registry::OpenDatabases;
use super::role_locks::RoleLocks;
use super::roles::Roles;
use super::slots::Slots;
use super::view::State;
use super::{Settings, Shared};
use crate::checkpoint::{self, MetaPages};
use crate::codec::Codec;
use crate::env::{Access, Env, EnvError, File, FileId, FilePath, RawMutex};
use crate::error::{BusyRole, Error, ErrorKind, IoContext, Result};
use crate::format::checkpoint::{COMPRESSION_EMPTY, COMPRESSION_NONE, Checkpoint};
use crate::format::geometry::Geometry;
use crate::format::tree_header::{LogRegion, LogState};
use crate::options::{Durability, Mapping, Options, Sharing};
use crate::pager::{Pager, PagerOptions};
use crate::shm::Shm;
use crate::sorted::Snapshot;
use crate::stats::RecoveryStats;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

/// Pause while another thread of this process finishes closing the same file.
const CLOSING_PAUSE: Duration = Duration::from_micros(200);

impl Shared {
    /// The object of the file `name`, made if this process has none yet. Counts one handle.
    pub(crate) fn open(env: &Arc<dyn Env>, name: &[u8], options: &Options) -> Result<Arc<Shared>> {
        // Before any file is touched.
        options.sharing_in(&**env)?;
        let path = match env.canonical_path(name) {
            Ok(path) => path,
            Err(error) => {
                let given = FilePath::from_bytes(name);
                return Err(cannot_open(error, "finding the directory").on(&given));
            }
        };
        let shared = Self::open_path(env, &path, options).map_err(|error| error.on(&path))?;
        shared.start_background(options.background);
        Ok(shared)
    }

    fn open_path(env: &Arc<dyn Env>, path: &FilePath, options: &Options) -> Result<Arc<Shared>> {
        let (file, created) = open_file(&**env, path, options)?;
        let key = match file.id().during("identifying the database file")? {
            Some(id) => id,
            None => FileId(path.as_bytes().to_vec()),
        };
        // Beside writers of the same process, where locks tell one handle from another.
        let beside = options.low_level && options.read_only && env.capabilities().range_locks;
        let own_key =
            if beside { FileId([key.0.as_slice(), b"-reader"].concat()) } else { key.clone() };
        let started = env.now();
        loop {
            // Dropped only after the registry is unlocked: the last drop locks it itself.
            let existing;
            {
                let mut registry = OpenDatabases::lock(&**env)?;
                let Some(entry) = registry.get(&key).or_else(|| registry.get(&own_key)) else {
                    let shared = Self::create(env, path, file, &own_key, created, options)?;
                    registry.insert(own_key, Box::new(Arc::downgrade(&shared)));
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
        if self.sharing != options.sharing_in(&*self.env)? && !options.low_level {
            return Err(Error::misuse(
                "the database is open in this process in the other sharing mode; open it the same \
                 way everywhere",
            ));
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
        if !env.is_current(path, &*file).during("looking for the database file")? {
            return Err(Error::new(ErrorKind::CannotOpen(
                "the file was removed or replaced while it was being opened; open it again".into(),
            )));
        }
        // Before anything is locked: there may be none.
        let mutex = env.mutex().during("making a mutex")?;
        await_owner(&**env, path, options.busy_timeout)?;
        let sharing = options.sharing_in(&**env)? == Sharing::Shared;
        let opening = Opening { env, path, options };
        let opened = match (sharing, options.read_only) {
            (true, true) => return opening.read_only(file, key, mutex),
            (true, false) => opening.shared(&file, created)?,
            (false, _) => opening.exclusive(&file, created)?,
        };
        let slots = sharing.then(|| Slots::new(Arc::clone(&file)));
        Ok(Arc::new(Self::assemble(&opening, file, key, opened, slots, mutex)))
    }

    /// Puts an object together.
    pub(super) fn assemble(
        opening: &Opening<'_>,
        file: Arc<dyn File>,
        key: &FileId,
        opened: Opened,
        slots: Option<Arc<Slots>>,
        mutex: Arc<dyn RawMutex>,
    ) -> Shared {
        let Opening { env, path, options } = opening;
        let Opened { pager, state, recovery } = opened;
        let role_locks =
            slots.is_some().then(|| RoleLocks::new(Arc::clone(env), Arc::clone(&file)));
        let compression = pager.codec().map_or(COMPRESSION_NONE, |codec| codec.id());
        Shared {
            env: Arc::clone(env),
            path: (*path).clone(),
            pager,
            read_only: options.read_only,
            recovery,
            file,
            registry_key: key.clone(),
            tree_limit: options.tree_limit,
            compression,
            state: Guarded::new(mutex, state),
            latest: Mutex::default(),
            roles: Roles::default(),
            slots,
            reader: None,
            busy_timeout: options.busy_timeout,
            // Checked before.
            sharing: options.sharing_in(&***env).unwrap_or_default(),
            role_locks,
            background: BackgroundThreads::default(),
            combiner: Combiner::default(),
            group: CommitGroup::default(),
            writer: Mutex::new(None),
            observer: options.on_work.clone(),
            settings: Settings::of(options),
            relies_on_syncs: AtomicBool::new(false),
            handles: AtomicUsize::new(1),
            closed: AtomicBool::new(false),
            poisoned: OnceLock::new(),
        }
    }
}

/// A file that is being opened.
pub(super) struct Opening<'a> {
    pub(super) env: &'a Arc<dyn Env>,
    pub(super) path: &'a FilePath,
    pub(super) options: &'a Options,
}

/// What opening found.
pub(super) struct Opened {
    pub(super) pager: Arc<Pager>,
    pub(super) state: State,
    pub(super) recovery: RecoveryStats,
}

impl Opening<'_> {
    /// Alone: locks everybody out and recovers into memory of this process.
    fn exclusive(&self, file: &Arc<dyn File>, created: bool) -> Result<Opened> {
        lock_out_others(&**self.env, &**file, self.options)?;
        self.recover(file, created, Shm::heap()?)
    }

    /// As one of several clients: the first one recovers into the memory all share.
    fn shared(&self, file: &Arc<dyn File>, created: bool) -> Result<Opened> {
        connect(&**self.env, &**file, self.options.busy_timeout, |shm, neighbours| {
            match neighbours {
                Neighbours::Nobody => return self.recover(file, created, shm),
                Neighbours::Readers => self.find_log(file, &shm)?,
                Neighbours::Writers => {}
            }
            self.join(file, shm)
        })
    }

    /// Finds the newest checkpoint and replays the log into `shm`.
    pub(super) fn recover(&self, file: &Arc<dyn File>, created: bool, shm: Shm) -> Result<Opened> {
        let Opening { env, path, options } = self;
        if created {
            env.sync_directory(path).during("syncing the directory of the new database")?;
        }
        let found = recovery::find_checkpoint(&***env, path, &**file, options)?;
        let pager = self.pager(file, &found.checkpoint)?;
        let recovered = recovery::replay_log(&***env, path, &found, options, shm)?;
        let Recovered { checkpoint, header, shm, stats, log_exists } = recovered;
        if log_exists && !options.read_only && options.durability != Durability::None {
            // Whoever wrote the checkpoint may have died before its sync. Log and blocks that
            // only older ones need are about to be given up for it.
            file.sync().during("syncing the checkpoint found")?;
        }
        let snapshot = Arc::new(Snapshot::new(checkpoint, &pager)?);
        let state = State::new(header, shm, snapshot, &found);
        Ok(Opened { pager, state, recovery: stats })
    }

    /// Lets the log begin anew where recovery will look for it, if it is gone: C lsm1 removes it at
    /// the last close also when read-only clients keep the shared memory. Nobody can write now.
    fn find_log(&self, file: &Arc<dyn File>, shm: &Shm) -> Result<()> {
        shm.settle_tree_header()?;
        let (mut header, _) = shm.load_tree_header()?;
        let [.., last] = header.log.regions;
        if recovery::log_reaches(&**self.env, self.path, last.end)? {
            return Ok(());
        }
        if let MetaPages::Found { checkpoint, .. } = checkpoint::read_newest(&**file)? {
            let begin = checkpoint.log.offset();
            header.log = LogState {
                checksum: checkpoint.log.checksum,
                snapshot_id: checkpoint.id,
                regions: [
                    LogRegion::default(),
                    LogRegion::default(),
                    LogRegion { start: begin, end: begin },
                ],
            };
            shm.publish_tree_header(&header)?;
        }
        Ok(())
    }

    /// Takes over what other clients have in `shm`.
    pub(super) fn join(&self, file: &Arc<dyn File>, shm: Shm) -> Result<Opened> {
        let slots = Slots::new(Arc::clone(file));
        let loaded = persist(&**self.env, self.options.busy_timeout, || {
            Ok(load(&slots, &shm, None)?.ok_or(Obstacle::Connecting))
        })?;
        let checkpoint = Checkpoint::decode(&loaded.words)?;
        // Which checkpoint is on disk is looked up, and confirmed, when it matters.
        let found = Found { meta_page: 0, checkpoint };
        let pager = self.pager(file, &found.checkpoint)?;
        let snapshot = Arc::new(Snapshot::new(found.checkpoint.clone(), &pager)?);
        let state = State::new(loaded.header, shm, snapshot, &found);
        Ok(Opened { pager, state, recovery: RecoveryStats::default() })
    }

    /// Reads pages as `checkpoint` says they are.
    pub(super) fn pager(
        &self,
        file: &Arc<dyn File>,
        checkpoint: &Checkpoint,
    ) -> Result<Arc<Pager>> {
        let codec = choose_codec(checkpoint, self.options)?;
        let geometry = Geometry::new(checkpoint.page_size, checkpoint.block_size, codec.is_some())?;
        Ok(Arc::new(Pager::new(
            Arc::clone(file),
            geometry,
            codec,
            PagerOptions {
                cache_bytes: self.options.cache_bytes,
                map_bytes: map_limit(self.options),
            },
        )))
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
        EnvError::Outside | EnvError::NoDirectory => {
            Error::new(ErrorKind::CannotOpen(error.to_string().into()))
        }
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
