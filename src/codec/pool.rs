//! Working memory of a codec, kept for the next page.
//!
//! As many pieces exist as threads ever used the codec at once.

use std::fmt;
use std::sync::{Mutex, PoisonError};

pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T> Pool<T> {
    pub(super) const fn new() -> Self {
        Pool(Mutex::new(Vec::new()))
    }

    /// A piece used before, if one is free.
    pub(super) fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Gives a piece back.
    pub(super) fn put(&self, piece: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
    }
}

impl<T> fmt::Debug for Pool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
