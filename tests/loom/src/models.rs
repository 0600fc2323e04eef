//! The models. Docs: docs/format-sharing.md.

use super::load::{id_of, load, protect_again};
use super::slots::Slots;
use crate::env::Locks;
use crate::format::checkpoint::snapshot;
use crate::format::tree_header::TreeHeader;
use crate::sabotage::{Part, leave_out};
use crate::shm::{HeaderCopy, ReaderSlot, Shm};
use loom::thread::{self, JoinHandle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

/// Controls change what all models of the process do.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs `model` in every order with at most `preemptions` switches that nothing called for; then
/// again with each of `parts` left out, which must not go well.
fn check(preemptions: usize, parts: &[Part], model: fn()) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let explore = || {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(model);
    };
    leave_out(Part::Nothing);
    explore();
    for part in parts {
        leave_out(*part);
        let outcome = catch_unwind(AssertUnwindSafe(explore));
        leave_out(Part::Nothing);
        assert!(outcome.is_err(), "without {part:?} loom finds no fault: the model proves nothing");
    }
}

/// Memory with the header of version 1 and the snapshot with id 1; data 0 belongs to both.
fn memory() -> Shm {
    let shm = Shm::new();
    shm.set_data(0, 1);
    shm.publish_tree_header(&TreeHeader::version(1)).unwrap();
    shm.store_snapshot(&snapshot(1)).unwrap();
    shm
}

/// A writer in a process of its own: publishes version 2 and recycles data 0 unless somebody reads it.
fn recycler(shm: &Shm, locks: &Arc<Locks>) -> JoinHandle<()> {
    let (shm, slots) = (shm.clone(), Slots::new(locks.of_process(0)));
    thread::spawn(move || {
        shm.publish_tree_header(&TreeHeader::version(2)).unwrap();
        if !slots.chunk_in_use(&shm, 1).unwrap() {
            shm.set_data(0, 99);
        }
    })
}

/// As `recycler`: a worker that saves snapshot 2.
fn reuser(shm: &Shm, locks: &Arc<Locks>) -> JoinHandle<()> {
    let (shm, slots) = (shm.clone(), Slots::new(locks.of_process(0)));
    thread::spawn(move || {
        shm.store_snapshot(&snapshot(2)).unwrap();
        if slots.oldest_snapshot(&shm, 2).unwrap() > 1 {
            shm.set_data(0, 99);
        }
    })
}

/// A reader in another process that has read version 1 before reads it again, if that is the newest.
fn read_again(shm: &Shm, locks: &Arc<Locks>) {
    let (slots, known) = (Slots::new(locks.of_process(1)), TreeHeader::version(1));
    if let Some(slot) = protect_again(&slots, shm, &known, &known.encode(), 1).unwrap() {
        assert_eq!(shm.data(0), 1, "recycled below a reader");
        drop(slot);
    }
}

/// Who loads a header finds all that was written before it was published, and never an older one
/// afterwards.
#[test]
fn header_and_node() {
    check(3, &[Part::ReleaseFences, Part::AcquireFences], || {
        let shm = memory();
        let writer = {
            let shm = shm.clone();
            thread::spawn(move || {
                shm.set_writer_flag(true).unwrap();
                shm.set_data(1, 2);
                shm.publish_tree_header(&TreeHeader::version(2)).unwrap();
            })
        };
        let mut newest = 0;
        for _ in 0..2 {
            let (header, _) = shm.load_tree_header().unwrap();
            let version = header.used_chunk_id;
            assert!(version >= newest, "a header older than before");
            if version == 2 {
                assert_eq!(shm.data(1), 2, "a node that is not there yet");
            }
            newest = version;
        }
        writer.join().unwrap();
        assert_eq!(shm.load_tree_header().unwrap().0, TreeHeader::version(2));
    });
}

/// Two publications in a row, met by a reader half-way.
#[test]
fn two_headers() {
    check(2, &[Part::ReleaseFences], || {
        let shm = memory();
        let writer = {
            let shm = shm.clone();
            thread::spawn(move || {
                for version in [2, 3] {
                    shm.set_data(1, version);
                    shm.publish_tree_header(&TreeHeader::version(version)).unwrap();
                }
            })
        };
        let (header, copy) = shm.load_tree_header().unwrap();
        let version = header.used_chunk_id;
        assert!((1..=3).contains(&version));
        assert!(version == 1 || shm.data(1) >= version, "a node that is not there yet");
        // Nobody takes an old header for the present one: checked again in the slot model.
        let _ = shm.tree_header_unchanged(&header, copy).unwrap();
        writer.join().unwrap();
    });
}

