//! Byte-range locks of one file, with owners.
//!
//! Semantics of open-file-description locks: every handle is an owner of its own, conflicts are
//! between handles, closing a handle releases what it held and nothing else. Locks of a killed
//! process count as released.

use siltstone_env::{EnvError, LockMode, Result};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Who holds a lock.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// Unique number of the handle.
    pub(crate) handle: u64,
    /// Number of its process.
    pub(crate) process: u64,
    /// Set when the process was killed.
    pub(crate) dead: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
struct Held {
    range: Range<u64>,
    exclusive: bool,
    owner: Owner,
}

/// A lock somebody holds, for tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLock {
    /// Bytes locked. Lock `n` of the protocol is byte `4096 - n`.
    pub range: Range<u64>,
    /// Exclusive or shared.
    pub mode: LockMode,
    /// Number of the process, see `MemoryEnv::process_number`.
    pub process: u64,
}

/// All locks of one file.
#[derive(Debug, Default)]
pub(crate) struct LockTable {
    held: Vec<Held>,
}

impl LockTable {
    fn bury_the_dead(&mut self) {
        self.held.retain(|held| !held.owner.dead.load(Ordering::SeqCst));
    }

    /// Whether another owner keeps `range` from being locked in `mode`.
    pub(crate) fn conflicts(&mut self, owner: &Owner, range: &Range<u64>, mode: LockMode) -> bool {
        self.bury_the_dead();
        mode != LockMode::Unlock
            && self.held.iter().any(|held| {
                held.owner.handle != owner.handle
                    && overlap(&held.range, range)
                    && (held.exclusive || mode == LockMode::Exclusive)
            })
    }

    /// Takes, changes or releases a range.
    pub(crate) fn set(&mut self, owner: &Owner, range: Range<u64>, mode: LockMode) -> Result<()> {
        if self.conflicts(owner, &range, mode) {
            return Err(EnvError::Busy);
        }
        if range.is_empty() {
            return Ok(());
        }
        let mut pieces = Vec::new();
        self.held.retain(|held| {
            if held.owner.handle != owner.handle || !overlap(&held.range, &range) {
                return true;
            }
            for piece in [held.range.start..range.start, range.end..held.range.end] {
                if piece.start < piece.end {
                    pieces.push(Held { range: piece, ..held.clone() });
                }
            }
            false
        });
        self.held.append(&mut pieces);
        if mode != LockMode::Unlock {
            let exclusive = mode == LockMode::Exclusive;
            self.held.push(Held { range, exclusive, owner: owner.clone() });
        }
        Ok(())
    }

    /// Releases everything a handle holds.
    pub(crate) fn release_handle(&mut self, handle: u64) {
        self.held.retain(|held| held.owner.handle != handle);
    }

    /// What is held now.
    pub(crate) fn list(&mut self) -> Vec<HeldLock> {
        self.bury_the_dead();
        let mut list: Vec<HeldLock> = self
            .held
            .iter()
            .map(|held| HeldLock {
                range: held.range.clone(),
                mode: if held.exclusive { LockMode::Exclusive } else { LockMode::Shared },
                process: held.owner.process,
            })
            .collect();
        list.sort_by_key(|held| (held.range.start, held.process));
        list
    }
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(handle: u64) -> Owner {
        Owner { handle, process: handle, dead: Arc::default() }
    }

    #[test]
    fn unlocking_the_middle_keeps_both_ends() {
        let mut table = LockTable::default();
        let (one, two) = (owner(1), owner(2));
        table.set(&one, 10..20, LockMode::Exclusive).unwrap();
        table.set(&one, 13..15, LockMode::Unlock).unwrap();
        assert!(table.conflicts(&two, &(10..13), LockMode::Shared));
        assert!(!table.conflicts(&two, &(13..15), LockMode::Exclusive));
        assert!(table.conflicts(&two, &(15..20), LockMode::Shared));
    }

    #[test]
    fn a_refused_upgrade_keeps_the_shared_lock() {
        let mut table = LockTable::default();
        let (one, two) = (owner(1), owner(2));
        table.set(&one, 5..6, LockMode::Shared).unwrap();
        table.set(&two, 5..6, LockMode::Shared).unwrap();
        assert_eq!(table.set(&one, 5..6, LockMode::Exclusive), Err(EnvError::Busy));
        table.release_handle(2);
        assert!(table.conflicts(&two, &(5..6), LockMode::Exclusive));
        table.set(&one, 5..6, LockMode::Exclusive).unwrap();
        assert!(table.conflicts(&two, &(5..6), LockMode::Shared));
    }

    #[test]
    fn the_dead_hold_nothing() {
        let mut table = LockTable::default();
        let (one, two) = (owner(1), owner(2));
        table.set(&one, 5..6, LockMode::Exclusive).unwrap();
        one.dead.store(true, Ordering::SeqCst);
        table.set(&two, 5..6, LockMode::Exclusive).unwrap();
        assert_eq!(table.list().len(), 1);
    }
}
