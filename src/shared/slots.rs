//! The six reader slots, by which processes tell each other what they still read.
//!
//! A slot in shared memory names a snapshot and a chunk id; its lock byte, held shared, turns that
//! from a hint into a promise: blocks of this snapshot and later ones, and chunks from this id on,
//! stay. A process holds each lock byte once, however many of its views rely on it; what each of
//! them needs is kept here, so that a test for other processes' needs never gives up our own.
//! Rules: docs/format-sharing.md, "Reader slots".

use crate::env::{EnvError, File, LockId, LockMode};
use crate::error::{IoContext, Result};
use crate::shm::{READER_SLOTS, ReaderSlot, Shm};
use crate::tree::id_at_or_after;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the views of this process need, by slot.
type Needs = [Vec<ReaderSlot>; READER_SLOTS as usize];

/// The reader slots as one process uses them.
#[derive(Debug)]
pub(super) struct Slots {
    file: Arc<dyn File>,
    needs: Mutex<Needs>,
}

/// A reader's share of a slot, given back when dropped.
#[derive(Debug)]
pub(super) struct SlotGuard {
    slots: Arc<Slots>,
    index: u8,
    need: ReaderSlot,
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let mut needs = self.slots.needs();
        let Some(held) = needs.get_mut(usize::from(self.index)) else { return };
        if let Some(at) = held.iter().position(|need| *need == self.need) {
            held.swap_remove(at);
        }
        if held.is_empty() {
            // Nobody is left to be told; the lock goes with the file handle at the latest.
            let _ = self.slots.lock(self.index, LockMode::Unlock);
        }
    }
}

fn least(needs: &[ReaderSlot]) -> Option<ReaderSlot> {
    needs.iter().copied().reduce(|least, need| ReaderSlot {
        tree_id: if id_at_or_after(need.tree_id, least.tree_id) {
            least.tree_id
        } else {
            need.tree_id
        },
        snapshot_id: least.snapshot_id.min(need.snapshot_id),
    })
}

impl Slots {
    /// Locks slots on `file`, the handle that holds all locks of this process.
    pub(super) fn new(file: Arc<dyn File>) -> Arc<Self> {
        Arc::new(Slots { file, needs: Mutex::default() })
    }

    fn needs(&self) -> MutexGuard<'_, Needs> {
        self.needs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a view of this process holds a slot.
    pub(super) fn any_held(&self) -> bool {
        self.needs().iter().any(|held| !held.is_empty())
    }

    /// Changes the lock of a slot; tells whether that could be done at once.
    fn lock(&self, index: u8, mode: LockMode) -> Result<bool> {
        let Some(id) = LockId::reader(index) else { return Ok(false) };
        match self.file.lock(id, mode) {
            Ok(()) => Ok(true),
            // Who may not lock exclusively may still share what others have left.
            Err(EnvError::Busy | EnvError::ReadOnly) => Ok(false),
            Err(error) => Err(error).during("locking a reader slot"),
        }
    }

    /// A slot that protects `need`, if one can be had now. Slots with a chunk id before `oldest`
    /// are remains of another age of the ids.
    pub(super) fn acquire(
        self: &Arc<Self>,
        shm: &Shm,
        need: ReaderSlot,
        oldest: u32,
    ) -> Result<Option<SlotGuard>> {
        let mut needs = self.needs();
        let exact = |slot: ReaderSlot| slot == need;
        if let Some(guard) = self.share(&mut needs, shm, need, &exact)? {
            return Ok(Some(guard));
        }
        if shm.is_writable()
            && let Some(guard) = self.fill(&mut needs, shm, need)?
        {
            return Ok(Some(guard));
        }
        let older = |slot: ReaderSlot| {
            slot.snapshot_id != 0
                && slot.snapshot_id <= need.snapshot_id
                && id_at_or_after(need.tree_id, slot.tree_id)
                && id_at_or_after(slot.tree_id, oldest)
        };
        self.share(&mut needs, shm, need, &older)
    }

