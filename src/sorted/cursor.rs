//! The merged cursor: all sources of a view as one ordered sequence of visible entries.
//!
//! Sources, newest first: the trees, then per level its segment or, while a merge is unfinished, the
//! left segment and each right one. A tournament finds the next key; equal keys are stepped over
//! together, the newest deciding. A source hides a key of older ones when the entry it stands on
//! says that the gap behind it is a deleted range.
//!
//! Of a level whose merge is unfinished either the left segment or the right ones take part. A
//! source that has run into the split key stands on an *edge* just below that key, which carries
//! what is known of a range open there; when the edge is next in order, the other side takes over.
//! Rules: docs/format.md, "Range deletes" and "Reading".

use super::ReadView;
use super::get;
use super::level::LevelSources;
use super::snapshot::Snapshot;
use super::source::{Head, Role, Source, State};
use crate::error::Result;
use crate::format::key::{KeyBuffer, KeyRef};
use crate::format::page::EntryFlags;
use crate::format::tree_header::TreeRoot;
use std::cmp::Ordering;
use std::sync::Arc;

/// Where [`Cursor::seek`](crate::Cursor::seek) goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// To the key itself, or nowhere.
    Exact,
    /// To the smallest key at or above.
    AtLeast,
    /// To the largest key at or below.
    AtMost,
    /// Somewhere at or above the answer of `AtMost`, perhaps on a deleted key: for those who only
    /// need a bound (lsm1's LEFAST). Such a position has no value and cannot be stepped from.
    AtMostFast,
}

/// The order of travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Direction {
    #[default]
    Forward,
    Backward,
}

static END: Head = Head::END;

/// Buffers up to this size are kept for the next use.
const KEEP_CAPACITY: usize = 4096;

/// Empties a buffer, and gives it back if it is large.
pub(super) fn rest(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEEP_CAPACITY {
        *buffer = Vec::new();
    }
}

/// A cursor over what a view shows.
#[derive(Debug, Default)]
pub(crate) struct MergedCursor {
    sources: Vec<Source>,
    heads: Vec<Head>,
    levels: Vec<LevelSources>,
    /// The tournament: node `n` is played by `2n` and `2n+1`; leaves stand from `leaves` on.
    winners: Vec<usize>,
    /// Whether the players of a node have equal keys.
    ties: Vec<bool>,
    leaves: usize,
    direction: Direction,
    /// Whether the keys of the engine are walked instead of the user's.
    system: bool,
    /// The source of the current value.
    current: Option<usize>,
    /// How many heads say that the gap behind them is deleted.
    covering: usize,
    /// Where to resume when the direction changes or the tree has changed.
    resume: KeyBuffer,
    /// The tree has changed since the cursor was positioned.
    is_stale: bool,
    /// The value at `resume` while stale.
    stale_value: Vec<u8>,
    /// What the sources were made of.
    snapshot: Option<Arc<Snapshot>>,
    old_root: Option<TreeRoot>,
}

impl MergedCursor {
    /// A cursor over the user's keys that stands nowhere yet.
    pub(crate) fn new(view: &ReadView) -> Self {
        Self::over(view, false)
    }

    /// A cursor over the engine's own keys: the free list.
    pub(crate) fn over_system_keys(view: &ReadView) -> Self {
        Self::over(view, true)
    }

    fn over(view: &ReadView, system: bool) -> Self {
        let mut sources = Source::trees(view);
        let levels = LevelSources::of(view, &mut sources);
        let leaves = sources.len().next_power_of_two().max(1);
        MergedCursor {
            heads: vec![Head::END; sources.len()],
            winners: vec![usize::MAX; 2 * leaves],
            ties: vec![false; leaves],
            sources,
            levels,
            leaves,
            direction: Direction::Forward,
            system,
            current: None,
            covering: 0,
            resume: KeyBuffer::default(),
            is_stale: false,
            stale_value: Vec::new(),
            snapshot: Some(Arc::clone(&view.snapshot)),
            old_root: view.old,
        }
    }

    /// Lets it stand nowhere, ready for the next use with the same view.
    pub(crate) fn rest(&mut self) {
        self.current = None;
        self.is_stale = false;
        rest(&mut self.stale_value);
        rest(&mut self.resume.bytes);
        self.sources.iter_mut().for_each(Source::rest);
    }

    /// Whether it stands on an entry.
    #[inline]
    pub(crate) fn is_valid(&self) -> bool {
        self.current.is_some()
    }

