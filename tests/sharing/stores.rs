//! Killed between two stores into shared memory.
//!
//! Such points are no calls. The words before and after the operation are saved instead, the mixture
//! that the victim would have left is put in place, and the victim is killed at the call that
//! follows its stores, with its locks.

use crate::scene::{HeaderChunk, Map, SLOTS, SNAPSHOTS, TREE_HEADERS, WRITER, contents, entry};
use crate::stage::{DEAD, Stage, aftermath};
use siltstone_env::{EnvError, LockId, LockMode};
use siltstone_memory::{Call, Method, Verdict};
use std::ops::Range;
use std::sync::{Arc, Mutex};

type Words = Vec<u32>;

fn pair(memory: &HeaderChunk, places: &[Range<usize>; 2]) -> [Words; 2] {
    places.clone().map(|place| memory.words(place))
}

/// The first `count` words of `new`, the rest of `old`.
fn mixed(old: &[u32], new: &[u32], count: usize) -> Words {
    new.iter().take(count).chain(old.iter().skip(count)).copied().collect()
}

fn is_unlock(call: &Call<'_>, lock: LockId) -> bool {
    call.method == Method::Lock && call.lock == Some(lock) && call.mode == Some(LockMode::Unlock)
}

/// Two clients, an old tree that waits, a live tree of several chunks.
fn scene() -> (Stage, HeaderChunk) {
    let mut stage = Stage::new();
    stage.options = stage.options.clone().autoflush(30_000).autocheckpoint(0);
    let options = stage.options.clone();
    stage.victim.open(&options).unwrap();
    stage.survivor = Some(stage.client());
    let survivor = stage.survivor().clone();
    stage.leave_free_chunks(&survivor);
    stage.survivor().set_autowork(false);
    stage.victim.database().set_autowork(false);
    stage.put_by_victim(150);
    stage.put_by_survivor(150);
    let memory = HeaderChunk::of(&stage.world);
    (stage, memory)
}

/// Kills the victim when it unlocks `lock` for the `nth` time, after `leave` has put in place what
/// it leaves.
fn kill_at_unlock(stage: &Stage, lock: LockId, leave: impl Fn(&HeaderChunk) + Send + 'static) {
    let inner = Arc::clone(&stage.victim.inner);
    let world = stage.world.clone();
    stage.victim.arm(move |call| {
        if inner.is_dead() {
            return DEAD;
        }
        if !is_unlock(call, lock) {
            return Verdict::Proceed;
        }
        leave(&HeaderChunk::of(&world));
        inner.kill();
        DEAD
    });
}

/// Where the writer was.
#[derive(Clone, Copy, Debug)]
enum Publishing {
    /// So many words of the second copy were stored, none of the first.
    Second(usize),
    /// All words of the second copy were stored, so many of the first.
    First(usize),
    /// Both copies were stored, the mark not yet taken back.
    Marked,
}

fn killed_publishing(at: Publishing) {
    let (stage, memory) = scene();
    let before = stage.committed.clone();
    let old = pair(&memory, &TREE_HEADERS);
    assert_eq!(old[0], old[1]);
    let left_old = Arc::new(Mutex::new(false));
    let told = Arc::clone(&left_old);
    kill_at_unlock(&stage, LockId::WRITER, move |memory| {
        let new = pair(memory, &TREE_HEADERS);
        assert!(new[0] == new[1] && new[0] != old[0]);
        let [first, second] = match at {
            Publishing::Second(count) => [old[0].clone(), mixed(&old[1], &new[1], count)],
            Publishing::First(count) => [mixed(&old[0], &new[0], count), new[1].clone()],
            Publishing::Marked => new.clone(),
        };
        *told.lock().unwrap() = first == old[0];
        memory.set_words(TREE_HEADERS[0].clone(), &first);
        memory.set_words(TREE_HEADERS[1].clone(), &second);
        memory.set_word(WRITER, 1);
    });
    let mut after = before.clone();
    let writing = stage.victim.database().write(|transaction| {
        // Replaces, appends, deletes a range, and takes several chunks, free and new ones.
        for number in 100..140 {
            let (key, _) = entry(number);
            let value = vec![b'x'; 6000];
            transaction.insert(&key, &value)?;
            after.insert(key, value);
        }
        let (low, high) = (entry(50).0, entry(60).0);
        transaction.remove_range(low.clone()..=high.clone())?;
        after.retain(|key, _| *key < low || *key > high);
        Ok(())
    });
    drop(writing);
    let what = format!("{at:?}");
    assert!(stage.victim.inner.is_dead(), "{what}");
    let seen = aftermath(stage, &before, &after, &what);
    let undone = *left_old.lock().unwrap();
    assert!(seen == if undone { before } else { after }, "{what}: undone: {undone}");
}

#[test]
fn a_writer_dies_inside_the_second_header() {
    for count in 0..TREE_HEADERS[1].len() {
        killed_publishing(Publishing::Second(count));
    }
}

#[test]
fn a_writer_dies_between_the_headers() {
    killed_publishing(Publishing::Second(TREE_HEADERS[1].len()));
}

#[test]
fn a_writer_dies_inside_the_first_header() {
    for count in 1..=TREE_HEADERS[0].len() {
        killed_publishing(Publishing::First(count));
    }
}

#[test]
fn a_writer_dies_before_it_takes_back_its_mark() {
    killed_publishing(Publishing::Marked);
}

/// What stood in memory before the snapshot that stands there now was saved.
struct Before {
    now: Words,
    snapshot: Words,
    slots: [Words; 2],
}

