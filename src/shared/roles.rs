//! The three roles of which a database has one each: writer, worker, checkpointer.
//!
//! They are lsm1's locks 4, 5 and 6. Within one process they are atomic flags; the order writer,
//! worker, checkpointer is kept by everybody.

use super::Shared;
use crate::error::{BusyRole, Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    fn busy(self) -> BusyRole {
        match self {
            Role::Writer => BusyRole::Writer,
            Role::Worker => BusyRole::Worker,
            Role::Checkpointer => BusyRole::Checkpointer,
        }
    }
}

/// Which roles are taken.
#[derive(Debug, Default)]
pub(super) struct Roles {
    taken: [AtomicBool; 3],
}

impl Roles {
    fn slot(&self, role: Role) -> &AtomicBool {
        let [writer, worker, checkpointer] = &self.taken;
        match role {
            Role::Writer => writer,
            Role::Worker => worker,
            Role::Checkpointer => checkpointer,
        }
    }

    pub(super) fn is_taken(&self, role: Role) -> bool {
        self.slot(role).load(Ordering::Acquire)
    }

    fn try_take(&self, role: Role) -> bool {
        !self.slot(role).swap(true, Ordering::Acquire)
    }

    fn give_back(&self, role: Role) {
        self.slot(role).store(false, Ordering::Release);
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
        self.shared.roles.give_back(self.role);
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
        self.shared.roles.give_back(self.role);
    }
}

/// First and longest pause between two attempts to take a role.
const PAUSES: (Duration, Duration) = (Duration::from_micros(50), Duration::from_millis(5));

impl Shared {
    /// Takes `role`, waiting up to `timeout`.
    pub(crate) fn take_role(self: &Arc<Self>, role: Role, timeout: Duration) -> Result<RoleGuard> {
        self.wait_for_role(role, timeout)?;
        Ok(RoleGuard { shared: Arc::clone(self), role })
    }

    /// Takes `role` for the length of a borrow, waiting up to `timeout`.
    pub(super) fn borrow_role(&self, role: Role, timeout: Duration) -> Result<BorrowedRole<'_>> {
        self.wait_for_role(role, timeout)?;
        Ok(BorrowedRole { shared: self, role })
    }

    fn wait_for_role(&self, role: Role, timeout: Duration) -> Result<()> {
        if self.roles.try_take(role) {
            return Ok(());
        }
        let started = self.env.now();
        let mut pause = PAUSES.0;
        loop {
            let waited = self.env.now().saturating_sub(started);
            let Some(left) = timeout.checked_sub(waited).filter(|left| !left.is_zero()) else {
                return Err(Error::busy(role.busy()).on(&self.path));
            };
            self.env.sleep(pause.min(left));
            if self.roles.try_take(role) {
                return Ok(());
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}
