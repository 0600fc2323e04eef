//! Random operations against the history they form.

use super::{Random, World};
use crate::format::page::EntryFlags;
use crate::tree::{Found, TreeCursor, TreeMark, check, lookup};
use std::cmp::Ordering;

#[derive(Clone, Debug)]
enum Operation {
    Insert(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    DeleteRange(Vec<u8>, Vec<u8>),
}

/// What a history says about a key: the newest operation that concerns it decides.
fn expected<'a>(history: &'a [Operation], key: &[u8]) -> (Found, Option<&'a [u8]>) {
    for operation in history.iter().rev() {
        match operation {
            Operation::Insert(at, value) if at == key => return (Found::Value, Some(value)),
            Operation::Delete(at) if at == key => return (Found::Deleted, None),
            Operation::DeleteRange(low, high) if low.as_slice() < key && key < high.as_slice() => {
                return (Found::Deleted, None);
            }
            _ => {}
        }
    }
    (Found::Undecided, None)
}

fn apply(world: &mut World, operation: &Operation) {
    match operation {
        Operation::Insert(key, value) => world.insert(key, value),
        Operation::Delete(key) => world.delete(key),
        Operation::DeleteRange(low, high) => world.delete_range(low, high),
    }
    .unwrap();
}

/// Every entry the tree holds, walking forward; verified by walking backward.
fn entries(world: &World) -> Vec<(Vec<u8>, EntryFlags, Vec<u8>)> {
    let (shm, root) = (&world.shm, &world.header.live);
    let mut cursor = TreeCursor::new();
    let (mut all, mut value) = (Vec::new(), Vec::new());
    cursor.first(shm, root).unwrap();
    while cursor.is_valid() {
        cursor.value(shm, &mut value).unwrap();
        assert_eq!(value.len(), cursor.value_len().unwrap_or(0) as usize);
        all.push((cursor.key().to_vec(), cursor.flags(), value.clone()));
        cursor.next(shm, root).unwrap();
    }
    cursor.last(shm, root).unwrap();
    for (key, flags, _) in all.iter().rev() {
        assert!(cursor.is_valid());
        assert_eq!((cursor.key(), cursor.flags()), (key.as_slice(), *flags));
        cursor.previous(shm, root).unwrap();
    }
    assert!(!cursor.is_valid());
    all
}

fn verify(world: &World, history: &[Operation], keys: &[Vec<u8>], context: &str) {
    let (shm, root) = (&world.shm, &world.header.live);
    let found = check(shm, root).unwrap_or_else(|error| panic!("{context}: {error}"));
    let all = entries(world);
    assert_eq!(found.entries, all.len() as u64, "{context}");
    let (mut value, mut cursor) = (Vec::new(), TreeCursor::new());
    for key in keys {
        let (what, wanted) = expected(history, key);
        let found = lookup(shm, root, key, Some(&mut value)).unwrap();
        assert_eq!(found, what, "{context}: {key:?}");
        if let Some(wanted) = wanted {
            assert!(value == wanted, "{context}: value of {key:?}");
        }
        let order = cursor.seek(shm, root, key).unwrap();
        let place = all.binary_search_by(|(at, ..)| at.as_slice().cmp(key));
        match place {
            Ok(index) => {
                assert_eq!(order, Ordering::Equal, "{context}");
                assert_eq!(cursor.flags(), all[index].1);
            }
            Err(_) if all.is_empty() => assert!(!cursor.is_valid()),
            Err(index) => {
                let near = if order.is_lt() { index.wrapping_sub(1) } else { index };
                assert_eq!(cursor.key(), all[near].0, "{context}: neighbour of {key:?}");
            }
        }
    }
    let inserted: Vec<_> = all
        .iter()
        .filter(|(_, flags, _)| flags.contains(EntryFlags::INSERT))
        .map(|(key, ..)| key.clone())
        .collect();
    let mut wanted: Vec<_> =
        keys.iter().filter(|key| expected(history, key).0 == Found::Value).cloned().collect();
    wanted.sort();
    assert_eq!(inserted, wanted, "{context}");
}

