//! Several processes of one world: kill, crash, locks, time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use siltstone_env::{Access, Env, EnvError, File, LockId, LockMode};
use siltstone_memory::{MemoryWorld, Settings};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

fn open(env: &Arc<impl Env>) -> Arc<dyn File> {
    env.open(&env.canonical_path(b"db").unwrap(), Access::ReadWriteCreate).unwrap()
}

#[test]
fn a_killed_process_loses_its_locks_and_nothing_else() {
    let world = MemoryWorld::new();
    let (victim, survivor) = (world.process(), world.process());
    let (theirs, ours) = (open(&victim), open(&survivor));
    theirs.write_at(0, b"half").unwrap();
    theirs.lock(LockId::WRITER, LockMode::Exclusive).unwrap();
    let chunk = theirs.shared_memory().unwrap().unwrap().chunk(0).unwrap();
    chunk.words()[5].store(9, SeqCst);
    assert_eq!(ours.lock(LockId::WRITER, LockMode::Shared), Err(EnvError::Busy));
    assert_eq!(world.locks("db").len(), 1);
    assert_eq!(world.locks("db")[0].process, victim.process_number());
    victim.kill();
    assert!(world.locks("db").is_empty());
    ours.lock(LockId::WRITER, LockMode::Exclusive).unwrap();
    assert_eq!(world.read_file("db").unwrap(), b"half");
    let memory = ours.shared_memory().unwrap().unwrap();
    assert_eq!(memory.chunk(0).unwrap().words()[5].load(SeqCst), 9);
    assert_eq!(theirs.write_at(0, b"x"), Err(EnvError::Io(5)));
    assert_eq!(theirs.lock(LockId::DMS1, LockMode::Shared), Err(EnvError::Io(5)));
    assert!(victim.canonical_path(b"db").is_err());
    drop(theirs);
    assert_eq!(world.locks("db").len(), 1, "the dead one's handles take nothing with them");
}

#[test]
fn a_crash_lets_exactly_so_many_changes_through() {
    let world = MemoryWorld::new();
    let env = world.process();
    let file = open(&env);
    let before = world.events();
    world.crash_after(2);
    file.write_at(0, b"1").unwrap();
    assert_eq!(file.read_at(0, &mut [0]), Ok(1), "reading is no change");
    file.write_at(1, b"2").unwrap();
    assert_eq!(file.write_at(2, b"3"), Err(EnvError::Io(5)));
    assert_eq!(file.read_at(0, &mut [0]), Err(EnvError::Io(5)));
    assert!(env.canonical_path(b"db").is_err());
    assert_eq!(world.events() - before, 2);
    assert_eq!(world.read_file("db").unwrap(), b"12");
    world.crash_after(u64::MAX);
    file.write_at(2, b"3").unwrap();
}

#[test]
fn shared_memory_comes_and_goes_by_name() {
    let world = MemoryWorld::new();
    let env = world.process();
    let file = open(&env);
    assert_eq!(world.shared_memory_chunks("db"), None);
    let memory = file.shared_memory().unwrap().unwrap();
    memory.chunk(2).unwrap().words()[0].store(1, SeqCst);
    assert_eq!(world.shared_memory_chunks("db"), Some(3));
    let later = MemoryWorld::new();
    later.inherit_shared_memory(&world);
    assert!(world.remove_shared_memory("db"));
    assert!(!world.remove_shared_memory("db"));
    assert_eq!(memory.chunk(2).unwrap().words()[0].load(SeqCst), 1, "users keep what they have");
    let fresh = file.shared_memory().unwrap().unwrap();
    assert_eq!(fresh.chunk(2).unwrap().words()[0].load(SeqCst), 0);
    let stale = open(&later.process()).shared_memory().unwrap().unwrap();
    assert_eq!(stale.chunk(2).unwrap().words()[0].load(SeqCst), 1);
}

