//! Pages read from the file, kept up to a cap in bytes.
//!
//! Keyed by the page's real id, in shards with a lock each; replacement by the clock algorithm.
//! Pages of a snapshot never change, so nothing here is ever stale until a block is recycled:
//! whoever writes pages, or learns that another process may have, says so with `forget`.

use crate::format::geometry::PageId;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SHARDS: usize = 8;

/// A page as it was read.
#[derive(Clone, Debug)]
pub(super) struct Cached {
    /// All its bytes.
    pub(super) buffer: Arc<[u8]>,
    /// Compressed files: bytes of the page's record. Where it ends depends on the run: blocks move.
    pub(super) record_len: u64,
    /// Compressed files: whether a record is known to begin there.
    pub(super) record_follows: bool,
}

/// Spreads ids, which are sequential.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ mixed >> 29;
    }
}

impl Cached {
    /// A page of a file that is not compressed.
    pub(super) fn plain(buffer: Arc<[u8]>) -> Self {
        Cached { buffer, record_len: 0, record_follows: false }
    }
}

#[derive(Debug)]
struct Slot {
    id: PageId,
    page: Option<Cached>,
    referenced: bool,
}

#[derive(Debug, Default)]
struct Shard {
    index: HashMap<PageId, usize, BuildHasherDefault<IdHasher>>,
    slots: Vec<Slot>,
    hand: usize,
}

impl Shard {
    fn get(&mut self, id: PageId) -> Option<Cached> {
        let slot = self.slots.get_mut(*self.index.get(&id)?)?;
        slot.referenced = true;
        slot.page.clone()
    }

    fn insert(&mut self, id: PageId, page: Cached, capacity: usize) {
        let new = Slot { id, page: Some(page), referenced: false };
        let at = match self.index.get(&id) {
            Some(&at) => at,
            None if self.slots.len() < capacity => {
                self.index.insert(id, self.slots.len());
                self.slots.push(new);
                return;
            }
            None => self.victim(),
        };
        if let Some(slot) = self.slots.get_mut(at) {
            self.index.remove(&slot.id);
            self.index.insert(id, at);
            *slot = new;
        }
    }

    /// The first slot not used since the hand last passed it.
    fn victim(&mut self) -> usize {
        for _ in 0..2 * self.slots.len() {
            let at = self.hand;
            self.hand = (at + 1) % self.slots.len().max(1);
            if let Some(slot) = self.slots.get_mut(at) {
                if !slot.referenced || slot.page.is_none() {
                    return at;
                }
                slot.referenced = false;
            }
        }
        0
    }

    fn forget(&mut self, ids: &RangeInclusive<PageId>) {
        for slot in &mut self.slots {
            if ids.contains(&slot.id) && slot.page.take().is_some() {
                self.index.remove(&slot.id);
                slot.id = 0;
            }
        }
    }
}

/// The cache.
#[derive(Debug)]
pub(super) struct PageCache {
    shards: [Mutex<Shard>; SHARDS],
    /// Pages per shard.
    capacity: usize,
}

impl PageCache {
    /// A cache of at most `bytes`, for pages of `page_size`; at least a few pages fit.
    pub(super) fn new(bytes: usize, page_size: usize) -> Self {
        let capacity = (bytes / page_size.max(1) / SHARDS).max(2);
        PageCache { shards: Default::default(), capacity }
    }

    fn shard(&self, id: PageId) -> Option<MutexGuard<'_, Shard>> {
        let mut hasher = IdHasher::default();
        hasher.write_u64(id);
        let shard = self.shards.get((hasher.finish() >> 40) as usize % SHARDS)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Page `id`, if it is here.
    pub(super) fn get(&self, id: PageId) -> Option<Cached> {
        self.shard(id)?.get(id)
    }

    /// Keeps a page.
    pub(super) fn insert(&self, id: PageId, page: Cached) {
        if let Some(mut shard) = self.shard(id) {
            shard.insert(id, page, self.capacity);
        }
    }

    /// Drops pages whose content may change.
    pub(super) fn forget(&self, ids: RangeInclusive<PageId>) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).forget(&ids);
        }
    }

    /// Pages held.
    pub(super) fn pages(&self) -> usize {
        let held =
            |shard: &Mutex<Shard>| shard.lock().unwrap_or_else(PoisonError::into_inner).index.len();
        self.shards.iter().map(held).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(fill: u8) -> Cached {
        Cached { buffer: Arc::from(vec![fill; 64]), record_len: 0, record_follows: false }
    }

    #[test]
    fn stays_within_its_cap_and_keeps_what_is_used() {
        let cache = PageCache::new(64 * 8 * 4, 64);
        cache.insert(7, page(7));
        for id in 100..1000 {
            cache.insert(id, page(0));
            assert_eq!(cache.get(7).unwrap().buffer[0], 7, "after {id}");
        }
        assert!(cache.pages() <= 8 * 4);
    }

    #[test]
    fn forgets_what_it_is_told_to() {
        let cache = PageCache::new(64 * 8 * 100, 64);
        for id in 1..50 {
            cache.insert(id, page(id as u8));
        }
        cache.forget(10..=19);
        for id in 1..50 {
            assert_eq!(cache.get(id).is_none(), (10..20).contains(&id));
        }
        cache.insert(10, page(99));
        assert_eq!(cache.get(10).unwrap().buffer[0], 99);
        cache.forget(0..=u64::MAX);
        assert_eq!(cache.pages(), 0);
    }
}