/// A worker stored so many words of the second snapshot, and of the first.
fn killed_saving([second, first]: [usize; 2]) {
    let (stage, memory) = scene();
    let committed = stage.committed.clone();
    let look = |memory: &HeaderChunk| (memory.words(SNAPSHOTS[0].clone()), memory.words(SLOTS));
    let (now, slots) = look(&memory);
    let mut seen = Before { snapshot: now.clone(), now, slots: [slots.clone(), slots] };
    let inner = Arc::clone(&stage.victim.inner);
    stage.victim.arm(move |call| {
        if inner.is_dead() {
            return DEAD;
        }
        // Work may take several sessions, of which the last one is undone.
        let (now, slots) = look(&memory);
        if now != seen.now {
            seen.snapshot = std::mem::replace(&mut seen.now, now);
            seen.slots[0] = seen.slots[1].clone();
        }
        seen.slots[1] = slots;
        if !is_unlock(call, LockId::WORKER) {
            return Verdict::Proceed;
        }
        assert!(seen.snapshot != seen.now);
        for (place, count) in SNAPSHOTS.into_iter().zip([first, second]) {
            memory.set_words(place, &mixed(&seen.snapshot, &seen.now, count));
        }
        memory.set_words(SLOTS, &seen.slots[0]);
        inner.kill();
        DEAD
    });
    let limit = siltstone::WorkLimit { bytes: None, segments: Some(1) };
    drop(stage.victim.database().work(limit));
    let what = format!("{second} and {first} words");
    assert!(stage.victim.inner.is_dead(), "{what}");
    aftermath(stage, &committed, &committed, &what);
}

#[test]
fn a_worker_dies_while_it_saves_a_snapshot() {
    let (stage, memory) = scene();
    stage.survivor().flush().unwrap();
    let words = memory.snapshot_words() + 20;
    drop(stage);
    for count in 0..words {
        killed_saving([count, 0]);
    }
    for count in 0..words {
        killed_saving([SNAPSHOTS[1].len(), count]);
    }
}

/// Slots in which the words are of different times.
#[test]
fn a_reader_dies_while_it_fills_a_slot() {
    // Which of the four words were stored, in our order and in lsm1's: none, some, all.
    for stored in 0..16u32 {
        let (mut stage, memory) = scene();
        // Every slot says something else, so that the victim must fill one.
        let before = stage.committed.clone();
        for slot in 0..6 {
            memory.set_word(SLOTS.start + 4 * slot, 1);
            memory.set_word(SLOTS.start + 4 * slot + 2, 3);
        }
        let old = memory.words(SLOTS);
        let filled = Arc::new(Mutex::new(false));
        {
            let (inner, world) = (Arc::clone(&stage.victim.inner), stage.world.clone());
            let filled = Arc::clone(&filled);
            stage.victim.arm(move |call| {
                let slot =
                    (0..LockId::READER_SLOTS).find(|slot| LockId::reader(*slot) == call.lock);
                let (Some(slot), Some(LockMode::Shared)) = (slot, call.mode) else {
                    return if inner.is_dead() { DEAD } else { Verdict::Proceed };
                };
                let memory = HeaderChunk::of(&world);
                let place = SLOTS.start + 4 * usize::from(slot);
                let new = memory.words(place..place + 4);
                let old = &old[place - SLOTS.start..][..4];
                if new == old {
                    return Verdict::Proceed;
                }
                for word in (0..4).filter(|word| stored & 1 << word == 0) {
                    memory.set_word(place + word, old[word]);
                }
                *filled.lock().unwrap() = true;
                inner.kill();
                DEAD
            });
        }
        drop(contents(stage.victim.database()));
        let what = format!("words {stored:04b} of a slot");
        assert!(*filled.lock().unwrap(), "{what}: no slot was filled");
        // Chunks and blocks are recycled beside readers that find such slots.
        let survivor = stage.survivor().clone();
        let held = survivor.snapshot().unwrap();
        survivor.set_autowork(true);
        stage.put(&survivor, 300);
        let found: Map = held.iter().unwrap().map(|entry| entry.unwrap()).collect();
        assert!(found == before, "{what}: a snapshot changed");
        drop((held, survivor));
        let committed = stage.committed.clone();
        aftermath(stage, &committed, &committed, &what);
    }
}

/// A checkpointer wrote so many bytes of a meta page.
#[test]
fn a_checkpointer_dies_inside_a_meta_page() {
    for rounds in 0..3 {
        for bytes in [0, 1, 8, 12, 40, 100, 512, 1024, 2048, 4065, 4066] {
            let (mut stage, _memory) = scene();
            for _ in 0..rounds {
                stage.put_by_survivor(10);
                stage.survivor().flush().unwrap();
                stage.survivor().checkpoint().unwrap();
            }
            stage.put_by_survivor(10);
            stage.survivor().flush().unwrap();
            let inner = Arc::clone(&stage.victim.inner);
            let mut torn = false;
            stage.victim.arm(move |call| {
                if torn {
                    inner.kill();
                    return DEAD;
                }
                torn = call.method == Method::Write && call.offset < 8192;
                if torn { Verdict::Partial(bytes, EnvError::Io(5)) } else { Verdict::Proceed }
            });
            drop(stage.victim.database().checkpoint());
            assert!(stage.victim.inner.is_dead());
            let committed = stage.committed.clone();
            let what = format!("{bytes} bytes of a meta page after {rounds} checkpoints");
            aftermath(stage, &committed, &committed, &what);
        }
    }
}
