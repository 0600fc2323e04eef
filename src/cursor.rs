//! Cursors and iterators: positions in the ordered keys of one state, or of a transaction.
//!
//! A cursor of a snapshot owns it. A cursor of a transaction borrows the transaction and notices
//! its writes: it keeps its place by key and looks the key up again after each change.

use crate::error::{Error, Result};
use crate::shared::{Shared, View};
use crate::sorted::{MergedCursor, ReadView};
use crate::transaction::{Owner, WriteTransaction};
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

pub use crate::sorted::Seek;

/// What a cursor reads.
#[derive(Clone)]
pub(crate) enum Source<'a> {
    State(Arc<Shared>, Arc<View>),
    Transaction(&'a WriteTransaction),
    Owned(Arc<Owner>),
}

impl Source<'_> {
    /// Runs `body` on the state as it is now; tells the generation of the tree.
    fn read<T>(&self, body: impl FnOnce(&ReadView, u64) -> Result<T>) -> Result<T> {
        match self {
            Source::State(shared, view) => {
                body(&view.read, 0).map_err(|error| error.on(&shared.path))
            }
            Source::Transaction(transaction) => transaction.read(body),
            Source::Owned(owner) => owner.read(body),
        }
    }

    /// Whether there is nothing to read any more: an owned transaction has ended.
    fn has_ended(&self) -> bool {
        matches!(self, Source::Owned(owner) if !owner.is_open())
    }
}

