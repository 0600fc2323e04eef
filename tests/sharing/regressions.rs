//! Weak spots of C lsm1's sharing, one test each. The numbers are those of docs/c-defects.md.

use crate::scene::{
    Client, HeaderChunk, Map, NAME, assert_same, contents, entry, expect_after_all_left, put,
};
use crate::stage::{DEAD, Victim};
use siltstone::{Durability, Error, ErrorKind, Options, Sharing, Snapshot};
use siltstone_env::{Access, Env, File, LockId, LockMode};
use siltstone_memory::{MemoryEnv, MemoryWorld, Method, Settings, Verdict};
use siltstone_tests::rng::Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn options() -> Options {
    Options::new().page_size(1024).block_size(65536).autoflush(64 << 10)
}

fn log_exists(world: &MemoryWorld) -> bool {
    world.read_file(&format!("{NAME}-log")).is_some()
}

/// Whether somebody holds a lock.
fn held(world: &MemoryWorld, lock: LockId) -> bool {
    world.locks(NAME).iter().any(|held| held.range.contains(&lock.byte_offset()))
}

fn see(snapshot: &Snapshot) -> Map {
    snapshot.iter().unwrap().map(|entry| entry.unwrap()).collect()
}

/// A foreign handle of the database file.
fn foreign(world: &MemoryWorld) -> Arc<dyn File> {
    let env = world.process();
    env.open(&env.canonical_path(NAME.as_bytes()).unwrap(), Access::ReadWrite).unwrap()
}

fn expect_protocol<T>(outcome: Result<T, Error>) {
    match outcome {
        Ok(_) => panic!("the call should have been refused"),
        Err(error) => assert!(matches!(error.kind(), ErrorKind::Protocol(_)), "{error}"),
    }
}

/// T1: the next writer repairs with what shared memory says, not with what it saw last.
#[test]
fn repair_uses_the_newest_header() {
    let world = MemoryWorld::new();
    let one = Client::open(&world, &options()).unwrap();
    let two = Client::open(&world, &options()).unwrap();
    let mut committed = Map::new();
    (0..100).for_each(|number| put(&one.database, &mut committed, number));
    let (snapshot, seen) = (two.database.snapshot().unwrap(), committed.clone());
    (100..400).for_each(|number| put(&one.database, &mut committed, number));
    let transaction = one.database.begin().unwrap();
    for number in 0..50 {
        transaction.insert(entry(number).0, vec![1; 3000]).unwrap();
    }
    one.env.kill();
    drop(transaction);
    put(&two.database, &mut committed, 400);
    assert_same(&contents(&two.database).unwrap(), &committed, "after the repair");
    assert_same(&see(&snapshot), &seen, "a snapshot from before");
}

/// T2: who writes keeps the slot of its own snapshots, whatever it recycles meanwhile.
#[test]
fn a_writer_keeps_its_own_reader_slot() {
    let world = MemoryWorld::new();
    let one = Client::open(&world, &options()).unwrap();
    let two = Client::open(&world, &options()).unwrap();
    let mut committed = Map::new();
    (0..400).for_each(|number| put(&one.database, &mut committed, number));
    let (transaction, seen) = (one.database.begin().unwrap(), committed.clone());
    let snapshot = one.database.snapshot().unwrap();
    for number in 0..140 {
        let (key, value) = (entry(number).0, vec![2; 1000]);
        transaction.insert(&key, &value).unwrap();
        committed.insert(key, value);
    }
    transaction.commit().unwrap();
    assert!((0..6).any(|slot| held(&world, LockId::reader(slot).unwrap())));
    for round in 0..2000 {
        let (key, value) = (entry(round % 500).0, vec![3; 1000]);
        two.database.insert(&key, &value).unwrap();
        committed.insert(key, value);
    }
    assert_same(&see(&snapshot), &seen, "the writer's own snapshot");
    assert_same(&contents(&one.database).unwrap(), &committed, "the newest state");
}

