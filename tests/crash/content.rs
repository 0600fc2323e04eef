//! What a database holds, as a map and as one number that changes with each row.
//!
//! The number is a sum over the rows, so a model keeps it up to date row by row, and a recovered
//! database is compared with hundreds of states at the cost of one scan.

use siltstone::Database;
use std::collections::BTreeMap;
use std::ops::Bound;

const PRIME: u64 = 0x9E37_79B9_7F4A_7C15;

/// Hash of bytes, eight at a time.
pub(crate) fn hash_bytes(seed: u64, bytes: &[u8]) -> u64 {
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(PRIME);
    let (groups, rest) = bytes.as_chunks::<8>();
    for group in groups {
        hash = (hash ^ u64::from_le_bytes(*group)).wrapping_mul(PRIME);
        hash ^= hash >> 29;
    }
    for &byte in rest {
        hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME).rotate_left(23);
    }
    hash ^ (hash >> 32)
}

/// Hash of one row.
pub(crate) fn hash_row(key: &[u8], value: &[u8]) -> u64 {
    hash_bytes(hash_bytes(1, key).wrapping_mul(PRIME), value)
}

/// Sum of the hashes of all rows, and how many there are; fails on keys out of order.
pub(crate) fn hash_database(database: &Database) -> Result<(u64, u64), String> {
    let (mut sum, mut count) = (0u64, 0);
    let mut last: Option<Vec<u8>> = None;
    for row in database.iter().map_err(|error| format!("iterating: {error}"))? {
        let (key, value) = row.map_err(|error| format!("scanning: {error}"))?;
        if last.as_ref().is_some_and(|last| *last >= key) {
            return Err(format!("keys out of order at {key:?}"));
        }
        sum = sum.wrapping_add(hash_row(&key, &value));
        count += 1;
        last = Some(key);
    }
    Ok((sum, count))
}

/// A sorted map with its hash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    hash: u64,
}

impl Model {
    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn insert(&mut self, key: &[u8], value: &[u8]) {
        self.remove(key);
        self.hash = self.hash.wrapping_add(hash_row(key, value));
        self.rows.insert(key.to_vec(), value.to_vec());
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        if let Some(value) = self.rows.remove(key) {
            self.hash = self.hash.wrapping_sub(hash_row(key, &value));
        }
    }

    /// Removes the keys from `low` up to `high`, which stays.
    pub(crate) fn remove_range(&mut self, low: &[u8], high: &[u8]) {
        let within = (Bound::Included(low), Bound::Excluded(high));
        let keys: Vec<Vec<u8>> =
            self.rows.range::<[u8], _>(within).map(|(key, _)| key.clone()).collect();
        keys.iter().for_each(|key| self.remove(key));
    }
}
