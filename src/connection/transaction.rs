//! Levels of nested transactions, and writing with or without one.
//!
//! Level 1 is the transaction itself, every further one a savepoint. Levels opened by one call begin
//! at the same point and share one mark.

use super::Connection;
use crate::error::Result;
use crate::shared::{View, WriterCore};
use std::sync::Arc;

/// The open levels.
#[derive(Debug, Default)]
pub(super) struct Levels {
    open: u32,
    /// Where levels begin, outermost first.
    marks: Vec<LevelMark>,
}

/// Where a level begins, and those above it up to the next mark.
#[derive(Debug)]
struct LevelMark {
    first: u32,
    savepoint: u64,
}

impl Levels {
    fn push(&mut self, level: u32, savepoint: u64) {
        self.marks.push(LevelMark { first: self.open + 1, savepoint });
        self.open = level;
    }

    /// Forgets the levels above `level`; gives the outermost mark that goes with them.
    fn cut(&mut self, level: u32) -> Option<u64> {
        let kept = self.marks.partition_point(|mark| mark.first <= level);
        let gone = self.marks.get(kept).map(|mark| mark.savepoint);
        self.marks.truncate(kept);
        self.open = self.open.min(level);
        gone
    }

    fn clear(&mut self) {
        self.cut(0);
    }
}

/// A write transaction that has begun.
struct Begun {
    writer: WriterCore,
    /// What cursors have looked at before, as long as it is not given up.
    from: Option<Arc<View>>,
}

