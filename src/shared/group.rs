//! Group commit: threads that commit under full durability share the sync of the log.
//!
//! A commit writes its records, leaves its tree header here and hands the writer role on. The next
//! transaction of this process begins from that header, not from the published one. One of the
//! threads whose records are written syncs the log for all of them; then the newest header that is
//! safe is published and their commits return. So nobody sees what a power cut could take away, and
//! a thread alone does what it always did: one write, one sync.
//!
//! Until nothing waits here any more, the writer mark in shared memory stays set and the writer lock
//! stays with this process: to other processes all of it is one long transaction, which the next
//! writer undoes should this process die. The lock also stays while the role goes from thread to
//! thread, until it is time to let other processes write. A failed sync fails every commit that
//! waits, publishes nothing, and ends all writing through this object.
//!
//! Locked before the state, after nothing.

use super::Shared;
use super::role_locks::RoleLocks;
use super::roles::Role;
use super::view::State;
use crate::env::File;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::format::tree_header::TreeHeader;
use crate::shm::Shm;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The commits that wait for a sync.
#[derive(Debug, Default)]
pub(super) struct CommitGroup {
    inner: Mutex<Group>,
    /// A sync has ended.
    synced: Condvar,
}

/// What a commit waits by: its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

#[derive(Debug, Default)]
pub(super) struct Group {
    /// Commits whose records are written and that are not published yet, oldest first.
    waiting: VecDeque<Waiting>,
    /// Number of the next commit to wait.
    next: u64,
    /// Commits with smaller numbers are published.
    published: u64,
    /// Somebody syncs the log.
    syncing: bool,
    /// How many threads wait for somebody else's sync.
    followers: u32,
    /// The log they are written to, unless it is being synced.
    log: Option<Arc<dyn File>>,
    /// A write transaction is open: the writer mark stays.
    in_transaction: bool,
    /// A thread has the writer role: the writer lock stays.
    has_writer: bool,
    /// This process holds the writer lock; shared mode only.
    locked: bool,
    /// The sync that ended it all.
    failed: Option<Error>,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    header: TreeHeader,
    /// Must be synced itself; otherwise it waits for those before it only.
    durable: bool,
}

impl CommitGroup {
    fn lock(&self) -> MutexGuard<'_, Group> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether commits wait to be published.
    pub(super) fn is_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// A write transaction begins. Returns the header it must begin from unless that is the
    /// published one, with what to wait by until it is. The writer role is held.
    pub(super) fn begin(&self) -> Result<Option<(TreeHeader, Ticket)>> {
        let mut group = self.lock();
        if let Some(error) = &group.failed {
            return Err(Error::new(ErrorKind::Poisoned(error.to_string().into())));
        }
        group.in_transaction = true;
        Ok(group.waiting.back().map(|newest| (newest.header, newest.ticket)))
    }
}

impl Shared {
    /// Ends the write transaction with what it has made: publishes `header`, or leaves it to the
    /// sync that `log` needs first, or that commits before it wait for. Returns what to wait by, if
    /// anything. The writer role is held.
    pub(super) fn join_group(
        &self,
        header: &TreeHeader,
        shm: &Shm,
        log: Option<Arc<dyn File>>,
    ) -> Result<Option<Ticket>> {
        let mut group = self.group.lock();
        if let Some(error) = &group.failed {
            return Err(error.clone());
        }
        if log.is_none() && group.waiting.is_empty() {
            publish(shm, header, &mut self.state.lock(), false)?;
            group.in_transaction = false;
            return Ok(None);
        }
        let durable = log.is_some();
        if durable {
            group.log = log;
        }
        let ticket = Ticket(group.next);
        group.next += 1;
        group.waiting.push_back(Waiting { ticket, header: *header, durable });
        group.in_transaction = false;
        Ok(Some(ticket))
    }

    /// Ends the write transaction without anything of it: `header` is what it began from, undone.
    /// The writer role is held.
    pub(super) fn leave_group(&self, header: &TreeHeader, shm: &Shm) -> Result<()> {
        let mut group = self.group.lock();
        group.in_transaction = false;
        if group.failed.is_some() {
            // It may have begun from what must not be seen.
            return Ok(());
        }
        match group.waiting.back_mut() {
            Some(newest) => newest.header = *header,
            None => publish(shm, header, &mut self.state.lock(), false)?,
        }
        Ok(())
    }

    /// The write transaction could not begin after all.
    pub(super) fn abandon_group(&self) {
        self.group.lock().in_transaction = false;
    }

