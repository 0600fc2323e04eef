//! A write transaction whose cursors and savepoints own their share of it instead of borrowing.
//!
//! Made for callers that cannot express a borrow, such as bindings for other languages: handles may
//! be dropped in any order, and what outlives the transaction says so.

use super::WriteTransaction;
use crate::batch::Batch;
use crate::cursor::{Cursor, Source};
use crate::env::FilePath;
use crate::error::{Error, Result};
use crate::sorted::ReadView;
use std::fmt;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The transaction, as long as it is open.
pub(crate) struct Owner {
    path: FilePath,
    transaction: Mutex<Option<WriteTransaction>>,
}

impl Owner {
    fn lock(&self) -> MutexGuard<'_, Option<WriteTransaction>> {
        self.transaction.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> Error {
        Error::misuse("the transaction has ended; begin another one").on(&self.path)
    }

    fn with<T>(&self, body: impl FnOnce(&WriteTransaction) -> Result<T>) -> Result<T> {
        self.lock().as_ref().map_or_else(|| Err(self.ended()), body)
    }

    fn take(&self) -> Option<WriteTransaction> {
        self.lock().take()
    }

    /// As `WriteTransaction::read`.
    pub(crate) fn read<T>(&self, body: impl FnOnce(&ReadView, u64) -> Result<T>) -> Result<T> {
        self.with(|transaction| transaction.read(body))
    }

    /// Whether the transaction is open.
    pub(crate) fn is_open(&self) -> bool {
        self.lock().is_some()
    }
}

/// A [`WriteTransaction`] that nothing borrows: made by [`WriteTransaction::into_owned`].
///
/// Its cursors and savepoints may be kept for as long as one likes. Once it has ended - committed,
/// rolled back, or dropped, which rolls back - they fail with `Misuse`, and it does itself.
///
/// ```
/// # use siltstone::Options;
/// # fn main() -> siltstone::Result<()> {
/// # let world = siltstone_memory::MemoryWorld::new();
/// # let database = Options::new().open_with_env(world.process(), "app.lsm")?;
/// let transaction = database.begin()?.into_owned();
/// transaction.insert("a", "1")?;
/// let mut cursor = transaction.cursor()?;
/// assert!(cursor.first()?);
/// transaction.commit()?;
/// assert_eq!(cursor.next().unwrap_err().name(), "Misuse");
/// # Ok(())
/// # }
/// ```
pub struct OwnedTransaction {
    owner: Arc<Owner>,
}

impl WriteTransaction {
    /// The same transaction in a form that cursors and savepoints do not borrow.
    #[must_use]
    pub fn into_owned(self) -> OwnedTransaction {
        let path = self.core.borrow().path().clone();
        OwnedTransaction { owner: Arc::new(Owner { path, transaction: Mutex::new(Some(self)) }) }
    }
}

impl OwnedTransaction {
    /// Whether it has not ended yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.owner.is_open()
    }

    /// Writes `key`, replacing any value it had.
    ///
    /// # Errors
    /// Those of [`WriteTransaction::insert`]; `Misuse` after the end.
    pub fn insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.owner.with(|transaction| transaction.insert(key, value))
    }

    /// Removes `key`; it need not exist.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.owner.with(|transaction| transaction.remove(key))
    }

    /// Removes every key in `range`.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove_range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<()> {
        self.owner.with(|transaction| transaction.remove_range(range))
    }

    /// Applies all changes of `batch`, in order.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn apply(&self, batch: &Batch) -> Result<()> {
        self.owner.with(|transaction| batch.apply(transaction))
    }

    /// The value of `key` as this transaction sees it.
    ///
    /// # Errors
    /// `Io`, `Corrupt`; `Misuse` after the end.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        self.owner.with(|transaction| transaction.get(key))
    }

    /// Whether `key` exists for this transaction.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.owner.with(|transaction| transaction.contains_key(key))
    }

    /// A cursor, not positioned yet. It keeps its place while the transaction writes.
    ///
    /// # Errors
    /// `Misuse` after the end.
    pub fn cursor(&self) -> Result<Cursor<'static>> {
        Cursor::new(Source::Owned(Arc::clone(&self.owner)))
    }

    /// Marks this point, to come back to. Savepoints nest; ending an outer one ends those made
    /// since.
    ///
    /// # Errors
    /// `Misuse` after the end or after a failed write.
    pub fn savepoint(&self) -> Result<OwnedSavepoint> {
        let id = self.owner.with(|transaction| {
            let mut core = transaction.core.borrow_mut();
            core.savepoint().map_err(|error| error.on(core.path()))
        })?;
        Ok(OwnedSavepoint { owner: Arc::clone(&self.owner), id })
    }

    /// Makes everything visible to others; the transaction has ended afterwards, also if this fails.
    ///
    /// # Errors
    /// Those of [`WriteTransaction::commit`]; `Misuse` after the end.
    pub fn commit(&self) -> Result<()> {
        self.owner.take().map_or_else(|| Err(self.owner.ended()), WriteTransaction::commit)
    }

    /// Undoes everything and ends the transaction.
    ///
    /// # Errors
    /// Those of [`WriteTransaction::rollback`]; `Misuse` after the end.
    pub fn rollback(&self) -> Result<()> {
        self.owner.take().map_or_else(|| Err(self.owner.ended()), WriteTransaction::rollback)
    }
}

impl Drop for OwnedTransaction {
    fn drop(&mut self) {
        // Cursors and savepoints may live on; what is taken out here rolls back.
        drop(self.owner.take());
    }
}

impl fmt::Debug for OwnedTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedTransaction").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

/// A point in an [`OwnedTransaction`]. Dropped before it has ended, it is rolled back to;
/// [`release`](Self::release) keeps what was done since.
///
/// It ends by [`rollback`](Self::rollback) and [`release`](Self::release), with the transaction, and
/// with a savepoint made before it. Then it fails with `Misuse`, and dropping it does nothing.
pub struct OwnedSavepoint {
    owner: Arc<Owner>,
    id: u64,
}

impl OwnedSavepoint {
    /// Undoes everything since the savepoint, and ends it.
    ///
    /// # Errors
    /// `Misuse` if it has ended; `Corrupt` if memory is damaged.
    pub fn rollback(&mut self) -> Result<()> {
        self.owner.with(|transaction| transaction.change(|core| core.rollback_to(self.id)))
    }

    /// Undoes everything since the savepoint, and keeps it to come back to again.
    ///
    /// # Errors
    /// As [`rollback`](Self::rollback).
    pub fn restore(&mut self) -> Result<()> {
        let (owner, id) = (&self.owner, &mut self.id);
        owner.with(|transaction| {
            transaction.change(|core| {
                *id = core.restore(*id)?;
                Ok(())
            })
        })
    }

    /// Keeps everything done since, and ends the savepoint.
    ///
    /// # Errors
    /// `Misuse` if it has ended.
    pub fn release(&mut self) -> Result<()> {
        self.owner.with(|transaction| transaction.change(|core| core.release(self.id)))
    }
}

impl Drop for OwnedSavepoint {
    fn drop(&mut self) {
        // It has ended already, or there is damage that the next call will report.
        let _ = self.rollback();
    }
}

impl fmt::Debug for OwnedSavepoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedSavepoint").field("id", &self.id).finish_non_exhaustive()
    }
}