/// A position in the ordered keys.
///
/// ```
/// use siltstone::{Options, Seek};
/// # fn main() -> siltstone::Result<()> {
/// # let world = siltstone_memory::MemoryWorld::new();
/// let database = Options::new().open_with_env(world.process(), "app.lsm")?;
/// database.insert("apple", "1")?;
/// database.insert("cherry", "2")?;
/// let mut cursor = database.cursor()?;
/// assert!(cursor.seek("banana", Seek::AtLeast)?);
/// assert_eq!(cursor.key(), Some(&b"cherry"[..]));
/// assert!(cursor.previous()?);
/// assert_eq!(cursor.value()?, Some(&b"1"[..]));
/// # Ok(())
/// # }
/// ```
pub struct Cursor<'a> {
    source: Source<'a>,
    merged: MergedCursor,
    /// Generation of the transaction's tree when the cursor was last positioned.
    generation: u64,
    /// Positioned by `AtMostFast`: no value, no stepping.
    fast: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(source: Source<'a>) -> Result<Self> {
        let (merged, generation) = match &source {
            Source::State(_, view) => (view.cursor(), 0),
            source => source.read(|view, generation| Ok((MergedCursor::new(view), generation)))?,
        };
        Ok(Cursor { source, merged, generation, fast: false })
    }

    fn position(
        &mut self,
        body: impl FnOnce(&mut MergedCursor, &ReadView) -> Result<()>,
    ) -> Result<bool> {
        let (merged, generation) = (&mut self.merged, &mut self.generation);
        self.source.read(|view, now| {
            *generation = now;
            body(merged, view)
        })?;
        Ok(self.merged.is_valid())
    }

    /// Goes to a key, or near it. Returns whether the cursor stands on an entry.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn seek(&mut self, key: impl AsRef<[u8]>, seek: Seek) -> Result<bool> {
        self.fast = seek == Seek::AtMostFast;
        let key = key.as_ref();
        self.position(|merged, view| merged.seek(view, key, seek))
    }

    /// Goes to the smallest key. Returns whether there is one.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn first(&mut self) -> Result<bool> {
        self.fast = false;
        self.position(|merged, view| merged.first(view))
    }

    /// Goes to the largest key. Returns whether there is one.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn last(&mut self) -> Result<bool> {
        self.fast = false;
        self.position(|merged, view| merged.last(view))
    }

    /// Goes to the next larger key. Returns whether there is one; off the end it stays there.
    ///
    /// # Errors
    /// `Io`, `Corrupt`; `Misuse` after `AtMostFast`.
    #[allow(clippy::should_implement_trait, reason = "the field's word; lends, so no Iterator")]
    pub fn next(&mut self) -> Result<bool> {
        self.step(MergedCursor::next)
    }

    /// Goes to the next smaller key. Returns whether there is one; off the end it stays there.
    ///
    /// # Errors
    /// `Io`, `Corrupt`; `Misuse` after `AtMostFast`.
    pub fn previous(&mut self) -> Result<bool> {
        self.step(MergedCursor::previous)
    }

    fn step(
        &mut self,
        advance: impl Fn(&mut MergedCursor, &ReadView) -> Result<()>,
    ) -> Result<bool> {
        if self.fast {
            return Err(Error::misuse("a cursor placed by AtMostFast cannot step; seek again"));
        }
        let (merged, generation) = (&mut self.merged, &mut self.generation);
        self.source.read(|view, now| {
            if std::mem::replace(generation, now) != now {
                merged.tree_changed();
            }
            advance(merged, view)
        })?;
        Ok(self.merged.is_valid())
    }

    /// Whether the cursor stands on an entry (perhaps one the transaction has removed since).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.merged.is_valid() && !self.source.has_ended()
    }

    /// The key; `None` when not on an entry.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.is_valid().then(|| self.merged.key())
    }

    /// Whether what the cursor reads is still there, for callers that tell "on no entry" from "the
    /// transaction has ended".
    ///
    /// # Errors
    /// `Misuse` if it was an [`OwnedTransaction`](crate::OwnedTransaction) that has ended.
    pub fn check_open(&self) -> Result<()> {
        match &self.source {
            Source::Owned(owner) => owner.read(|_, _| Ok(())),
            _ => Ok(()),
        }
    }

    /// The value; `None` when not on an entry, or when the transaction has removed it since.
    ///
    /// # Errors
    /// `Io`, `Corrupt`; `Misuse` after `AtMostFast`.
    pub fn value(&mut self) -> Result<Option<&[u8]>> {
        Ok(self.entry()?.map(|(_, value)| value))
    }

    /// Key and value together; `None` as for [`value`](Self::value).
    ///
    /// # Errors
    /// As [`value`](Self::value).
    pub fn entry(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        if self.fast {
            return Err(Error::misuse("a cursor placed by AtMostFast has no value; seek again"));
        }
        let (merged, generation) = (&mut self.merged, &mut self.generation);
        let there = self.source.read(|view, now| {
            if std::mem::replace(generation, now) != now {
                merged.tree_changed();
            }
            merged.load_value(view)
        })?;
        Ok(there.then(|| (self.merged.key(), self.merged.loaded_value())))
    }

    /// The entries from where the cursor stands on, in order, as copies: at most `most_entries`, and
    /// no more than `most_bytes` of keys and values together, but at least one if there is any. The
    /// cursor then stands on the first entry that is not among them; an empty batch is the end.
    ///
    /// For callers to whom each call is expensive.
    ///
    /// # Errors
    /// As [`value`](Self::value), with no entries; seek again then. `Misuse` if `most_entries` is 0.
    pub fn read_batch(
        &mut self,
        most_entries: usize,
        most_bytes: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.batch(most_entries, most_bytes, Self::next)
    }

    /// As [`read_batch`](Self::read_batch), backwards.
    ///
    /// # Errors
    /// As [`read_batch`](Self::read_batch).
    pub fn read_batch_back(
        &mut self,
        most_entries: usize,
        most_bytes: usize,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        self.batch(most_entries, most_bytes, Self::previous)
    }

    fn batch(
        &mut self,
        most_entries: usize,
        most_bytes: usize,
        step: fn(&mut Self) -> Result<bool>,
    ) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        if most_entries == 0 {
            return Err(Error::misuse("a batch of at most 0 entries; give at least 1"));
        }
        self.check_open()?;
        let mut batch: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut bytes = 0usize;
        while batch.len() < most_entries && self.is_valid() {
            // There is no entry where the transaction has removed it under the cursor.
            if let Some((key, value)) = self.entry()? {
                bytes = bytes.saturating_add(key.len()).saturating_add(value.len());
                if bytes > most_bytes && !batch.is_empty() {
                    break;
                }
                batch.push((key.to_vec(), value.to_vec()));
            }
            step(self)?;
        }
        Ok(batch)
    }
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        if let Source::State(_, view) = &self.source {
            view.give_back(std::mem::take(&mut self.merged));
        }
    }
}

impl fmt::Debug for Cursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("key", &self.key()).finish_non_exhaustive()
    }
}

