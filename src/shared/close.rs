//! The last user leaves: flush, checkpoint, remove the log, cut the file to its used size.
//!
//! Order matters: the log goes only after the checkpoint that replaces it is on disk, and the file
//! is cut only after the log's removal is, because a file cut to nothing would replay an old log
//! from its start. The log and the shared memory go together or not at all: whoever finds the memory
//! goes on in the log where it says.

use super::connect::{Held, Obstacle, disconnect, is_free, persist, take};
use super::registry::{GlobalTurn, OpenDatabases};
use super::roles::Role;
use super::view::old_tree_pending;
use super::{Settings, Shared};
use crate::env::{EnvError, LockId, LockMode};
use crate::error::{BusyRole, Error, IoContext, Result};
use crate::format::geometry::DATA_START;
use crate::options::Durability;
use crate::shm::Shm;
use std::sync::atomic::Ordering;

impl Shared {
    /// Ends one handle; the last one shuts down unless snapshots are still read, in which case the
    /// last of those does.
    pub(crate) fn leave(&self) -> Result<()> {
        let handles = {
            let _turn = GlobalTurn::enter_at_the_end(&*self.env);
            self.handles.fetch_sub(1, Ordering::AcqRel)
        };
        if handles > 1 {
            return Ok(());
        }
        self.background.stop_if(|| self.handles.load(Ordering::Acquire) == 0);
        if self.in_use() {
            return Ok(());
        }
        self.shut_down()
    }

    /// As `leave`, but refused while snapshots or transactions are in use.
    pub(crate) fn close(&self) -> Result<()> {
        if self.handles.load(Ordering::Acquire) == 1 && self.in_use() {
            return Err(Error::busy(BusyRole::OwnTransactions).on(&self.path));
        }
        self.leave()
    }

    /// Does what the last user does, once.
    fn shut_down(&self) -> Result<()> {
        {
            // A second opener that found this object before must not use it any more.
            let _registry = OpenDatabases::lock_at_the_end(&*self.env);
            if self.handles.load(Ordering::Acquire) > 0 || self.closed.swap(true, Ordering::AcqRel)
            {
                return Ok(());
            }
        }
        let outcome = if self.read_only {
            Ok(())
        } else if self.slots.is_some() {
            self.leave_company()
        } else {
            // Poisoned, it does nothing, and says so: nothing was put on disk.
            self.check_writable().and_then(|()| self.put_everything_on_disk(true))
        };
        let left = if self.slots.is_some() { disconnect(&*self.file) } else { Ok(()) };
        outcome.and(left).map_err(|error| error.on(&self.path))
    }

    /// Leaves shared mode. The last read-write client of all processes puts everything on disk; what
    /// read-only clients still need stays.
    fn leave_company(&self) -> Result<()> {
        let file = &*self.file;
        // DMS1 is kept to the end, when all locks are given back: nobody comes in meanwhile.
        persist(&*self.env, self.busy_timeout, || {
            let connecting = take(file, LockId::DMS1, LockMode::Exclusive)?;
            Ok(connecting.map(Held::keep).ok_or(Obstacle::Connecting))
        })?;
        file.lock(LockId::DMS2, LockMode::Unlock).during("unlocking the database file")?;
        if !is_free(file, LockId::DMS2, LockMode::Exclusive)? {
            return Ok(());
        }
        self.check_writable()?;
        let alone = is_free(file, LockId::DMS3, LockMode::Exclusive)?
            && is_free(file, LockId::READ_ONLY_TRANSACTION, LockMode::Exclusive)?;
        self.put_everything_on_disk(alone)?;
        if alone {
            self.give_up_memory()?;
        }
        Ok(())
    }

    /// Deletes the shared memory. First goes whatever of this object could still read it, because not
    /// every world can unmap some of the memory and keep the rest.
    fn give_up_memory(&self) -> Result<()> {
        drop(self.take_parts());
        self.forget_latest();
        let shm = std::mem::replace(&mut self.state.lock().shm, Shm::nothing());
        shm.release(true)
    }

    /// The settings for what is done last. What a transaction relied on being synced in the log is
    /// synced in the file before the log goes.
    fn final_settings(&self) -> Settings {
        let mut settings = self.settings.clone();
        if settings.durability == Durability::None && self.relies_on_syncs.load(Ordering::Relaxed) {
            settings.durability = Durability::Normal;
        }
        settings
    }

    /// Flushes and writes a checkpoint; with nobody else `alone`, removes the log and cuts the file.
    fn put_everything_on_disk(&self, alone: bool) -> Result<()> {
        let (timeout, settings) = (self.busy_timeout, self.final_settings());
        let _writer = self.borrow_role(Role::Writer, timeout)?;
        self.settle_group()?;
        if self.slots.is_some() {
            // Repairs what a dead writer left, then looks at what others have done.
            self.refresh_for_writing(None, &mut None)?;
            let _worker = self.borrow_role(Role::Worker, timeout)?;
            self.refresh_for_work()?;
        }
        let trees = {
            let state = self.state.lock();
            old_tree_pending(&state.header, &state.snapshot) || state.header.live.node != 0
        };
        if trees {
            self.flush_trees(&settings)?;
        }
        if self.holds_anything() {
            self.checkpoint(&settings, timeout)?;
        }
        if !alone {
            return Ok(());
        }
        self.remove_log()?;
        self.cut_file()
    }

    /// Whether anything was ever written to the database file: otherwise it stays of length zero.
    fn holds_anything(&self) -> bool {
        let state = self.state.lock();
        state.meta_page != 0 || state.snapshot.checkpoint.block_count > 0
    }

    fn remove_log(&self) -> Result<()> {
        let mut parts = self.take_parts();
        if let Some(parts) = &mut parts {
            parts.close_log();
        }
        self.keep_parts(parts);
        let log = self.log_path();
        match self.env.remove(&log) {
            Err(EnvError::NotFound) => Ok(()),
            Ok(()) if self.final_settings().durability != Durability::None => {
                self.env.sync_directory(&log).during("syncing the directory after removing the log")
            }
            other => other.during("removing the log"),
        }
    }

    fn cut_file(&self) -> Result<()> {
        let blocks = self.blocks_in_use()?;
        let mut size = u64::from(blocks) * u64::from(self.pager.geometry().block_size());
        if self.holds_anything() {
            size = size.max(DATA_START);
        }
        // A block count that was never written must not make the file grow.
        let present = self.file.known_size().during("reading the size of the database file")?;
        if present.is_some_and(|present| size >= present) {
            return Ok(());
        }
        self.file.truncate(size).during("cutting the database file to its used size")
    }
}

/// Without an explicit close the only place an error can go is the trace.
pub(crate) fn log_failed_close(error: &Error) {
    #[cfg(feature = "tracing")]
    tracing::error!(%error, "closing the database");
    #[cfg(not(feature = "tracing"))]
    let _ = error;
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.background.stop_if(|| true);
        if !self.is_closed() {
            *self.handles.get_mut() = 0;
            if let Err(error) = self.shut_down() {
                // Nobody is left to be told; the log keeps what was committed.
                log_failed_close(&error);
            }
        }
        OpenDatabases::lock_at_the_end(&*self.env).remove(&self.registry_key);
    }
}
