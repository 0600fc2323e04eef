//! Every operation stopped before every one of its calls: killed there, or others act and it goes on.
//!
//! Whoever was killed, the rest go on, and the transaction in question is there or not; whoever was
//! merely stopped succeeds. The points between stores into shared memory are `stores`'s.

use crate::scene::{Client, Map, contents, entry, expect_after_all_left};
use crate::stage::{DEAD, Stage, aftermath, interlude};
use siltstone::{Result, WorkLimit};
use siltstone_memory::Verdict;
use std::sync::{Arc, Mutex};

/// Something a process does.
struct Operation {
    prepare: fn(&mut Stage),
    act: fn(&mut Stage) -> Result<()>,
    /// How many entries it adds.
    adds: usize,
}

/// Entries that operations add.
fn added(count: usize) -> Map {
    (5000..5000 + count).map(entry).collect()
}

fn write(stage: &mut Stage, count: usize) -> Result<()> {
    stage.victim.database().write(|transaction| {
        for (key, value) in added(count) {
            transaction.insert(&key, &value)?;
        }
        Ok(())
    })
}

fn open_victim(stage: &mut Stage) {
    let options = stage.options.clone();
    stage.victim.open(&options).unwrap();
}

/// Both are connected and have done something; there are levels, an old and a live tree.
fn both(stage: &mut Stage) {
    open_victim(stage);
    stage.put_by_victim(60);
    stage.survivor = Some(stage.client());
    stage.put_by_survivor(30);
    // So that an old tree waits.
    stage.survivor().set_autowork(false);
    stage.put_by_survivor(40);
    stage.survivor().set_autowork(true);
}

/// A database that somebody left by being killed, with a log and shared memory.
fn left_behind(stage: &mut Stage) {
    let client = stage.client();
    stage.put(&client.database, 80);
    client.kill();
}

fn alone(stage: &mut Stage) {
    open_victim(stage);
    stage.put_by_victim(80);
}

/// Somebody died in a transaction that had taken new chunks and recycled old ones.
fn dead_writer(stage: &mut Stage) {
    both(stage);
    let third = stage.client();
    stage.leave_free_chunks(&third.database);
    stage.put(&third.database, 1);
    let transaction = third.database.begin().unwrap();
    for number in 0..20 {
        let (key, _) = entry(number);
        transaction.insert(&key, vec![7; 5000]).unwrap();
    }
    third.env.kill();
    drop(transaction);
}

fn open(stage: &mut Stage) -> Result<()> {
    let options = stage.options.clone();
    stage.victim.open(&options)
}

fn open_read_only(stage: &mut Stage) -> Result<()> {
    let options = stage.options.clone().read_only(true);
    stage.victim.open(&options)?;
    contents(stage.victim.database()).map(drop)
}

fn close(stage: &mut Stage) -> Result<()> {
    stage.victim.database.take().map_or(Ok(()), siltstone::Database::close)
}

fn work(stage: &mut Stage) -> Result<()> {
    stage.victim.database().work(WorkLimit { bytes: None, segments: Some(1) }).map(drop)
}

/// Runs the operation once for each of its calls and way of stopping.
fn every_call(name: &str, operation: &Operation) {
    let mut calls = 0;
    for index in 0.. {
        calls = stopped(name, operation, index, true);
        if index >= calls {
            break;
        }
        stopped(name, operation, index, false);
    }
    assert!(calls > 3, "{name}: {calls} calls are too few to prove anything");
    println!("{name}: {calls} calls");
}

