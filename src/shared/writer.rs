//! The write transaction: private tree header, log and undo list of the one writer.
//!
//! A change goes to the tree first (which refuses what exceeds the memory limit before changing
//! anything), then to the log's buffer. Nothing is visible to others until `commit` has written the
//! commit record and stored the header. A change that failed half-way dooms the transaction: it can
//! be rolled back, to a savepoint made before or entirely, but not committed.

mod ending;

use super::group::Ticket;
use super::roles::{Role, RoleGuard};
use super::{Settings, Shared, View};
use crate::env::FilePath;
use crate::error::{BusyRole, Error, Result};
use crate::format::tree_header::TreeHeader;
use crate::log::{LogMark, LogWriter};
use crate::options::Durability;
use crate::shm::Shm;
use crate::sorted::{MergedCursor, ReadView};
use crate::tree::{self, TreeMark, TreeWriter, UndoList};
use crate::work::{WorkEvent, WorkKind};
use std::ops::Bound;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Pages of tree growth after which a writer does some work.
pub(super) const WORK_QUANTUM_PAGES: u64 = 32;

/// What a writer keeps from one transaction to the next.
#[derive(Debug)]
pub(super) struct WriterParts {
    /// The log, once something was written.
    log: Option<Box<LogWriter>>,
    /// The names of database and log are known to survive power loss.
    names_durable: bool,
    undo: UndoList,
    shm: Shm,
    /// Meta page and snapshot id for which log space was reclaimed last; shared mode only.
    reclaimed: Option<(u32, i64)>,
    /// When the name of the shared memory was followed last.
    name_followed: Option<Duration>,
}

impl WriterParts {
    pub(super) fn new(shm: Shm) -> Self {
        WriterParts {
            log: None,
            names_durable: false,
            undo: UndoList::default(),
            shm,
            reclaimed: None,
            name_followed: None,
        }
    }

    /// Forgets the log file, which is about to be removed.
    pub(super) fn close_log(&mut self) {
        self.log = None;
    }
}

/// What the beginning of a transaction found.
struct Begun {
    header: TreeHeader,
    log_pointer: i64,
    discarded: bool,
    start: TreeMark,
    below: Option<Ticket>,
}

#[derive(Debug)]
struct Mark {
    id: u64,
    tree: TreeMark,
    log: Option<LogMark>,
}

/// A write transaction in progress.
#[derive(Debug)]
pub(crate) struct WriterCore {
    role: RoleGuard,
    settings: Settings,
    parts: WriterParts,
    header: TreeHeader,
    /// Log pointer of the newest snapshot; it stays unless there is an old tree.
    log_pointer: i64,
    /// The transaction gave up the old tree's chunks.
    discarded: bool,
    /// The tree at the transaction's beginning.
    start: TreeMark,
    /// What to wait by until the state it began from is safe and visible; `None` if it was.
    below: Option<Ticket>,
    marks: Vec<Mark>,
    next_mark: u64,
    /// The committed state below, made when the transaction first reads.
    base: Option<Arc<View>>,
    read: Option<ReadView>,
    generation: u64,
    doomed: Option<Error>,
    finished: bool,
}

impl Shared {
    /// Begins a write transaction, waiting up to `timeout` for the role.
    pub(crate) fn begin(
        self: &Arc<Self>,
        settings: Settings,
        timeout: Duration,
    ) -> Result<WriterCore> {
        self.begin_from(settings, timeout, None)
    }

    /// As `begin`, but busy if anything was committed since the view `from` was made.
    pub(crate) fn begin_from(
        self: &Arc<Self>,
        settings: Settings,
        timeout: Duration,
        from: Option<&View>,
    ) -> Result<WriterCore> {
        self.check_writable()?;
        let role = self.take_role(Role::Writer, timeout)?;
        let parts = self.take_parts();
        let shm = || self.state.lock().shm.clone();
        let mut parts = parts.unwrap_or_else(|| WriterParts::new(shm()));
        match self.begin_with(&mut parts, &settings, from) {
            Ok(Begun { header, log_pointer, discarded, start, below }) => Ok(WriterCore {
                role,
                settings,
                parts,
                header,
                log_pointer,
                discarded,
                start,
                below,
                marks: Vec::new(),
                next_mark: 1,
                base: None,
                read: None,
                generation: 1,
                doomed: None,
                finished: false,
            }),
            Err(error) => {
                self.abandon_group();
                self.keep_parts(Some(parts));
                Err(error.on(&self.path))
            }
        }
    }