/// Several processes that write by turns under full durability, over the end of the log and again
/// from its front: what is there after a kill at any time is all of it.
#[test]
fn durable_logs_of_two_writers_wrap() {
    let options = options().durability(Durability::Full).autowork(false).autocheckpoint(0);
    let mut wraps = 0;
    for seed in 0..8 {
        let (mut rng, world) = (Rng::new(seed), MemoryWorld::new());
        let clients = [(); 2].map(|()| Client::open(&world, &options).unwrap());
        let mut committed = Map::new();
        for round in 0..70 {
            // What the one saw of the log in the beginning is long out of date when it goes on.
            let alone = (1..40).contains(&round);
            let turn = if alone { 1 } else { round % 2 };
            let (key, value) = (entry(round).0, vec![round as u8; rng.below(20_000)]);
            clients[turn].database.insert(&key, &value).unwrap();
            committed.insert(key, value);
            if alone && rng.below(8) == 0 {
                clients[1].database.flush().unwrap();
                clients[1].database.checkpoint().unwrap();
            }
            let after = MemoryWorld::new();
            for name in [NAME.to_owned(), format!("{NAME}-log")] {
                let bytes = world.read_file(&name).unwrap_or_default();
                after.write_file(&name, &bytes).unwrap();
            }
            expect_after_all_left(&after, &options, &committed, &format!("seed {seed}, {round}"));
        }
        let len = world.read_file(&format!("{NAME}-log")).unwrap().len();
        wraps += usize::from(len < committed.values().map(Vec::len).sum());
    }
    assert!(wraps > 0, "no log wrapped");
}

/// L4 and L7: a live read-only client outlives the last writer; the next one joins its memory.
#[test]
fn a_reader_outlives_the_writers() {
    let world = MemoryWorld::new();
    let mut committed = Map::new();
    let writer = Client::open(&world, &options()).unwrap();
    (0..100).for_each(|number| put(&writer.database, &mut committed, number));
    let reader = Client::open(&world, &options().read_only(true)).unwrap();
    let (snapshot, seen) = (reader.database.snapshot().unwrap(), committed.clone());
    writer.database.close().unwrap();
    for round in 0..3 {
        assert_same(&contents(&reader.database).unwrap(), &committed, "without a writer");
        let last = Client::open(&world, &options()).unwrap();
        (0..37).for_each(|number| put(&last.database, &mut committed, 100 + round * 37 + number));
        assert_same(&contents(&reader.database).unwrap(), &committed, "beside a writer");
        last.database.close().unwrap();
        assert_same(&see(&snapshot), &seen, "the reader's snapshot");
    }
}

/// W5: the log stays as long as a live read-only client does, and with it the shared memory.
#[test]
fn log_and_memory_stay_for_a_live_reader() {
    let world = MemoryWorld::new();
    let mut committed = Map::new();
    let writer = Client::open(&world, &options()).unwrap();
    (0..100).for_each(|number| put(&writer.database, &mut committed, number));
    let reader = Client::open(&world, &options().read_only(true)).unwrap();
    writer.database.close().unwrap();
    assert!(log_exists(&world) && world.shared_memory_chunks(NAME).is_some());
    assert_same(&contents(&reader.database).unwrap(), &committed, "after the writer left");
    // Whoever comes next goes on in the log where the memory says.
    let writer = Client::open(&world, &options()).unwrap();
    (100..140).for_each(|number| put(&writer.database, &mut committed, number));
    writer.kill();
    reader.kill();
    let writer = Client::open(&world, &options()).unwrap();
    assert_same(&contents(&writer.database).unwrap(), &committed, "after all were killed");
    writer.database.close().unwrap();
    assert!(!log_exists(&world) && world.shared_memory_chunks(NAME).is_none());
}

/// L5: exclusive mode keeps everybody else off, readers too, and is kept off by everybody.
#[test]
fn modes_do_not_mix() {
    let world = MemoryWorld::new();
    let options = options().busy_timeout(Duration::from_millis(5));
    let exclusive = options.clone().sharing(Sharing::Exclusive);
    let busy = |options: &Options| {
        let error = Client::open(&world, options).map(|_| ()).unwrap_err();
        assert!(error.is_busy(), "{error}");
    };
    let reader = options.clone().read_only(true);
    let owner = Client::open(&world, &exclusive).unwrap();
    owner.database.insert("key", "value").unwrap();
    [&options, &reader, &exclusive].into_iter().for_each(busy);
    let same = options.open_with_env(owner.env.clone(), NAME).map(|_| ()).unwrap_err();
    assert!(matches!(same.kind(), ErrorKind::Misuse(_)), "{same}");
    owner.database.close().unwrap();

    let shared = Client::open(&world, &options).unwrap();
    busy(&exclusive);
    let same = exclusive.open_with_env(shared.env.clone(), NAME).map(|_| ()).unwrap_err();
    assert!(matches!(same.kind(), ErrorKind::Misuse(_)), "{same}");
    let live = Client::open(&world, &reader).unwrap();
    assert_eq!(live.database.get("key").unwrap().unwrap(), b"value");
    shared.database.close().unwrap();
    busy(&exclusive);
    live.database.close().unwrap();

    // A private read-only transaction counts, too; without one the reader is not in the way.
    let private = Client::open(&world, &reader).unwrap();
    let snapshot = private.database.snapshot().unwrap();
    busy(&exclusive);
    drop(snapshot);
    Client::open(&world, &exclusive).unwrap().database.close().unwrap();
}