    /// Joins the first slot that suits.
    fn share(
        self: &Arc<Self>,
        needs: &mut Needs,
        shm: &Shm,
        need: ReaderSlot,
        suits: &dyn Fn(ReaderSlot) -> bool,
    ) -> Result<Option<SlotGuard>> {
        for (index, held) in (0..).zip(needs.iter_mut()) {
            if !suits(shm.reader_slot(index)?) {
                continue;
            }
            if held.is_empty() {
                if !self.lock(index, LockMode::Shared)? {
                    continue;
                }
                shm.barrier();
                // It may have been given away between the look and the lock.
                if !shm.reader_slot(index).is_ok_and(suits) {
                    self.lock(index, LockMode::Unlock)?;
                    continue;
                }
            }
            held.push(need);
            return Ok(Some(self.guard(index, need)));
        }
        Ok(None)
    }

    /// Writes `need` into the first slot that nobody holds.
    fn fill(
        self: &Arc<Self>,
        needs: &mut Needs,
        shm: &Shm,
        need: ReaderSlot,
    ) -> Result<Option<SlotGuard>> {
        for (index, held) in (0..).zip(needs.iter_mut()) {
            if !held.is_empty() || !self.lock(index, LockMode::Exclusive)? {
                continue;
            }
            shm.barrier();
            let written = shm.set_reader_slot(index, need);
            if written.is_ok() && self.lock(index, LockMode::Shared)? {
                held.push(need);
                return Ok(Some(self.guard(index, need)));
            }
            self.lock(index, LockMode::Unlock)?;
            written?;
        }
        Ok(None)
    }

    fn guard(self: &Arc<Self>, index: u8, need: ReaderSlot) -> SlotGuard {
        SlotGuard { slots: Arc::clone(self), index, need }
    }

    /// Leaves a slot that says exactly `slot` for readers to come, if one is free.
    pub(super) fn leave_hint(&self, shm: &Shm, slot: ReaderSlot) -> Result<()> {
        let needs = self.needs();
        for index in 0..READER_SLOTS {
            if shm.reader_slot(index)? == slot {
                return Ok(());
            }
        }
        for (index, held) in (0..).zip(needs.iter()) {
            if held.is_empty() && self.lock(index, LockMode::Exclusive)? {
                shm.barrier();
                let written = shm.set_reader_slot(index, slot);
                self.lock(index, LockMode::Unlock)?;
                return written;
            }
        }
        Ok(())
    }

    /// Whether another process relies on slot `index`. Where none does, the slot is reduced to what
    /// our own views need of it, or emptied.
    fn is_relied_on(&self, needs: &Needs, shm: &Shm, index: u8) -> Result<bool> {
        let own = needs.get(usize::from(index)).map_or(&[][..], Vec::as_slice);
        if !self.lock(index, LockMode::Exclusive)? {
            return Ok(true);
        }
        shm.barrier();
        let rest = least(own);
        let written = shm.set_reader_slot(index, rest.unwrap_or_default());
        let mode = if rest.is_some() { LockMode::Shared } else { LockMode::Unlock };
        self.lock(index, mode)?;
        written.map(|()| false)
    }

    /// Whether a reader may still reach chunk `id`. Afterwards no unlocked slot claims it.
    pub(super) fn chunk_in_use(&self, shm: &Shm, id: u32) -> Result<bool> {
        let needs = self.needs();
        // What made the chunk needless must be visible before the slots are looked at: a reader
        // fills its slot first and looks then whether it came too late.
        shm.barrier();
        if needs.iter().flatten().any(|need| id_at_or_after(id, need.tree_id)) {
            return Ok(true);
        }
        for index in 0..READER_SLOTS {
            let slot = shm.reader_slot(index)?;
            if slot.snapshot_id != 0
                && id_at_or_after(id, slot.tree_id)
                && self.is_relied_on(&needs, shm, index)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The oldest snapshot a reader uses, at most `newest`.
    pub(super) fn oldest_snapshot(&self, shm: &Shm, newest: i64) -> Result<i64> {
        let needs = self.needs();
        // As above.
        shm.barrier();
        let mut oldest = needs.iter().flatten().fold(newest, |id, need| id.min(need.snapshot_id));
        for index in 0..READER_SLOTS {
            let slot = shm.reader_slot(index)?.snapshot_id;
            if slot != 0 && slot < oldest && self.is_relied_on(&needs, shm, index)? {
                oldest = slot;
            }
        }
        Ok(oldest)
    }
}
