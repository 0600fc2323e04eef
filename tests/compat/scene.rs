//! Scenes for the recipes of docs/c-defects.md, in the in-memory world.

use siltstone::{Database, Options, WorkLimit};
use siltstone_memory::{MemoryEnv, MemoryWorld};
use std::sync::Arc;

/// A file and how it is opened.
pub(crate) struct Scene {
    pub(crate) world: MemoryWorld,
    pub(crate) options: Options,
}

/// An open database and the process that has it.
pub(crate) struct Running {
    pub(crate) database: Database,
    process: Arc<MemoryEnv>,
}

impl Scene {
    pub(crate) fn new(options: Options) -> Self {
        Scene { world: MemoryWorld::new(), options }
    }

    /// Page 512, no autowork, automerge 2: the setting of most recipes.
    pub(crate) fn small() -> Self {
        Scene::new(small())
    }

    pub(crate) fn open(&self) -> Running {
        let process = self.world.process();
        let database = self.options.open_with_env(process.clone(), "file.lsm").unwrap();
        Running { database, process }
    }

    pub(crate) fn file(&self) -> Vec<u8> {
        self.world.read_file("file.lsm").unwrap()
    }
}

pub(crate) fn small() -> Options {
    Options::new().page_size(512).block_size(64 << 10).autowork(false).automerge(2)
}

impl Running {
    /// The process dies.
    pub(crate) fn kill(self) {
        self.process.kill();
    }
}

impl std::ops::Deref for Running {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

/// `lsm_work`: merge count and KB; -1 = to the end.
pub(crate) fn work(database: &Database, merge: u32, kb: i64) {
    let bytes = u64::try_from(kb).ok().map(|kb| kb * 1024);
    database.work(WorkLimit { bytes, segments: Some(merge) }).unwrap();
}

pub(crate) fn put(
    database: &Database,
    keys: impl IntoIterator<Item = String>,
    value: impl AsRef<[u8]>,
) {
    keys.into_iter().for_each(|key| database.insert(key, value.as_ref()).unwrap());
}

/// `lsm_delete_range`: both ends stay.
pub(crate) fn remove_between(database: &Database, first: &str, last: &str) {
    use std::ops::Bound::Excluded;
    database.remove_range::<&str>((Excluded(first), Excluded(last))).unwrap();
}

/// All keys, forward; the scan backward must agree.
pub(crate) fn keys(database: &Database) -> Vec<String> {
    let text = |item: siltstone::Result<(Vec<u8>, Vec<u8>)>| {
        String::from_utf8_lossy(&item.unwrap().0).into_owned()
    };
    let forward: Vec<String> = database.iter().unwrap().map(text).collect();
    let mut backward: Vec<String> = database.iter().unwrap().rev().map(text).collect();
    backward.reverse();
    assert_eq!(forward, backward);
    forward
}

/// Where a seek ends.
pub(crate) fn seek(database: &Database, mode: siltstone::Seek, key: &str) -> Option<String> {
    let mut cursor = database.cursor().unwrap();
    cursor.seek(key, mode).unwrap();
    cursor.key().map(|key| String::from_utf8_lossy(key).into_owned())
}