/// L6: any client makes the database live, also the seventh and those that got no client lock.
#[test]
fn every_client_is_seen_by_readers() {
    for stays in [0, 5, 6, 15, 16, 17] {
        let world = MemoryWorld::new();
        let mut clients: Vec<Client> =
            (0..18).map(|_| Client::open(&world, &options()).unwrap()).collect();
        clients[0].database.insert("key", "value").unwrap();
        let one = clients.swap_remove(stays);
        clients.into_iter().for_each(|client| client.database.close().unwrap());
        let reader = Client::open(&world, &options().read_only(true)).unwrap();
        let _snapshot = reader.database.snapshot().unwrap();
        assert!(held(&world, LockId::DMS3), "client {stays}");
        assert!(!held(&world, LockId::READ_ONLY_TRANSACTION), "client {stays}");
        one.database.insert("key", "another").unwrap();
        assert_eq!(reader.database.get("key").unwrap().unwrap(), b"another");
    }
}

/// The same, for one that is not yet, or no longer, there.
#[test]
fn a_reader_is_private_when_nobody_is_there() {
    let world = MemoryWorld::new();
    let writer = Client::open(&world, &options()).unwrap();
    writer.database.insert("key", "value").unwrap();
    writer.kill();
    let reader = Client::open(&world, &options().read_only(true)).unwrap();
    let snapshot = reader.database.snapshot().unwrap();
    assert!(held(&world, LockId::READ_ONLY_TRANSACTION) && !held(&world, LockId::DMS3));
    // Nothing the snapshot needs is reused by whoever comes.
    let mut committed = contents(&reader.database).unwrap();
    let writer = Client::open(&world, &options()).unwrap();
    for round in 0..3000 {
        put(&writer.database, &mut committed, round % 700);
    }
    writer.database.compact().unwrap();
    assert_eq!(see(&snapshot).len(), 1);
    writer.database.close().unwrap();
    assert_eq!(see(&snapshot).len(), 1);
    assert_same(&contents(&reader.database).unwrap(), &committed, "a new private state");
}

/// Close waits for whoever is connecting, instead of leaving everything in the log.
#[test]
fn close_waits_for_its_turn() {
    let world = MemoryWorld::new();
    let mut victim = Victim::new(&world);
    victim.open(&options()).unwrap();
    victim.database().insert("key", "value").unwrap();
    let other = foreign(&world);
    other.lock(LockId::DMS1, LockMode::Exclusive).unwrap();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    victim.arm(move |call| {
        let tries = call.method == Method::Lock && call.lock == Some(LockId::DMS1);
        if tries && counted.fetch_add(1, Ordering::Relaxed) == 7 {
            other.lock(LockId::DMS1, LockMode::Unlock).unwrap();
        }
        Verdict::Proceed
    });
    victim.database.take().unwrap().close().unwrap();
    assert!(attempts.load(Ordering::Relaxed) >= 8);
    assert!(!log_exists(&world) && world.shared_memory_chunks(NAME).is_none());
}

/// Close that never gets its turn says so, and leaves everything to the next one.
#[test]
fn close_without_its_turn_loses_nothing() {
    let world = MemoryWorld::new();
    let writer = Client::open(&world, &options()).unwrap();
    writer.database.insert("key", "value").unwrap();
    let other = foreign(&world);
    other.lock(LockId::DMS1, LockMode::Exclusive).unwrap();
    let error = writer.database.close().unwrap_err();
    assert!(error.is_busy(), "{error}");
    assert!(log_exists(&world));
    assert!(world.locks(NAME).iter().all(|lock| lock.process != writer.env.process_number()));
    drop(other);
    let next = Client::open(&world, &options()).unwrap();
    assert_eq!(next.database.get("key").unwrap().unwrap(), b"value");
}

