//! The sources of one level, and how they hand over to each other at the split key of an unfinished
//! merge.
//!
//! Of such a level the left segment counts below the split key and the right ones from it on. What
//! a right segment still holds below the split key has been merged, hidden or dropped: it is never
//! looked at. Rules: docs/format.md, "Levels" and "Reading".

use super::ReadView;
use super::cursor::Direction;
use super::source::{Head, Role, Source, State};
use crate::error::Result;
use crate::format::checkpoint::CellPosition;
use crate::format::geometry::PageId;
use crate::format::key::{KeyBuffer, KeyRef};
use crate::format::page::EntryFlags;

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
    /// Adds the sources of all levels of a view, newest first.
    pub(super) fn of(view: &ReadView, sources: &mut Vec<Source>) -> Vec<LevelSources> {
        let mut levels = Vec::new();
        for (index, level) in view.snapshot.levels.iter().enumerate() {
            let source = |run, role| Source::segment(run, role, index);
            let first = sources.len();
            let role = if level.split.is_some() { Role::Left } else { Role::Whole };
            sources.push(source(&level.left, role));
            sources.extend(level.rights.iter().map(|right| source(&right.run, Role::Right)));
            let positions = level.rights.iter().map(|right| right.position).collect();
            levels.push(LevelSources { first, positions, split: level.split.clone() });
        }
        levels
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
            let found = source.seek(view, pointer, key, direction, (split, older_split))?;
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
                let above = source.enter_right(view, position, split)?;
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
                    *head = source.enter_right(view, position, split)?;
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
            *head = source.last(view, Some(split))?;
        }
        Ok(())
    }
}