fn keys(count: usize) -> Vec<Vec<u8>> {
    // Lengths around a word, with shared starts, and the empty key.
    (0..count)
        .map(|i| match i % 5 {
            0 => format!("{i:03}").into_bytes(),
            1 => format!("shared-start-{i:04}").into_bytes(),
            2 => vec![b'x'; i % 11],
            3 => vec![0xff, i as u8, 0, i as u8, 9],
            _ => format!("k{i}").into_bytes(),
        })
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn random_operation(random: &mut Random, keys: &[Vec<u8>]) -> Operation {
    let key = keys[random.below(keys.len())].clone();
    match random.below(100) {
        0..=54 => {
            let len = match random.below(60) {
                _ if cfg!(miri) => [33_000, 5, 90, 7, 20, 0, 1, 2][random.below(100).min(7)],
                0 => random.below(70_000),
                1 => 32_768 - random.below(200),
                2..=5 => random.below(4000),
                _ => random.below(40),
            };
            Operation::Insert(key, random.bytes(len))
        }
        55..=79 => Operation::Delete(key),
        _ => {
            let other = keys[random.below(keys.len())].clone();
            if random.below(4) == 0 || key < other {
                Operation::DeleteRange(key, other)
            } else {
                Operation::DeleteRange(other, key)
            }
        }
    }
}

fn history_of_one_seed(seed: u64, operations: usize, key_count: usize) {
    let mut random = Random::new(seed);
    let keys = keys(key_count);
    let mut world = if seed.is_multiple_of(2) {
        World::new()
    } else {
        World::before_wrap(random.below(20) as u32 + 1)
    };
    let mut history: Vec<Operation> = Vec::new();
    let mut marks: Vec<(TreeMark, usize, u32)> = Vec::new();
    let mut cursor = TreeCursor::new();
    world.begin();
    for step in 0..operations {
        let context = format!("seed {seed}, step {step}");
        match random.below(24) {
            0 => {
                world.commit();
                marks.clear();
                world.begin();
            }
            1 | 2 => {
                let mark = world.write(|writer| writer.mark());
                marks.push((mark, history.len(), world.header.live.bytes));
            }
            3 | 4 if !marks.is_empty() => {
                let keep = random.below(marks.len());
                let (mark, len, bytes) = marks[keep];
                marks.truncate(keep + 1);
                world.header.user_version = step as u32;
                world.write(|writer| writer.rollback_to(&mark)).unwrap();
                history.truncate(len);
                assert_eq!(world.header.live.bytes, bytes, "{context}");
                assert_eq!(world.header.user_version, 0, "{context}");
                crate::tree::check_chunks(&world.shm, &world.header).expect(&context);
            }
            _ => {
                // A cursor left standing must go on from its key whatever happens to it.
                let key = keys[random.below(keys.len())].clone();
                cursor.seek(&world.shm, &world.header.live, &key).unwrap();
                cursor.tree_changed();
                let stood = cursor.is_valid().then(|| cursor.key().to_vec());
                let operation = random_operation(&mut random, &keys);
                apply(&mut world, &operation);
                history.push(operation);
                if let Some(stood) = stood {
                    let forward = random.below(2) == 0;
                    let (shm, root) = (&world.shm, &world.header.live);
                    if random.below(2) == 0 {
                        cursor.reseek(shm, root).unwrap();
                        assert_eq!(cursor.key(), stood, "{context}");
                    }
                    let all = entries(&world);
                    let wanted = if forward {
                        cursor.next(shm, root).unwrap();
                        all.iter().find(|(key, ..)| *key > stood)
                    } else {
                        cursor.previous(shm, root).unwrap();
                        all.iter().rfind(|(key, ..)| *key < stood)
                    };
                    let got = cursor.is_valid().then(|| cursor.key());
                    assert_eq!(got, wanted.map(|(key, ..)| key.as_slice()), "{context}");
                }
            }
        }
        verify(&world, &history, &keys, &context);
    }
    world.commit();
}

#[test]
fn any_history_reads_back_as_it_was_written() {
    if cfg!(miri) {
        history_of_one_seed(1, 25, 6);
        return;
    }
    for seed in 0..24 {
        history_of_one_seed(seed, 400, [8, 25, 60, 140][seed as usize % 4]);
    }
}

#[test]
fn many_keys_make_a_deep_tree_that_shrinks_again() {
    let count = if cfg!(miri) { 30 } else { 3000u32 };
    let mut world = World::new();
    let mut random = Random::new(7);
    world.begin();
    for i in 0..count {
        world.insert(&i.wrapping_mul(2_654_435_761).to_be_bytes(), &random.bytes(20)).unwrap();
    }
    world.commit();
    let before = check(&world.shm, &world.header.live).unwrap();
    assert_eq!(before.entries, u64::from(count));
    // Narrow ranges from both ends, until a handful is left.
    let mut bounds: Vec<u32> = (0..count).map(|i| i.wrapping_mul(2_654_435_761)).collect();
    bounds.sort_unstable();
    let (mut low, mut high) = (0, bounds.len() - 1);
    let mut seen_height = world.header.live.height;
    while low + 8 < high {
        world.begin();
        world.delete_range(&bounds[low].to_be_bytes(), &bounds[low + 3].to_be_bytes()).unwrap();
        world.delete_range(&bounds[high - 3].to_be_bytes(), &bounds[high].to_be_bytes()).unwrap();
        world.commit();
        low += 3;
        high -= 3;
        if low % 60 == 0 {
            check(&world.shm, &world.header.live).unwrap();
        }
    }
    world.begin();
    world.delete_range(b"", &[0xff; 5]).unwrap();
    world.commit();
    assert!(world.header.live.height < seen_height);
    seen_height = world.header.live.height;
    assert_eq!(seen_height, 1);
    assert_eq!(check(&world.shm, &world.header.live).unwrap().entries, 2);
}