    /// What the last writer left; the writer role is held.
    pub(super) fn take_parts(&self) -> Option<WriterParts> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Leaves things to the next writer; the writer role is held.
    pub(super) fn keep_parts(&self, parts: Option<WriterParts>) {
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = parts;
    }

    fn begin_with(
        &self,
        parts: &mut WriterParts,
        settings: &Settings,
        from: Option<&View>,
    ) -> Result<Begun> {
        let (unpublished, below) = self.group.begin()?.unzip();
        let (mut header, log_pointer) =
            self.refresh_for_writing(unpublished, &mut parts.name_followed)?;
        if from.is_some_and(|view| !view.is_content_of(&header)) {
            return Err(Error::busy(BusyRole::StaleSnapshot));
        }
        let discarded = header.old_chunk_id != 0 && !tree::old_tree_is_read(&header, log_pointer);
        if discarded {
            tree::discard_old(&mut header);
        }
        let reclaim = self.reclaimable(parts)?;
        if settings.durability != Durability::None {
            self.relies_on_syncs.store(true, Ordering::Relaxed);
        }
        if settings.use_log {
            if parts.log.is_none() {
                parts.log = Some(Box::new(LogWriter::new(self.open_log()?)));
            }
            if !parts.names_durable && settings.durability != Durability::None {
                self.sync_names()?;
                parts.names_durable = true;
            }
            if let Some(log) = &mut parts.log {
                if let Some((id, offset)) = reclaim {
                    crate::log::reclaim(&mut header.log, id, offset);
                }
                let full = settings.durability == Durability::Full;
                let sector = if full { self.file.sector_size() } else { 1 };
                log.begin(&mut header.log, sector)?;
            }
        }
        header.live.transaction += 1;
        parts.undo.clear();
        let start = tree::mark(&header, &parts.undo);
        if self.slots.is_some() {
            // From here to the publication the next writer must repair if this one dies.
            parts.shm.set_writer_flag(true)?;
        }
        Ok(Begun { header, log_pointer, discarded, start, below })
    }

    /// Id and log offset of the checkpoint up to which log space may be used again.
    fn reclaimable(&self, parts: &mut WriterParts) -> Result<Option<(i64, u64)>> {
        if self.slots.is_none() {
            let state = self.state.lock();
            let found = (state.checkpoint_id, state.checkpoint_log_offset);
            return Ok((state.meta_page != 0).then_some(found));
        }
        // Nothing can have changed as long as both are the same; a change missed now is seen at
        // the next snapshot.
        let seen = Some((parts.shm.meta_page()?, parts.shm.snapshot_id()?));
        if seen == parts.reclaimed || !self.may_reuse()? {
            return Ok(None);
        }
        parts.reclaimed = seen;
        let synced = self.synced_checkpoint(&parts.shm)?.filter(|synced| synced.page != 0);
        Ok(synced.map(|synced| (synced.id, synced.log_offset)))
    }
}

impl WriterCore {
    /// Path of the database, for errors.
    pub(crate) fn path(&self) -> &FilePath {
        &self.role.shared().path
    }

    /// Changes whenever the tree does.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Lets the transaction read on top of `base`, the state it began from.
    pub(crate) fn set_base(&mut self, base: Arc<View>) {
        self.base = Some(base);
    }

    /// What the transaction sees: the committed state with its own writes on top.
    pub(crate) fn read_view(&mut self) -> Result<&ReadView> {
        let base = match &mut self.base {
            Some(base) => base,
            none => none.insert(self.role.shared().view()?),
        };
        let read = self.read.get_or_insert_with(|| base.read.clone());
        if read.shm.chunk_count() < self.parts.shm.chunk_count() {
            read.shm = self.parts.shm.clone();
        }
        read.live = self.header.live;
        // That of a commit which waits for its sync may be newer than the base's.
        let log_pointer = read.snapshot.checkpoint.log.pointer;
        read.old = tree::old_tree_is_read(&self.header, log_pointer).then_some(self.header.old);
        Ok(read)
    }