    /// Waits until the commit is safe and published, syncing for it and others if nobody does.
    pub(super) fn wait_for_group(&self, ticket: Ticket) -> Result<()> {
        let mut group = self.group.lock();
        loop {
            if ticket.0 < group.published {
                return Ok(());
            }
            if let Some(error) = &group.failed {
                return Err(error.clone());
            }
            group = if group.syncing {
                group.followers += 1;
                let mut group =
                    self.group.synced.wait(group).unwrap_or_else(PoisonError::into_inner);
                group.followers -= 1;
                group
            } else {
                self.sync_group(group)
            };
        }
    }

    /// Takes the writer lock, unless this process has it still. The thread has the writer role.
    pub(super) fn take_writer_lock(&self, locks: &RoleLocks, deadline: Duration) -> Result<()> {
        let locked = {
            let mut group = self.group.lock();
            group.has_writer = true;
            group.locked
        };
        let others = locks.is_others_turn();
        if locked && !others {
            return Ok(());
        }
        if locked {
            // If that fails, so will the transaction.
            let _ = self.settle_group();
            locks.release(Role::Writer);
            self.group.lock().locked = false;
        }
        if others {
            locks.stand_back();
        }
        let taken = locks.take(Role::Writer, deadline);
        let mut group = self.group.lock();
        group.locked = taken.is_ok();
        group.has_writer = taken.is_ok();
        taken
    }

    /// Gives the writer role to the next thread by `hand_over`, which tells whether there is one;
    /// if not, gives the writer lock back unless commits wait under it.
    pub(super) fn give_back_writer_lock(
        &self,
        locks: &RoleLocks,
        hand_over: impl FnOnce() -> bool,
    ) {
        locks.note_end();
        let mut group = self.group.lock();
        group.has_writer = hand_over();
        self.unlock_if_idle(&mut group);
    }

    /// Gives the writer lock back if no thread has the writer role and no commit waits.
    fn unlock_if_idle(&self, group: &mut Group) {
        if let Some(locks) = &self.role_locks
            && group.locked
            && !group.has_writer
            && group.waiting.is_empty()
        {
            locks.release(Role::Writer);
            group.locked = false;
        }
    }

    /// Waits until no commit waits. The writer role is held, so none is added.
    pub(super) fn settle_group(&self) -> Result<()> {
        let newest = self.group.lock().waiting.back().map(|newest| newest.ticket);
        newest.map_or(Ok(()), |ticket| self.wait_for_group(ticket))
    }

    /// Syncs the log for all whose records are written, and publishes what is safe then.
    fn sync_group<'a>(&'a self, mut group: MutexGuard<'a, Group>) -> MutexGuard<'a, Group> {
        group.syncing = true;
        let written = Ticket(group.next);
        let log = group.log.take();
        drop(group);
        let leader = Leader(&self.group);
        let outcome = match &log {
            Some(log) => log.sync().during("syncing the log"),
            None => Ok(()),
        };
        let mut group = self.group.lock();
        std::mem::forget(leader);
        group.syncing = false;
        let outcome = outcome.and_then(|()| self.publish_group(&mut group, written));
        if let Err(error) = outcome {
            // Nothing is known about what the failed sync left behind.
            self.poison(&error);
            if let Some(log) = &log {
                // If this fails too, nothing is lost but the certainty that a crash does not
                // bring back what is reported as failed.
                let _ = crate::log::end_at(&**log, &self.state.lock().header.log);
            }
            group.waiting.clear();
            group.failed = Some(error);
        }
        self.unlock_if_idle(&mut group);
        if group.followers > 0 {
            self.group.synced.notify_all();
        }
        group
    }

    /// Publishes the newest commit that is safe when all before `written` are synced.
    fn publish_group(&self, group: &mut Group, written: Ticket) -> Result<()> {
        let safe = |waiting: &&Waiting| waiting.ticket < written || !waiting.durable;
        let count = group.waiting.iter().take_while(safe).count();
        let Some(newest) = group.waiting.drain(..count).next_back() else { return Ok(()) };
        group.published = newest.ticket.0 + 1;
        let goes_on = group.in_transaction || !group.waiting.is_empty();
        let mut state = self.state.lock();
        let shm = state.shm.clone();
        publish(&shm, &newest.header, &mut state, goes_on)
    }
}

/// Whoever syncs; lets somebody else do it should it not come to an end.
struct Leader<'a>(&'a CommitGroup);

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.0.lock().syncing = false;
        self.0.synced.notify_all();
    }
}

/// Makes `header` what views are made of from now on. The writer mark stays if others `go_on`.
fn publish(shm: &Shm, header: &TreeHeader, state: &mut State, goes_on: bool) -> Result<()> {
    if goes_on {
        shm.publish_under_transaction(header)?;
    } else {
        shm.publish_tree_header(header)?;
    }
    state.set_header(*header);
    Ok(())
}
