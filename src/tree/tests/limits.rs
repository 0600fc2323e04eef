//! The memory limit and failing operations.

use super::{Random, World};
use crate::error::{Error, ErrorKind};
use crate::tree::{TreeWriter, UndoList, check, check_chunks};

fn fill(world: &mut World, from: u32) -> (u32, Error) {
    for i in from.. {
        if let Err(error) = world.insert(&i.to_be_bytes(), &[i as u8; 900]) {
            return (i, error);
        }
    }
    unreachable!()
}

#[test]
fn the_limit_stops_growth_and_leaves_the_tree_as_it_was() {
    let mut world = World::new();
    world.limit = if cfg!(miri) { 2 } else { 8 } * 32768;
    world.begin();
    let start = world.write(|writer| writer.mark());
    let (count, error) = fill(&mut world, 0);
    assert!(matches!(error.kind(), ErrorKind::OutOfMemory(_)), "{error}");
    assert!(error.to_string().contains("memory_limit"), "{error}");
    assert!(world.shm.chunk_count() <= 8);
    assert!(count > if cfg!(miri) { 20 } else { 30 });
    assert_eq!(check(&world.shm, &world.header.live).unwrap().entries, u64::from(count));

    // Whatever does not fit changes nothing, at whichever allocation it fails.
    let (mut failures, mut present) = (0, None);
    // Checking the whole tree takes Miri many seconds.
    let lengths: &[usize] = if cfg!(miri) {
        &[1, 2000, 40_000]
    } else {
        &[0, 1, 100, 500, 900, 2000, 32_700, 40_000, 300_000]
    };
    for &len in lengths {
        let before = world.header;
        if world.insert(b"another", &vec![1; len]).is_err() {
            failures += 1;
            assert_eq!(world.header, before);
            assert_eq!(world.get(b"another").map(|value| value.len()), present);
        } else {
            present = Some(len);
        }
        check_chunks(&world.shm, &world.header).unwrap();
        check(&world.shm, &world.header.live).unwrap();
    }
    assert!(failures >= if cfg!(miri) { 2 } else { 5 });
    for i in 0..count {
        assert_eq!(world.get(&i.to_be_bytes()), Some(vec![i as u8; 900]));
    }

    world.write(|writer| writer.rollback_to(&start)).unwrap();
    world.commit();
    assert_eq!(world.header.live.node, 0);
    world.begin();
    let (again, _) = fill(&mut world, 0);
    assert_eq!(again, count);
    world.commit();
}

#[test]
fn a_range_delete_that_fails_half_way_is_taken_back() {
    let mut world = World::new();
    world.begin();
    let count = if cfg!(miri) { 45 } else { 500u32 };
    for i in 0..count {
        world.insert(&i.to_be_bytes(), &[3; 20]).unwrap();
    }
    world.commit();
    world.begin();
    world.limit = u64::from(world.header.chunk_count) * 32768;
    let mut random = Random::new(3);
    let mut failed = 0;
    for _ in 0..if cfg!(miri) { 1 } else { 200 } {
        let low = random.below(count as usize) as u32;
        let before = world.header;
        let entries = check(&world.shm, &before.live).unwrap().entries;
        if world.delete_range(&low.to_be_bytes(), &(low + 40).to_be_bytes()).is_err() {
            failed += 1;
            assert_eq!(world.header, before);
            assert_eq!(check(&world.shm, &before.live).unwrap().entries, entries);
        } else {
            let value = vec![4; 15];
            for i in low + 1..low + 40 {
                if world.insert(&i.to_be_bytes(), &value).is_err() {
                    failed += 1;
                }
            }
        }
        check_chunks(&world.shm, &world.header).unwrap();
    }
    assert!(failed > 0 || cfg!(miri));
}

#[test]
fn the_addressable_memory_ends_in_full() {
    // A header that claims all but the last chunk: the next chunk must be refused, not overflow.
    let mut world = World::new();
    world.begin();
    world.limit = u64::MAX;
    world.header.chunk_count = 131_070;
    let before = world.header;
    let error = world.insert(b"k", &vec![0; 40_000]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Full(_)), "{error}");
    assert_eq!(world.header, before);
}

#[test]
fn errors_of_the_in_use_test_are_passed_on() {
    let mut world = World::new();
    world.begin();
    world.insert(b"a", &vec![0; 100_000]).unwrap();
    world.header.used_chunk_id = 4;
    let before = world.header;
    let mut undo = UndoList::default();
    let mut in_use = |_| Err(Error::misuse("no"));
    let mut writer =
        TreeWriter::new(&world.shm, &mut world.header, &mut undo, &mut in_use, u64::MAX);
    let error = writer.insert(b"b", &vec![0; 40_000]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Misuse(_)));
    assert_eq!(world.header, before);
}