    fn check(&self) -> Result<()> {
        match &self.doomed {
            Some(error) => {
                Err(Error::misuse(format!("the transaction failed before ({error}); roll it back")))
            }
            None => Ok(()),
        }
    }

    /// Runs a change of the tree followed by the same change in the log.
    fn change(
        &mut self,
        tree: impl FnOnce(&mut TreeWriter<'_>) -> Result<()>,
        log: impl FnOnce(&mut LogWriter) -> Result<()>,
    ) -> Result<()> {
        self.check()?;
        let before = self.header.live.bytes;
        let shared = self.role.shared();
        let mut in_use = |id| shared.chunk_in_use(id);
        let parts = &mut self.parts;
        let outcome = tree(&mut TreeWriter::new(
            &parts.shm,
            &mut self.header,
            &mut parts.undo,
            &mut in_use,
            shared.tree_limit,
        ))
        .and_then(|()| match &mut self.parts.log {
            Some(writer) if self.settings.use_log => log(writer),
            _ => Ok(()),
        });
        self.generation += 1;
        if let Err(error) = outcome {
            self.doomed = Some(error.clone());
            return Err(error);
        }
        self.work_after(before);
        Ok(())
    }

    /// Takes over settings that may change while it is open: those of work. How the log is written
    /// was decided when it began.
    pub(crate) fn set_settings(&mut self, settings: Settings) {
        let Settings { durability, use_log, .. } = self.settings;
        self.settings = Settings { durability, use_log, ..settings };
    }

    /// Does the share of merge work that so much tree growth calls for. Work that fails is tried
    /// again later: the change that called for it is done.
    fn work_after(&self, before: u32) {
        if !self.settings.autowork {
            return;
        }
        let shared = self.role.shared();
        let page = u64::from(shared.pager.geometry().page_size());
        let mut quantum = WORK_QUANTUM_PAGES * page;
        if quantum > self.settings.autoflush {
            quantum = self.settings.autoflush.max(page);
        }
        let quanta = |bytes: u32| u64::from(bytes) / quantum;
        let crossed = quanta(self.header.live.bytes).saturating_sub(quanta(before));
        if crossed > 0
            && shared.background.worker().is_none()
            && let Err(error) = shared.autowork(&self.settings, crossed * WORK_QUANTUM_PAGES)
        {
            trace_failed_work(&error);
        }
    }

    /// Writes a key.
    pub(crate) fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        check_length("key", key)?;
        check_length("value", value)?;
        self.change(|tree| tree.insert(key, value), |log| log.insert(key, value))
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Result<()> {
        check_length("key", key)?;
        self.change(|tree| tree.delete(key), |log| log.delete(key))
    }

    /// Removes every key strictly between the two.
    pub(crate) fn remove_between(&mut self, low: &[u8], high: &[u8]) -> Result<()> {
        check_length("key", low)?;
        check_length("key", high)?;
        if low >= high {
            return self.check();
        }
        self.change(|tree| tree.delete_range(low, high), |log| log.delete_range(low, high))
    }

    /// Removes every key within the bounds: the open range in between, and the ends one by one.
    pub(crate) fn remove_range(&mut self, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<()> {
        let last;
        let high = match high {
            Bound::Unbounded => match self.last_key()? {
                None => return Ok(()),
                Some(key) => {
                    last = key;
                    Bound::Included(last.as_slice())
                }
            },
            bounded => bounded,
        };
        // The empty key is the smallest.
        let low = if low == Bound::Unbounded { Bound::Included(&b""[..]) } else { low };
        let (Bound::Included(from) | Bound::Excluded(from)) = low else { return Ok(()) };
        let (Bound::Included(to) | Bound::Excluded(to)) = high else { return Ok(()) };
        if from > to {
            return self.check();
        }
        let both = (low == Bound::Included(from), high == Bound::Included(to));
        if from == to {
            return if both == (true, true) { self.remove(from) } else { self.check() };
        }
        if both.0 {
            self.remove(from)?;
        }
        if both.1 {
            self.remove(to)?;
        }
        self.remove_between(from, to)
    }

    fn last_key(&mut self) -> Result<Option<Vec<u8>>> {
        let view = self.read_view()?;
        let mut cursor = MergedCursor::new(view);
        cursor.last(view)?;
        Ok(cursor.is_valid().then(|| cursor.key().to_vec()))
    }

    /// The application's version number.
    pub(crate) fn user_version(&self) -> u32 {
        self.header.user_version
    }

    /// Sets the application's version number.
    pub(crate) fn set_user_version(&mut self, version: u32) -> Result<()> {
        self.check()?;
        self.header.user_version = version;
        Ok(())
    }

    /// Marks this point.
    pub(crate) fn savepoint(&mut self) -> Result<u64> {
        self.check()?;
        let id = self.next_mark;
        self.next_mark += 1;
        let mark = self.mark(id);
        self.marks.push(mark);
        Ok(id)
    }

    fn mark(&mut self, id: u64) -> Mark {
        let parts = &mut self.parts;
        Mark {
            id,
            tree: tree::mark(&self.header, &parts.undo),
            log: match &mut parts.log {
                Some(log) if self.settings.use_log => Some(log.mark()),
                _ => None,
            },
        }
    }

    fn find_mark(&self, id: u64) -> Result<usize> {
        self.marks.iter().position(|mark| mark.id == id).ok_or_else(|| {
            Error::misuse(
                "the savepoint has ended, by itself or with an outer one; make another one",
            )
        })
    }

    /// Goes back to a mark and ends it and those made since.
    pub(crate) fn rollback_to(&mut self, id: u64) -> Result<()> {
        let index = self.find_mark(id)?;
        self.marks.truncate(index + 1);
        let Some(mark) = self.marks.pop() else { return Ok(()) };
        self.undo_to(&mark.tree)?;
        if let (Some(log), Some(place)) = (&mut self.parts.log, &mark.log) {
            log.seek(place);
        }
        self.doomed = None;
        Ok(())
    }

    /// Goes back to a mark and makes a new one there.
    pub(crate) fn restore(&mut self, id: u64) -> Result<u64> {
        self.rollback_to(id)?;
        self.savepoint()
    }

    /// Ends a mark and those made since, keeping what was done.
    pub(crate) fn release(&mut self, id: u64) -> Result<()> {
        let index = self.find_mark(id)?;
        self.marks.truncate(index);
        Ok(())
    }

    fn undo_to(&mut self, mark: &TreeMark) -> Result<()> {
        self.generation += 1;
        let parts = &mut self.parts;
        tree::rollback_to(&parts.shm, &mut self.header, &mut parts.undo, mark)
    }
}

impl Drop for WriterCore {
    fn drop(&mut self) {
        // Damage found here has poisoned the database already.
        let _ = self.undo_all();
        let fresh = WriterParts::new(self.parts.shm.clone());
        let parts = std::mem::replace(&mut self.parts, fresh);
        self.role.shared().keep_parts(Some(parts));
    }
}

fn check_length(what: &str, bytes: &[u8]) -> Result<()> {
    if bytes.len() > i32::MAX as usize {
        return Err(Error::misuse(format!(
            "a {what} of {} bytes: at most 2147483647 are possible",
            bytes.len()
        )));
    }
    Ok(())
}

/// Work that is no part of what called for it has failed: the trace is where one can read of it.
pub(super) fn trace_failed_work(error: &Error) {
    #[cfg(feature = "tracing")]
    tracing::warn!(%error, "work on the way of a transaction");
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}

/// Tells an observer that somebody should work: autowork is off and the tree is over its limit.
pub(super) fn work_wanted(shared: &Shared, settings: &Settings) {
    shared.tell(
        settings,
        WorkEvent { kind: WorkKind::WorkWanted, bytes: 0, levels: shared.level_count() },
    );
}
