//! Loading what other processes have published.
//!
//! In shared mode the newest tree header, snapshot and checkpoint are those in shared memory, and
//! every role begins by looking there: readers under a reader slot that they take before they
//! believe what they read, the worker under its lock, the writer under its own, after the repairs
//! that a dead predecessor made necessary. Cached pages of blocks that others may have recycled
//! since are forgotten whenever a snapshot of another process comes in.
//! Rules: docs/format-sharing.md, "Beginning to read" and "Roles".

use super::Shared;
use super::load::{id_of, load};
use super::slots::{SlotGuard, Slots};
use super::view::{Content, Hold, Latest, View};
use crate::checkpoint::{self, MetaPages};
use crate::env::{LockId, LockMode};
use crate::error::{BusyRole, Error, ErrorKind, IoContext, Result};
use crate::format::checkpoint::{COMPRESSION_EMPTY, COMPRESSION_NONE, Checkpoint};
use crate::format::tree_header::TreeHeader;
use crate::pager::Pager;
use crate::shm::{HeaderCopy, ReaderSlot, Shm};
use crate::sorted::Snapshot;
use crate::tree;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

/// Least time a reader tries to get a slot before it gives up.
const READER_PATIENCE: Duration = Duration::from_millis(500);
/// How long a writer trusts that the name of the shared memory leads where it did.
const FOLLOW_NAME_AFTER: Duration = Duration::from_millis(5);
/// First and longest pause between two attempts.
const READER_PAUSES: (Duration, Duration) = (Duration::from_micros(20), Duration::from_millis(5));

/// The checkpoint that shared memory names as the newest on disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Synced {
    pub(super) id: i64,
    pub(super) page: u32,
    pub(super) log_offset: u64,
    pub(super) pages: u32,
}

impl Shared {
    /// Tries `attempt` until it gives something, for as long as a reader is ready to wait.
    pub(super) fn with_patience<T>(
        &self,
        mut attempt: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        // Nearly always the first attempt is the last.
        if let Some(value) = attempt()? {
            return Ok(value);
        }
        let started = self.env.now();
        let patience = self.busy_timeout.max(READER_PATIENCE);
        let mut pause = READER_PAUSES.0;
        loop {
            // Time in which the process was suspended in the middle of an attempt does not count.
            let waited = self.env.now().saturating_sub(started);
            if let Some(value) = attempt()? {
                return Ok(value);
            }
            if waited >= patience {
                return Err(Error::busy(BusyRole::ReaderSlots));
            }
            self.env.sleep(pause);
            pause = (pause * 2).min(READER_PAUSES.1);
        }
    }

    /// The newest committed state of all processes, under a reader slot.
    pub(super) fn slot_view(&self, slots: &Arc<Slots>) -> Result<Arc<View>> {
        self.with_patience(|| self.try_slot_view(slots, &self.pager))
    }

    /// As `slot_view`, once; `None` if no slot can be had now.
    pub(super) fn try_slot_view(
        &self,
        slots: &Arc<Slots>,
        pager: &Arc<Pager>,
    ) -> Result<Option<Arc<View>>> {
        // Threads that read at the same time meet in one view and share nothing else.
        let (view, content) = {
            let latest = self.latest();
            (latest.view.upgrade(), latest.content.clone())
        };
        if let Some(view) = view
            && view.is_newest()?
        {
            return Ok(Some(view));
        }
        if let Some(content) = content
            && content.seems_newest()?
        {
            let slot = content.protect_again(slots)?;
            return Ok(slot.map(|slot| self.hand_out(content, slot)));
        }
        let (shm, known) = {
            let state = self.state.lock();
            (state.shm.clone(), Arc::clone(&state.snapshot))
        };
        let Some(loaded) = load(slots, &shm, Some(known.checkpoint.id))? else { return Ok(None) };
        let snapshot = if loaded.words.is_empty() {
            known
        } else {
            self.adopt_snapshot(&loaded.words, pager)?
        };
        let content = Content::new(loaded.header, &shm, snapshot, Arc::clone(pager));
        Ok(Some(self.hand_out(content, loaded.slot)))
    }

    /// A view of the newest state, protected by `slot`.
    fn hand_out(&self, content: Arc<Content>, slot: SlotGuard) -> Arc<View> {
        let view = Arc::new(View::new(Arc::clone(&content), Hold::Slot { _guard: slot }));
        *self.latest() = Latest { view: Arc::downgrade(&view), content: Some(content) };
        view
    }

