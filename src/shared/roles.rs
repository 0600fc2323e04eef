//! The three roles of which a database has one each: writer, worker, checkpointer.
//!
//! They are lsm1's locks 4, 5 and 6. The threads of one process stand in line for a role, and the
//! one whose turn it is takes the lock byte besides where other processes may have the file open.
//! Everybody takes roles in the order writer, worker, checkpointer.

use super::Shared;
use super::background::on_background_thread;
use super::queue::{Entrant, FairQueue};
use crate::error::{BusyRole, Error, Result};
use std::sync::Arc;
use std::time::Duration;

/// A role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Runs a write transaction.
    Writer,
    /// Flushes and merges.
    Worker,
    /// Writes checkpoints.
    Checkpointer,
}

impl Role {
    /// As named in errors.
    pub(super) fn busy(self) -> BusyRole {
        match self {
            Role::Writer => BusyRole::Writer,
            Role::Worker => BusyRole::Worker,
            Role::Checkpointer => BusyRole::Checkpointer,
        }
    }
}

/// Who has the roles within this process, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Roles {
    queues: [FairQueue; 3],
}

impl Roles {
    fn queue(&self, role: Role) -> &FairQueue {
        let [writer, worker, checkpointer] = &self.queues;
        match role {
            Role::Writer => writer,
            Role::Worker => worker,
            Role::Checkpointer => checkpointer,
        }
    }

    /// Whether somebody in this process has `role`.
    pub(super) fn is_taken(&self, role: Role) -> bool {
        self.queue(role).is_taken()
    }
}

/// A role held until dropped.
#[derive(Debug)]
pub(crate) struct RoleGuard {
    shared: Arc<Shared>,
    role: Role,
}

impl RoleGuard {
    /// The database the role belongs to.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for RoleGuard {
    fn drop(&mut self) {
        self.shared.give_back_role(self.role);
    }
}

/// A role held while a borrow of the database lasts.
#[derive(Debug)]
pub(super) struct BorrowedRole<'a> {
    shared: &'a Shared,
    role: Role,
}

impl Drop for BorrowedRole<'_> {
    fn drop(&mut self) {
        self.shared.give_back_role(self.role);
    }
}

impl Shared {
    /// Takes `role`, waiting up to `timeout`.
    pub(crate) fn take_role(self: &Arc<Self>, role: Role, timeout: Duration) -> Result<RoleGuard> {
        self.wait_for_role(role, timeout, Entrant::Caller)?;
        Ok(RoleGuard { shared: Arc::clone(self), role })
    }

    /// Takes `role` for the length of a borrow, waiting up to `timeout`.
    pub(super) fn borrow_role(&self, role: Role, timeout: Duration) -> Result<BorrowedRole<'_>> {
        self.wait_for_role(role, timeout, Entrant::Caller)?;
        Ok(BorrowedRole { shared: self, role })
    }

    /// As `borrow_role`; time that a background thread of this process has the role does not count.
    pub(super) fn borrow_role_patiently(
        &self,
        role: Role,
        timeout: Duration,
    ) -> Result<BorrowedRole<'_>> {
        let own = on_background_thread();
        let entrant = if own { Entrant::Caller } else { Entrant::PatientCaller };
        self.wait_for_role(role, timeout, entrant)?;
        Ok(BorrowedRole { shared: self, role })
    }

    /// Takes `role` on a background thread.
    pub(super) fn borrow_role_in_background(
        &self,
        role: Role,
        timeout: Duration,
    ) -> Result<BorrowedRole<'_>> {
        self.wait_for_role(role, timeout, Entrant::Background)?;
        Ok(BorrowedRole { shared: self, role })
    }

    fn wait_for_role(&self, role: Role, timeout: Duration, entrant: Entrant) -> Result<()> {
        self.check_process()?;
        let shared = self.role_locks.is_some();
        let deadline = if shared { self.env.now().saturating_add(timeout) } else { Duration::ZERO };
        let queue = self.roles.queue(role);
        if !queue.enter(&*self.env, timeout, entrant) {
            return Err(Error::busy(role.busy()).on(&self.path));
        }
        self.take_lock(role, deadline).map_err(|error| {
            queue.leave();
            error.on(&self.path)
        })
    }

    /// Takes the lock byte of `role`, which this thread has within its process; at once where no
    /// other process can have the file open.
    fn take_lock(&self, role: Role, deadline: Duration) -> Result<()> {
        match (&self.role_locks, role) {
            (None, _) => Ok(()),
            (Some(locks), Role::Writer) => self.take_writer_lock(locks, deadline),
            (Some(locks), _) => locks.take(role, deadline),
        }
    }

    fn give_back_role(&self, role: Role) {
        let queue = self.roles.queue(role);
        match (&self.role_locks, role) {
            (None, _) => {}
            (Some(locks), Role::Writer) => {
                self.give_back_writer_lock(locks, || queue.leave());
                return;
            }
            (Some(locks), _) => locks.release(role),
        }
        queue.leave();
    }
}