    /// The current key; empty when not on an entry.
    #[inline]
    pub(crate) fn key(&self) -> &[u8] {
        if self.is_stale {
            return &self.resume.bytes;
        }
        self.current.and_then(|at| self.sources.get(at)).map_or(&[], |source| source.key().bytes)
    }

    /// The current value; empty when not on an entry. Borrowed until the cursor moves.
    #[cfg(test)]
    pub(crate) fn value(&mut self, view: &ReadView) -> Result<&[u8]> {
        self.load_value(view)?;
        Ok(self.loaded_value())
    }

    /// Makes the current value available to `loaded_value`; tells whether there is one: the
    /// transaction may have removed it since.
    #[inline]
    pub(crate) fn load_value(&mut self, view: &ReadView) -> Result<bool> {
        if self.is_stale {
            self.stale_value.clear();
            return get::lookup(view, self.resume.as_ref(), Some(&mut self.stale_value));
        }
        match self.current.and_then(|at| self.sources.get_mut(at)) {
            Some(source) => source.load_value(view).map(|()| true),
            None => Ok(false),
        }
    }

    /// The value loaded last.
    #[inline]
    pub(crate) fn loaded_value(&self) -> &[u8] {
        if self.is_stale {
            return &self.stale_value;
        }
        self.current.and_then(|at| self.sources.get(at)).map_or(&[], Source::loaded_value)
    }

    /// Goes to the first entry.
    pub(crate) fn first(&mut self, view: &ReadView) -> Result<()> {
        self.position(view, KeyRef { system: self.system, bytes: &[] }, Direction::Forward)?;
        self.settle(view)
    }

    /// Goes to the last entry.
    pub(crate) fn last(&mut self, view: &ReadView) -> Result<()> {
        // System keys follow the user's; nothing follows them.
        if self.system {
            let greatest = KeyRef { system: true, bytes: &[0xFF; 64] };
            self.position(view, greatest, Direction::Backward)?;
        } else {
            let end = KeyRef { system: true, bytes: &[] };
            self.position(view, end, Direction::Backward)?;
            while self.winner_is_foreign() {
                self.advance_all(view)?;
            }
        }
        self.settle(view)
    }

    fn winner_is_foreign(&self) -> bool {
        let head = self.head(self.winner());
        head.state == State::Entry && head.system != self.system
    }

    /// Goes to `key` or near it.
    pub(crate) fn seek(&mut self, view: &ReadView, key: &[u8], seek: Seek) -> Result<()> {
        let key = KeyRef { system: self.system, bytes: key };
        match seek {
            Seek::AtLeast => {
                self.position(view, key, Direction::Forward)?;
                self.settle(view)
            }
            Seek::AtMost | Seek::AtMostFast => {
                self.position(view, key, Direction::Backward)?;
                self.settle(view)
            }
            Seek::Exact => {
                self.position(view, key, Direction::Forward)?;
                self.pop_edges(view)?;
                let winner = self.winner();
                let found = self.head(winner).state == State::Entry && self.key_of(winner) == key;
                self.current = if found { self.visible(winner) } else { None };
                Ok(())
            }
        }
    }

    /// Goes to the next entry.
    #[inline]
    pub(crate) fn next(&mut self, view: &ReadView) -> Result<()> {
        self.step(view, Direction::Forward)
    }

    /// Goes to the previous entry.
    #[inline]
    pub(crate) fn previous(&mut self, view: &ReadView) -> Result<()> {
        self.step(view, Direction::Backward)
    }

    /// Says that the transaction this cursor belongs to has changed the tree: from now on the
    /// cursor is used with a new view. It keeps its key, and goes on from there when it is moved;
    /// its value is what the new view has for the key, empty if nothing.
    pub(crate) fn tree_changed(&mut self) {
        let Some(current) = self.current.filter(|_| !self.is_stale) else { return };
        let mut resume = std::mem::take(&mut self.resume);
        resume.set(self.key_of(current));
        self.resume = resume;
        self.is_stale = true;
    }

    /// Goes on from the key where the cursor stood when the tree changed.
    fn refresh(&mut self, view: &ReadView, direction: Direction) -> Result<()> {
        let resume = std::mem::take(&mut self.resume);
        let has_live = self.sources.first().is_some_and(|source| source.role() == Role::Live);
        let result = if has_live && self.fits(view) && self.direction == direction {
            // All sources but the live tree stand where they stood.
            self.refresh_live(view, resume.as_ref())
        } else {
            self.turn(view, resume.as_ref(), direction)
        };
        self.resume = resume;
        result
    }

