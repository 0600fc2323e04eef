//! Tests of the tree as its users see it.

mod hostile;
mod limits;
mod model;
mod recycling;
mod repairs;
#[cfg(not(target_family = "wasm"))]
mod threads;
mod vectors;

use super::*;
use crate::error::Result;
use crate::format::tree_header::{LogState, TreeHeader};
use crate::shm::Shm;

/// A database's tree with one connection that writes.
pub(super) struct World {
    pub(super) shm: Shm,
    pub(super) header: TreeHeader,
    pub(super) undo: UndoList,
    /// Chunks with this id and later ones are in use by some reader.
    pub(super) in_use_from: Option<u32>,
    pub(super) limit: u64,
}

impl World {
    pub(super) fn new() -> Self {
        let shm = Shm::heap().unwrap();
        let mut header = initialise(&shm).unwrap();
        header.log = LogState { checksum: [1234, 5678], snapshot_id: 10, ..LogState::default() };
        shm.publish_tree_header(&header).unwrap();
        World { shm, header, undo: UndoList::default(), in_use_from: None, limit: 1 << 30 }
    }

    /// A world whose chunk ids are about to wrap.
    pub(super) fn before_wrap(distance: u32) -> Self {
        let mut world = World::new();
        let id = 0u32.wrapping_sub(distance);
        world.shm.set_chunk_id(1, id).unwrap();
        world.header.used_chunk_id = id;
        world.header.next_chunk_id = id.wrapping_add(1);
        world.shm.publish_tree_header(&world.header).unwrap();
        world
    }

    pub(super) fn begin(&mut self) {
        assert!(!self.shm.writer_flag().unwrap());
        assert!(self.shm.shows(&self.header.encode(), 0).unwrap());
        self.shm.set_writer_flag(true).unwrap();
        self.header.live.transaction += 1;
    }

    pub(super) fn commit(&mut self) {
        self.shm.publish_tree_header(&self.header).unwrap();
        self.undo.clear();
        check_chunks(&self.shm, &self.header).unwrap();
    }

    pub(super) fn write<T>(&mut self, job: impl FnOnce(&mut TreeWriter<'_>) -> T) -> T {
        let in_use_from = self.in_use_from;
        let mut in_use = |id: u32| Ok(in_use_from.is_some_and(|from| id_at_or_after(id, from)));
        let mut writer =
            TreeWriter::new(&self.shm, &mut self.header, &mut self.undo, &mut in_use, self.limit);
        job(&mut writer)
    }

    pub(super) fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(|writer| writer.insert(key, value))
    }

    pub(super) fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.write(|writer| writer.delete(key))
    }

    pub(super) fn delete_range(&mut self, low: &[u8], high: &[u8]) -> Result<()> {
        self.write(|writer| writer.delete_range(low, high))
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        match lookup(&self.shm, &self.header.live, key, Some(&mut value)).unwrap() {
            Found::Value => Some(value),
            Found::Deleted | Found::Undecided => None,
        }
    }
}

/// A small generator with a printable state.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
