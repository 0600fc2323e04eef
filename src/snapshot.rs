//! A fixed state of the database.
#![allow(missing_docs, unused_variables, clippy::missing_errors_doc)]
use crate::cursor::{Cursor, Iter};
use crate::error::{Error, Result};
use std::ops::RangeBounds;

/// A fixed state of the database; cheap to clone, usable from all threads.
#[derive(Clone, Debug)]
pub struct Snapshot {}

fn nyi<T>() -> Result<T> {
    Err(Error::misuse("not built yet"))
}

impl Snapshot {
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        nyi()
    }
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        nyi()
    }
    pub fn iter(&self) -> Result<Iter<'static>> {
        nyi()
    }
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<Iter<'static>> {
        nyi()
    }
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Iter<'static>> {
        nyi()
    }
    pub fn cursor(&self) -> Result<Cursor<'static>> {
        nyi()
    }
    /// Id of the database snapshot below it.
    pub fn id(&self) -> i64 {
        0
    }
}
