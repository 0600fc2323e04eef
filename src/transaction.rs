//! Write transactions and savepoints.
#![allow(missing_docs, unused_variables, clippy::missing_errors_doc)]
use crate::cursor::{Cursor, Iter};
use crate::error::{Error, Result};
use crate::options::Durability;
use std::marker::PhantomData;
use std::ops::RangeBounds;

fn nyi<T>() -> Result<T> {
    Err(Error::misuse("not built yet"))
}

/// The one write transaction. `Send`. Dropped without commit it rolls back. Methods take `&self`, cursors stay usable across writes.
#[derive(Debug)]
pub struct WriteTransaction {}

impl WriteTransaction {
    pub fn insert(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        nyi()
    }
    pub fn remove(&self, key: impl AsRef<[u8]>) -> Result<()> {
        nyi()
    }
    pub fn remove_range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<()> {
        nyi()
    }
    // reading sees the transaction's own writes
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        nyi()
    }
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        nyi()
    }
    pub fn iter(&self) -> Result<Iter<'_>> {
        nyi()
    }
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<Iter<'_>> {
        nyi()
    }
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Iter<'_>> {
        nyi()
    }
    pub fn cursor(&self) -> Result<Cursor<'_>> {
        nyi()
    }
    /// Nested; innermost first: rolling back an outer one ends the inner ones too.
    pub fn savepoint(&self) -> Result<Savepoint<'_>> {
        nyi()
    }
    pub fn set_durability(&self, durability: Durability) {}
    pub fn user_version(&self) -> Result<u32> {
        nyi()
    }
    pub fn set_user_version(&self, version: u32) -> Result<()> {
        nyi()
    }
    pub fn commit(self) -> Result<()> {
        nyi()
    }
    pub fn rollback(self) -> Result<()> {
        nyi()
    }
}

/// A mark in a transaction. Dropped, it is rolled back to.
#[derive(Debug)]
pub struct Savepoint<'a> {
    _p: PhantomData<&'a ()>,
}

impl Savepoint<'_> {
    /// Undoes everything since the savepoint and ends it.
    pub fn rollback(self) -> Result<()> {
        nyi()
    }
    /// Keeps everything and ends it.
    pub fn release(self) -> Result<()> {
        nyi()
    }
}
