//! How a write transaction ends: committed or undone, and what an open connection reads then.

use super::{WriterCore, trace_failed_work};
use crate::error::{Error, Result};
use crate::options::Durability;
use crate::shared::View;
use crate::shared::group::Ticket;
use crate::tree::{self, TreeWriter};
use std::sync::Arc;

/// A commit whose records are written.
struct Committed {
    /// What to wait by before it is safe and visible.
    ticket: Option<Ticket>,
    /// The tree was handed over or waits to be.
    over: bool,
    /// Bytes the transaction has added to the tree.
    grown: u64,
    /// The transaction gave up the old tree's chunks.
    discarded: bool,
}

impl WriterCore {
    /// Makes the transaction visible, then does the work it calls for. Work that fails does not
    /// make the commit fail, which it is not part of: it is tried again, and reported, when the
    /// tree has grown further, at a flush and at close.
    pub(crate) fn commit(self) -> Result<()> {
        self.commit_with(None, |_| ())
    }

    /// As `commit`; what came of it is told before the work.
    pub(crate) fn commit_telling(self, tell: impl FnOnce(&Result<()>)) -> Result<()> {
        self.commit_with(None, tell)
    }

    /// As `commit`; `view` becomes one of exactly the state the transaction leaves, if it can be
    /// had.
    pub(crate) fn commit_and_view(self, view: &mut Option<Arc<View>>) -> Result<()> {
        self.commit_with(Some(view), |_| ())
    }

    fn commit_with(
        mut self,
        view: Option<&mut Option<Arc<View>>>,
        tell: impl FnOnce(&Result<()>),
    ) -> Result<()> {
        let mut outcome = self.try_commit();
        if outcome.is_err() {
            let _ = self.undo_all();
        }
        let (shared, settings) = (Arc::clone(self.role.shared()), self.settings.clone());
        if let Some(view) = view {
            // Before somebody else can commit.
            if let Ok(Committed { ticket, .. }) = &mut outcome
                && let Some(ticket) = ticket.take()
                && let Err(error) = shared.wait_for_group(ticket)
            {
                outcome = Err(error);
            }
            *view = self.view_after();
        }
        // The role goes to the next writer before the log is synced, perhaps for both at once.
        drop(self);
        let committed = outcome.and_then(|committed| {
            committed.ticket.map_or(Ok(()), |ticket| shared.wait_for_group(ticket))?;
            Ok(committed)
        });
        let committed = committed.map_err(|error| error.on(&shared.path));
        tell(&committed.as_ref().map(drop).map_err(Error::clone));
        let Committed { over, grown, discarded, .. } = committed?;
        if discarded {
            shared.leave_hint();
        }
        if over && let Err(error) = shared.after_commit(&settings, grown) {
            trace_failed_work(&error);
        }
        Ok(())
    }

    fn try_commit(&mut self) -> Result<Committed> {
        self.check()?;
        let shared = self.role.shared();
        shared.check_writable()?;
        if shared.slots.is_some() {
            let mut in_use = |_| Ok(true);
            let mut tree = TreeWriter::new(
                &self.parts.shm,
                &mut self.header,
                &mut self.parts.undo,
                &mut in_use,
                shared.tree_limit,
            );
            // A kindness: there may be no memory left for it.
            let _ = tree.help_c_repair();
        }
        let full = self.settings.durability == Durability::Full;
        let mut to_sync = None;
        if let (true, Some(log)) = (self.settings.use_log, &mut self.parts.log) {
            log.commit(full)?;
            log.end(&mut self.header.log)?;
            to_sync = full.then(|| Arc::clone(log.file()));
        }
        let over = u64::from(self.header.live.bytes) > self.settings.autoflush;
        let grown = u64::from(self.header.live.bytes.saturating_sub(self.start.live_bytes()));
        if over && self.header.old_chunk_id == 0 {
            tree::make_old(&mut self.header, self.log_pointer);
        }
        let ticket = shared.join_group(&self.header, &self.parts.shm, to_sync)?;
        self.finished = true;
        Ok(Committed { over, grown, ticket, discarded: self.discarded })
    }

    /// Undoes the whole transaction. What it has read is safe from power loss afterwards.
    pub(crate) fn rollback(mut self) -> Result<()> {
        let (shared, below) = (Arc::clone(self.role.shared()), self.below);
        let undone = self.undo_all();
        drop(self);
        undone
            .and_then(|()| below.map_or(Ok(()), |ticket| shared.wait_for_group(ticket)))
            .map_err(|error| error.on(&shared.path))
    }

    /// As `rollback`; `view` becomes one of the state before the transaction, if it can be had.
    pub(crate) fn rollback_and_view(mut self, view: &mut Option<Arc<View>>) -> Result<()> {
        let path = self.path().clone();
        let undone = self.undo_all();
        let settled = self.role.shared().settle_group();
        *view = self.view_after();
        undone.and(settled).map_err(|error| error.on(&path))
    }

    /// The newest state once the transaction has ended, which still keeps others from committing.
    fn view_after(&mut self) -> Option<Arc<View>> {
        // Gives up its own reader slot first: there may be no other.
        (self.base, self.read) = (None, None);
        self.role.shared().view().ok()
    }

    pub(super) fn undo_all(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        let start = self.start;
        let undone = self.undo_to(&start);
        if let (true, Some(log)) = (self.settings.use_log, &mut self.parts.log) {
            log.rollback(&mut self.header.log);
        }
        let shared = self.role.shared();
        if let Err(error) = undone {
            shared.poison(&error);
            return Err(error);
        }
        shared.leave_group(&self.header, &self.parts.shm)
    }
}