/// Iterator over entries, from both ends: `Result<(key, value)>`. Ends after an error.
///
/// Each item is copied out; a [`Cursor`] lends instead.
pub struct Iter<'a> {
    source: Source<'a>,
    low: Bound<Vec<u8>>,
    high: Bound<Vec<u8>>,
    front: Option<Cursor<'a>>,
    back: Option<Cursor<'a>>,
    ended: bool,
}

/// Copies a bound.
pub(crate) fn owned_bound<K: AsRef<[u8]>>(bound: Bound<&K>) -> Bound<Vec<u8>> {
    bound.map(|key| key.as_ref().to_vec())
}

/// The smallest key that is larger than every key with this prefix.
fn prefix_end(prefix: &[u8]) -> Bound<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

fn above_low(key: &[u8], low: &Bound<Vec<u8>>) -> bool {
    match low {
        Bound::Unbounded => true,
        Bound::Included(low) => key >= low.as_slice(),
        Bound::Excluded(low) => key > low.as_slice(),
    }
}

fn below_high(key: &[u8], high: &Bound<Vec<u8>>) -> bool {
    match high {
        Bound::Unbounded => true,
        Bound::Included(high) => key <= high.as_slice(),
        Bound::Excluded(high) => key < high.as_slice(),
    }
}

impl<'a> Iter<'a> {
    pub(crate) fn range<K: AsRef<[u8]>>(source: Source<'a>, range: &impl RangeBounds<K>) -> Self {
        let (low, high) = (owned_bound(range.start_bound()), owned_bound(range.end_bound()));
        Iter { source, low, high, front: None, back: None, ended: false }
    }

    pub(crate) fn prefix(source: Source<'a>, prefix: &[u8]) -> Self {
        let low = Bound::Included(prefix.to_vec());
        let high = prefix_end(prefix);
        Iter { source, low, high, front: None, back: None, ended: false }
    }

    fn entry(cursor: &mut Cursor<'a>) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        Ok(cursor.entry()?.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }

    fn step_front(&mut self) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let cursor = match &mut self.front {
            Some(cursor) => {
                cursor.next()?;
                cursor
            }
            None => {
                let cursor = self.front.insert(Cursor::new(self.source.clone())?);
                match &self.low {
                    Bound::Unbounded => cursor.first()?,
                    Bound::Included(low) | Bound::Excluded(low) => {
                        cursor.seek(low, Seek::AtLeast)?
                    }
                };
                if cursor.key().is_some_and(|key| !above_low(key, &self.low)) {
                    cursor.next()?;
                }
                cursor
            }
        };
        let inside = cursor.key().is_some_and(|key| {
            below_high(key, &self.high)
                && self.back.as_ref().is_none_or(|back| back.key().is_some_and(|end| key < end))
        });
        if inside { Self::entry(cursor) } else { Ok(None) }
    }

    fn step_back(&mut self) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
        let cursor = match &mut self.back {
            Some(cursor) => {
                cursor.previous()?;
                cursor
            }
            None => {
                let cursor = self.back.insert(Cursor::new(self.source.clone())?);
                match &self.high {
                    Bound::Unbounded => cursor.last()?,
                    Bound::Included(high) | Bound::Excluded(high) => {
                        cursor.seek(high, Seek::AtMost)?
                    }
                };
                if cursor.key().is_some_and(|key| !below_high(key, &self.high)) {
                    cursor.previous()?;
                }
                cursor
            }
        };
        let inside = cursor.key().is_some_and(|key| {
            above_low(key, &self.low)
                && self.front.as_ref().is_none_or(|front| front.key().is_some_and(|at| key > at))
        });
        if inside { Self::entry(cursor) } else { Ok(None) }
    }

    fn finish<T>(&mut self, item: Result<Option<T>>) -> Option<Result<T>> {
        let item = item.transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

impl Iterator for Iter<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.step_front();
        self.finish(item)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.step_back();
        self.finish(item)
    }
}

impl std::iter::FusedIterator for Iter<'_> {}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter")
            .field("low", &self.low)
            .field("high", &self.high)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_ends() {
        assert_eq!(prefix_end(b"ab"), Bound::Excluded(b"ac".to_vec()));
        assert_eq!(prefix_end(b"a\xff"), Bound::Excluded(b"b".to_vec()));
        assert_eq!(prefix_end(b"\xff\xff"), Bound::Unbounded);
        assert_eq!(prefix_end(b""), Bound::Unbounded);
    }
}
