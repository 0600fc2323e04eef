//! Cursors of a connection.
//!
//! They belong to the connection, which tells all of them when what they read changes: a cursor
//! then keeps its key, and goes on from there when it is moved.

use super::{Connection, not_open};
use crate::error::{Error, Result};
use crate::shared::{Shared, View, WriterCore};
use crate::sorted::{MergedCursor, ReadView, Seek};
use std::fmt;
use std::sync::Arc;

/// Names an open cursor of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CursorId {
    index: usize,
    /// Tells it from cursors that had the same place before.
    serial: u64,
}

/// Where a cursor stands.
#[derive(Debug)]
pub(super) struct Position {
    serial: u64,
    merged: MergedCursor,
    /// The value was loaded since the cursor last moved and what it reads last changed; tells
    /// whether there is one.
    loaded: Option<bool>,
    /// What a rollback has undone under the cursor, until it moves.
    kept: Option<Vec<u8>>,
    /// Positioned by `AtMostFast`: no value, no stepping.
    fast: bool,
}

/// The open cursors of a connection.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    // Boxed, so that opening one does not move the others, whose keys callers may still look at.
    places: Vec<Option<Box<Position>>>,
    open: usize,
    serial: u64,
}

impl Cursors {
    pub(super) fn is_empty(&self) -> bool {
        self.open == 0
    }

    fn add(&mut self, merged: MergedCursor) -> CursorId {
        self.serial += 1;
        self.open += 1;
        let serial = self.serial;
        let position = Position { serial, merged, loaded: None, kept: None, fast: false };
        let index = match self.places.iter().position(Option::is_none) {
            Some(index) => index,
            None => {
                self.places.push(None);
                self.places.len() - 1
            }
        };
        if let Some(place) = self.places.get_mut(index) {
            *place = Some(Box::new(position));
        }
        CursorId { index, serial }
    }

    fn get(&mut self, id: CursorId) -> Result<&mut Position> {
        let place = self.places.get_mut(id.index).and_then(Option::as_deref_mut);
        place.filter(|position| position.serial == id.serial).ok_or_else(closed)
    }

    fn remove(&mut self, id: CursorId) -> Result<MergedCursor> {
        self.get(id)?;
        let position = self.places.get_mut(id.index).and_then(Option::take).ok_or_else(closed)?;
        self.open -= 1;
        Ok(position.merged)
    }

    pub(super) fn close_all(&mut self) {
        self.places.clear();
        self.open = 0;
    }

    /// What the cursors read is about to change.
    pub(super) fn tree_changed(&mut self) {
        if self.open == 0 {
            return;
        }
        for position in self.places.iter_mut().flatten() {
            position.merged.tree_changed();
            position.loaded = None;
        }
    }

    /// Something was written that is newer than what cursors still show of a rollback.
    pub(super) fn forget_kept(&mut self) {
        if self.open > 0 {
            self.places.iter_mut().flatten().for_each(|position| position.kept = None);
        }
    }
}

fn closed() -> Error {
    Error::misuse("the cursor is closed, or belongs to another connection")
}

/// The connection's view, taken if it has none.
fn taken<'a>(view: &'a mut Option<Arc<View>>, shared: &Shared) -> Result<&'a Arc<View>> {
    Ok(match view {
        Some(view) => view,
        none => none.insert(shared.view()?),
    })
}

/// What cursors read now: the open transaction, or the connection's view.
fn read_view<'a>(
    writer: &'a mut Option<WriterCore>,
    view: &'a mut Option<Arc<View>>,
    shared: &Shared,
) -> Result<&'a ReadView> {
    match writer {
        Some(writer) => writer.read_view(),
        None => Ok(&taken(view, shared)?.read),
    }
}

impl Connection {
    /// Opens a cursor, which stands nowhere yet. If nothing else was open, what the connection sees
    /// from now on is the newest committed state.
    ///
    /// # Errors
    /// `Busy` if no reader slot is free; `Io`, `Corrupt`, `Mismatch`; `Misuse` if the connection is
    /// not open.
    pub fn open_cursor(&mut self) -> Result<CursorId> {
        self.ready()?;
        let Connection { shared, writer, view, cursors, .. } = self;
        let shared = shared.as_ref().ok_or_else(not_open)?;
        let merged = match writer {
            Some(writer) => writer.read_view().map(MergedCursor::new),
            None => taken(view, shared).map(|view| view.cursor()),
        };
        let merged = merged.map_err(|error| error.on(&shared.path))?;
        Ok(cursors.add(merged))
    }

    /// Closes a cursor. With the last one, and no transaction open, the connection lets go of the
    /// state it has read.
    ///
    /// # Errors
    /// `Misuse` if it is closed already or another connection's.
    pub fn close_cursor(&mut self, cursor: CursorId) -> Result<()> {
        let merged = self.cursors.remove(cursor)?;
        if let (None, Some(view)) = (&self.writer, &self.view) {
            view.give_back(merged);
        }
        if self.cursors.is_empty() {
            self.view = None;
        }
        Ok(())
    }

