//! Data behind the environment's mutex.

use crate::env::RawMutex;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A value that one thread at a time may touch, ordered by the world's own mutex (a C environment
/// brings its own). The standard mutex inside owns the data and is never contended.
#[derive(Debug)]
pub(crate) struct Guarded<T> {
    raw: Arc<dyn RawMutex>,
    data: Mutex<T>,
}

impl<T> Guarded<T> {
    /// Guards `value` by `raw`.
    pub(crate) fn new(raw: Arc<dyn RawMutex>, value: T) -> Self {
        Guarded { raw, data: Mutex::new(value) }
    }

    /// Waits for the mutex.
    pub(crate) fn lock(&self) -> GuardedRef<'_, T> {
        self.raw.enter();
        let leave = Leave(&*self.raw);
        let data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        GuardedRef { data, _leave: leave }
    }
}

/// Access to guarded data until dropped. The data is released before the mutex.
#[derive(Debug)]
pub(crate) struct GuardedRef<'a, T> {
    data: MutexGuard<'a, T>,
    _leave: Leave<'a>,
}

#[derive(Debug)]
struct Leave<'a>(&'a dyn RawMutex);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl<T> Deref for GuardedRef<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.data
    }
}

impl<T> DerefMut for GuardedRef<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.data
    }
}
