//! Write transactions and savepoints as users see them.

mod owned;

use crate::cursor::{Cursor, Iter, Source};
use crate::error::Result;
use crate::shared::WriterCore;
use crate::sorted::{self, ReadView};
use std::cell::RefCell;
use std::fmt;
use std::ops::RangeBounds;

pub(crate) use owned::Owner;
pub use owned::{OwnedSavepoint, OwnedTransaction};

/// The write transaction: one at a time, reading its own writes.
///
/// Dropped without [`commit`](Self::commit) it rolls back. Methods take `&self`, so cursors and
/// iterators stay usable while the transaction writes. It may move between threads.
///
/// ```
/// # use siltstone::Options;
/// # fn main() -> siltstone::Result<()> {
/// # let world = siltstone_memory::MemoryWorld::new();
/// # let database = Options::new().open_with_env(world.process(), "app.lsm")?;
/// let transaction = database.begin()?;
/// transaction.insert("a", "1")?;
/// let savepoint = transaction.savepoint()?;
/// transaction.insert("b", "2")?;
/// savepoint.rollback()?;
/// transaction.commit()?;
/// assert!(database.contains_key("a")? && !database.contains_key("b")?);
/// # Ok(())
/// # }
/// ```
pub struct WriteTransaction {
    core: RefCell<WriterCore>,
}

impl WriteTransaction {
    pub(crate) fn new(core: WriterCore) -> Self {
        WriteTransaction { core: RefCell::new(core) }
    }

    /// Runs `body` on what the transaction sees, with the generation of its tree.
    pub(crate) fn read<T>(&self, body: impl FnOnce(&ReadView, u64) -> Result<T>) -> Result<T> {
        let mut core = self.core.borrow_mut();
        let generation = core.generation();
        let outcome = body(core.read_view()?, generation);
        outcome.map_err(|error| error.on(core.path()))
    }

    fn change(&self, body: impl FnOnce(&mut WriterCore) -> Result<()>) -> Result<()> {
        let mut core = self.core.borrow_mut();
        body(&mut core).map_err(|error| error.on(core.path()))
    }

    /// Writes `key`, replacing any value it had. Both may be empty; each may have up to 2^31-1
    /// bytes, together within the memory limit.
    ///
    /// # Errors
    /// `OutOfMemory` (raise `memory_limit` or commit more often), `Full`, `Io`, `Misuse`. After an
    /// error the transaction can only be rolled back, to a savepoint made before or entirely.
    pub fn insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.change(|core| core.insert(key.as_ref(), value.as_ref()))
    }

    /// Removes `key`; it need not exist.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<()> {
        self.change(|core| core.remove(key.as_ref()))
    }

    /// Removes every key in `range`, at a cost that does not depend on how many there are on disk.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove_range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<()> {
        let low = range.start_bound().map(AsRef::as_ref);
        let high = range.end_bound().map(AsRef::as_ref);
        self.change(|core| core.remove_range(low, high))
    }

    /// The value of `key` as this transaction sees it.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        self.read(|view, _| sorted::get(view, key.as_ref()))
    }

    /// Whether `key` exists for this transaction.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        self.read(|view, _| sorted::contains(view, key.as_ref()))
    }

    /// All entries, in order.
    ///
    /// # Errors
    /// None now; items carry theirs.
    pub fn iter(&self) -> Result<Iter<'_>> {
        self.range::<&[u8]>(..)
    }

    /// The entries whose keys lie in `range`.
    ///
    /// # Errors
    /// None now; items carry theirs.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<Iter<'_>> {
        Ok(Iter::range(Source::Transaction(self), &range))
    }

    /// The entries whose keys begin with `prefix`.
    ///
    /// # Errors
    /// None now; items carry theirs.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Iter<'_>> {
        Ok(Iter::prefix(Source::Transaction(self), prefix.as_ref()))
    }

    /// A cursor, not positioned yet. It keeps its place while the transaction writes.
    ///
    /// # Errors
    /// None now.
    pub fn cursor(&self) -> Result<Cursor<'_>> {
        Cursor::new(Source::Transaction(self))
    }

    /// Marks this point, to come back to. Savepoints nest; ending an outer one ends those made
    /// since.
    ///
    /// # Errors
    /// `Misuse` after a failed write.
    pub fn savepoint(&self) -> Result<Savepoint<'_>> {
        let id = self.core.borrow_mut().savepoint()?;
        Ok(Savepoint { transaction: self, id, ended: false })
    }

    /// The application's version number as this transaction sees it.
    ///
    /// # Errors
    /// None now.
    pub fn user_version(&self) -> Result<u32> {
        Ok(self.core.borrow().user_version())
    }

    /// Sets the application's version number. As in lsm1 it lives in memory only: it is 0 again
    /// once the last user has closed the database, and after a crash.
    ///
    /// # Errors
    /// `Misuse` after a failed write.
    pub fn set_user_version(&self, version: u32) -> Result<()> {
        self.change(|core| core.set_user_version(version))
    }

    /// Makes everything visible to others; under [`Durability::Full`](crate::Durability::Full) also
    /// safe from power loss.
    ///
    /// # Errors
    /// `Full`, `Io`: nothing of the transaction is visible then (after a crash it may be, entirely,
    /// if its commit record reached the disk).
    pub fn commit(self) -> Result<()> {
        self.core.into_inner().commit()
    }

    /// Undoes everything. If another thread's commit which the transaction has seen still waits for
    /// its sync, waits for that: what was read is safe from power loss afterwards. A transaction
    /// that is merely dropped does not wait.
    ///
    /// # Errors
    /// `Corrupt` if memory is damaged; `Io` if that sync fails, so that what was read is lost.
    pub fn rollback(self) -> Result<()> {
        self.core.into_inner().rollback()
    }
}

impl fmt::Debug for WriteTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteTransaction").finish_non_exhaustive()
    }
}

/// A point in a transaction. Dropped, it is rolled back to; [`release`](Self::release) keeps what
/// was done since.
pub struct Savepoint<'a> {
    transaction: &'a WriteTransaction,
    id: u64,
    ended: bool,
}

impl Savepoint<'_> {
    /// Undoes everything since the savepoint, and ends it.
    ///
    /// # Errors
    /// `Misuse` if an outer savepoint was ended before; `Corrupt` if memory is damaged.
    pub fn rollback(mut self) -> Result<()> {
        self.ended = true;
        self.transaction.change(|core| core.rollback_to(self.id))
    }

    /// Undoes everything since the savepoint, and keeps it to come back to again.
    ///
    /// # Errors
    /// As [`rollback`](Self::rollback).
    pub fn restore(&mut self) -> Result<()> {
        let id = self.transaction.core.borrow_mut().restore(self.id);
        self.ended = id.is_err();
        self.id = id?;
        Ok(())
    }

    /// Keeps everything done since, and ends the savepoint.
    ///
    /// # Errors
    /// `Misuse` if an outer savepoint was ended before.
    pub fn release(mut self) -> Result<()> {
        self.ended = true;
        self.transaction.change(|core| core.release(self.id))
    }
}

impl Drop for Savepoint<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // Ended with an outer savepoint already, or damage that the next call will report.
            let _ = self.transaction.core.borrow_mut().rollback_to(self.id);
        }
    }
}

impl fmt::Debug for Savepoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Savepoint").field("id", &self.id).finish_non_exhaustive()
    }
}
