//! The sources of one level, and how they hand over to each other at the split key of an unfinished
//! merge.
//!
//! Of such a level the left segment counts below the split key and the right ones from it on. What
//! a right segment still holds below the split key has been merged, hidden or dropped: it is never
//! looked at. Rules: docs/format.md, "Levels" and "Reading".

use super::ReadView;
use super::cursor::Direction;
use super::search::Landing;
use super::segment_cursor::SegmentCursor;
use crate::error::Result;
use crate::format::checkpoint::CellPosition;
use crate::format::geometry::PageId;
use crate::format::key::{KeyBuffer, KeyRef};
use crate::format::page::EntryFlags;
use crate::pager::Pager;
use std::sync::Arc;

/// What a source stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    End,
    /// Just below its level's split key.
    Edge,
    /// An entry.
    Entry,
}

/// What the tournament needs of a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) state: State,
    pub(super) system: bool,
    pub(super) flags: EntryFlags,
    /// `KeyRef::prefix` of the key.
    pub(super) prefix: u64,
}

impl Head {
    pub(super) const END: Head =
        Head { state: State::End, system: false, flags: EntryFlags::NONE, prefix: 0 };

    #[inline]
    fn entry(key: KeyRef<'_>, flags: EntryFlags) -> Self {
        Head { state: State::Entry, system: key.system, flags, prefix: key.prefix() }
    }

    fn edge(split: KeyRef<'_>, flags: EntryFlags) -> Self {
        Head { state: State::Edge, system: split.system, flags, prefix: split.prefix() }
    }

    /// Whether older keys between the last and this entry, in order of travel, are deleted.
    #[inline]
    pub(super) fn covers(&self, direction: Direction) -> bool {
        self.flags.intersects(match direction {
            Direction::Forward => EntryFlags::END_DELETE,
            Direction::Backward => EntryFlags::START_DELETE,
        })
    }
}

/// What part of its level a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Whole,
    Left,
    Right,
}

/// One sorted sequence.
#[derive(Debug)]
pub(super) struct Source {
    cursor: SegmentCursor,
    role: Role,
    level: usize,
}

impl Source {
    #[inline]
    pub(super) fn level(&self) -> usize {
        self.level
    }

    #[inline]
    pub(super) fn key(&self) -> KeyRef<'_> {
        self.cursor.key()
    }

    #[inline]
    pub(super) fn value(&mut self, view: &ReadView) -> Result<&[u8]> {
        self.cursor.value(&view.pager)
    }

    /// Moves on by one entry; `last` are the flags of the one left behind.
    #[inline]
    pub(super) fn step(
        &mut self,
        view: &ReadView,
        direction: Direction,
        split: Option<KeyRef<'_>>,
        last: EntryFlags,
    ) -> Result<Head> {
        match direction {
            Direction::Forward => self.cursor.next(&view.pager)?,
            Direction::Backward => self.cursor.previous(&view.pager)?,
        }
        self.settle(&view.pager, direction, split, last)
    }

    /// Goes on until the cursor stands on an entry that counts, and describes it. `last` are the
    /// flags of the entry before it, in order of travel.
    #[inline]
    fn settle(
        &mut self,
        pager: &Pager,
        direction: Direction,
        split: Option<KeyRef<'_>>,
        last: EntryFlags,
    ) -> Result<Head> {
        let cursor = &mut self.cursor;
        while cursor.is_valid() && cursor.flags().is_pure_separator() {
            match direction {
                Direction::Forward => cursor.next(pager)?,
                Direction::Backward => cursor.previous(pager)?,
            }
        }
        let edge = |open: EntryFlags, flags| match split {
            Some(split) if last.contains(open) => Head::edge(split, flags),
            Some(split) => Head::edge(split, EntryFlags::NONE),
            None => Head::END,
        };
        let within = cursor.is_valid()
            && (self.role != Role::Right
                || direction == Direction::Forward
                || split.is_none_or(|split| cursor.key() >= split));
        Ok(match (self.role, direction) {
            _ if within => Head::entry(cursor.key(), cursor.flags()),
            (Role::Left, Direction::Forward) => {
                edge(EntryFlags::START_DELETE, EntryFlags::END_DELETE)
            }
            (Role::Right, Direction::Backward) => {
                edge(EntryFlags::END_DELETE, EntryFlags::START_DELETE)
            }
            _ => Head::END,
        })
    }

    /// Goes to the first entry at or above the split key, given where the merge has arrived.
    fn enter_right(&mut self, pager: &Pager, at: CellPosition, split: KeyRef<'_>) -> Result<Head> {
        let cursor = &mut self.cursor;
        cursor.at(pager, at)?;
        while cursor.is_valid() && (cursor.flags().is_pure_separator() || cursor.key() < split) {
            cursor.next(pager)?;
        }
        Ok(if cursor.is_valid() { Head::entry(cursor.key(), cursor.flags()) } else { Head::END })
    }

    /// Searches, stands at or beyond `key`, and tells the pointer for the next older segment.
    fn seek(
        &mut self,
        pager: &Pager,
        pointer: PageId,
        key: KeyRef<'_>,
        direction: Direction,
        splits: (Option<KeyRef<'_>>, Option<KeyRef<'_>>),
    ) -> Result<(Head, PageId)> {
        let (split, older_split) = splits;
        let landing = self.cursor.search(pager, pointer, key)?;
        let pointer = self.cursor.pointer_behind(pager, &landing, older_split)?;
        let mut last = EntryFlags::NONE;
        match (landing, direction) {
            (Landing::At { exact: false, cell, .. }, Direction::Forward) => {
                last = cell.flags;
                self.cursor.next(pager)?;
            }
            (Landing::Before, Direction::Backward) => {
                last = self.cursor.flags();
                self.cursor.previous(pager)?;
            }
            _ => {}
        }
        Ok((self.settle(pager, direction, split, last)?, pointer))
    }
}

