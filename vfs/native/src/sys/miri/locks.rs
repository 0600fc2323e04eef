//! Locks in a table of the process, with the semantics of open-file-description locks. Kept byte by
//! byte: meant for short ranges.

use crate::environment::LockStyle;
use crate::handles::Identity;
use siltstone_env::{EnvError, LockMode, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// File and byte.
type Place = (Identity, u64);

/// For each locked byte its holders, and whether they hold it exclusively.
static TABLE: Mutex<BTreeMap<Place, BTreeMap<u64, bool>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

fn table() -> MutexGuard<'static, BTreeMap<Place, BTreeMap<u64, bool>>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The locks of one handle.
#[derive(Debug)]
pub(crate) struct Locks {
    handle: u64,
    identity: Identity,
}

impl Locks {
    pub(crate) fn new(_style: LockStyle, identity: Identity) -> Self {
        Locks { handle: NEXT.fetch_add(1, Ordering::Relaxed), identity }
    }

    /// They never belong to the process as a whole.
    pub(crate) fn owned_by_process(&self) -> bool {
        false
    }

    /// Takes, changes or releases a range without waiting.
    pub(crate) fn set(&self, file: &File, range: Range<u64>, mode: LockMode) -> Result<()> {
        if !self.is_free(file, range.clone(), mode)? {
            return Err(EnvError::Busy);
        }
        let mut table = table();
        for byte in range {
            let holders = table.entry((self.identity, byte)).or_default();
            match mode {
                LockMode::Unlock => holders.remove(&self.handle),
                LockMode::Shared => holders.insert(self.handle, false),
                LockMode::Exclusive => holders.insert(self.handle, true),
            };
        }
        Ok(())
    }

    /// Whether nobody else keeps the range from being locked.
    pub(crate) fn is_free(&self, _file: &File, range: Range<u64>, mode: LockMode) -> Result<bool> {
        let table = table();
        Ok(mode == LockMode::Unlock
            || range.clone().all(|byte| {
                table.get(&(self.identity, byte)).is_none_or(|holders| {
                    holders.iter().all(|(&handle, &exclusive)| {
                        handle == self.handle || (!exclusive && mode == LockMode::Shared)
                    })
                })
            }))
    }

    /// Gives back everything.
    pub(crate) fn release(&self, _file: &File) {
        table().retain(|_, holders| {
            holders.remove(&self.handle);
            !holders.is_empty()
        });
    }
}
