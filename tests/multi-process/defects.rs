//! What C gets wrong about sharing (docs/c-defects.md), done by Siltstone: each recipe once, with C
//! beside it where C plays a part. An environment with locks of its own stands for a process of its
//! own where nobody has to die.

use crate::process::{Kind, Trouble};
use crate::protocol::{Change, Ending, Opening, Request, digest};
use crate::scene::{LONG, SHORT, Scene, put};
use siltstone::{Database, Options, Sharing};
use siltstone_env::{Access, Env, File, LockId, LockMode};
use siltstone_native::{LockStyle, NativeEnv};
use siltstone_peer::{CConfig, PeerProcess, Setting};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A further process.
fn world() -> Arc<NativeEnv> {
    NativeEnv::separate(LockStyle::Best)
}

fn open(path: &Path) -> Database {
    Options::new().open_with_env(world(), path).unwrap()
}

/// A stranger's handle on the database file, to look at locks and to take them.
fn stranger(path: &Path) -> Arc<dyn File> {
    let env = world();
    let name = env.canonical_path(path.as_os_str().as_encoded_bytes()).unwrap();
    env.open(&name, Access::ReadWrite).unwrap()
}

/// Whether anybody has the lock.
fn taken(file: &dyn File, lock: LockId) -> bool {
    !file.test_lock(lock, 1, LockMode::Exclusive).unwrap()
}

fn count(database: &Database) -> usize {
    database.iter().unwrap().collect::<Result<Vec<_>, _>>().unwrap().len()
}

fn fill(database: &Database, name: &str, count: usize, len: usize) {
    for number in 0..count {
        database.insert(format!("{name}{number:04}"), vec![b'v'; len]).unwrap();
    }
}

/// K-5, L3: a second spelling is the same file; closing it gives no lock away.
#[test]
fn two_spellings_of_a_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let process = world();
    let open = |path: &Path| Options::new().open_with_env(process.clone(), path).unwrap();
    let first = open(&path);
    first.insert("a", "1").unwrap();
    let (soft, hard) = (directory.path().join("soft"), directory.path().join("hard"));
    std::os::unix::fs::symlink(&path, &soft).unwrap();
    std::fs::hard_link(&path, &hard).unwrap();
    let file = stranger(&path);
    for name in [soft, hard] {
        let second = open(&name);
        assert_eq!(second.get("a").unwrap(), Some(b"1".to_vec()), "{name:?}");
        second.insert("b", "2").unwrap();
        assert_eq!(first.get("b").unwrap(), Some(b"2".to_vec()), "{name:?}");
        second.close().unwrap();
        for lock in [LockId::DMS2, LockId::client(0).unwrap()] {
            assert!(taken(&*file, lock), "{name:?}: {} is gone", lock.name());
        }
        first.remove("b").unwrap();
    }
    first.close().unwrap();
    assert!(!taken(&*file, LockId::DMS2));
}

/// L4: the last writer of a process leaves and comes again beside an idle reader of that process.
#[test]
fn reopened_beside_an_idle_reader() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let process = world();
    let open =
        |read_only| Options::new().read_only(read_only).open_with_env(process.clone(), &path);
    let writer = open(false).unwrap();
    let reader = open(true).unwrap();
    for round in 0..3 {
        writer.insert(format!("key {round}"), "value").unwrap();
        assert_eq!(count(&reader), 2 * round + 1);
        let again = open(false).unwrap();
        again.insert(format!("more {round}"), "value").unwrap();
        again.close().unwrap();
    }
    writer.close().unwrap();
    let again = open(false).unwrap();
    again.insert("last", "value").unwrap();
    assert_eq!(count(&reader), 7);
    again.close().unwrap();
    reader.close().unwrap();
    assert_eq!(count(&open(false).unwrap()), 7);
}

/// L7: a reader keeps its state while the writers of its process go and others come.
#[test]
fn a_reader_outlives_the_writers_of_its_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let process = world();
    let open = |read_only| {
        Options::new().read_only(read_only).open_with_env(process.clone(), &path).unwrap()
    };
    let writer = open(false);
    fill(&writer, "k", 100, 10);
    let reader = open(true);
    let state = reader.snapshot().unwrap();
    assert_eq!(state.iter().unwrap().count(), 100);
    writer.close().unwrap();
    let writer = open(false);
    fill(&writer, "more", 37, 10);
    assert_eq!(state.iter().unwrap().count(), 100);
    assert_eq!(count(&reader), 137);
    drop(state);
    writer.close().unwrap();
    reader.close().unwrap();
}