/// L11: memory that was removed, or replaced, is noticed by the next write.
#[test]
fn removed_memory_is_noticed() {
    for replaced in [false, true] {
        let world = MemoryWorld::new();
        let one = Client::open(&world, &options()).unwrap();
        let two = Client::open(&world, &options()).unwrap();
        one.database.insert("key", "value").unwrap();
        assert!(world.remove_shared_memory(NAME));
        if replaced {
            // What a newcomer makes in its place.
            HeaderChunk::of(&world).set_word(0, 1);
        }
        for client in [&one, &two] {
            expect_protocol(client.database.insert("key", "another"));
            expect_protocol(client.database.flush());
            assert_eq!(client.database.get("key").unwrap().unwrap(), b"value");
        }
        expect_protocol(Client::open(&world, &options()));
        one.database.close().unwrap();
        expect_protocol(two.database.close());
        assert!(log_exists(&world));
        let next = Client::open(&world, &options()).unwrap();
        assert_eq!(next.database.get("key").unwrap().unwrap(), b"value");
        next.database.insert("key", "another").unwrap();
    }
}

/// L16: page and block size are those of the snapshot, whatever the reader was told.
#[test]
fn readers_take_sizes_from_the_snapshot() {
    for (page, block) in [(256, 65536), (1024, 131_072), (65536, 1 << 20)] {
        let world = MemoryWorld::new();
        world.write_file(NAME, b"").unwrap();
        let reading = Options::new().read_only(true);
        // One that came before there was anything, one to a live system, one to files alone.
        let early = Client::open(&world, &reading).unwrap();
        assert!(contents(&early.database).unwrap().is_empty());
        let options = Options::new().page_size(page).block_size(block).autoflush(20_000);
        let writer = Client::open(&world, &options).unwrap();
        let mut committed = Map::new();
        (0..1000).for_each(|number| put(&writer.database, &mut committed, number));
        let live = Client::open(&world, &reading).unwrap();
        assert_same(&contents(&live.database).unwrap(), &committed, "live");
        assert_same(&contents(&early.database).unwrap(), &committed, "attached later");
        for reader in [live, early] {
            assert_eq!(reader.database.stats().unwrap().page_size, page);
            reader.database.close().unwrap();
        }
        writer.database.close().unwrap();
        let private = Client::open(&world, &reading).unwrap();
        assert_same(&contents(&private.database).unwrap(), &committed, "private");
        assert_eq!(private.database.stats().unwrap().block_size, block);
    }
}

/// L8: without a slot there is no reading; with patience there is a slot.
#[test]
fn no_slot_no_view() {
    let world = MemoryWorld::new();
    let writer = Client::open(&world, &options()).unwrap();
    writer.database.insert("key", "value").unwrap();
    let other = foreign(&world);
    for slot in 0..6 {
        other.lock(LockId::reader(slot).unwrap(), LockMode::Exclusive).unwrap();
    }
    let error = writer.database.get("key").unwrap_err();
    assert!(error.is_busy(), "{error}");
    other.lock(LockId::reader(3).unwrap(), LockMode::Unlock).unwrap();
    assert_eq!(writer.database.get("key").unwrap().unwrap(), b"value");
}

/// L14: of two processes that write without a pause, neither starves.
#[test]
fn two_busy_writers_both_progress() {
    let world = MemoryWorld::with(Settings { real_time: true, ..Settings::default() });
    let options = options().busy_timeout(Duration::from_secs(60));
    let clients: Vec<Client> = (0..2).map(|_| Client::open(&world, &options).unwrap()).collect();
    let done = [AtomicUsize::new(0), AtomicUsize::new(0)];
    std::thread::scope(|scope| {
        for (index, client) in clients.iter().enumerate() {
            let done = &done;
            scope.spawn(move || {
                while done.iter().any(|done| done.load(Ordering::Relaxed) < 40) {
                    client.database.insert([index as u8], "value").unwrap();
                    done[index].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
}

/// A process that died in each of the reader's calls leaves no lock behind, and the memory usable.
#[test]
fn dead_readers_hold_nothing() {
    let world = MemoryWorld::new();
    let writer = Client::open(&world, &options()).unwrap();
    writer.database.insert("key", "value").unwrap();
    let mut dead: Vec<Arc<MemoryEnv>> = Vec::new();
    for stop in 0..20 {
        let mut victim = Victim::new(&world);
        victim.open(&options()).unwrap();
        let (inner, mut calls) = (Arc::clone(&victim.inner), 0);
        victim.arm(move |_| {
            calls += 1;
            if calls <= stop {
                return Verdict::Proceed;
            }
            inner.kill();
            DEAD
        });
        drop(victim.database().get("key"));
        dead.push(Arc::clone(&victim.inner));
        victim.kill();
        writer.database.insert("key", "value").unwrap();
    }
    let numbers: Vec<u64> = dead.iter().map(|env| env.process_number()).collect();
    assert!(world.locks(NAME).iter().all(|lock| !numbers.contains(&lock.process)));
}
