//! How many calls things cost.

use siltstone::{Database, Durability, Options};
use siltstone_memory::{CountEnv, Counters, MemoryWorld, Method};
use std::sync::Arc;

const CHANGING: [Method; 5] =
    [Method::Write, Method::Sync, Method::Truncate, Method::Remove, Method::SyncDirectory];

fn open(durability: Durability) -> (Arc<CountEnv>, Database) {
    let env = CountEnv::new(MemoryWorld::new().process(), Counters::default());
    let options = Options::new().durability(durability);
    let database = options.open_with_env(env.clone(), "app.lsm").unwrap();
    database.insert("first", "creates the log").unwrap();
    env.hook().reset();
    (env, database)
}

#[test]
fn a_full_commit_is_one_write_and_one_sync() {
    let (env, database) = open(Durability::Full);
    for number in 0..50u64 {
        database.insert(format!("{number}"), [7; 100]).unwrap();
        assert_eq!(env.hook().of_file(Method::Write, "-log").calls, number + 1);
        assert_eq!(env.hook().of(Method::Write).calls, number + 1);
        assert_eq!(env.hook().of(Method::Sync).calls, number + 1);
    }
    for method in [Method::Read, Method::Truncate, Method::SyncDirectory, Method::Open] {
        assert_eq!(env.hook().of(method).calls, 0, "{method:?}");
    }
}

#[test]
fn a_normal_commit_is_one_write() {
    let (env, database) = open(Durability::Normal);
    for number in 0..50u64 {
        let transaction = database.begin().unwrap();
        for row in 0..20 {
            transaction.insert(format!("{number}.{row}"), [7; 100]).unwrap();
        }
        transaction.commit().unwrap();
        assert_eq!(env.hook().of(Method::Write).calls, number + 1);
    }
    assert_eq!(env.hook().of(Method::Sync).calls, 0);
}

#[test]
fn a_rolled_back_transaction_writes_nothing() {
    let (env, database) = open(Durability::Full);
    let transaction = database.begin().unwrap();
    transaction.insert("a", "1").unwrap();
    transaction.rollback().unwrap();
    assert!(CHANGING.iter().all(|method| env.hook().of(*method).calls == 0));
}

#[test]
fn a_checkpoint_is_two_syncs_around_one_write() {
    let (env, database) = open(Durability::Full);
    database.flush().unwrap();
    env.hook().reset();
    database.checkpoint().unwrap();
    assert_eq!(env.hook().of(Method::Write).calls, 1);
    assert_eq!(env.hook().of(Method::Sync).calls, 2);
    env.hook().reset();
    database.checkpoint().unwrap();
    assert!(CHANGING.iter().all(|method| env.hook().of(*method).calls == 0), "nothing is new");
}

#[test]
fn reading_writes_nothing() {
    let world = MemoryWorld::new();
    let database = Options::new().open_with_env(world.process(), "app.lsm").unwrap();
    (0..200).for_each(|number| database.insert(format!("{number}"), [1; 50]).unwrap());
    database.close().unwrap();
    let env = CountEnv::new(world.process(), Counters::default());
    let database = Options::new().read_only(true).open_with_env(env.clone(), "app.lsm").unwrap();
    assert_eq!(database.iter().unwrap().count(), 200);
    database.close().unwrap();
    assert!(CHANGING.iter().all(|method| env.hook().of(*method).calls == 0));
}
