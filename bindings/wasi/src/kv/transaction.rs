//! Transactions and savepoints.

use super::convert::{self, Answer};
use super::cursor::Cursor;
use super::store;
use siltstone::{OwnedSavepoint, OwnedTransaction};
use std::cell::RefCell;

/// The write transaction.
pub(super) struct Transaction {
    transaction: OwnedTransaction,
    /// Kept open until the end, also when its own resource is dropped before.
    database: RefCell<Option<siltstone::Database>>,
}

/// A point in it.
pub(super) struct Savepoint(RefCell<OwnedSavepoint>);

impl Transaction {
    pub(super) fn new(transaction: OwnedTransaction, database: siltstone::Database) -> Self {
        Transaction { transaction, database: RefCell::new(Some(database)) }
    }

    /// Lets the file go, however long the resource is kept.
    fn ended(&self, outcome: siltstone::Result<()>) -> Answer<()> {
        self.database.take();
        Ok(outcome?)
    }
}

impl store::GuestTransaction for Transaction {
    fn get(&self, key: Vec<u8>) -> Answer<Option<Vec<u8>>> {
        Ok(self.transaction.get(key)?)
    }

    fn contains_key(&self, key: Vec<u8>) -> Answer<bool> {
        Ok(self.transaction.contains_key(key)?)
    }

    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> Answer<()> {
        Ok(self.transaction.insert(key, value)?)
    }

    fn delete(&self, key: Vec<u8>) -> Answer<()> {
        Ok(self.transaction.remove(key)?)
    }

    fn delete_range(&self, low: store::Bound, high: store::Bound) -> Answer<()> {
        Ok(self.transaction.remove_range(convert::range(low, high))?)
    }

    fn apply(&self, changes: Vec<store::Change>) -> Answer<()> {
        Ok(self.transaction.apply(&convert::batch(changes))?)
    }

    fn cursor(&self) -> Answer<store::Cursor> {
        Ok(Cursor::resource(self.transaction.cursor()?))
    }

    fn savepoint(&self) -> Answer<store::Savepoint> {
        let savepoint = self.transaction.savepoint()?;
        Ok(store::Savepoint::new(Savepoint(RefCell::new(savepoint))))
    }

    fn commit(&self) -> Answer<()> {
        self.ended(self.transaction.commit())
    }

    fn rollback(&self) -> Answer<()> {
        self.ended(self.transaction.rollback())
    }
}

impl store::GuestSavepoint for Savepoint {
    fn rollback(&self) -> Answer<()> {
        Ok(self.0.borrow_mut().rollback()?)
    }

    fn restore(&self) -> Answer<()> {
        Ok(self.0.borrow_mut().restore()?)
    }

    fn release(&self) -> Answer<()> {
        Ok(self.0.borrow_mut().release()?)
    }
}