/// A writer died between the copies; its successor settles them beside a reader and goes on.
#[test]
fn settled_headers() {
    check(2, &[], || {
        let shm = memory();
        // The second copy is new, the first one old.
        let whole = Shm::new();
        whole.publish_tree_header(&TreeHeader::version(2)).unwrap();
        shm.take_over_second(&whole);
        let writer = {
            let shm = shm.clone();
            thread::spawn(move || {
                shm.settle_tree_header().unwrap();
                assert_eq!(shm.load_tree_header().unwrap().0, TreeHeader::version(1));
                shm.publish_tree_header(&TreeHeader::version(3)).unwrap();
            })
        };
        let (header, _) = shm.load_tree_header().unwrap();
        assert_ne!(header.used_chunk_id, 2, "what was undone is seen");
        writer.join().unwrap();
    });
}

/// A snapshot is loaded whole, with the blocks it names.
#[test]
fn snapshot_pair() {
    check(3, &[Part::ReleaseFences, Part::AcquireFences], || {
        let shm = memory();
        let worker = {
            let shm = shm.clone();
            thread::spawn(move || {
                shm.set_data(1, 2);
                shm.store_snapshot(&snapshot(2)).unwrap();
            })
        };
        let (words, _) = shm.load_snapshot().unwrap();
        match id_of(&words) {
            1 => {}
            2 => assert_eq!(shm.data(1), 2, "a block that is not written yet"),
            id => panic!("a snapshot {id}"),
        }
        worker.join().unwrap();
        assert_eq!(shm.snapshot_id_in(HeaderCopy::Second).unwrap(), 2);
    });
}

/// A chunk is recycled beside a reader: either the reader's slot was seen, or the reader has seen
/// that there is something newer.
#[test]
fn slot_against_recycled_chunk() {
    check(3, &[Part::Locks], || {
        let (shm, locks) = (memory(), Locks::new());
        let writer = recycler(&shm, &locks);
        let slots = Slots::new(locks.of_process(1));
        if let Some(loaded) = load(&slots, &shm, None).unwrap()
            && loaded.header.used_chunk_id == 1
        {
            assert_eq!(shm.data(0), 1, "a chunk was recycled below a reader");
            drop(loaded);
        }
        writer.join().unwrap();
    });
}

/// A block is reused beside a reader.
#[test]
fn slot_against_reused_block() {
    check(3, &[Part::Locks], || {
        let (shm, locks) = (memory(), Locks::new());
        let worker = reuser(&shm, &locks);
        let slots = Slots::new(locks.of_process(1));
        // As a reader that knows snapshot 1, and as one that knows none.
        if let Some(loaded) = load(&slots, &shm, Some(1)).unwrap()
            && (loaded.words.is_empty() || id_of(&loaded.words) == 1)
        {
            assert_eq!(shm.data(0), 1, "a block was reused below a reader");
            drop(loaded);
        }
        worker.join().unwrap();
    });
}

/// What was read before is protected anew while a chunk of it is recycled.
#[test]
fn second_slot_against_recycled_chunk() {
    check(3, &[Part::Locks, Part::Barriers], || {
        let (shm, locks) = (memory(), Locks::new());
        let writer = recycler(&shm, &locks);
        read_again(&shm, &locks);
        writer.join().unwrap();
    });
}

/// As before, with a block that is reused.
#[test]
fn second_slot_against_reused_block() {
    check(3, &[Part::Locks, Part::Barriers], || {
        let (shm, locks) = (memory(), Locks::new());
        let worker = reuser(&shm, &locks);
        read_again(&shm, &locks);
        worker.join().unwrap();
    });
}

/// A slot is filled, shared by a second process, and given up by the first, while a third asks
/// whether the chunk is in use.
#[test]
fn slot_that_is_shared() {
    check(2, &[Part::Locks], || {
        let (shm, locks) = (memory(), Locks::new());
        let reader = |number: u8| {
            let (shm, slots) = (shm.clone(), Slots::new(locks.of_process(number)));
            move || {
                let need = ReaderSlot { tree_id: 1, snapshot_id: 1 };
                if let Some(guard) = slots.acquire(&shm, need, 0).unwrap()
                    && shm.load_tree_header().unwrap().0.used_chunk_id == 1
                {
                    assert_eq!(shm.data(0), 1, "a chunk was recycled below a reader");
                    drop(guard);
                }
            }
        };
        let other = thread::spawn(reader(1));
        let writer = recycler(&shm, &locks);
        reader(2)();
        other.join().unwrap();
        writer.join().unwrap();
    });
}
