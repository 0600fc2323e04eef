//! The public interface, one behaviour per test, on the in-memory world.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod background;
mod damage;
mod group_commit;
mod owned;

use siltstone::{Database, Options, Seek};
use siltstone_memory::MemoryWorld;

fn open(world: &MemoryWorld) -> Database {
    Options::new().open_with_env(world.process(), "app.lsm").unwrap()
}

#[test]
fn what_is_written_is_read_back_after_reopening() {
    let world = MemoryWorld::new();
    let process = world.process();
    let database = Options::new().open_with_env(process.clone(), "app.lsm").unwrap();
    for i in 0..20_000u32 {
        database.insert(format!("key{:05}", i * 7919 % 20_000), vec![b'v'; 100]).unwrap();
    }
    database.remove_range("key01000".."key02000").unwrap();
    assert_eq!(database.iter().unwrap().count(), 19_000);
    database.close().unwrap();
    assert_eq!(world.files().len(), 1);
    let database = Options::new().open_with_env(process, "app.lsm").unwrap();
    assert_eq!(database.iter().unwrap().count(), 19_000);
    assert_eq!(database.iter().unwrap().rev().count(), 19_000);
    assert_eq!(database.get("key00999").unwrap(), Some(vec![b'v'; 100]));
    assert_eq!(database.get("key01000").unwrap(), None);
    database.compact().unwrap();
    assert_eq!(database.iter().unwrap().count(), 19_000);
    assert_eq!(database.structure().unwrap().levels.len(), 1);
}

#[test]
fn a_killed_process_loses_nothing_committed() {
    let world = MemoryWorld::new();
    let process = world.process();
    let database = Options::new().open_with_env(process.clone(), "app.lsm").unwrap();
    for i in 0..5_000u32 {
        database.insert(format!("{i:05}"), "x").unwrap();
    }
    process.kill();
    drop(database);
    let database = open(&world);
    assert_eq!(database.iter().unwrap().count(), 5_000);
    assert!(database.stats().unwrap().recovery.transactions > 0);
}

#[test]
fn cursors_of_a_transaction_keep_their_place_while_it_writes() {
    let world = MemoryWorld::new();
    let database = open(&world);
    for key in ["b", "d", "f"] {
        database.insert(key, key).unwrap();
    }
    let transaction = database.begin().unwrap();
    let mut cursor = transaction.cursor().unwrap();
    assert!(cursor.seek("b", Seek::Exact).unwrap());
    transaction.insert("c", "new").unwrap();
    assert!(cursor.next().unwrap());
    assert_eq!(cursor.key(), Some(&b"c"[..]));
    transaction.remove("c").unwrap();
    assert_eq!(cursor.key(), Some(&b"c"[..]));
    assert_eq!(cursor.value().unwrap(), None);
    assert!(cursor.next().unwrap());
    assert_eq!(cursor.key(), Some(&b"d"[..]));
    transaction.insert("d", "other").unwrap();
    assert_eq!(cursor.value().unwrap(), Some(&b"other"[..]));
    assert!(cursor.previous().unwrap());
    assert_eq!(cursor.key(), Some(&b"b"[..]));
}
