//! Which databases this process has open.

use crate::FileId;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Anything an engine keeps per open file.
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
pub type AnyShared = dyn std::any::Any + Send + Sync;
/// Anything an engine keeps per open file.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
pub type AnyShared = dyn std::any::Any;

/// A process-wide table from file identity to the object all connections of this process share:
/// typically a `Weak` to it, so that the table keeps nothing alive.
///
/// A world owns one per simulated or real process. The engine locks it around open and close, so
/// that two threads never make two objects for one file.
#[derive(Debug, Default)]
pub struct Registry {
    entries: Mutex<BTreeMap<FileId, Box<AnyShared>>>,
}

impl Registry {
    /// An empty table.
    #[must_use]
    pub const fn new() -> Self {
        Registry { entries: Mutex::new(BTreeMap::new()) }
    }

    /// Locks the table until the guard is dropped.
    pub fn lock(&self) -> MutexGuard<'_, BTreeMap<FileId, Box<AnyShared>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