    /// Keeps nothing of what was read last.
    pub(super) fn forget_latest(&self) {
        *self.latest() = Latest::default();
    }

    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over a snapshot from shared memory, which a slot or the worker's lock protects.
    fn adopt_snapshot(&self, words: &[u32], pager: &Arc<Pager>) -> Result<Arc<Snapshot>> {
        let known = Arc::clone(&self.state.lock().snapshot);
        if known.checkpoint.id == id_of(words) {
            return Ok(known);
        }
        let checkpoint = Checkpoint::decode(words)?;
        check_same_file(&checkpoint, pager)?;
        pager.forget_all();
        let snapshot = Arc::new(Snapshot::new(checkpoint, pager)?);
        let mut state = self.state.lock();
        if state.snapshot.checkpoint.id < snapshot.checkpoint.id {
            state.set_snapshot(Arc::clone(&snapshot));
        }
        Ok(snapshot)
    }

    /// The newest state for the holder of the worker role: what a dead worker left is settled.
    pub(super) fn refresh_for_work(&self) -> Result<()> {
        if self.slots.is_none() {
            return Ok(());
        }
        let shm = self.state.lock().shm.clone();
        shm.settle_snapshot()?;
        let (words, _) = shm.load_snapshot()?;
        self.adopt_snapshot(&words, &self.pager)?;
        // Only after the snapshot: an old tree that is not in it must still be there.
        let (header, _) = shm.load_tree_header()?;
        shm.ensure(header.chunk_count)?;
        self.state.lock().set_header(header);
        self.refresh_checkpoint(&shm)
    }

    /// Brings the figures of the newest checkpoint up to date.
    pub(super) fn refresh_checkpoint(&self, shm: &Shm) -> Result<()> {
        if let Some(synced) = self.synced_checkpoint(shm)?.filter(|synced| synced.page != 0) {
            let mut state = self.state.lock();
            state.meta_page = synced.page;
            state.checkpoint_id = synced.id;
            state.checkpoint_log_offset = synced.log_offset;
            state.checkpoint_pages = synced.pages;
        }
        Ok(())
    }

    /// The newest snapshot for the holder of the checkpointer role. What shared memory says of the
    /// checkpoint before it is confirmed by the file, or replaced by what the file says.
    pub(super) fn refresh_for_checkpoint(&self, sync: bool) -> Result<Checkpoint> {
        if self.slots.is_none() {
            return Ok(self.state.lock().snapshot.checkpoint.clone());
        }
        let shm = self.state.lock().shm.clone();
        let (words, _) = shm.load_snapshot()?;
        let newest = Checkpoint::decode(&words)?;
        check_same_file(&newest, &self.pager)?;
        if self.synced_checkpoint(&shm)?.is_none_or(|synced| synced.page == 0) {
            match checkpoint::read_newest(&*self.file)? {
                MetaPages::Found { page, .. } => {
                    if sync {
                        self.file.sync().during("syncing the checkpoint found")?;
                    }
                    shm.set_meta_page(page)?;
                }
                MetaPages::Empty | MetaPages::Unreadable => {
                    shm.set_meta_page(0)?;
                    let mut state = self.state.lock();
                    (state.meta_page, state.checkpoint_id) = (0, 0);
                }
            }
        }
        self.refresh_checkpoint(&shm)?;
        Ok(newest)
    }

