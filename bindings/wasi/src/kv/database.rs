//! Databases and snapshots.

use super::convert::{self, Answer};
use super::cursor::Cursor;
use super::store;
use super::store::GuestSnapshot as _;
use super::transaction::Transaction;
use siltstone::{ErrorKind, WorkLimit};
use std::cell::RefCell;

/// A database; once it is closed, what it says then.
pub(super) struct Database(RefCell<siltstone::Result<siltstone::Database>>);

impl Database {
    fn get_open(&self) -> siltstone::Result<siltstone::Database> {
        self.0.borrow().clone()
    }
}

/// A fixed state.
pub(super) struct Snapshot(siltstone::Snapshot);

impl store::GuestDatabase for Database {
    fn open(path: String, options: store::Options) -> Answer<store::Database> {
        let database = convert::options(options).open(path)?;
        Ok(store::Database::new(Database(RefCell::new(Ok(database)))))
    }

    fn get(&self, key: Vec<u8>) -> Answer<Option<Vec<u8>>> {
        Ok(self.get_open()?.get(key)?)
    }

    fn get_many(&self, keys: Vec<Vec<u8>>) -> Answer<Vec<Option<Vec<u8>>>> {
        Snapshot(self.get_open()?.snapshot()?).get_many(keys)
    }

    fn contains_key(&self, key: Vec<u8>) -> Answer<bool> {
        Ok(self.get_open()?.contains_key(key)?)
    }

    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> Answer<()> {
        Ok(self.get_open()?.insert(key, value)?)
    }

    fn delete(&self, key: Vec<u8>) -> Answer<()> {
        Ok(self.get_open()?.remove(key)?)
    }

    fn delete_range(&self, low: store::Bound, high: store::Bound) -> Answer<()> {
        Ok(self.get_open()?.remove_range(convert::range(low, high))?)
    }

    fn apply(&self, changes: Vec<store::Change>) -> Answer<()> {
        Ok(self.get_open()?.apply(&convert::batch(changes))?)
    }

    fn begin(&self) -> Answer<store::Transaction> {
        let database = self.get_open()?;
        let transaction = database.begin()?.into_owned();
        Ok(store::Transaction::new(Transaction::new(transaction, database)))
    }

    fn snapshot(&self) -> Answer<store::Snapshot> {
        Ok(store::Snapshot::new(Snapshot(self.get_open()?.snapshot()?)))
    }

    fn cursor(&self) -> Answer<store::Cursor> {
        Ok(Cursor::resource(self.get_open()?.cursor()?))
    }

    fn flush(&self) -> Answer<()> {
        Ok(self.get_open()?.flush()?)
    }

    fn work(&self, most_bytes: Option<u64>) -> Answer<store::WorkReport> {
        let limit = most_bytes.map_or(WorkLimit::ALL, WorkLimit::bytes);
        Ok(convert::work_report(self.get_open()?.work(limit)?))
    }

    fn compact(&self) -> Answer<store::WorkReport> {
        Ok(convert::work_report(self.get_open()?.compact()?))
    }

    fn checkpoint(&self) -> Answer<u64> {
        Ok(self.get_open()?.checkpoint()?)
    }

    fn check(&self) -> Answer<store::CheckReport> {
        Ok(convert::check_report(self.get_open()?.check()?))
    }

    fn stats(&self) -> Answer<store::Stats> {
        Ok(convert::stats(&self.get_open()?.stats()?))
    }

    fn backup(&self, path: String) -> Answer<u64> {
        Ok(self.get_open()?.backup(path)?)
    }

    fn close(&self) -> Answer<()> {
        let database = self.get_open()?;
        let outcome = database.clone().close();
        // Refused, it stays open. Else the file must go, however long the resource is kept.
        if let Err(closed) = database.user_version()
            && matches!(closed.kind(), ErrorKind::Misuse(_))
        {
            *self.0.borrow_mut() = Err(closed);
        }
        Ok(outcome?)
    }
}

impl store::GuestSnapshot for Snapshot {
    fn get(&self, key: Vec<u8>) -> Answer<Option<Vec<u8>>> {
        Ok(self.0.get(key)?)
    }

    fn get_many(&self, keys: Vec<Vec<u8>>) -> Answer<Vec<Option<Vec<u8>>>> {
        Ok(keys.iter().map(|key| self.0.get(key)).collect::<siltstone::Result<_>>()?)
    }

    fn contains_key(&self, key: Vec<u8>) -> Answer<bool> {
        Ok(self.0.contains_key(key)?)
    }

    fn cursor(&self) -> Answer<store::Cursor> {
        Ok(Cursor::resource(self.0.cursor()?))
    }
}
