//! Memory that a peer has filled with nonsense: errors, never panics or endless walks.

use super::{Random, World};
use crate::error::ErrorKind;
use crate::format::tree_header::TreeRoot;
use crate::tree::{TreeCursor, check, lookup, repair};
use std::sync::atomic::Ordering::Relaxed;

fn filled(random: &mut Random) -> World {
    let mut world = World::new();
    world.limit = 32 * 32768;
    for _ in 0..if cfg!(miri) { 2 } else { 8 } {
        world.begin();
        for _ in 0..10 {
            let len = random.below(if cfg!(miri) { 50 } else { 2000 });
            let key = random.bytes(1 + len % 5);
            world.insert(&key, &random.bytes(len)).unwrap();
        }
        let (low, high) = (random.bytes(1), random.bytes(1));
        world.delete_range(&low, &high).unwrap();
        world.commit();
    }
    world
}

/// Does everything a reader and a writer can do, caring about nothing but coming back.
fn use_everything(world: &mut World, random: &mut Random) -> u32 {
    let mut errors = 0;
    let mut value = Vec::new();
    let (shm, root) = (&world.shm, &world.header.live);
    errors += u32::from(check(shm, root).is_err());
    let mut cursor = TreeCursor::new();
    for forward in [true, false] {
        let mut steps = 0;
        let mut outcome = if forward { cursor.first(shm, root) } else { cursor.last(shm, root) };
        while outcome.is_ok() && cursor.is_valid() {
            outcome = cursor.value(shm, &mut value).and_then(|()| {
                if forward { cursor.next(shm, root) } else { cursor.previous(shm, root) }
            });
            steps += 1;
            assert!(steps < 100_000);
        }
        errors += u32::from(outcome.is_err());
    }
    for _ in 0..20 {
        let len = random.below(4);
        let key = random.bytes(len);
        errors += u32::from(lookup(shm, root, &key, Some(&mut value)).is_err());
        errors += u32::from(cursor.seek(shm, root, &key).is_err());
    }
    errors += u32::from(repair(&world.shm).is_err());
    for _ in 0..6 {
        let key = random.bytes(2);
        errors += u32::from(world.insert(&key, &[1; 50]).is_err());
        errors += u32::from(world.delete(&key).is_err());
        let (low, high) = (random.bytes(1), random.bytes(1));
        errors += u32::from(world.delete_range(&low, &high).is_err());
    }
    errors
}

#[test]
fn damaged_words_never_do_harm() {
    let mut errors = 0;
    for seed in if cfg!(miri) { 0..3 } else { 0..600 } {
        let mut random = Random::new(seed);
        let mut world = filled(&mut random);
        for _ in 0..1 + random.below(12) {
            let chunk = 1 + random.below(world.header.chunk_count as usize - 1) as u32;
            let used = (world.header.write_offset as usize & 32767) / 4;
            let words = world.shm.chunk(chunk).unwrap();
            let word = &words[random.below(used.max(2))];
            let other = words[random.below(used.max(2))].load(Relaxed);
            let value = match random.below(6) {
                0 => random.next() as u32,
                1 => 0,
                2 => u32::MAX,
                // Plausible pointers make cycles.
                3 | 4 => other,
                _ => word.load(Relaxed) ^ 1 << random.below(32),
            };
            word.store(value, Relaxed);
        }
        errors += use_everything(&mut world, &mut random);
    }
    assert!(errors > 0);
}

#[test]
fn damaged_headers_never_do_harm() {
    for seed in if cfg!(miri) { 0..3 } else { 0..600 } {
        let mut random = Random::new(seed);
        let mut world = filled(&mut random);
        let nonsense = |random: &mut Random| match random.below(4) {
            0 => 0,
            1 => u32::MAX - random.below(100) as u32,
            2 => random.below(300) as u32,
            _ => random.next() as u32,
        };
        let value = nonsense(&mut random);
        let header = &mut world.header;
        match random.below(8) {
            0 => header.first_chunk = value,
            // Large counts are honest about how much memory they want.
            1 => header.chunk_count = if value < 131_072 { value % 300 } else { value },
            2 => header.write_offset = value,
            3 => header.live.node = value,
            4 => header.live.height = value,
            5 => header.next_chunk_id = value,
            6 => header.used_chunk_id = value,
            _ => header.live.transaction = value,
        }
        world.shm.publish_tree_header(&world.header).unwrap();
        // What was written with such a header may reach anywhere in the tree; nothing else.
        let _ = use_everything(&mut world, &mut random);
    }
}

#[test]
fn a_node_that_is_its_own_child_is_noticed() {
    let mut world = World::new();
    world.begin();
    for key in 0..10u8 {
        world.insert(&[key], b"v").unwrap();
    }
    world.commit();
    let root = world.header.live;
    for word in world.shm.words::<10>(root.node).unwrap()[3..7].iter() {
        word.store(root.node, Relaxed);
    }
    let tall = TreeRoot { height: 32, ..root };
    for root in [root, tall] {
        let mut cursor = TreeCursor::new();
        let error = cursor
            .first(&world.shm, &root)
            .and_then(|()| cursor.next(&world.shm, &root))
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error}");
        assert!(check(&world.shm, &root).is_err());
        // Seeking ends at the bottom, whatever it finds there.
        cursor.seek(&world.shm, &root, b"zzz").unwrap();
        world.header.live = root;
        world.shm.publish_tree_header(&world.header).unwrap();
        let repaired = repair(&world.shm);
        assert!(root.height < 32 || repaired.is_err());
    }
}

#[test]
fn lengths_beyond_the_memory_are_refused_before_anything_is_allocated() {
    let mut world = World::new();
    world.begin();
    world.insert(b"k", b"v").unwrap();
    world.commit();
    let entry = world.shm.words::<3>(32776).unwrap();
    let mut value = Vec::new();
    for len in [i32::MAX as u32, u32::MAX, 1 << 31, 70_000] {
        entry[1].store(len, Relaxed);
        assert!(lookup(&world.shm, &world.header.live, b"k", Some(&mut value)).is_err());
        assert!(value.capacity() < 100_000);
    }
    entry[1].store(1, Relaxed);
    for len in [i32::MAX as u32, u32::MAX, 70_000] {
        entry[0].store(len, Relaxed);
        assert!(lookup(&world.shm, &world.header.live, b"k", None).is_err());
        assert!(check(&world.shm, &world.header.live).is_err());
    }
}