    /// Refuses to write to memory that those who open the database now do not find. Following its
    /// name costs as much as all the locks of a transaction, so who writes again and again does it
    /// every few milliseconds, and otherwise only asks whether the memory has any name left.
    fn check_memory(&self, shm: &Shm, followed: &mut Option<Duration>) -> Result<()> {
        let now = self.env.now();
        let current = match *followed {
            Some(then) if now.saturating_sub(then) < FOLLOW_NAME_AFTER => shm.has_name()?,
            _ => {
                *followed = Some(now);
                shm.is_current()?
            }
        };
        if current {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Protocol(
            "the shared memory file was removed or replaced while in use; close all users of the \
             database and open it again"
                .into(),
        )))
    }

    /// The newest state for the holder of the writer role: what a dead writer left is repaired.
    /// With a header of this process that is `unpublished` as yet, that one is the newest. Gives
    /// also the log pointer of the newest snapshot. `name_followed`: when the name of the shared
    /// memory was followed last.
    pub(super) fn refresh_for_writing(
        &self,
        unpublished: Option<TreeHeader>,
        name_followed: &mut Option<Duration>,
    ) -> Result<(TreeHeader, i64)> {
        if self.slots.is_none() {
            let state = self.state.lock();
            let header = unpublished.unwrap_or(state.header);
            return Ok((header, state.snapshot.checkpoint.log.pointer));
        }
        let (shm, known, pointer) = {
            let state = self.state.lock();
            let checkpoint = &state.snapshot.checkpoint;
            (state.shm.clone(), checkpoint.id, checkpoint.log.pointer)
        };
        self.check_memory(&shm, name_followed)?;
        let header = if let Some(header) = unpublished {
            header
        } else if shm.writer_flag()? {
            #[cfg(feature = "tracing")]
            tracing::warn!("repairing what a dead writer left");
            tree::repair(&shm)?
        } else {
            shm.load_tree_header()?.0
        };
        shm.ensure(header.chunk_count)?;
        if unpublished.is_none() {
            self.state.lock().set_header(header);
        }
        if shm.snapshot_id()? == known && shm.snapshot_id_in(HeaderCopy::Second)? == known {
            return Ok((header, pointer));
        }
        let (words, _) = shm.load_snapshot()?;
        let checkpoint = Checkpoint::decode(&words)?;
        check_same_file(&checkpoint, &self.pager)?;
        Ok((header, checkpoint.log.pointer))
    }

    /// Whether no private read-only transaction keeps log and blocks from being reused.
    pub(super) fn may_reuse(&self) -> Result<bool> {
        if self.slots.is_none() {
            return Ok(true);
        }
        self.file
            .test_lock(LockId::READ_ONLY_TRANSACTION, 1, LockMode::Exclusive)
            .during("looking for read-only transactions")
    }

    /// The newest checkpoint on disk, if there is one. Id 0 and all it implies if what shared
    /// memory says cannot be confirmed now, be it that there is one or that there is none.
    pub(super) fn synced_checkpoint(&self, shm: &Shm) -> Result<Option<Synced>> {
        for _ in 0..4 {
            let page = shm.meta_page()?;
            if page == 0 {
                let on_disk = checkpoint::read_newest(&*self.file)?;
                if shm.meta_page()? != page {
                    continue;
                }
                if !matches!(on_disk, MetaPages::Found { .. }) {
                    return Ok(None);
                }
                break;
            }
            let found = match page {
                1 | 2 => checkpoint::read_page(&*self.file, page)?,
                _ => None,
            };
            if let (Some(found), true) = (found, shm.meta_page()? == page) {
                return Ok(Some(Synced {
                    id: found.id,
                    page,
                    log_offset: found.log.offset(),
                    pages: found.pages_written,
                }));
            }
        }
        Ok(Some(Synced { id: 0, page: 0, log_offset: 0, pages: 0 }))
    }

    /// Leaves a reader slot that names the newest state, so that readers need not write one. Only
    /// readers that cannot write one depend on it, so nobody is told of a failure.
    pub(super) fn leave_hint(&self) {
        let Some(slots) = &self.slots else { return };
        let (shm, tree_id, snapshot_id) = {
            let state = self.state.lock();
            let id = state.snapshot.checkpoint.id;
            (state.shm.clone(), state.header.used_chunk_id, id)
        };
        let left = slots.leave_hint(&shm, ReaderSlot { tree_id, snapshot_id });
        if let Err(error) = left {
            #[cfg(feature = "tracing")]
            tracing::warn!(%error, "leaving a reader slot");
            let _ = error;
        }
    }
}

/// Refuses a snapshot of pages that `pager` cannot read.
fn check_same_file(checkpoint: &Checkpoint, pager: &Pager) -> Result<()> {
    let file = checkpoint.compression;
    let handle = pager.codec().map_or(COMPRESSION_NONE, |codec| codec.id());
    if file != COMPRESSION_EMPTY && file != handle {
        return Err(Error::new(ErrorKind::Mismatch { file, handle }));
    }
    let geometry = pager.geometry();
    if (checkpoint.page_size, checkpoint.block_size)
        != (geometry.page_size(), geometry.block_size())
    {
        return Err(Error::new(ErrorKind::Protocol(
            "page or block size changed in shared memory; close all users of the database and \
             open it again"
                .into(),
        )));
    }
    Ok(())
}