/// One run, stopped before call `index`; gives the number of calls.
fn stopped(name: &str, operation: &Operation, index: usize, kill: bool) -> usize {
    let mut stage = Stage::new();
    (operation.prepare)(&mut stage);
    let before = stage.committed.clone();
    let mut after = before.clone();
    after.extend(added(operation.adds));
    let seen = Arc::new(Mutex::new((0, Map::new(), String::new())));
    {
        let (seen, inner) = (Arc::clone(&seen), Arc::clone(&stage.victim.inner));
        let (world, options) = (stage.world.clone(), stage.options.clone());
        let survivor = stage.survivor.as_ref().map(|client| client.database.clone());
        let (name, maps) = (name.to_owned(), [before.clone(), after.clone()]);
        stage.victim.arm(move |call| {
            let mut seen = seen.lock().unwrap();
            seen.0 += 1;
            if seen.0 != index + 1 {
                return Verdict::Proceed;
            }
            let place = format!("{:?} {} {:?} {:?}", call.method, call.path, call.lock, call.mode);
            seen.2 = format!("{name}, call {index}: {place}");
            if kill {
                inner.kill();
                return DEAD;
            }
            let maps = maps.each_ref();
            seen.1 = interlude(&world, &options, survivor.as_ref(), maps, &seen.2);
            Verdict::Proceed
        });
    }
    let outcome = (operation.act)(&mut stage);
    stage.victim.disarm();
    let (calls, others, what) = {
        let seen = seen.lock().unwrap();
        (seen.0, seen.1.clone(), seen.2.clone())
    };
    if calls <= index || !kill {
        outcome.unwrap_or_else(|error| panic!("{what}: the victim: {error}"));
        after.extend(others);
        stage.victim.database = None;
        aftermath(stage, &after, &after, &what);
    } else {
        aftermath(stage, &before, &after, &what);
    }
    calls
}

macro_rules! operations {
    ($($name:ident: $prepare:expr, $act:expr, $adds:expr;)*) => {$(
        #[test]
        fn $name() {
            let operation = Operation { prepare: $prepare, act: $act, adds: $adds };
            every_call(stringify!($name), &operation);
        }
    )*};
}

operations! {
    the_first_connects: left_behind, open, 0;
    somebody_joins: |stage| {
        both(stage);
        stage.victim.database = None;
    }, open, 0;
    a_reader_recovers_for_itself: left_behind, open_read_only, 0;
    a_reader_joins: |stage| {
        both(stage);
        stage.victim.database = None;
    }, open_read_only, 0;
    a_client_reads: both, |stage| contents(stage.victim.database()).map(drop), 0;
    a_writer_commits: both, |stage| write(stage, 3), 3;
    a_writer_commits_and_works: both, |stage| write(stage, 70), 70;
    a_writer_rolls_back: both, |stage| {
        let transaction = stage.victim.database().begin()?;
        for (key, value) in added(70) {
            transaction.insert(&key, &value)?;
        }
        transaction.rollback()
    }, 0;
    a_writer_repairs: dead_writer, |stage| write(stage, 3), 3;
    a_client_flushes: both, |stage| stage.victim.database().flush(), 0;
    a_worker_merges: both, work, 0;
    a_client_checkpoints: |stage| {
        both(stage);
        stage.survivor().set_autocheckpoint(0).unwrap();
        stage.survivor().flush().unwrap();
    }, |stage| stage.victim.database().checkpoint().map(drop), 0;
    a_client_closes: both, close, 0;
    the_last_client_closes: alone, close, 0;
    the_last_client_closes_beside_a_reader: |stage| {
        alone(stage);
        let options = stage.options.clone().read_only(true);
        let reader = Client::open(&stage.world, &options).unwrap();
        assert_eq!(contents(&reader.database).unwrap(), stage.committed);
        // Stays attached as long as this world exists.
        std::mem::forget(reader);
    }, close, 0;
}

/// All are killed, whatever they were doing, and the memory is stale.
#[test]
fn everybody_is_killed() {
    let mut stage = Stage::new();
    dead_writer(&mut stage);
    let held = stage.survivor().snapshot().unwrap();
    stage.survivor.as_ref().unwrap().env.kill();
    stage.victim.kill();
    drop(held);
    expect_after_all_left(&stage.world, &stage.options, &stage.committed, "all were killed");
}
