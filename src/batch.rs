//! Changes gathered first and applied together.

use crate::cursor::owned_bound;
use crate::error::Result;
use crate::transaction::WriteTransaction;
use std::ops::{Bound, RangeBounds};

/// Changes to be applied in one transaction, in order; see
/// [`Database::apply`](crate::Database::apply).
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Insert(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
    RemoveRange(Bound<Vec<u8>>, Bound<Vec<u8>>),
}

impl Batch {
    /// No changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds writing `key`.
    pub fn insert(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        self.changes.push(Change::Insert(key.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Adds removing `key`.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> &mut Self {
        self.changes.push(Change::Remove(key.as_ref().to_vec()));
        self
    }

    /// Adds removing every key in `range`.
    pub fn remove_range<K: AsRef<[u8]>>(&mut self, range: impl RangeBounds<K>) -> &mut Self {
        let (low, high) = (owned_bound(range.start_bound()), owned_bound(range.end_bound()));
        self.changes.push(Change::RemoveRange(low, high));
        self
    }

    /// Number of changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there are no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Forgets all changes, keeping the memory.
    pub fn clear(&mut self) {
        self.changes.clear();
    }

    pub(crate) fn apply(&self, transaction: &WriteTransaction) -> Result<()> {
        self.changes.iter().try_for_each(|change| match change {
            Change::Insert(key, value) => transaction.insert(key, value),
            Change::Remove(key) => transaction.remove(key),
            Change::RemoveRange(low, high) => {
                transaction.remove_range::<Vec<u8>>((low.clone(), high.clone()))
            }
        })
    }
}