#[test]
fn simulated_time_passes_by_calls_alone() {
    let run = || {
        let env = MemoryWorld::new().process();
        env.sleep(Duration::from_secs(3600));
        let mut bytes = [0; 16];
        env.random(&mut bytes).unwrap();
        (env.now(), env.now(), bytes)
    };
    let (first, second, bytes) = run();
    assert!(first >= Duration::from_secs(3600));
    assert!(second > first);
    assert_eq!(run(), (first, second, bytes));
    let other = MemoryWorld::with(Settings { seed: 1, ..Settings::default() }).process();
    let mut others = [0; 16];
    other.random(&mut others).unwrap();
    assert_ne!(bytes, others);
}

#[test]
fn a_read_only_medium_refuses_changes() {
    let world = MemoryWorld::new();
    world.write_file("db", b"abc").unwrap();
    let env = world.process();
    let file = open(&env);
    world.set_read_only(true);
    let path = env.canonical_path(b"db").unwrap();
    assert_eq!(env.open(&path, Access::ReadWriteCreate).err(), Some(EnvError::ReadOnly));
    assert_eq!(env.remove(&path), Err(EnvError::ReadOnly));
    assert_eq!(file.write_at(0, b"x"), Err(EnvError::ReadOnly));
    let reader = env.open(&path, Access::ReadOnly).unwrap();
    assert_eq!(reader.read_at(0, &mut [0; 3]), Ok(3));
    assert_eq!(reader.lock(LockId::WRITER, LockMode::Exclusive), Err(EnvError::ReadOnly));
    reader.lock(LockId::DMS1, LockMode::Shared).unwrap();
}

#[test]
fn a_read_only_medium_has_read_only_memory() {
    let world = MemoryWorld::new();
    let env = world.process();
    let file = open(&env);
    let memory = file.shared_memory().unwrap().unwrap();
    memory.chunk(0).unwrap().words()[3].store(4, SeqCst);
    assert!(memory.is_writable());
    world.set_read_only(true);
    let path = env.canonical_path(b"db").unwrap();
    let reader = env.open(&path, Access::ReadOnly).unwrap().shared_memory().unwrap().unwrap();
    assert_eq!(reader.chunk(0).unwrap().words()[3].load(SeqCst), 4);
    for memory in [&memory, &reader] {
        assert!(!memory.is_writable());
        assert_eq!(memory.chunk(1).err(), Some(EnvError::NotFound));
        assert_eq!(memory.release(true), Err(EnvError::ReadOnly));
    }
    assert_eq!(world.shared_memory_chunks("db"), Some(1));
    world.set_read_only(false);
    assert!(memory.is_writable() && reader.is_writable());
}

#[test]
fn lost_names_are_noticed() {
    let world = MemoryWorld::new();
    let env = world.process();
    let file = open(&env);
    let path = env.canonical_path(b"db").unwrap();
    let memory = file.shared_memory().unwrap().unwrap();
    memory.chunk(0).unwrap();
    world.write_file("db", b"restored in place").unwrap();
    assert_eq!((env.is_current(&path, &*file), memory.is_current()), (Ok(true), Ok(true)));
    assert!(world.remove_shared_memory("db"));
    assert_eq!(memory.is_current(), Ok(false));
    assert!(world.remove_file("db"));
    assert_eq!(env.is_current(&path, &*file), Ok(false));
    world.write_file("db", b"another").unwrap();
    assert_eq!(env.is_current(&path, &*file), Ok(false));
    env.kill();
    assert!(env.is_current(&path, &*file).is_err() && memory.is_current().is_err());
}

#[test]
fn processes_have_threads() {
    let env = MemoryWorld::new().process();
    let (report, reported) = std::sync::mpsc::channel();
    let thread = env.spawn("worker", Box::new(move || report.send(1).unwrap())).unwrap();
    thread.join();
    assert_eq!(reported.try_recv(), Ok(1));
    env.kill();
    assert!(env.spawn("worker", Box::new(|| ())).is_err(), "the dead start nothing");
}
