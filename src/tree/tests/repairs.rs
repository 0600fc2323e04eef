//! Writers that die in the middle of a transaction.

use super::{Random, World};
use crate::error::ErrorKind;
use crate::shm::{CHUNK_SIZE, Shm};
use crate::tree::{UndoList, check, check_chunks, discard_old, make_old, repair};
use std::sync::atomic::Ordering::Relaxed;

/// Keys written at random.
const KEYS: u8 = if cfg!(miri) { 31 } else { 255 };

/// A copy of all memory, as the survivors of a killed process find it.
fn copy(shm: &Shm) -> Shm {
    let new = Shm::heap().unwrap();
    new.ensure(shm.chunk_count()).unwrap();
    for chunk in 0..shm.chunk_count() {
        for (from, to) in shm.chunk(chunk).unwrap().iter().zip(new.chunk(chunk).unwrap()) {
            to.store(from.load(Relaxed), Relaxed);
        }
    }
    new
}

fn content(world: &World) -> Vec<(u8, Option<Vec<u8>>)> {
    (0..=KEYS).map(|key| (key, world.get(&[key]))).collect()
}

fn some_writes(world: &mut World, random: &mut Random, count: usize) {
    let any_key = |random: &mut Random| [random.below(usize::from(KEYS) + 1) as u8];
    for _ in 0..count {
        let key = any_key(random);
        match random.below(10) {
            0 => {
                let other = any_key(random);
                world.delete_range(&key, &other).unwrap();
            }
            1 | 2 => world.delete(&key).unwrap(),
            3 => {
                let value = random.bytes(if cfg!(miri) { 3000 } else { 30_000 });
                world.insert(&key, &value).unwrap();
            }
            _ => {
                let len = random.below(300);
                world.insert(&key, &random.bytes(len)).unwrap();
            }
        }
    }
}

fn die_and_repair(seed: u64) {
    let mut random = Random::new(seed);
    let mut world = match seed % 3 {
        0 => World::new(),
        _ => World::before_wrap(random.below(12) as u32 + 1),
    };
    // Whether the published old tree was given up by a writer that then died.
    let mut given_up = false;
    for round in 0..if cfg!(miri) { 2 } else { 12 } {
        world.begin();
        let writes = random.below(30);
        some_writes(&mut world, &mut random, writes);
        if given_up || random.below(3) == 0 {
            discard_old(&mut world.header);
        }
        if random.below(3) == 0 {
            make_old(&mut world.header, 0);
        }
        world.commit();
        let published = world.header;
        let before = content(&world);

        // The victim: writes, may roll back to a savepoint, and is gone.
        world.begin();
        let flushed = random.below(2) == 0;
        if flushed {
            discard_old(&mut world.header);
        }
        let mark = world.write(|writer| writer.mark());
        let writes = random.below(30);
        some_writes(&mut world, &mut random, writes);
        if random.below(3) == 0 {
            world.write(|writer| writer.rollback_to(&mark)).unwrap();
        }
        let last = world.header;
        let after = content(&world);

        let mut kept = false;
        match random.below(4) {
            // Between the copies of the header: the first wins.
            0 => {
                let whole = copy(&world.shm);
                world.shm.publish_tree_header(&last).unwrap();
                for (word, old) in world.shm.chunk(0).unwrap()[2050..2088]
                    .iter()
                    .zip(&whole.chunk(0).unwrap()[2050..2088])
                {
                    word.store(old.load(Relaxed), Relaxed);
                }
                world.shm.set_writer_flag(true).unwrap();
            }
            // Within the first copy: the second wins, the transaction is kept.
            1 => {
                world.shm.publish_tree_header(&last).unwrap();
                world.shm.chunk(0).unwrap()[2050 + 20].fetch_xor(0x0505, Relaxed);
                world.shm.set_writer_flag(true).unwrap();
                kept = true;
            }
            _ => {}
        }

        let survivor = copy(&world.shm);
        assert!(survivor.writer_flag().unwrap());
        let header = repair(&survivor).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(!survivor.writer_flag().unwrap());
        assert_eq!(header, if kept { last } else { published }, "seed {seed}, round {round}");
        assert!(survivor.shows(&header.encode(), 0).unwrap());
        check_chunks(&survivor, &header).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        check(&survivor, &header.live).unwrap();
        if header.old_chunk_id != 0 && !flushed {
            check(&survivor, &header.old).unwrap();
        }
        given_up = flushed && header.old_chunk_id != 0;
        world = World {
            shm: survivor,
            header,
            undo: UndoList::default(),
            in_use_from: None,
            limit: world.limit,
        };
        let now = content(&world);
        assert!(now == if kept { after } else { before }, "seed {seed}, round {round}");
        // Repairing twice changes nothing.
        assert_eq!(repair(&world.shm).unwrap(), header);
        check_chunks(&world.shm, &header).unwrap();
    }
}

