//! What a database must answer, by definition: a sorted map with nested transactions.
//!
//! States are shared maps, copied only when written while somebody still holds an older one, so that
//! a snapshot is a cheap clone and any number of old states can be compared later. Levels count as
//! in `lsm.h`: level 1 is the transaction, deeper ones are savepoints.

use crate::Row;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Where a seek or a step ends.
pub type Position = Option<Row>;

/// How a seek chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    /// The key itself or nothing.
    Exact,
    /// The smallest key not smaller.
    AtLeast,
    /// The greatest key not greater.
    AtMost,
}

/// One state of the database: what a snapshot shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View(Arc<Rows>);

/// Keys and values, shared between states.
type Rows = BTreeMap<Arc<[u8]>, Arc<[u8]>>;

impl View {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key).map(AsRef::as_ref)
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The smallest entry.
    #[must_use]
    pub fn first(&self) -> Position {
        self.0.first_key_value().map(row)
    }

    /// The greatest entry.
    #[must_use]
    pub fn last(&self) -> Position {
        self.0.last_key_value().map(row)
    }

    /// The entry behind `key`, whether or not `key` exists.
    #[must_use]
    pub fn next(&self, key: &[u8]) -> Position {
        self.range(Bound::Excluded(key), Bound::Unbounded).next()
    }

    /// The entry before `key`, whether or not `key` exists.
    #[must_use]
    pub fn previous(&self, key: &[u8]) -> Position {
        self.range(Bound::Unbounded, Bound::Excluded(key)).next_back()
    }

    /// Where a seek ends.
    #[must_use]
    pub fn seek(&self, mode: Seek, key: &[u8]) -> Position {
        match mode {
            Seek::Exact => self.0.get_key_value(key).map(row),
            Seek::AtLeast => self.range(Bound::Included(key), Bound::Unbounded).next(),
            Seek::AtMost => self.range(Bound::Unbounded, Bound::Included(key)).next_back(),
        }
    }

    /// The entries within bounds; nothing if they are empty or reversed.
    pub fn range<'a>(
        &'a self,
        first: Bound<&'a [u8]>,
        last: Bound<&'a [u8]>,
    ) -> Box<dyn DoubleEndedIterator<Item = Row> + 'a> {
        if !ordered(first, last) {
            return Box::new(std::iter::empty());
        }
        Box::new(self.0.range::<[u8], _>((first, last)).map(row))
    }

    /// All entries in order.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.0.iter().map(row).collect()
    }

    /// All entries in reverse order.
    #[must_use]
    pub fn rows_backward(&self) -> Vec<Row> {
        self.0.iter().rev().map(row).collect()
    }
}

impl FromIterator<Row> for View {
    fn from_iter<T: IntoIterator<Item = Row>>(rows: T) -> Self {
        View(Arc::new(rows.into_iter().map(|(key, value)| (key.into(), value.into())).collect()))
    }
}

fn row((key, value): (&Arc<[u8]>, &Arc<[u8]>)) -> Row {
    (key.to_vec(), value.to_vec())
}

fn ordered(first: Bound<&[u8]>, last: Bound<&[u8]>) -> bool {
    match (first, last) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => true,
        (Bound::Included(first), Bound::Included(last)) => first <= last,
        (Bound::Excluded(first) | Bound::Included(first), Bound::Excluded(last))
        | (Bound::Excluded(first), Bound::Included(last)) => first < last,
    }
}

/// The database.
#[derive(Clone, Debug, Default)]
pub struct Model {
    view: View,
    version: u32,
    /// State at the opening of each level.
    levels: Vec<(View, u32)>,
}

impl Model {
    /// A database with this content.
    #[must_use]
    pub fn with(rows: impl IntoIterator<Item = Row>) -> Self {
        Model { view: rows.into_iter().collect(), ..Model::default() }
    }

    /// What the writer sees: its uncommitted changes included.
    #[must_use]
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// What everybody else sees.
    #[must_use]
    pub fn committed(&self) -> View {
        self.levels.first().map_or(&self.view, |(view, _)| view).clone()
    }

    /// Open levels; 0 = no transaction.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Inserts or overwrites.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) {
        Arc::make_mut(&mut self.view.0).insert(key.into(), value.into());
    }

    /// Deletes a key; nothing happens if there is none.
    pub fn delete(&mut self, key: &[u8]) {
        if self.view.get(key).is_some() {
            Arc::make_mut(&mut self.view.0).remove(key);
        }
    }

    /// Deletes within bounds. `lsm_delete_range` has both excluded.
    pub fn delete_range(&mut self, first: Bound<&[u8]>, last: Bound<&[u8]>) {
        let doomed: Vec<Row> = self.view.range(first, last).collect();
        for (key, _) in doomed {
            self.delete(&key);
        }
    }

    /// `lsm_begin`: opens levels until `level` are open; negative: one more.
    pub fn begin(&mut self, level: i32) {
        let target = usize::try_from(level).unwrap_or(self.depth() + 1);
        while self.depth() < target {
            self.levels.push((self.view(), self.version));
        }
    }

    /// `lsm_commit`: leaves `level` levels open; negative: one fewer.
    pub fn commit(&mut self, level: i32) {
        let target = usize::try_from(level).unwrap_or(self.depth().saturating_sub(1));
        self.levels.truncate(target);
    }

    /// `lsm_rollback`: restores the state at the opening of `level` and leaves that many levels open;
    /// 0 undoes and closes everything; negative: one level fewer than are open.
    pub fn rollback(&mut self, level: i32) {
        let target = usize::try_from(level).unwrap_or(self.depth().saturating_sub(1));
        if target > self.depth() {
            return;
        }
        if let Some((view, version)) = self.levels.get(target.saturating_sub(1)) {
            (self.view, self.version) = (view.clone(), *version);
        }
        self.levels.truncate(target);
    }

    /// Undoes the innermost level and closes it: a savepoint's rollback.
    pub fn rollback_innermost(&mut self) {
        let level = self.depth() as i32;
        self.rollback(level);
        self.commit(level - 1);
    }

    /// The process died: what was not committed is gone.
    pub fn crash(&mut self) {
        self.rollback(0);
        self.version = 0;
    }

    /// The last handle was closed.
    pub fn close(&mut self) {
        self.crash();
    }

    /// The application's number: transactional here, but not kept over the last close.
    #[must_use]
    pub fn user_version(&self) -> u32 {
        self.version
    }

    /// Sets it.
    pub fn set_user_version(&mut self, version: u32) {
        self.version = version;
    }
}

