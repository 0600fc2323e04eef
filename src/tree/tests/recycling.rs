//! Old trees and the recycling of their chunks, with ids that wrap.

use super::{Random, World};
use crate::tree::{
    Found, check, check_chunks, discard_old, id_at_or_after, lookup, make_old, old_tree_is_read,
};

fn fill(world: &mut World, random: &mut Random, generation: u8) {
    world.begin();
    for _ in 0..if cfg!(miri) { 4 } else { 40 } {
        let key = [random.below(200) as u8];
        world
            .insert(
                &key,
                &vec![generation; 1000 + random.below(if cfg!(miri) { 30 } else { 3000 })],
            )
            .unwrap();
    }
    world.commit();
}

fn flush_cycles(mut world: World, seed: u64) {
    let mut random = Random::new(seed);
    let mut most_chunks = 0;
    let rounds = if cfg!(miri) { 2 } else { 120 };
    for round in 0..rounds {
        let generation = round as u8;
        fill(&mut world, &mut random, generation);
        let before = world.header;
        let pointer = world.header.old_log_pointer;
        if !make_old(&mut world.header, pointer) {
            // The id before the wrap is skipped: nothing may have changed.
            assert_eq!(before.next_chunk_id, 1);
            assert_eq!(world.header, before);
            continue;
        }
        let id = before.next_chunk_id.wrapping_sub(1);
        assert_eq!(world.header.old_chunk_id, id);
        assert!(!make_old(&mut world.header, pointer));
        assert!(old_tree_is_read(&world.header, pointer));
        assert_eq!(world.header.live.node, 0);
        world.shm.publish_tree_header(&world.header).unwrap();

        // Live entries over the old tree; the old one keeps its content to the byte.
        let old = check(&world.shm, &world.header.old).unwrap();
        fill(&mut world, &mut random, generation);
        assert_eq!(check(&world.shm, &world.header.old).unwrap(), old);
        let mut value = Vec::new();
        for key in 0..200u8 {
            for root in [&world.header.live, &world.header.old] {
                let found = lookup(&world.shm, root, &[key], Some(&mut value)).unwrap();
                if found == Found::Value {
                    assert!(value.len() >= 1000);
                    let first = value[0];
                    assert!(value.iter().all(|byte| *byte == first), "seed {seed}");
                }
            }
        }

        // A roll back that gives back recycled chunks.
        world.begin();
        discard_old(&mut world.header);
        assert_eq!(world.header.used_chunk_id, id);
        let mark = world.write(|writer| writer.mark());
        let live = check(&world.shm, &world.header.live).unwrap();
        world.insert(b"large", &vec![9; if cfg!(miri) { 40_000 } else { 200_000 }]).unwrap();
        world.delete_range(b"", b"z").unwrap();
        world.write(|writer| writer.rollback_to(&mark)).unwrap();
        assert_eq!(check(&world.shm, &world.header.live).unwrap(), live);
        world.commit();

        check_chunks(&world.shm, &world.header).unwrap();
        if round < rounds / 2 {
            most_chunks = world.header.chunk_count;
        }
    }
    assert!(cfg!(miri) || world.header.chunk_count <= most_chunks + 4, "chunks are not recycled");
}

#[test]
fn chunks_of_flushed_trees_are_used_again() {
    flush_cycles(World::new(), 11);
}

#[test]
fn chunk_ids_may_wrap_at_any_moment() {
    for distance in if cfg!(miri) { 2..3 } else { 1..24 } {
        flush_cycles(World::before_wrap(distance), u64::from(distance));
    }
}

#[test]
fn a_chunk_that_a_reader_needs_is_not_recycled() {
    let mut world = World::new();
    world.begin();
    world.insert(b"old", &[1; 70_000]).unwrap();
    world.commit();
    let reader = world.header;
    let seen = check(&world.shm, &reader.live).unwrap();
    assert!(make_old(&mut world.header, 0));
    world.shm.publish_tree_header(&world.header).unwrap();
    world.begin();
    discard_old(&mut world.header);
    world.in_use_from = Some(reader.used_chunk_id);
    let first = world.header.first_chunk;
    world.insert(b"k", &vec![0; if cfg!(miri) { 40_000 } else { 300_000 }]).unwrap();
    assert_eq!(world.header.first_chunk, first);
    assert_eq!(check(&world.shm, &reader.live).unwrap(), seen);

    // A reader of later chunks only does not keep the earlier ones.
    let used = world.header.used_chunk_id;
    world.in_use_from = Some(used);
    let count = world.header.chunk_count;
    world.insert(b"k", &vec![0; 20_000]).unwrap();
    world.insert(b"k", &vec![0; 20_000]).unwrap();
    assert_eq!(world.header.chunk_count, count);
    assert_ne!(world.header.first_chunk, first);
    let (id, _) = world.shm.chunk_header(world.header.first_chunk).unwrap();
    assert!(id_at_or_after(used, id));
    world.commit();
}
