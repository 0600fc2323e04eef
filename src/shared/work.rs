//! Background work done on the database file: flush, merge, checkpoint, and when to do which.
//!
//! A worker works on a private copy of the newest snapshot and saves it when it is done, so a
//! failure leaves nothing behind but pages no snapshot names. Rules: docs/format.md, "Levels".

use super::roles::{BorrowedRole, Role};
use super::view::old_tree_pending;
use super::{Settings, Shared};
use crate::checkpoint;
use crate::env::{Access, EnvError};
use crate::error::{Error, IoContext, Result};
use crate::format::checkpoint::{Checkpoint, LogPointer};
use crate::format::tree_header::TreeHeader;
use crate::options::Durability;
use crate::shm::Shm;
use crate::sorted::{Input, Snapshot, WorkDone, Worker, WorkerConfig};
use crate::work::Progress;
use crate::work::interrupted;
use crate::work::{WorkEvent, WorkKind, WorkLimit, WorkReport};
use std::sync::Arc;
use std::time::Duration;

/// Bytes a long merge may write between two calls of a progress function.
const PROGRESS_BYTES: u64 = 4 << 20;

/// Which trees a flush writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trees {
    /// The old one.
    Old,
    /// Both; the writer role is held.
    Both,
}

/// What a piece of background work did, in pages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Piece {
    pub(super) flushed: u64,
    pub(super) merged: u64,
    /// There was nothing left to merge.
    pub(super) finished: bool,
}

impl Shared {
    fn page_size(&self) -> u64 {
        u64::from(self.pager.geometry().page_size())
    }

    /// Whether an old tree waits to be flushed.
    pub(super) fn old_tree_waits(&self) -> bool {
        let state = self.state.lock();
        old_tree_pending(&state.header, &state.snapshot)
    }

