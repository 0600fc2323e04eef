//! Mutual exclusion between threads of one process.

use crate::MaybeSync;
use std::fmt::Debug;
use std::sync::{Condvar, Mutex, PoisonError};

/// A mutex without data, as a C `lsm_env` provides it. Recursion is not required.
pub trait RawMutex: MaybeSync + Debug {
    /// Waits until the mutex is free, then takes it.
    fn enter(&self);
    /// Takes the mutex if it is free; tells whether it did.
    fn try_enter(&self) -> bool;
    /// Gives the mutex back. Called only by its holder.
    fn leave(&self);
}

/// The mutex of worlds that have nothing better: built on the standard library's.
#[derive(Debug, Default)]
pub struct StdMutex {
    held: Mutex<bool>,
    freed: Condvar,
}

impl RawMutex for StdMutex {
    fn enter(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while *held {
            held = self.freed.wait(held).unwrap_or_else(PoisonError::into_inner);
        }
        *held = true;
    }

    fn try_enter(&self) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut *held, true)
    }

    fn leave(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.freed.notify_one();
    }
}