#[test]
fn repair_restores_the_published_tree_wherever_the_writer_died() {
    for seed in if cfg!(miri) { 1..3 } else { 0..60 } {
        die_and_repair(seed);
    }
}

#[test]
fn repair_uses_the_published_header_and_every_chunk_count() {
    // Chunk counts at and around powers of two, with and without a chunk recycled.
    for chunks in if cfg!(miri) { 3..5u32 } else { 2..20u32 } {
        let mut world = World::new();
        world.begin();
        while world.header.chunk_count < chunks {
            world.insert(&[1], &vec![1; 16_000]).unwrap();
        }
        make_old(&mut world.header, 0);
        discard_old(&mut world.header);
        world.commit();
        let published = world.header;
        world.begin();
        for i in 0..chunks {
            world.insert(&[2, i as u8], &vec![2; 16_000]).unwrap();
        }
        let header = repair(&world.shm).unwrap();
        assert_eq!(header, published);
        check_chunks(&world.shm, &header).unwrap();
    }
}

#[test]
fn ids_that_make_no_sense_are_refused() {
    let mut world = World::new();
    world.begin();
    world.insert(b"k", &vec![0; 100_000]).unwrap();
    world.commit();
    // Copying all memory takes Miri seconds.
    let all = if cfg!(miri) { 1 } else { 4 };
    for (chunk, id) in [(2, 1), (3, 2), (4, 40)].into_iter().take(all) {
        let shm = copy(&world.shm);
        shm.set_chunk_id(chunk, id).unwrap();
        let error = repair(&shm).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{chunk} {id}: {error}");
    }
    for change in [(1, 900_000_000), (0, 4), (9, 4), (1, 1)].into_iter().take(all) {
        let shm = copy(&world.shm);
        let mut header = world.header;
        (header.first_chunk, header.chunk_count) = change;
        shm.publish_tree_header(&header).unwrap();
        assert!(repair(&shm).is_err(), "{change:?}");
    }
    assert!(world.shm.chunk_count() < 10 && CHUNK_SIZE == 32768);
}

#[test]
fn chunks_put_back_in_another_order_by_a_savepoint_are_repaired() {
    // C lsm1 puts recycled chunks back in reverse; here the first three, the victim then dies.
    let mut world = World::new();
    world.begin();
    world.insert(b"k", &vec![0; 200_000]).unwrap();
    make_old(&mut world.header, 0);
    discard_old(&mut world.header);
    world.commit();
    let survivor = copy(&world.shm);
    for (chunk, id, next) in [(3, 1, 2), (2, 2, 1), (1, 3, 4)] {
        survivor.set_chunk_id(chunk, id).unwrap();
        survivor.set_chunk_next(chunk, next).unwrap();
    }
    assert_eq!(repair(&survivor).unwrap(), world.header);
    check_chunks(&survivor, &world.header).unwrap();
    // The same with the then first chunk recycled once more.
    survivor.set_chunk_id(3, world.header.next_chunk_id).unwrap();
    survivor.set_chunk_id(2, 2).unwrap();
    survivor.set_chunk_id(1, 3).unwrap();
    assert_eq!(repair(&survivor).unwrap(), world.header);
    check_chunks(&survivor, &world.header).unwrap();
}