    fn refresh_live(&mut self, view: &ReadView, key: KeyRef<'_>) -> Result<()> {
        if let (Some(source), Some(head)) = (self.sources.first_mut(), self.heads.first_mut()) {
            *head = source.seek_tree(view, key, self.direction)?;
        }
        self.play_all();
        let winner = self.winner();
        if self.head(winner).state == State::Entry && self.key_of(winner) == key {
            self.advance_all(view)?;
        }
        self.settle(view)
    }

    #[inline]
    fn step(&mut self, view: &ReadView, direction: Direction) -> Result<()> {
        if std::mem::take(&mut self.is_stale) {
            self.current = None;
            return self.refresh(view, direction);
        }
        let Some(current) = self.current.take() else { return Ok(()) };
        if self.direction != direction {
            let mut resume = std::mem::take(&mut self.resume);
            resume.set(self.key_of(current));
            let turned = self.turn(view, resume.as_ref(), direction);
            self.resume = resume;
            return turned;
        }
        self.advance_all(view)?;
        self.settle(view)
    }

    /// Goes on from `key` in another direction.
    fn turn(&mut self, view: &ReadView, key: KeyRef<'_>, direction: Direction) -> Result<()> {
        self.position(view, key, direction)?;
        self.settle(view)?;
        match self.current {
            Some(at) if self.key_of(at) == key => {
                self.current = None;
                self.advance_all(view)?;
                self.settle(view)
            }
            _ => Ok(()),
        }
    }

    /// Whether the sources are those of `view`.
    fn fits(&self, view: &ReadView) -> bool {
        let has_live = self.sources.first().is_some_and(|source| source.role() == Role::Live);
        self.snapshot.as_ref().is_some_and(|snapshot| Arc::ptr_eq(snapshot, &view.snapshot))
            && self.old_root == view.old
            && has_live == (view.live.node != 0)
    }

    /// Positions every source at or beyond `key` and plays the tournament.
    fn position(&mut self, view: &ReadView, key: KeyRef<'_>, direction: Direction) -> Result<()> {
        self.current = None;
        self.direction = direction;
        self.is_stale = false;
        if !self.fits(view) {
            *self = Self::over(view, self.system);
            self.direction = direction;
        }
        self.heads.fill(Head::END);
        for (source, head) in self.sources.iter_mut().zip(&mut self.heads) {
            if matches!(source.role(), Role::Live | Role::Old) {
                *head = source.seek_tree(view, key, direction)?;
            }
        }
        let mut pointer = 0;
        for (index, level) in self.levels.iter().enumerate() {
            let next_split = self.levels.get(index + 1).and_then(LevelSources::split);
            let (sources, heads) = (&mut self.sources, &mut self.heads);
            pointer = level.position(view, sources, heads, pointer, key, direction, next_split)?;
        }
        self.play_all();
        Ok(())
    }

    #[inline]
    fn winner(&self) -> usize {
        self.winners.get(1).copied().unwrap_or(usize::MAX)
    }

    #[inline]
    fn head(&self, at: usize) -> &Head {
        self.heads.get(at).unwrap_or(&END)
    }