    /// A cursor, to use it.
    ///
    /// # Errors
    /// `Misuse` if it is closed or another connection's.
    pub fn cursor(&mut self, cursor: CursorId) -> Result<ConnectionCursor<'_>> {
        let Connection { shared, writer, view, cursors, .. } = self;
        let shared = shared.as_ref().ok_or_else(closed)?;
        Ok(ConnectionCursor { shared, writer, view, position: cursors.get(cursor)? })
    }

    /// Loads the values under all cursors, which are about to be undone: they are what the cursors
    /// show until they move.
    pub(super) fn keep_values(&mut self) {
        let Connection { shared, writer, view, cursors, .. } = self;
        let Some(shared) = shared else { return };
        for position in cursors.places.iter_mut().flatten() {
            if !position.merged.is_valid() || position.fast || position.kept.is_some() {
                continue;
            }
            // A value that cannot be read now is read again, or fails again, when asked for.
            let Ok(read) = read_view(writer, view, shared) else { return };
            if position.merged.load_value(read) == Ok(true) {
                position.kept = Some(position.merged.loaded_value().to_vec());
            }
        }
    }
}

/// A cursor in use.
pub struct ConnectionCursor<'a> {
    shared: &'a Arc<Shared>,
    writer: &'a mut Option<WriterCore>,
    view: &'a mut Option<Arc<View>>,
    position: &'a mut Position,
}

impl ConnectionCursor<'_> {
    fn position(
        &mut self,
        body: impl FnOnce(&mut MergedCursor, &ReadView) -> Result<()>,
    ) -> Result<bool> {
        let position = &mut *self.position;
        position.loaded = None;
        position.kept = None;
        read_view(self.writer, self.view, self.shared)
            .and_then(|read| body(&mut position.merged, read))
            .map_err(|error| error.on(&self.shared.path))?;
        Ok(position.merged.is_valid())
    }

    /// Goes to a key, or near it. Returns whether the cursor stands on an entry.
    ///
    /// # Errors
    /// `Busy` if no reader slot is free, `Io`, `Corrupt`.
    pub fn seek(&mut self, key: &[u8], seek: Seek) -> Result<bool> {
        self.position.fast = seek == Seek::AtMostFast;
        self.position(|merged, read| merged.seek(read, key, seek))
    }

    /// Goes to the smallest key. Returns whether there is one.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn first(&mut self) -> Result<bool> {
        self.position.fast = false;
        self.position(MergedCursor::first)
    }

    /// Goes to the largest key. Returns whether there is one.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn last(&mut self) -> Result<bool> {
        self.position.fast = false;
        self.position(MergedCursor::last)
    }

    /// Goes to the next larger key. Returns whether there is one; off the end it stays there.
    ///
    /// # Errors
    /// As [`seek`](Self::seek); `Misuse` after `AtMostFast`.
    #[allow(clippy::should_implement_trait, reason = "the field's word; lends, so no Iterator")]
    pub fn next(&mut self) -> Result<bool> {
        self.check_step()?;
        self.position(MergedCursor::next)
    }

    /// Goes to the next smaller key. Returns whether there is one; off the end it stays there.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn previous(&mut self) -> Result<bool> {
        self.check_step()?;
        self.position(MergedCursor::previous)
    }

    fn check_step(&self) -> Result<()> {
        if self.position.fast {
            return Err(Error::misuse("a cursor placed by AtMostFast cannot step; seek again"));
        }
        Ok(())
    }

    /// Whether it stands on an entry, perhaps one the connection has removed since.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.position.merged.is_valid()
    }

    /// The key; `None` when not on an entry.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.is_valid().then(|| self.position.merged.key())
    }

    /// The value; `None` when not on an entry, or when the connection has removed it since. After a
    /// rollback it is what it was before, until the cursor moves.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn value(&mut self) -> Result<Option<&[u8]>> {
        if self.position.fast {
            return Err(Error::misuse("a cursor placed by AtMostFast has no value; seek again"));
        }
        let position = &mut *self.position;
        if position.kept.is_some() {
            return Ok(position.kept.as_deref());
        }
        let there = match position.loaded {
            Some(there) => there,
            None => {
                let there = read_view(self.writer, self.view, self.shared)
                    .and_then(|read| position.merged.load_value(read))
                    .map_err(|error| error.on(&self.shared.path))?;
                *position.loaded.insert(there)
            }
        };
        Ok(there.then(|| position.merged.loaded_value()))
    }
}

impl fmt::Debug for ConnectionCursor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionCursor").field("key", &self.key()).finish_non_exhaustive()
    }
}