/// 20.10, L6: a read-only client sees every client, also the one with the seventh client lock, and
/// attaches to it.
#[test]
fn read_only_sees_every_client() {
    for kind in [Kind::Siltstone, Kind::C] {
        let mut scene = Scene::new();
        let mut writers: Vec<_> = (0..7).map(|_| scene.open(kind)).collect();
        let mut last = writers.pop().unwrap();
        for mut writer in writers {
            scene.must(&mut writer, &Request::Close);
        }
        for _ in 0..20 {
            scene.commit(&mut last);
        }
        let file = stranger(&scene.opening.path);
        let mut reader =
            scene.open_as(Kind::Siltstone, &Opening { read_only: true, ..scene.opening.clone() });
        scene.must(&mut reader, &Request::Hold(0));
        let number = scene.read_as(&mut reader, &Request::Look(0, true));
        assert!(taken(&*file, LockId::DMS3), "{kind:?}: not attached");
        assert!(!taken(&*file, LockId::READ_ONLY_TRANSACTION), "{kind:?}: private");
        for _ in 0..60 {
            let changes = scene.changes(8, 2000);
            scene.transact(&mut last, changes, LONG).unwrap();
        }
        scene.must(&mut last, &Request::Work(256));
        scene.must(&mut last, &Request::Checkpoint);
        assert_eq!(scene.read_as(&mut reader, &Request::Look(0, true)), number);
        scene.read(&mut reader);
    }
}

/// K-4, L5: a read-only client beside somebody who has the file alone is told so.
#[test]
fn reader_beside_an_exclusive_writer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let look = || {
        let options = Options::new().read_only(true).busy_timeout(Duration::ZERO);
        options.open_with_env(world(), &path).and_then(|reader| reader.get("key"))
    };
    let mut c = PeerProcess::spawn().unwrap();
    c.open(&path, &CConfig::new().set(Setting::MultipleProcesses, 0)).unwrap();
    c.put("key", "value").unwrap();
    assert!(look().unwrap_err().is_busy());
    c.close().unwrap();
    assert_eq!(look().unwrap(), Some(b"value".to_vec()));
    let alone = Options::new().sharing(Sharing::Exclusive);
    let alone = alone.open_with_env(world(), &path).unwrap();
    assert!(look().unwrap_err().is_busy());
    alone.close().unwrap();
    assert_eq!(look().unwrap(), Some(b"value".to_vec()));
}

/// T1: a writer dies in mid-transaction; who repairs has read an older state meanwhile.
#[test]
fn repair_with_an_open_reader() {
    for dying in [Kind::Siltstone, Kind::C] {
        for rows in [3, 40, 400] {
            let mut scene = Scene::new();
            scene.opening.autoflush = 1 << 20;
            let mut a = scene.open(dying);
            let changes = scene.changes(rows, 20);
            scene.transact(&mut a, changes, LONG).unwrap();
            let mut b = scene.open(Kind::Siltstone);
            scene.must(&mut b, &Request::Hold(0));
            let before = scene.read_as(&mut b, &Request::Look(0, true));
            for _ in 0..10 {
                let changes = scene.changes(5, 2000);
                scene.transact(&mut a, changes, LONG).unwrap();
            }
            let changes = scene.changes(30, 2000);
            let waiting = scene.transact_ending(&mut a, changes, LONG, Ending::Wait);
            assert!(waiting.unwrap().waiting);
            a.kill();
            scene.commit(&mut b);
            assert_eq!(scene.read_as(&mut b, &Request::Look(0, true)), before);
            scene.read(&mut b);
            let mut c = scene.open(Kind::C);
            scene.read(&mut c);
            scene.commit(&mut c);
            scene.read(&mut b);
            assert_eq!(scene.must(&mut b, &Request::Check).text, "");
            drop((b, c));
            scene.newcomer();
        }
    }
}

/// T2: a cursor opened in a write transaction is protected after its commit as before.
#[test]
fn writer_keeps_its_slot() {
    for other in [Kind::Siltstone, Kind::C] {
        let mut scene = Scene::new();
        let mut a = scene.open(Kind::Siltstone);
        for _ in 0..4 {
            let changes = scene.changes(100, 100);
            scene.transact(&mut a, changes, LONG).unwrap();
        }
        scene.must(&mut a, &Request::Hold(0));
        // Far more than a tree holds, so that chunks are wanted and snapshots saved.
        let changes = scene.changes(140, 1000);
        scene.transact(&mut a, changes, LONG).unwrap();
        scene.must(&mut a, &Request::Hold(1));
        let held = [0, 1].map(|slot| scene.read_as(&mut a, &Request::Look(slot, true)));
        assert_eq!(held, [4, 5]);
        let mut b = scene.open(other);
        for _ in 0..30 {
            let changes = scene.changes(50, 2000);
            scene.transact(&mut b, changes, LONG).unwrap();
        }
        scene.must(&mut b, &Request::Work(1024));
        scene.must(&mut b, &Request::Checkpoint);
        for slot in [0, 1] {
            let number = scene.read_as(&mut a, &Request::Look(slot, true));
            assert_eq!(number, held[slot as usize]);
        }
        scene.read(&mut a);
        scene.newcomer();
    }
}