    /// The key at which source `at` stands.
    fn key_of(&self, at: usize) -> KeyRef<'_> {
        let Some(source) = self.sources.get(at) else { return KeyRef::user(&[]) };
        if self.head(at).state == State::Edge {
            let level = self.levels.get(source.level());
            return level.and_then(LevelSources::split).unwrap_or(KeyRef::user(&[]));
        }
        source.key()
    }

    /// Goes on until the winner is visible.
    fn settle(&mut self, view: &ReadView) -> Result<()> {
        loop {
            let winner = self.winner();
            let head = self.head(winner);
            match head.state {
                State::End => return Ok(()),
                State::Edge => self.pop_edges(view)?,
                State::Entry if head.system != self.system => return Ok(()),
                State::Entry => {
                    self.current = self.visible(winner);
                    if self.current.is_some() {
                        return Ok(());
                    }
                    self.advance_all(view)?;
                }
            }
        }
    }

    /// Lets the other side of a level take over where its edge is next.
    fn pop_edges(&mut self, view: &ReadView) -> Result<()> {
        loop {
            let winner = self.winner();
            if self.head(winner).state != State::Edge {
                return Ok(());
            }
            if let Some(head) = self.heads.get_mut(winner) {
                *head = Head::END;
            }
            let level = self.sources.get(winner).map_or(usize::MAX, Source::level);
            if let Some(level) = self.levels.get(level) {
                level.cross(view, &mut self.sources, &mut self.heads, self.direction)?;
            }
            self.play_all();
        }
    }

    /// The source whose value is visible at the key of `winner`, the newest source that has it.
    #[inline]
    fn visible(&self, winner: usize) -> Option<usize> {
        let flags = self.head(winner).flags;
        if self.covering == 0 && flags.intersects(EntryFlags::DECISIVE) {
            return flags.contains(EntryFlags::INSERT).then_some(winner);
        }
        self.visible_among_ranges(winner)
    }

    fn visible_among_ranges(&self, winner: usize) -> Option<usize> {
        for (at, head) in self.heads.iter().enumerate() {
            let here = at == winner
                || (at > winner
                    && head.state == State::Entry
                    && self.order(winner, at) == Ordering::Equal);
            if here {
                if head.flags.intersects(EntryFlags::DECISIVE) {
                    return head.flags.contains(EntryFlags::INSERT).then_some(at);
                }
            } else if head.covers(self.direction) {
                return None;
            }
        }
        None
    }

    /// The order of the keys of two sources that have not ended. An edge is just below its key.
    #[inline]
    fn order(&self, a: usize, b: usize) -> Ordering {
        let (x, y) = (self.head(a), self.head(b));
        match (x.system, x.prefix).cmp(&(y.system, y.prefix)) {
            Ordering::Equal => {}
            order => return order,
        }
        let order = self.key_of(a).bytes.cmp(self.key_of(b).bytes);
        order.then_with(|| (x.state == State::Entry).cmp(&(y.state == State::Entry)))
    }

    /// Plays one node.
    #[inline]
    fn play(&mut self, node: usize) {
        let player = |at: usize| self.winners.get(at).copied().unwrap_or(usize::MAX);
        let (left, right) = (player(2 * node), player(2 * node + 1));
        let (winner, tie) = if self.head(right).state == State::End {
            (left, false)
        } else if self.head(left).state == State::End {
            (right, false)
        } else {
            let order = self.order(left, right);
            let forward = self.direction == Direction::Forward;
            match if forward { order } else { order.reverse() } {
                Ordering::Less => (left, false),
                Ordering::Equal => (left, true),
                Ordering::Greater => (right, false),
            }
        };
        if let (Some(slot), Some(equal)) = (self.winners.get_mut(node), self.ties.get_mut(node)) {
            *slot = winner;
            *equal = tie;
        }
    }

    fn play_all(&mut self) {
        let count = self.sources.len();
        for (at, slot) in self.winners.iter_mut().skip(self.leaves).enumerate() {
            *slot = if at < count { at } else { usize::MAX };
        }
        for node in (1..self.leaves).rev() {
            self.play(node);
        }
        let direction = self.direction;
        self.covering = self.heads.iter().filter(|head| head.covers(direction)).count();
    }

    /// Steps all sources that share the winning key, and plays again.
    #[inline]
    fn advance_all(&mut self, view: &ReadView) -> Result<()> {
        let winner = self.winner();
        if winner >= self.sources.len() {
            return Ok(());
        }
        let mut node = self.leaves + winner;
        while node > 1 {
            node /= 2;
            if self.ties.get(node).copied().unwrap_or(true) {
                return self.advance(view, 1);
            }
        }
        // Nobody else has the key: one way through the tournament is all that changes.
        self.step_source(view, winner)?;
        node = (self.leaves + winner) / 2;
        while node >= 1 {
            self.play(node);
            node /= 2;
        }
        Ok(())
    }

    /// Steps all sources below `node` that share the winning key, and replays their nodes.
    fn advance(&mut self, view: &ReadView, node: usize) -> Result<()> {
        if node >= self.leaves {
            return self.step_source(view, node - self.leaves);
        }
        if self.ties.get(node).copied().unwrap_or(false) {
            self.advance(view, 2 * node)?;
            self.advance(view, 2 * node + 1)?;
        } else {
            let won_left = self.winners.get(2 * node) == self.winners.get(node);
            self.advance(view, if won_left { 2 * node } else { 2 * node + 1 })?;
        }
        self.play(node);
        Ok(())
    }

    #[inline]
    fn step_source(&mut self, view: &ReadView, at: usize) -> Result<()> {
        let direction = self.direction;
        let (Some(source), Some(head)) = (self.sources.get_mut(at), self.heads.get_mut(at)) else {
            return Ok(());
        };
        let split = self.levels.get(source.level()).and_then(LevelSources::split);
        let covered = usize::from(head.covers(direction));
        *head = source.step(view, direction, split, head.flags)?;
        self.covering = self.covering - covered + usize::from(head.covers(direction));
        Ok(())
    }
}
