//! One sorted sequence of a merged cursor: a tree, or a segment in its role within a level.
//!
//! A source stands on an entry that counts, on the edge of its part of a level, or nowhere; its
//! [`Head`] says which, with what the tournament needs. Rules: docs/format.md, "Reading".

use super::ReadView;
use super::cursor::{self, Direction};
use super::search::Landing;
use super::segment_cursor::SegmentCursor;
use crate::error::Result;
use crate::format::checkpoint::CellPosition;
use crate::format::geometry::PageId;
use crate::format::key::KeyRef;
use crate::format::page::EntryFlags;
use crate::format::tree_header::TreeRoot;
use crate::pager::Run;
use crate::tree::TreeCursor;
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

    pub(super) fn edge(split: KeyRef<'_>, flags: EntryFlags) -> Self {
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

/// What a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The live tree.
    Live,
    /// The old tree.
    Old,
    /// The segment of a level.
    Whole,
    /// What has been merged of a level so far.
    Left,
    /// What is still to be merged.
    Right,
}

#[derive(Debug)]
enum Cursor {
    Segment(SegmentCursor),
    /// With the current value, once asked for.
    Tree(TreeCursor, Vec<u8>),
}

/// One sorted sequence.
#[derive(Debug)]
pub(super) struct Source {
    cursor: Cursor,
    role: Role,
    level: usize,
}

impl Source {
    /// A segment in its role within level `level`.
    pub(super) fn segment(run: &Arc<Run>, role: Role, level: usize) -> Self {
        Source { cursor: Cursor::Segment(SegmentCursor::new(Arc::clone(run))), role, level }
    }

    /// The trees of a view, newest first, as far as they hold anything.
    pub(super) fn trees(view: &ReadView) -> Vec<Self> {
        let live = (Role::Live, Some(&view.live));
        let trees = [live, (Role::Old, view.old.as_ref())];
        let filled = trees.into_iter().filter(|(_, root)| root.is_some_and(|root| root.node != 0));
        let source = |role| Source {
            cursor: Cursor::Tree(TreeCursor::new(), Vec::new()),
            role,
            level: usize::MAX,
        };
        filled.map(|(role, _)| source(role)).collect()
    }

    /// Gives up large buffers.
    pub(super) fn rest(&mut self) {
        match &mut self.cursor {
            Cursor::Segment(cursor) => cursor.rest(),
            Cursor::Tree(cursor, value) => {
                cursor.rest();
                cursor::rest(value);
            }
        }
    }

    #[inline]
    pub(super) fn role(&self) -> Role {
        self.role
    }

    #[inline]
    pub(super) fn level(&self) -> usize {
        self.level
    }