/// T12: whatever the number of chunks, a dead writer is repaired: C's by us, and ours by C.
#[test]
fn repair_at_every_chunk_count() {
    for dying in [Kind::C, Kind::Siltstone] {
        let mut scene = Scene::new();
        scene.opening.autoflush = 64 << 20;
        let mut keeper = scene.open(Kind::Siltstone);
        let changes = scene.changes(20, 2000);
        scene.transact(&mut keeper, changes, LONG).unwrap();
        // 20 kilobytes a step: every number of chunks from 3 to 20 comes up.
        for step in 0..32 {
            let changes = scene.changes(10, 2000);
            let mut victim = scene.open(dying);
            scene.transact(&mut victim, changes, LONG).unwrap();
            let changes = scene.changes(1 + step % 3 * 10, 2000);
            let waiting = scene.transact_ending(&mut victim, changes, LONG, Ending::Wait);
            assert!(waiting.unwrap().waiting);
            victim.kill();
            let mut c = scene.open(Kind::C);
            if dying == Kind::C {
                scene.commit(&mut keeper);
            }
            // After us C is never kept from repairing: we leave a number of chunks it can repair.
            let changes = scene.changes(2, 50);
            if let Err(trouble) = scene.transact(&mut c, changes, Duration::from_secs(2)) {
                panic!("step {step}, {dying:?} died: {trouble}");
            }
            scene.read(&mut c);
            scene.read(&mut keeper);
        }
        assert_eq!(scene.must(&mut keeper, &Request::Check).text, "");
        drop(keeper);
        scene.newcomer();
    }
}

