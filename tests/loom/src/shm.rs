//! The room `shm`: the real header chunk over a few words, and one chunk of tree data.

#[path = "../../../src/shm/header.rs"]
mod header;

pub(crate) use header::{HeaderCopy, READER_SLOTS, ReaderSlot};

use crate::error::Result;
use crate::format::{checkpoint::SNAPSHOT_WORDS, tree_header::WORDS};
use atomics::{AtomicU32, Ordering, fence};
use std::sync::Arc;

/// Loom's atomics, with fences that a control can leave out.
pub(crate) mod atomics {
    use crate::sabotage::{Part, is_left_out};
    pub(crate) use loom::hint::spin_loop;
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};

    pub(crate) fn fence(order: Ordering) {
        let part = match order {
            Ordering::Acquire => Part::AcquireFences,
            Ordering::Release => Part::ReleaseFences,
            _ => Part::Barriers,
        };
        if !is_left_out(part) {
            loom::sync::atomic::fence(order);
        }
    }
}

const HEADER_WORDS: usize = 2 * SNAPSHOT_WORDS + 2 + 2 * WORDS + 4 * READER_SLOTS as usize;

/// The words of the header chunk.
pub(crate) type Words = [AtomicU32; HEADER_WORDS];

#[derive(Debug)]
struct Memory {
    zero: Words,
    data: [AtomicU32; 2],
}

/// The shared memory.
#[derive(Clone, Debug)]
pub(crate) struct Shm(Arc<Memory>);

impl Shm {
    pub(crate) fn new() -> Self {
        Shm(Arc::new(Memory {
            zero: std::array::from_fn(|_| AtomicU32::new(0)),
            data: std::array::from_fn(|_| AtomicU32::new(0)),
        }))
    }

    /// The header chunk, whatever its number.
    pub(crate) fn chunk(&self, _number: u32) -> Result<&Words> {
        Ok(&self.0.zero)
    }

    /// A word of tree data, or of a block of the database file.
    pub(crate) fn data(&self, index: usize) -> u32 {
        self.0.data[index].load(Ordering::Relaxed)
    }

    /// Stores such a word.
    pub(crate) fn set_data(&self, index: usize, value: u32) {
        self.0.data[index].store(value, Ordering::Relaxed);
    }

    /// Stores what `other` has in its second tree header.
    pub(crate) fn take_over_second(&self, other: &Shm) {
        let start = 2 * SNAPSHOT_WORDS + 2 + WORDS;
        let words = self.0.zero.iter().zip(&other.0.zero);
        for (to, from) in words.skip(start).take(WORDS) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    pub(crate) fn ensure(&self, _count: u32) -> Result<()> {
        Ok(())
    }

    pub(crate) fn is_writable(&self) -> bool {
        true
    }

    pub(crate) fn barrier(&self) {
        fence(Ordering::SeqCst);
    }
}