    #[inline]
    pub(super) fn key(&self) -> KeyRef<'_> {
        match &self.cursor {
            Cursor::Segment(cursor) => cursor.key(),
            Cursor::Tree(cursor, _) => KeyRef::user(cursor.key()),
        }
    }

    #[inline]
    pub(super) fn load_value(&mut self, view: &ReadView) -> Result<()> {
        match &mut self.cursor {
            Cursor::Segment(cursor) => cursor.load_value(&view.pager),
            Cursor::Tree(cursor, value) => cursor.value(&view.shm, value),
        }
    }

    #[inline]
    pub(super) fn loaded_value(&self) -> &[u8] {
        match &self.cursor {
            Cursor::Segment(cursor) => cursor.loaded_value(),
            Cursor::Tree(_, value) => value,
        }
    }

    fn root<'a>(&self, view: &'a ReadView) -> &'a TreeRoot {
        match (self.role, &view.old) {
            (Role::Old, Some(old)) => old,
            _ => &view.live,
        }
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
        match &mut self.cursor {
            Cursor::Segment(cursor) => {
                match direction {
                    Direction::Forward => cursor.next(&view.pager)?,
                    Direction::Backward => cursor.previous(&view.pager)?,
                }
                self.settle(view, direction, split, last)
            }
            Cursor::Tree(cursor, _) => {
                let root = match (self.role, &view.old) {
                    (Role::Old, Some(old)) => old,
                    _ => &view.live,
                };
                match direction {
                    Direction::Forward => cursor.next(&view.shm, root)?,
                    Direction::Backward => cursor.previous(&view.shm, root)?,
                }
                Ok(Self::tree_head(cursor))
            }
        }
    }

    #[inline]
    fn tree_head(cursor: &TreeCursor) -> Head {
        if cursor.is_valid() {
            Head::entry(KeyRef::user(cursor.key()), cursor.flags())
        } else {
            Head::END
        }
    }

    /// Positions a tree at or beyond `key`.
    pub(super) fn seek_tree(
        &mut self,
        view: &ReadView,
        key: KeyRef<'_>,
        direction: Direction,
    ) -> Result<Head> {
        let root = *self.root(view);
        let Cursor::Tree(cursor, _) = &mut self.cursor else { return Ok(Head::END) };
        // Trees hold the user's keys only, and all of them are below those of the engine.
        if key.system {
            match direction {
                Direction::Forward => return Ok(Head::END),
                Direction::Backward => cursor.last(&view.shm, &root)?,
            }
            return Ok(Self::tree_head(cursor));
        }
        let order = cursor.seek(&view.shm, &root, key.bytes)?;
        if cursor.is_valid() {
            match direction {
                Direction::Forward if order.is_lt() => cursor.next(&view.shm, &root)?,
                Direction::Backward if order.is_gt() => cursor.previous(&view.shm, &root)?,
                _ => {}
            }
        }
        Ok(Self::tree_head(cursor))
    }

    /// Goes on until a segment's cursor stands on an entry that counts, and describes it. `last`
    /// are the flags of the entry before it, in order of travel.
    #[inline]
    fn settle(
        &mut self,
        view: &ReadView,
        direction: Direction,
        split: Option<KeyRef<'_>>,
        last: EntryFlags,
    ) -> Result<Head> {
        let Cursor::Segment(cursor) = &mut self.cursor else { return Ok(Head::END) };
        while cursor.is_valid() && cursor.flags().is_pure_separator() {
            match direction {
                Direction::Forward => cursor.next(&view.pager)?,
                Direction::Backward => cursor.previous(&view.pager)?,
            }
        }
        let within = cursor.is_valid()
            && (self.role != Role::Right
                || direction == Direction::Forward
                || split.is_none_or(|split| cursor.key() >= split));
        if within {
            return Ok(Head::entry(cursor.key(), cursor.flags()));
        }
        // A range open at the edge of this part of the level goes on to its other side.
        let (open, flags) = match (self.role, direction) {
            (Role::Left, Direction::Forward) => (EntryFlags::START_DELETE, EntryFlags::END_DELETE),
            (Role::Right, Direction::Backward) => {
                (EntryFlags::END_DELETE, EntryFlags::START_DELETE)
            }
            _ => return Ok(Head::END),
        };
        let flags = if last.contains(open) { flags } else { EntryFlags::NONE };
        Ok(split.map_or(Head::END, |split| Head::edge(split, flags)))
    }

    /// Goes to the last entry, travelling backward.
    pub(super) fn last(&mut self, view: &ReadView, split: Option<KeyRef<'_>>) -> Result<Head> {
        if let Cursor::Segment(cursor) = &mut self.cursor {
            cursor.last(&view.pager)?;
        }
        self.settle(view, Direction::Backward, split, EntryFlags::NONE)
    }

    /// Goes to the first entry at or above the split key, given where the merge has arrived.
    pub(super) fn enter_right(
        &mut self,
        view: &ReadView,
        at: CellPosition,
        split: KeyRef<'_>,
    ) -> Result<Head> {
        let Cursor::Segment(cursor) = &mut self.cursor else { return Ok(Head::END) };
        cursor.at(&view.pager, at)?;
        while cursor.is_valid() && (cursor.flags().is_pure_separator() || cursor.key() < split) {
            cursor.next(&view.pager)?;
        }
        Ok(if cursor.is_valid() { Head::entry(cursor.key(), cursor.flags()) } else { Head::END })
    }

    /// Searches a segment, stands at or beyond `key`, and tells the pointer for the next older
    /// segment. `splits` are the split keys of this level and of that segment's.
    pub(super) fn seek(
        &mut self,
        view: &ReadView,
        pointer: PageId,
        key: KeyRef<'_>,
        direction: Direction,
        (split, older_split): (Option<KeyRef<'_>>, Option<KeyRef<'_>>),
    ) -> Result<(Head, PageId)> {
        let Cursor::Segment(cursor) = &mut self.cursor else { return Ok((Head::END, 0)) };
        let landing = cursor.search(&view.pager, pointer, key)?;
        let pointer = cursor.pointer_behind(&view.pager, &landing, older_split)?;
        let mut last = EntryFlags::NONE;
        match (landing, direction) {
            (Landing::At { exact: false, cell, .. }, Direction::Forward) => {
                last = cell.flags;
                cursor.next(&view.pager)?;
            }
            (Landing::Before, Direction::Backward) => {
                last = cursor.flags();
                cursor.previous(&view.pager)?;
            }
            _ => {}
        }
        Ok((self.settle(view, direction, split, last)?, pointer))
    }
}
