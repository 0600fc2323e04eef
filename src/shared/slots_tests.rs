//! Reader slots of several simulated processes. Beside `slots` rather than in it, because tests/loom
//! compiles that file.

use super::slots::Slots;
use crate::env::{Access, Env, File, FilePath};
use crate::shm::{ReaderSlot, Shm};
use siltstone_memory::{MemoryEnv, MemoryWorld};
use std::sync::Arc;

struct Process {
    env: Arc<MemoryEnv>,
    slots: Arc<Slots>,
    shm: Shm,
}

fn process(world: &MemoryWorld) -> Process {
    let env = world.process();
    let file: Arc<dyn File> =
        env.open(&FilePath::from_bytes(b"/db"), Access::ReadWriteCreate).unwrap();
    let shm = Shm::new(file.shared_memory().unwrap().unwrap());
    shm.ensure(1).unwrap();
    Process { env, slots: Slots::new(file), shm }
}

fn need(tree_id: u32, snapshot_id: i64) -> ReaderSlot {
    ReaderSlot { tree_id, snapshot_id }
}

impl Process {
    fn acquire(&self, need: ReaderSlot) -> super::slots::SlotGuard {
        self.slots.acquire(&self.shm, need, 0).unwrap().unwrap()
    }

    fn chunk_in_use(&self, id: u32) -> bool {
        self.slots.chunk_in_use(&self.shm, id).unwrap()
    }

    fn slot(&self, index: u8) -> ReaderSlot {
        self.shm.reader_slot(index).unwrap()
    }
}

#[test]
fn a_slot_protects_what_it_names_and_what_is_newer() {
    let world = MemoryWorld::new();
    let [reader, other] = [process(&world), process(&world)];
    let guard = reader.acquire(need(5, 20));
    for asks in [&reader, &other] {
        assert!(asks.chunk_in_use(5) && asks.chunk_in_use(6) && !asks.chunk_in_use(4));
        assert_eq!(asks.slots.oldest_snapshot(&asks.shm, 30).unwrap(), 20);
        assert_eq!(asks.slots.oldest_snapshot(&asks.shm, 10).unwrap(), 10);
    }
    drop(guard);
    assert!(!reader.slots.any_held() && !other.chunk_in_use(5));
    // Asked for, the unlocked slot was emptied: nobody can lock what does not protect it.
    assert_eq!(other.slot(0), ReaderSlot::default());
}

#[test]
fn a_process_keeps_its_own_slot_when_it_asks() {
    let world = MemoryWorld::new();
    let [writer, other] = [process(&world), process(&world)];
    let (old, new) = (writer.acquire(need(5, 20)), writer.acquire(need(9, 24)));
    assert!(writer.chunk_in_use(7));
    drop(old);
    // Its own newer view does not need chunk 7.
    assert!(!writer.chunk_in_use(7) && writer.chunk_in_use(9));
    assert_eq!(writer.slots.oldest_snapshot(&writer.shm, 30).unwrap(), 24);
    assert!(other.chunk_in_use(9), "the lock was given up");
    drop(new);
    assert!(!other.chunk_in_use(9));
}

#[test]
fn slots_are_shared_when_none_is_free() {
    let world = MemoryWorld::new();
    let holders: Vec<Process> = (0..6).map(|_| process(&world)).collect();
    let guards: Vec<_> =
        holders.iter().zip(10..).map(|(holder, id)| holder.acquire(need(id, 20))).collect();
    let late = process(&world);
    // Newer than all: an older slot protects it, too.
    let guard = late.acquire(need(99, 40));
    assert!(late.slots.acquire(&late.shm, need(3, 40), 0).unwrap().is_none(), "older than all");
    assert!(late.slots.acquire(&late.shm, need(99, 19), 0).unwrap().is_none(), "older than all");
    // Slots of another age of the ids protect nothing.
    assert!(late.slots.acquire(&late.shm, need(98, 40), 50).unwrap().is_none());
    drop(guards);
    assert!(process(&world).chunk_in_use(99));
    drop(guard);
    assert!(!process(&world).chunk_in_use(99));
}

#[test]
fn the_slots_of_a_killed_process_are_free() {
    let world = MemoryWorld::new();
    let [reader, other] = [process(&world), process(&world)];
    let guard = reader.acquire(need(5, 20));
    reader.env.kill();
    assert!(!other.chunk_in_use(5));
    drop(guard);
    // A slot left half-written by somebody dead says whatever it says, until somebody needs one.
    for index in 0..6 {
        other.shm.set_reader_slot(index, need(u32::MAX, -1)).unwrap();
    }
    let guard = other.acquire(need(5, 20));
    assert_eq!(other.slot(0), need(5, 20));
    drop(guard);
}

#[test]
fn a_hint_is_left_for_readers_that_cannot_write() {
    let world = MemoryWorld::new();
    let [writer, reader] = [process(&world), process(&world)];
    let guard = reader.acquire(need(5, 20));
    writer.slots.leave_hint(&writer.shm, need(6, 21)).unwrap();
    assert_eq!((writer.slot(0), writer.slot(1)), (need(5, 20), need(6, 21)));
    writer.slots.leave_hint(&writer.shm, need(6, 21)).unwrap();
    assert_eq!(writer.slot(2), ReaderSlot::default());
    // Nobody relies on it yet.
    assert!(!writer.slots.any_held() && !writer.chunk_in_use(4));
    drop(guard);
}