    /// Lets `body` work on the newest snapshot and saves what it made. The worker role is held.
    fn with_worker<T>(
        &self,
        _role: &BorrowedRole<'_>,
        settings: &Settings,
        body: impl FnOnce(&mut Worker<'_>, &Shm, &TreeHeader) -> Result<T>,
    ) -> Result<T> {
        self.check_writable()?;
        let no_reuse = self
            .refresh_for_work()
            .and_then(|()| Ok(!self.may_reuse()?))
            .map_err(|error| error.on(&self.path))?;
        let (snapshot, header, shm) = {
            let state = self.state.lock();
            (Arc::clone(&state.snapshot), state.header, state.shm.clone())
        };
        let own = snapshot.checkpoint.id;
        let mut in_use = || self.oldest_snapshot_in_use(own);
        let config = WorkerConfig {
            automerge: settings.automerge as usize,
            max_freelist: settings.max_freelist as usize,
            compression: self.compression,
        };
        let mut worker =
            Worker::new(&self.pager, &snapshot.checkpoint, config, &mut in_use, no_reuse);
        let before = self.pager.pages_written();
        let outcome = body(&mut worker, &shm, &header);
        let outcome = outcome.and_then(|value| {
            if worker.has_changed() {
                let checkpoint = worker.snapshot()?;
                shm.store_snapshot(&checkpoint.encode()?)?;
                let snapshot = Arc::new(Snapshot::new(checkpoint, &self.pager)?);
                self.state.lock().set_snapshot(snapshot);
                self.leave_hint();
            }
            Ok(value)
        });
        if let Some(listener) = &settings.listener {
            // Nobody else in this process writes pages meanwhile: the role is held.
            listener.count_pages(self.pager.pages_written().saturating_sub(before));
        }
        if let Err(error) = &outcome
            && error.is_corrupt()
        {
            // What is damaged is still readable elsewhere; writing on would spread it.
            self.poison(error);
        }
        outcome.map_err(|error| error.on(&self.path))
    }

    /// Writes trees as a new top level; the log before them is not needed any more.
    fn flush_with(
        worker: &mut Worker<'_>,
        shm: &Shm,
        header: &TreeHeader,
        trees: Trees,
    ) -> Result<u64> {
        let pending = crate::tree::old_tree_is_read(header, worker.state().log.pointer);
        let mut inputs = Vec::new();
        let mut log =
            LogPointer { pointer: header.old_log_pointer, checksum: header.old_log_checksum };
        if trees == Trees::Both {
            inputs.push(Input::tree(shm, &header.live)?);
            let [.., region] = header.log.regions;
            let toggle = !worker.state().log.pointer & 1;
            log = LogPointer {
                pointer: (region.end << 1).cast_signed() | toggle,
                checksum: header.log.checksum,
            };
        }
        if pending {
            inputs.push(Input::tree(shm, &header.old)?);
        }
        worker.flush(inputs, log)
    }

    /// The share of work a write transaction does as its tree grows: `units` times the depth of the
    /// database in pages. Somebody else being at work is fine.
    pub(super) fn autowork(&self, settings: &Settings, units: u64) -> Result<()> {
        let Ok(role) = self.borrow_role(Role::Worker, Duration::ZERO) else { return Ok(()) };
        let depth = self.level_count() as u64 + u64::from(self.old_tree_waits());
        let automerge = settings.automerge as usize;
        self.work_pages(&role, settings, units.saturating_mul(depth), automerge)?;
        Ok(())
    }

    /// After a commit of `grown` bytes that left the tree over its limit.
    pub(super) fn after_commit(&self, settings: &Settings, grown: u64) -> Result<()> {
        if !settings.autowork {
            super::writer::work_wanted(self, settings);
        } else if !self.leave_to_background(settings, grown) {
            self.autowork(settings, 1)?;
            self.wait_for_checkpointer(settings, || false);
        }
        Ok(())
    }

    /// Flushes an old tree that waits, then merges; up to `pages` pages, with checkpoints as they
    /// fall due.
    fn work_pages(
        &self,
        role: &BorrowedRole<'_>,
        settings: &Settings,
        pages: u64,
        merge_count: usize,
    ) -> Result<WorkReport> {
        let mut report = WorkReport::default();
        let mut left = pages;
        while left > 0 {
            let due = self.pages_until_checkpoint(settings);
            let checkpointer = self.background.checkpointer();
            let budget = match due {
                Some(due) if checkpointer.is_none() => left.min(due.max(1)),
                _ => left,
            };
            let (done, one_segment) = self.work_step(role, settings, budget, merge_count)?;
            report.bytes_written += done.pages * self.page_size();
            report.finished = done.finished;
            let due = due.is_some_and(|due| done.pages >= due);
            let in_one_segment = one_segment && settings.autocheckpoint > 0;
            if let (Some(checkpointer), true, false) = (&checkpointer, due, in_one_segment) {
                checkpointer.wake(settings.clone());
            } else if due || in_one_segment {
                self.checkpoint(settings, Duration::ZERO).or_else(ignore_busy)?;
            }
            left = left.saturating_sub(done.pages.max(1));
            if done.finished || !done.progressed {
                break;
            }
        }
        Ok(report)
    }

    /// Pages that may still be written before a checkpoint is due; `None` = never due.
    pub(super) fn pages_until_checkpoint(&self, settings: &Settings) -> Option<u64> {
        let state = self.state.lock();
        checkpoint::pages_until_due(
            state.snapshot.checkpoint.pages_written,
            state.checkpoint_pages,
            self.pager.geometry().page_size(),
            settings.autocheckpoint,
        )
    }

    /// One session of a worker. Tells also whether a merge has brought everything into one segment.
    fn work_step(
        &self,
        role: &BorrowedRole<'_>,
        settings: &Settings,
        budget: u64,
        merge_count: usize,
    ) -> Result<(WorkDone, bool)> {
        let (done, flushed) = self.with_worker(role, settings, |worker, shm, header| {
            let mut done = WorkDone::default();
            if crate::tree::old_tree_is_read(header, worker.state().log.pointer) {
                done.pages += worker.make_room()?;
                done.pages += Self::flush_with(worker, shm, header, Trees::Old)?;
                done.progressed = true;
            }
            let flushed = done.pages;
            if let Some(left) = budget.checked_sub(done.pages).filter(|&left| left > 0) {
                let merged = worker.work(merge_count, left)?;
                done.pages += merged.pages;
                done.progressed |= merged.progressed;
                done.finished = merged.finished;
            }
            Ok((done, flushed))
        })?;
        if flushed > 0 {
            self.report(settings, WorkKind::Flush, flushed);
        }
        if done.pages > flushed {
            self.report(settings, WorkKind::Merge, done.pages - flushed);
        }
        let one_segment = merge_count == 1 && {
            let state = self.state.lock();
            let levels = &state.snapshot.checkpoint.levels;
            levels.len() == 1 && levels.iter().all(|level| !level.is_merging())
        };
        Ok((done, one_segment))
    }

    /// A short session of the background worker: a flush, if one waits and `may_flush`, or else
    /// about `pages` pages of merging.
    pub(super) fn work_piece(
        &self,
        role: &BorrowedRole<'_>,
        settings: &Settings,
        pages: u64,
        may_flush: bool,
    ) -> Result<Piece> {
        let piece = self.with_worker(role, settings, |worker, shm, header| {
            let mut piece = Piece::default();
            if may_flush && crate::tree::old_tree_is_read(header, worker.state().log.pointer) {
                let (merged, room) = worker.make_room_within(pages)?;
                piece.merged = merged;
                if room {
                    piece.flushed = Self::flush_with(worker, shm, header, Trees::Old)?;
                }
            } else {
                let done = worker.work(settings.automerge as usize, pages)?;
                piece.merged = done.pages;
                piece.finished = done.finished;
            }
            Ok(piece)
        })?;
        if piece.flushed > 0 {
            self.report(settings, WorkKind::Flush, piece.flushed);
        }
        if piece.merged > 0 {
            self.report(settings, WorkKind::Merge, piece.merged);
        }
        Ok(piece)
    }

    fn report(&self, settings: &Settings, kind: WorkKind, pages: u64) {
        let bytes = pages * self.page_size();
        self.tell(settings, WorkEvent { kind, bytes, levels: self.level_count() });
    }

    /// Writes both trees as a new top level. The writer role is held.
    pub(super) fn flush_trees(&self, settings: &Settings) -> Result<()> {
        let role = self.borrow_role(Role::Worker, Duration::ZERO)?;
        self.flush_as(&role, settings)
    }

    fn flush_as(&self, role: &BorrowedRole<'_>, settings: &Settings) -> Result<()> {
        self.check_writable()?;
        self.refresh_for_writing(None, &mut None).map_err(|error| error.on(&self.path))?;
        let pages = self.with_worker(role, settings, |worker, shm, header| {
            if header.live.node == 0 && header.old_chunk_id == 0 {
                return Ok(0);
            }
            let pages = worker.make_room()?;
            Ok(pages + Self::flush_with(worker, shm, header, Trees::Both)?)
        })?;
        self.discard_trees().map_err(|error| error.on(&self.path))?;
        if pages > 0 {
            self.report(settings, WorkKind::Flush, pages);
        }
        Ok(())
    }

    /// After a flush of both trees: empties them. The writer role is held.
    fn discard_trees(&self) -> Result<()> {
        let mut state = self.state.lock();
        let mut header = state.header;
        let shm = state.shm.clone();
        let log = state.snapshot.checkpoint.log;
        if header.old_chunk_id == 0 && header.live.node == 0 {
            return Ok(());
        }
        crate::tree::discard_old(&mut header);
        crate::tree::make_old(&mut header, log.pointer);
        crate::tree::discard_old(&mut header);
        header.old_log_pointer = log.pointer;
        header.old_log_checksum = log.checksum;
        if self.slots.is_some() {
            shm.set_writer_flag(true)?;
        }
        shm.publish_tree_header(&header)?;
        state.set_header(header);
        drop(state);
        self.leave_hint();
        Ok(())
    }

    /// Writes both trees as a new top level.
    pub(crate) fn flush(self: &Arc<Self>, settings: &Settings, timeout: Duration) -> Result<()> {
        let _writer = self.take_role(Role::Writer, timeout)?;
        self.settle_group().map_err(|error| error.on(&self.path))?;
        let worker = self.borrow_role_patiently(Role::Worker, timeout)?;
        self.flush_as(&worker, settings)
    }

    /// Merges as far as `limit` allows.
    pub(crate) fn work(
        &self,
        settings: &Settings,
        limit: WorkLimit,
        timeout: Duration,
        progress: Progress<'_>,
    ) -> Result<WorkReport> {
        let role = self.borrow_role_patiently(Role::Worker, timeout)?;
        let merge_count = limit.segments.unwrap_or(settings.automerge).max(1) as usize;
        let pages = limit.bytes.map_or(u64::MAX, |bytes| bytes.div_ceil(self.page_size()));
        let total = limit.bytes.map_or_else(|| self.file_bytes(), Ok)?;
        let mut report = WorkReport::default();
        let mut left = pages;
        while left > 0 {
            let slice = left.min((PROGRESS_BYTES / self.page_size()).max(1));
            let done = self.work_pages(&role, settings, slice, merge_count)?;
            report.bytes_written += done.bytes_written;
            report.finished = done.finished;
            if !progress(report.bytes_written.min(total), total) {
                return Err(interrupted().on(&self.path));
            }
            if done.finished {
                break;
            }
            left = left.saturating_sub(slice);
        }
        Ok(report)
    }

    /// Everything into one segment, moved to the front, and a checkpoint.
    pub(crate) fn compact(
        self: &Arc<Self>,
        settings: &Settings,
        timeout: Duration,
        progress: Progress<'_>,
    ) -> Result<WorkReport> {
        self.flush(settings, timeout)?;
        let limit = WorkLimit { bytes: None, segments: Some(1) };
        let mut report = WorkReport::default();
        // Blocks freed by one round can be used by the next only after a checkpoint.
        loop {
            let done = self.work(settings, limit, timeout, progress)?;
            report.bytes_written += done.bytes_written;
            report.finished = done.finished;
            if self.checkpoint(settings, timeout)?.is_none() || done.bytes_written == 0 {
                return Ok(report);
            }
        }
    }

    /// Writes a checkpoint, if there is a newer snapshot than the one on disk. Tells how many
    /// bytes it covers, `None` if there was none.
    pub(crate) fn checkpoint(&self, settings: &Settings, timeout: Duration) -> Result<Option<u64>> {
        let role = self.borrow_role_patiently(Role::Checkpointer, timeout)?;
        self.checkpoint_as(&role, settings)
    }

    /// As `checkpoint`, by who has the role.
    pub(super) fn checkpoint_as(
        &self,
        _role: &BorrowedRole<'_>,
        settings: &Settings,
    ) -> Result<Option<u64>> {
        self.check_writable()?;
        let sync = settings.durability != Durability::None;
        let newest = self.refresh_for_checkpoint(sync).map_err(|error| error.on(&self.path))?;
        let (page, written_before) = {
            let state = self.state.lock();
            if state.meta_page != 0 && state.checkpoint_id >= newest.id {
                return Ok(None);
            }
            (state.meta_page, state.checkpoint_pages)
        };
        // That of an empty database keeps its page size, block size and codec.
        let checkpoint = &Checkpoint { compression: self.compression, ..newest };
        if page == 0 && sync {
            // A log beside it tells a first checkpoint that a power cut has torn from a file that
            // never was a database.
            self.open_log()
                .and_then(|_| self.sync_names())
                .map_err(|error| error.on(&self.path))?;
        }
        let page = checkpoint::page_after(page);
        if let Err(error) = checkpoint::write(&*self.file, page, checkpoint, sync) {
            if sync && error.kind().is_failed_sync() {
                self.poison(&error);
            }
            return Err(error.on(&self.path));
        }
        let bytes = {
            let mut state = self.state.lock();
            state.meta_page = page;
            state.checkpoint_id = checkpoint.id;
            state.checkpoint_log_offset = checkpoint.log.offset();
            state.checkpoint_pages = checkpoint.pages_written;
            state.shm.set_meta_page(page)?;
            u64::from(checkpoint.pages_written.wrapping_sub(written_before)) * self.page_size()
        };
        self.tell(
            settings,
            WorkEvent { kind: WorkKind::Checkpoint, bytes, levels: self.level_count() },
        );
        Ok(Some(bytes))
    }

    /// Opens the log for writing, or creates it.
    pub(super) fn open_log(&self) -> Result<Arc<dyn crate::env::File>> {
        let path = self.log_path();
        match self.env.open(&path, Access::ReadWrite) {
            Err(EnvError::NotFound) => self
                .env
                .open_beside(&path, Access::ReadWriteCreate, &self.path)
                .during("creating the log"),
            outcome => outcome.during("opening the log"),
        }
    }

    /// Makes the names of database and log durable. Also for files that exist: whoever created
    /// them may have failed, or died, before it came to that.
    pub(super) fn sync_names(&self) -> Result<()> {
        let path = self.log_path();
        self.env.sync_directory(&path).during("syncing the directory of the log")
    }

    /// Bytes of the database file, 0 where the world cannot tell.
    pub(super) fn file_bytes(&self) -> Result<u64> {
        let size = self.file.known_size().during("reading the size of the database file");
        Ok(size.map_err(|error| error.on(&self.path))?.unwrap_or(0))
    }
}

pub(super) fn ignore_busy(error: Error) -> Result<Option<u64>> {
    if error.is_busy() { Ok(None) } else { Err(error) }
}
