//! A fixed state of the database.

use crate::cursor::{Cursor, Iter, Source};
use crate::error::Result;
use crate::pager::Pager;
use crate::shared::{Shared, View};
use crate::sorted;
use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;

/// A fixed state of the database, for as long as it is kept. Cheap to clone, usable from all
/// threads; writers go on meanwhile. Kept for long it holds back the reuse of space.
///
/// ```
/// # use siltstone::Options;
/// # fn main() -> siltstone::Result<()> {
/// # let world = siltstone_memory::MemoryWorld::new();
/// # let database = Options::new().open_with_env(world.process(), "app.lsm")?;
/// database.insert("key", "before")?;
/// let snapshot = database.snapshot()?;
/// database.insert("key", "after")?;
/// assert_eq!(snapshot.get("key")?, Some(b"before".to_vec()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Snapshot {
    shared: Arc<Shared>,
    view: Arc<View>,
}

impl Snapshot {
    pub(crate) fn new(shared: Arc<Shared>, view: Arc<View>) -> Self {
        Snapshot { shared, view }
    }

    pub(crate) fn pager(&self) -> &Arc<Pager> {
        &self.view.read.pager
    }

    fn source(&self) -> Source<'static> {
        Source::State(Arc::clone(&self.shared), Arc::clone(&self.view))
    }

    /// The value of `key`, if there is one.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Vec<u8>>> {
        sorted::get(&self.view.read, key.as_ref()).map_err(|error| error.on(&self.shared.path))
    }

    /// Whether `key` exists.
    ///
    /// # Errors
    /// `Io`, `Corrupt`.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool> {
        sorted::contains(&self.view.read, key.as_ref()).map_err(|error| error.on(&self.shared.path))
    }

    /// All entries, in order.
    ///
    /// # Errors
    /// None now; items carry theirs.
    pub fn iter(&self) -> Result<Iter<'static>> {
        self.range::<&[u8]>(..)
    }

    /// The entries whose keys lie in `range`.
    ///
    /// # Errors
    /// None now; items carry theirs.
    pub fn range<K: AsRef<[u8]>>(&self, range: impl RangeBounds<K>) -> Result<Iter<'static>> {
        Ok(Iter::range(self.source(), &range))
    }

    /// The entries whose keys begin with `prefix`.
    ///
    /// # Errors
    /// None now; items carry theirs.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Iter<'static>> {
        Ok(Iter::prefix(self.source(), prefix.as_ref()))
    }

    /// A cursor, not positioned yet.
    ///
    /// # Errors
    /// None now.
    pub fn cursor(&self) -> Result<Cursor<'static>> {
        Cursor::new(self.source())
    }

    /// The application's version number in this state.
    #[must_use]
    pub fn user_version(&self) -> u32 {
        self.view.header.user_version
    }

    /// Id of the snapshot of the database file below this state.
    #[must_use]
    pub fn id(&self) -> i64 {
        self.view.read.snapshot.checkpoint.id
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("id", &self.id()).finish_non_exhaustive()
    }
}