/// A cursor on the writer's own state, with the permissions of `lsm.h`: the last seek decides in which
/// direction it may step, also at the end.
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    at: Option<Vec<u8>>,
    forward: bool,
    backward: bool,
}

impl Cursor {
    /// Goes to the smallest entry.
    pub fn first(&mut self, view: &View) -> Position {
        self.land(view.first(), true, false)
    }

    /// Goes to the greatest entry.
    pub fn last(&mut self, view: &View) -> Position {
        self.land(view.last(), false, true)
    }

    /// Seeks.
    pub fn seek(&mut self, view: &View, mode: Seek, key: &[u8]) -> Position {
        self.land(view.seek(mode, key), mode == Seek::AtLeast, mode == Seek::AtMost)
    }

    /// Steps forward; `None` if that is not allowed.
    pub fn next(&mut self, view: &View) -> Option<Position> {
        self.forward.then(|| {
            let found = self.at.take().and_then(|key| view.next(&key));
            self.land(found, true, false)
        })
    }

    /// Steps backward; `None` if that is not allowed.
    pub fn previous(&mut self, view: &View) -> Option<Position> {
        self.backward.then(|| {
            let found = self.at.take().and_then(|key| view.previous(&key));
            self.land(found, false, true)
        })
    }

    fn land(&mut self, found: Position, forward: bool, backward: bool) -> Position {
        *self = Cursor { at: found.as_ref().map(|(key, _)| key.clone()), forward, backward };
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(view: &View) -> String {
        view.rows().iter().map(|(key, _)| String::from_utf8_lossy(key).into_owned()).collect()
    }

    #[test]
    fn levels_follow_lsm_h() {
        let mut model = Model::default();
        model.insert(b"a", b"");
        model.begin(2);
        assert_eq!(model.depth(), 2);
        model.insert(b"b", b"");
        model.begin(-1);
        model.insert(b"c", b"");
        model.rollback(3);
        assert_eq!((keys(&model.view()).as_str(), model.depth()), ("ab", 3));
        model.insert(b"d", b"");
        model.commit(1);
        assert_eq!((keys(&model.view()).as_str(), model.depth()), ("abd", 1));
        assert_eq!(keys(&model.committed()), "a");
        model.begin(2);
        model.insert(b"e", b"");
        model.rollback(-1);
        assert_eq!((keys(&model.view()).as_str(), model.depth()), ("a", 1), "the documented trap");
        model.rollback(5);
        assert_eq!(model.depth(), 1);
        model.insert(b"f", b"");
        model.begin(-1);
        model.insert(b"g", b"");
        model.rollback_innermost();
        assert_eq!((keys(&model.view()).as_str(), model.depth()), ("af", 1));
        model.rollback(0);
        assert_eq!((keys(&model.view()).as_str(), model.depth()), ("a", 0));
    }

    #[test]
    fn old_views_stay_and_ranges_exclude_their_bounds() {
        let mut model = Model::with("abcdef".bytes().map(|byte| (vec![byte], vec![])));
        let before = model.view();
        model.delete_range(Bound::Excluded(b"b"), Bound::Excluded(b"e"));
        model.delete_range(Bound::Excluded(b"f"), Bound::Excluded(b"a"));
        assert_eq!(keys(&before), "abcdef");
        assert_eq!(keys(&model.view()), "abef");
        assert_eq!(model.view().seek(Seek::AtLeast, b"c").unwrap().0, b"e");
        assert_eq!(model.view().seek(Seek::AtMost, b"d").unwrap().0, b"b");
        assert_eq!(model.view().seek(Seek::Exact, b"d"), None);
    }

    #[test]
    fn cursors_step_only_as_the_seek_allows() {
        let model = Model::with("ac".bytes().map(|byte| (vec![byte], vec![])));
        let (view, mut cursor) = (model.view(), Cursor::default());
        assert_eq!(cursor.next(&view), None);
        cursor.seek(&view, Seek::AtLeast, b"b");
        assert_eq!(cursor.next(&view), Some(None));
        assert_eq!(cursor.next(&view), Some(None));
        assert_eq!(cursor.previous(&view), None);
    }
}