/// The sources of a level.
#[derive(Debug)]
pub(super) struct LevelSources {
    /// Index of its first source; the right ones follow.
    first: usize,
    /// Where the merge has arrived in each right segment.
    positions: Vec<CellPosition>,
    split: Option<KeyBuffer>,
}

impl LevelSources {
    /// The sources of all levels of a view, newest first.
    pub(super) fn of(view: &ReadView) -> (Vec<Source>, Vec<LevelSources>) {
        let (mut sources, mut levels) = (Vec::new(), Vec::new());
        for (index, level) in view.snapshot.levels.iter().enumerate() {
            let source = |run: &Arc<_>, role| Source {
                cursor: SegmentCursor::new(Arc::clone(run)),
                role,
                level: index,
            };
            let first = sources.len();
            let role = if level.split.is_some() { Role::Left } else { Role::Whole };
            sources.push(source(&level.left, role));
            sources.extend(level.rights.iter().map(|right| source(&right.run, Role::Right)));
            let positions = level.rights.iter().map(|right| right.position).collect();
            levels.push(LevelSources { first, positions, split: level.split.clone() });
        }
        (sources, levels)
    }

    pub(super) fn split(&self) -> Option<KeyRef<'_>> {
        self.split.as_ref().map(KeyBuffer::as_ref)
    }

    fn right(&self, index: usize) -> usize {
        self.first + 1 + index
    }

    /// Positions the level's sources at or beyond `key`. Takes and gives the pointer that leads
    /// from each segment into the next older one.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn position(
        &self,
        view: &ReadView,
        sources: &mut [Source],
        heads: &mut [Head],
        mut pointer: PageId,
        key: KeyRef<'_>,
        direction: Direction,
        next_split: Option<KeyRef<'_>>,
    ) -> Result<PageId> {
        let split = self.split();
        let mut seek = |at: usize, pointer, older_split| -> Result<PageId> {
            let (Some(source), Some(head)) = (sources.get_mut(at), heads.get_mut(at)) else {
                return Ok(0);
            };
            let found = source.seek(&view.pager, pointer, key, direction, (split, older_split))?;
            *head = found.0;
            Ok(found.1)
        };
        match split {
            None => seek(self.first, pointer, next_split),
            Some(split) if key < split => seek(self.first, 0, next_split),
            Some(split) => {
                for index in 0..self.positions.len() {
                    let is_last = index + 1 == self.positions.len();
                    let older_split = if is_last { next_split } else { Some(split) };
                    pointer = seek(self.right(index), pointer, older_split)?;
                }
                self.correct_rights(view, sources, heads, split)?;
                Ok(pointer)
            }
        }
    }

    /// After a search from the split key on: right sources that found nothing at or above it.
    fn correct_rights(
        &self,
        view: &ReadView,
        sources: &mut [Source],
        heads: &mut [Head],
        split: KeyRef<'_>,
    ) -> Result<()> {
        for (index, &position) in self.positions.iter().enumerate() {
            let at = self.right(index);
            let (Some(source), Some(head)) = (sources.get_mut(at), heads.get_mut(at)) else {
                continue;
            };
            if head.state == State::Edge {
                // What stands above decides whether a range is open at the split key.
                let above = source.enter_right(&view.pager, position, split)?;
                let open =
                    above.state == State::Entry && above.flags.contains(EntryFlags::END_DELETE);
                let flags = if open { EntryFlags::START_DELETE } else { EntryFlags::NONE };
                *head = Head::edge(split, flags);
            }
        }
        Ok(())
    }

    /// One source of the level has crossed the split key: when it was the last one on its side, the
    /// other side takes over.
    pub(super) fn cross(
        &self,
        view: &ReadView,
        sources: &mut [Source],
        heads: &mut [Head],
        direction: Direction,
    ) -> Result<()> {
        let Some(split) = self.split() else { return Ok(()) };
        if direction == Direction::Forward {
            for (index, &position) in self.positions.iter().enumerate() {
                let at = self.right(index);
                if let (Some(source), Some(head)) = (sources.get_mut(at), heads.get_mut(at)) {
                    *head = source.enter_right(&view.pager, position, split)?;
                }
            }
            return Ok(());
        }
        let rights = heads.get(self.right(0)..self.right(self.positions.len()));
        if rights.unwrap_or_default().iter().any(|head| head.state != State::End) {
            return Ok(());
        }
        if let (Some(source), Some(head)) = (sources.get_mut(self.first), heads.get_mut(self.first))
        {
            source.cursor.last(&view.pager)?;
            *head = source.settle(&view.pager, direction, Some(split), EntryFlags::NONE)?;
        }
        Ok(())
    }
}
