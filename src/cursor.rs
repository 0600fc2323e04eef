//! Cursors and iterators.
#![allow(missing_docs, unused_variables, clippy::missing_errors_doc)]
use crate::error::Result;
use std::marker::PhantomData;

/// Where `Cursor::seek` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// The key itself, else nowhere.
    Exact,
    /// The smallest key at or above.
    AtLeast,
    /// The largest key at or below.
    AtMost,
    /// Any position at or above the answer of `AtMost`, perhaps on a deleted key: cheaper; for C's LEFAST.
    AtMostFast,
}

/// A position in the ordered keys. `Send`; of a database or snapshot also `'static`.
#[derive(Debug)]
pub struct Cursor<'a> {
    _p: PhantomData<&'a ()>,
}

impl Cursor<'_> {
    /// Each returns whether the cursor stands on an entry afterwards.
    pub fn seek(&mut self, key: impl AsRef<[u8]>, seek: Seek) -> Result<bool> {
        Ok(false)
    }
    pub fn first(&mut self) -> Result<bool> {
        Ok(false)
    }
    pub fn last(&mut self) -> Result<bool> {
        Ok(false)
    }
    pub fn next(&mut self) -> Result<bool> {
        Ok(false)
    }
    pub fn previous(&mut self) -> Result<bool> {
        Ok(false)
    }
    pub fn is_valid(&self) -> bool {
        false
    }
    /// None when not on an entry.
    pub fn key(&self) -> Option<&[u8]> {
        None
    }
    /// None when not on an entry. Borrowed until the cursor moves.
    pub fn value(&mut self) -> Result<Option<&[u8]>> {
        Ok(None)
    }
}

/// Double-ended iterator over `Result<(key, value)>`.
#[derive(Debug)]
pub struct Iter<'a> {
    _p: PhantomData<&'a ()>,
}

impl Iterator for Iter<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>)>;
    fn next(&mut self) -> Option<Self::Item> {
        None
    }
}
impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        None
    }
}