impl Connection {
    /// How many levels are open; 0 if no transaction is.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.levels.open
    }

    /// Opens levels until `level` of them are open: the first begins a transaction. Does nothing if
    /// as many are open already.
    ///
    /// # Errors
    /// `Busy`: another transaction is open, or others have committed since this connection's
    /// cursors were opened; `ReadOnly`, `Poisoned`, `Io`; `Misuse` after a failed write or if the
    /// connection is not open.
    pub fn begin(&mut self, level: u32) -> Result<()> {
        self.writable()?;
        if level <= self.levels.open {
            return Ok(());
        }
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.begin_writing()?.writer,
        };
        let savepoint = writer.savepoint();
        self.writer = Some(writer);
        self.levels.push(level, savepoint?);
        Ok(())
    }

    /// Closes levels until only `level` of them are open, keeping what was done in them. Level 0
    /// commits the transaction, which is over afterwards also if that fails. Does nothing if no
    /// more levels are open.
    ///
    /// # Errors
    /// Those of [`WriteTransaction::commit`](crate::WriteTransaction::commit).
    pub fn commit(&mut self, level: u32) -> Result<()> {
        if level >= self.levels.open {
            return Ok(());
        }
        if level > 0 {
            if let (Some(gone), Some(writer)) = (self.levels.cut(level), &mut self.writer) {
                writer.release(gone)?;
            }
            return Ok(());
        }
        self.levels.clear();
        match self.writer.take() {
            Some(writer) => self.end_writing(writer, true),
            None => Ok(()),
        }
    }

    /// Undoes what was done since `level` was opened and leaves that many levels open. Level 0
    /// undoes and ends the transaction. Does nothing if fewer levels are open.
    ///
    /// # Errors
    /// `Corrupt` if memory is damaged.
    pub fn rollback(&mut self, level: u32) -> Result<()> {
        if self.levels.open == 0 || level > self.levels.open {
            return Ok(());
        }
        if level == 0 {
            self.levels.clear();
            return match self.writer.take() {
                Some(writer) => self.end_writing(writer, false),
                None => Ok(()),
            };
        }
        self.keep_values();
        self.levels.cut(level);
        if let (Some(mark), Some(writer)) = (self.levels.marks.last_mut(), &mut self.writer) {
            self.cursors.tree_changed();
            mark.savepoint = writer.restore(mark.savepoint)?;
        }
        Ok(())
    }

    /// Writes `key`, in a transaction of its own if none is open.
    ///
    /// # Errors
    /// Those of [`Connection::begin`] and [`WriteTransaction::insert`](crate::WriteTransaction::insert).
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.change(|writer| writer.insert(key, value))
    }

    /// Removes `key`, which need not exist.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove(&mut self, key: &[u8]) -> Result<()> {
        self.change(|writer| writer.remove(key))
    }

    /// Removes every key strictly between the two; nothing at all happens unless `low` is less.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn remove_between(&mut self, low: &[u8], high: &[u8]) -> Result<()> {
        if low >= high && self.is_open() {
            return Ok(());
        }
        self.change(|writer| writer.remove_between(low, high))
    }

    /// The application's version number as this connection sees it.
    ///
    /// # Errors
    /// `Busy` if no reader slot is free, `Io`, `Misuse` if the connection is not open.
    pub fn user_version(&mut self) -> Result<u32> {
        match (&self.writer, &self.view) {
            (Some(writer), _) => Ok(writer.user_version()),
            (None, Some(view)) => Ok(view.header.user_version),
            (None, None) => {
                let shared = self.ready()?;
                let view = shared.view().map_err(|error| error.on(&shared.path))?;
                Ok(view.header.user_version)
            }
        }
    }

    /// Sets the application's version number; see
    /// [`WriteTransaction::set_user_version`](crate::WriteTransaction::set_user_version).
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub fn set_user_version(&mut self, version: u32) -> Result<()> {
        self.change(|writer| writer.set_user_version(version))
    }

    /// Makes a change, in a transaction of its own if none is open. What it is made of may be what
    /// a cursor points to, so that is left in place until the change is made.
    fn change(&mut self, body: impl FnOnce(&mut WriterCore) -> Result<()>) -> Result<()> {
        self.writable()?;
        if let Some(writer) = &mut self.writer {
            self.cursors.tree_changed();
            let outcome = body(writer).map_err(|error| error.on(writer.path()));
            self.cursors.forget_kept();
            return outcome;
        }
        let Begun { mut writer, from } = self.begin_writing()?;
        let outcome = body(&mut writer);
        drop(from);
        self.cursors.forget_kept();
        match outcome {
            Ok(()) => self.end_writing(writer, true),
            Err(error) => {
                let error = error.on(writer.path());
                // The failure that counts is the first.
                let _ = self.end_writing(writer, false);
                Err(error)
            }
        }
    }

    /// Begins a write transaction from what the cursors see.
    fn begin_writing(&mut self) -> Result<Begun> {
        let (timeout, settings) = (self.options.busy_timeout, self.settings.clone());
        let from = self.view.take();
        let shared = self.ready()?;
        let begun = shared.begin_from(settings, timeout, from.as_deref());
        let mut writer = match begun {
            Ok(writer) => writer,
            Err(error) => {
                self.view = from;
                return Err(error);
            }
        };
        let Some(from) = from else { return Ok(Begun { writer, from: None }) };
        // The same content, but perhaps of a newer snapshot: an old tree may have become part of
        // it, which the transaction does not keep.
        let shared = Arc::clone(shared);
        self.cursors.tree_changed();
        let (base, from) = match shared.view() {
            Ok(base) => (Ok(base), Some(from)),
            // There may be no reader slot but the one in use.
            Err(_) => {
                drop(from);
                (shared.view(), None)
            }
        };
        match base {
            Ok(base) => writer.set_base(base),
            Err(error) => {
                let _ = writer.rollback();
                return Err(error.on(&shared.path));
            }
        }
        Ok(Begun { writer, from })
    }

    /// Ends a write transaction; open cursors go on with what it leaves.
    fn end_writing(&mut self, writer: WriterCore, commit: bool) -> Result<()> {
        if self.cursors.is_empty() {
            return if commit { writer.commit() } else { writer.rollback() };
        }
        if !commit {
            self.writer = Some(writer);
            self.keep_values();
            let Some(writer) = self.writer.take() else { return Ok(()) };
            self.cursors.tree_changed();
            return writer.rollback_and_view(&mut self.view);
        }
        self.cursors.tree_changed();
        writer.commit_and_view(&mut self.view)
    }
}
