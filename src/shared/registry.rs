//! The table of open databases, locked as the world wants it: its global mutex first, if it has one,
//! then the table itself.

use crate::env::{AnyShared, Env, FileId, RawMutex};
use crate::error::{IoContext, Result};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, MutexGuard};

type Table = BTreeMap<FileId, Box<AnyShared>>;

/// The world's global mutex, until dropped.
#[must_use = "the mutex is left when this is dropped"]
pub(super) struct GlobalTurn(Option<Arc<dyn RawMutex>>);

impl GlobalTurn {
    /// Waits for the mutex, if the world has one.
    pub(super) fn enter(env: &dyn Env) -> Result<Self> {
        let mutex = env.global_mutex().during("asking for the global mutex")?;
        if let Some(mutex) = &mutex {
            mutex.enter();
        }
        Ok(GlobalTurn(mutex))
    }

    /// As `enter`, where something must come to its end: without the mutex if it cannot be had.
    pub(super) fn enter_at_the_end(env: &dyn Env) -> Self {
        Self::enter(env).unwrap_or(GlobalTurn(None))
    }
}

impl Drop for GlobalTurn {
    fn drop(&mut self) {
        if let Some(mutex) = &self.0 {
            mutex.leave();
        }
    }
}

/// The open databases of the process, until dropped.
pub(super) struct OpenDatabases<'a> {
    // In this order: the table is unlocked before the mutex is left.
    table: MutexGuard<'a, Table>,
    _turn: GlobalTurn,
}

impl<'a> OpenDatabases<'a> {
    /// Waits for the table, to look for a database or to enter one.
    pub(super) fn lock(env: &'a dyn Env) -> Result<Self> {
        Ok(Self::within(env, GlobalTurn::enter(env)?))
    }

    /// As `lock`, to let go of a database.
    pub(super) fn lock_at_the_end(env: &'a dyn Env) -> Self {
        Self::within(env, GlobalTurn::enter_at_the_end(env))
    }

    fn within(env: &'a dyn Env, turn: GlobalTurn) -> Self {
        OpenDatabases { table: env.registry().lock(), _turn: turn }
    }
}

impl Deref for OpenDatabases<'_> {
    type Target = Table;

    fn deref(&self) -> &Table {
        &self.table
    }
}

impl DerefMut for OpenDatabases<'_> {
    fn deref_mut(&mut self) -> &mut Table {
        &mut self.table
    }
}
