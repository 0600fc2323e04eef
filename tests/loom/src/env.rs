//! Locks of the database file, as loom knows them: one small table behind a mutex, so that taking a
//! lock sees all that happened before it was given back.

use crate::sabotage::{Part, is_left_out};
use loom::sync::Mutex;
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum EnvError {
    Busy,
    ReadOnly,
    Io,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LockMode {
    Unlock,
    Shared,
    Exclusive,
}

/// One of the reader locks, of which there are fewer than in earnest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockId(u8);

impl LockId {
    pub(crate) const READER_SLOTS: u8 = 1;

    pub(crate) fn reader(slot: u8) -> Option<LockId> {
        (slot < Self::READER_SLOTS).then_some(LockId(slot))
    }
}

/// The part of a file that is modelled.
pub(crate) trait File: Send + Sync + std::fmt::Debug {
    fn lock(&self, lock: LockId, mode: LockMode) -> Result<(), EnvError>;
}

/// Who holds a lock: bits of the processes, and whether exclusively.
#[derive(Clone, Copy, Debug, Default)]
struct Holders {
    processes: u8,
    exclusive: bool,
}

/// The locks of one file.
#[derive(Debug)]
pub(crate) struct Locks(Mutex<[Holders; LockId::READER_SLOTS as usize]>);

impl Locks {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Locks(Mutex::new(Default::default())))
    }

    /// The file as process `number` has it open.
    pub(crate) fn of_process(self: &Arc<Self>, number: u8) -> Arc<dyn File> {
        Arc::new(Handle { locks: Arc::clone(self), bit: 1 << number })
    }
}

#[derive(Debug)]
struct Handle {
    locks: Arc<Locks>,
    bit: u8,
}

impl File for Handle {
    fn lock(&self, lock: LockId, mode: LockMode) -> Result<(), EnvError> {
        if is_left_out(Part::Locks) {
            return Ok(());
        }
        let mut all = self.locks.0.lock().unwrap();
        let held = &mut all[usize::from(lock.0)];
        let others = held.processes & !self.bit;
        match mode {
            LockMode::Unlock => {
                *held = Holders { processes: others, exclusive: held.exclusive && others != 0 };
            }
            LockMode::Shared if others != 0 && held.exclusive => return Err(EnvError::Busy),
            LockMode::Shared => {
                *held = Holders { processes: others | self.bit, exclusive: false };
            }
            LockMode::Exclusive if others != 0 => return Err(EnvError::Busy),
            LockMode::Exclusive => *held = Holders { processes: self.bit, exclusive: true },
        }
        Ok(())
    }
}
