//! Cursors.

use super::convert::{self, Answer};
use super::store;
use std::cell::RefCell;

/// Most bytes of a batch of entries: it is in memory several times until the host has it.
const MOST_BATCH_BYTES: usize = 64 << 20;

/// A position in a state or a transaction.
pub(super) struct Cursor(RefCell<siltstone::Cursor<'static>>);

impl Cursor {
    pub(super) fn resource(cursor: siltstone::Cursor<'static>) -> store::Cursor {
        store::Cursor::new(Cursor(RefCell::new(cursor)))
    }
}

/// Numbers of the interface as sizes here.
fn limits(most_entries: u32, most_bytes: u32) -> (usize, usize) {
    (most_entries as usize, (most_bytes as usize).min(MOST_BATCH_BYTES))
}

impl store::GuestCursor for Cursor {
    fn seek(&self, key: Vec<u8>, mode: store::SeekMode) -> Answer<bool> {
        Ok(self.0.borrow_mut().seek(key, convert::seek(mode))?)
    }

    fn first(&self) -> Answer<bool> {
        Ok(self.0.borrow_mut().first()?)
    }

    fn last(&self) -> Answer<bool> {
        Ok(self.0.borrow_mut().last()?)
    }

    fn next(&self) -> Answer<bool> {
        Ok(self.0.borrow_mut().next()?)
    }

    fn previous(&self) -> Answer<bool> {
        Ok(self.0.borrow_mut().previous()?)
    }

    fn key(&self) -> Answer<Option<Vec<u8>>> {
        let cursor = self.0.borrow();
        cursor.check_open()?;
        Ok(cursor.key().map(<[u8]>::to_vec))
    }

    fn value(&self) -> Answer<Option<Vec<u8>>> {
        Ok(self.0.borrow_mut().value()?.map(<[u8]>::to_vec))
    }

    fn read_batch(&self, most_entries: u32, most_bytes: u32) -> Answer<Vec<store::Entry>> {
        let (entries, bytes) = limits(most_entries, most_bytes);
        Ok(self.0.borrow_mut().read_batch(entries, bytes)?)
    }

    fn read_batch_back(&self, most_entries: u32, most_bytes: u32) -> Answer<Vec<store::Entry>> {
        let (entries, bytes) = limits(most_entries, most_bytes);
        Ok(self.0.borrow_mut().read_batch_back(entries, bytes)?)
    }
}
