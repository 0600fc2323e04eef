//! Readers walking published versions while a writer goes on.

use super::World;
use crate::error::Result;
use crate::shm::Shm;
use crate::tree::{
    Found, TreeCursor, TreeWriter, UndoList, check, discard_old, id_at_or_after, lookup, make_old,
};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

const KEYS: u32 = 12;

/// The reader slots: chunk ids that readers need from on.
type Slots = Mutex<Vec<Option<u32>>>;

/// Reads one published version: all keys must have been written by the same transaction.
fn read_once(shm: &Shm, slots: &Slots, slot: usize) -> Result<Option<u32>> {
    let (header, which) = shm.load_tree_header()?;
    slots.lock().unwrap()[slot] = Some(header.used_chunk_id);
    if !shm.tree_header_unchanged(&header, which)? {
        slots.lock().unwrap()[slot] = None;
        return Ok(None);
    }
    shm.ensure(header.chunk_count)?;
    let root = if header.live.node != 0 { header.live } else { header.old };
    let mut generations = Vec::new();
    if root.node != 0 {
        check(shm, &root)?;
        let (mut cursor, mut value) = (TreeCursor::new(), Vec::new());
        cursor.first(shm, &root)?;
        while cursor.is_valid() {
            cursor.value(shm, &mut value)?;
            generations.push(u32::from_ne_bytes(*value.first_chunk().unwrap()));
            assert!(value.chunks_exact(4).all(|word| word == &value[..4]));
            cursor.next(shm, &root)?;
        }
        let found = lookup(shm, &root, &1u32.to_be_bytes(), Some(&mut value))?;
        assert_eq!(found, Found::Value);
        assert_eq!(value[..4], generations[0].to_ne_bytes());
    }
    slots.lock().unwrap()[slot] = None;
    assert!(generations.len() == KEYS as usize || generations.is_empty());
    assert!(generations.iter().all(|generation| *generation == generations[0]), "{generations:?}");
    Ok(Some(generations.first().copied().unwrap_or(0)))
}

#[test]
fn readers_see_whole_transactions_while_chunks_are_recycled() {
    let rounds: u32 = if cfg!(miri) { 3 } else { 1500 };
    let mut world = World::new();
    let shm = world.shm.clone();
    let slots: Slots = Mutex::new(vec![None; 3]);
    let done = AtomicBool::new(false);
    let mut recycled = 0;
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..if cfg!(miri) { 1 } else { 3 })
            .map(|slot| {
                let (shm, slots, done) = (shm.clone(), &slots, &done);
                scope.spawn(move || {
                    let (mut newest, mut reads) = (0, 0);
                    loop {
                        let last = done.load(Ordering::Acquire);
                        if let Some(generation) = read_once(&shm, slots, slot).unwrap() {
                            assert!(generation >= newest);
                            newest = generation;
                            reads += 1;
                            if last {
                                return (newest, reads);
                            }
                        }
                    }
                })
            })
            .collect();

        let mut undo = UndoList::default();
        for generation in 1..=rounds {
            world.begin();
            let header = &mut world.header;
            discard_old(header);
            let mut in_use = |id| {
                let slots = slots.lock().unwrap();
                let in_use = slots.iter().flatten().any(|from| id_at_or_after(id, *from));
                recycled += u32::from(!in_use);
                Ok(in_use)
            };
            let mut writer = TreeWriter::new(&shm, header, &mut undo, &mut in_use, 1 << 26);
            for key in 1..=KEYS {
                let value = generation.to_ne_bytes().repeat(if cfg!(miri) {
                    20
                } else {
                    100 + (generation % 300) as usize
                });
                writer.insert(&key.to_be_bytes(), &value).unwrap();
                if key == KEYS / 2 && generation % 5 == 0 {
                    // Work that is thrown away.
                    let mark = writer.mark();
                    writer.insert(b"aside", &[1; if cfg!(miri) { 40 } else { 40_000 }]).unwrap();
                    writer.delete_range(b"", b"~").unwrap();
                    writer.rollback_to(&mark).unwrap();
                }
            }
            if generation % 4 == 0 {
                make_old(header, 0);
            }
            shm.publish_tree_header(header).unwrap();
            undo.clear();
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            let (newest, reads) = reader.join().unwrap();
            assert_eq!(newest, rounds);
            assert!(reads > 0);
        }
    });
    // How many depends on how long the system lets readers wait.
    assert!(recycled > 0 || cfg!(miri));
}