/// W4: a flush while another works is busy, and nothing is given up.
#[test]
fn flush_while_another_works() {
    let mut scene = Scene::new();
    scene.opening.busy = SHORT;
    let mut process = scene.open(Kind::Siltstone);
    for _ in 0..10 {
        scene.commit(&mut process);
    }
    let file = stranger(&scene.opening.path);
    file.lock(LockId::WORKER, LockMode::Exclusive).unwrap();
    match process.ask(&Request::Flush) {
        Err(Trouble::Busy(text)) => assert!(text.contains("merging or flushing"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(scene.read(&mut process), 10);
    file.lock(LockId::WORKER, LockMode::Unlock).unwrap();
    assert_eq!(scene.read(&mut process), 10);
    scene.must(&mut process, &Request::Close);
    scene.newcomer();
}

/// W5: the last writer leaves while a reader is attached; what the next one commits survives.
#[test]
fn last_writer_leaves_a_reader() {
    let mut scene = Scene::new();
    scene.opening.safety = 2;
    let mut writer = scene.open(Kind::Siltstone);
    for _ in 0..50 {
        scene.commit(&mut writer);
    }
    let read_only = Opening { read_only: true, ..scene.opening.clone() };
    let mut reader = scene.open_as(Kind::Siltstone, &read_only);
    scene.read(&mut reader);
    scene.must(&mut writer, &Request::Close);
    scene.read(&mut reader);
    let mut second = scene.open(Kind::Siltstone);
    scene.commit(&mut second);
    scene.read(&mut reader);
    for process in [&mut reader, &mut writer, &mut second] {
        process.kill();
    }
    let mut after = scene.open(Kind::C);
    assert_eq!(scene.read(&mut after), 51);
    after.kill();
    scene.newcomer();
}

/// W6: one writer without a log does not take back the log of others.
#[test]
fn one_writer_without_log() {
    let mut scene = Scene::new();
    scene.opening.safety = 2;
    let silent = Opening { use_log: false, ..scene.opening.clone() };
    let mut processes = [
        scene.open(Kind::Siltstone),
        scene.open(Kind::Siltstone),
        scene.open_as(Kind::Siltstone, &silent),
    ];
    let mut keys = Vec::new();
    // Unlogged transactions are lost in a crash by design, so the numbers mean nothing here.
    let mut write = |scene: &mut Scene, process: &mut crate::process::Process| {
        let key = format!("key {}", keys.len());
        let request = Request::Transact {
            tag: 1 + keys.len() as u32,
            wait: LONG,
            ending: Ending::Commit,
            changes: vec![put(&key, 7, 20)],
        };
        keys.push(key);
        scene.must(process, &request);
    };
    write(&mut scene, &mut processes[0]);
    for _ in 0..5 {
        write(&mut scene, &mut processes[1]);
    }
    write(&mut scene, &mut processes[2]);
    write(&mut scene, &mut processes[1]);
    for process in &mut processes {
        process.kill();
    }
    let mut after = scene.open(Kind::Siltstone);
    for number in [0, 1, 2, 3, 4, 5, 7] {
        let reply = scene.must(&mut after, &Request::Get(keys[number].clone().into()));
        let expected = digest(&crate::protocol::value(7, 20));
        assert_eq!(reply.rows.first().map(|row| row.digest), Some(expected), "{}", keys[number]);
    }
    assert_eq!(scene.must(&mut after, &Request::Check).text, "");
}

/// W7: two writers without a log under full safety.
#[test]
fn full_safety_without_log() {
    let mut scene = Scene::new();
    scene.opening = Opening { safety: 2, use_log: false, ..scene.opening };
    let (mut a, mut b) = (scene.open(Kind::Siltstone), scene.open(Kind::Siltstone));
    for _ in 0..5 {
        scene.commit(&mut b);
        scene.commit(&mut a);
    }
    assert_eq!(scene.read(&mut b), 10);
    scene.must(&mut b, &Request::Close);
    scene.must(&mut a, &Request::Close);
    scene.newcomer();
}

/// A close while somebody connects waits for it instead of leaving out the final flush; if that
/// takes too long it says so, and the log keeps everything.
#[test]
fn close_while_somebody_connects() {
    let mut scene = Scene::new();
    let mut process = scene.open(Kind::Siltstone);
    scene.commit(&mut process);
    let path = scene.opening.path.clone();
    let beside = |end: &str| Path::new(&format!("{}{end}", path.display())).exists();
    let file = stranger(&path);
    file.lock(LockId::DMS1, LockMode::Exclusive).unwrap();
    process.send(&Request::Close).unwrap();
    std::thread::sleep(2 * SHORT);
    assert!(beside("-log") && beside("-shm"));
    file.lock(LockId::DMS1, LockMode::Unlock).unwrap();
    process.answer(LONG).unwrap();
    assert!(!beside("-log") && !beside("-shm"), "the last close puts everything on disk");

    scene.opening.busy = SHORT;
    let mut impatient = scene.start(Kind::Siltstone);
    scene.must(&mut impatient, &Request::Open(scene.opening.clone()));
    scene.commit(&mut impatient);
    file.lock(LockId::DMS1, LockMode::Exclusive).unwrap();
    match impatient.ask(&Request::Close) {
        Err(Trouble::Busy(_)) => {}
        other => panic!("{other:?}"),
    }
    drop(impatient);
    file.lock(LockId::DMS1, LockMode::Unlock).unwrap();
    scene.newcomer();
}

/// L11: shared memory removed by hand is noticed, not written to.
#[test]
fn shared_memory_removed_by_hand() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let first = open(&path);
    first.insert("a", "1").unwrap();
    std::fs::remove_file(format!("{}-shm", path.display())).unwrap();
    let error = first.insert("b", "2").unwrap_err();
    assert_eq!(error.code(), 15, "{error}");
    drop(first);
    let after = open(&path);
    assert_eq!(after.get("a").unwrap(), Some(b"1".to_vec()));
    after.insert("b", "2").unwrap();
    after.close().unwrap();
}

/// Deleting ranges whose bounds are keys with long values, by us, beside C that reads (T0).
#[test]
fn range_bounds_that_are_long_keys_beside_c() {
    let mut scene = Scene::new();
    scene.opening.autoflush = 1 << 20;
    let mut ours = scene.open(Kind::Siltstone);
    let mut c = scene.open(Kind::C);
    for seed in 0..20 {
        let changes = vec![
            put("a", seed, 20_000),
            put("b", seed + 100, 30_000),
            put("c", seed + 200, 10_000),
            Change::DeleteRange(b"a".to_vec(), b"c".to_vec()),
        ];
        scene.transact(&mut ours, changes, LONG).unwrap();
        scene.read(&mut c);
        scene.read(&mut ours);
    }
    drop(ours);
    scene.newcomer();
}
