//! What a store must hold: key to row id and version. Expected digests come from here, outside the
//! measured time.

use crate::data::Pool;
use crate::engine::{Digest, Key};
use std::collections::BTreeMap;

/// The rows a store must hold.
#[derive(Default)]
pub(crate) struct Model {
    rows: BTreeMap<Key, (u64, u32)>,
}

impl Model {
    pub(crate) fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// The live keys in order.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.rows.keys().copied().collect()
    }

    pub(crate) fn insert(&mut self, key: Key, id: u64) {
        self.rows.insert(key, (id, 0));
    }

    /// Makes a new version of a live row: its id and version.
    pub(crate) fn update(&mut self, key: &Key) -> (u64, u32) {
        let Some(row) = self.rows.get_mut(key) else { return (0, 0) };
        row.1 += 1;
        *row
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        self.rows.remove(key);
    }

    pub(crate) fn remove_range(&mut self, from: &Key, to: &Key) {
        let mut tail = self.rows.split_off(from);
        self.rows.append(&mut tail.split_off(to));
    }

    pub(crate) fn get(&self, key: &Key, pool: &Pool, digest: &mut Digest) {
        if let Some((id, version)) = self.rows.get(key) {
            digest.add(key, pool.value(*id, *version));
        }
    }

    pub(crate) fn scan(&self, from: Option<&Key>, limit: usize, pool: &Pool, digest: &mut Digest) {
        let from = from.copied().unwrap_or_default();
        for (key, (id, version)) in self.rows.range(from..).take(limit) {
            digest.add(key, pool.value(*id, *version));
        }
    }
}
