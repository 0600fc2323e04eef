//! Work on threads of the database's own: nothing is lost, memory stays bounded, nobody hears
//! "busy" because of it, and it ends with the last handle.

use siltstone::{
    Background, Database, Durability, Options, WorkEvent, WorkKind, WorkLimit, WorkObserver,
};
use siltstone_env::{Env, EnvError};
use siltstone_memory::{Effect, Fault, FaultEnv, FaultPlan, MemoryWorld, Method, Settings};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const EVERY_MODE: [Background; 3] = [Background::Merge, Background::Checkpoint, Background::Both];

fn real_world() -> MemoryWorld {
    MemoryWorld::with(Settings { real_time: true, ..Settings::default() })
}

fn options() -> Options {
    Options::new()
        .page_size(1024)
        .block_size(64 << 10)
        .autoflush(32 << 10)
        .autocheckpoint(128 << 10)
        .busy_timeout(Duration::from_secs(60))
}

fn key(n: u32) -> [u8; 4] {
    // Scattered, so that merges have something to do.
    n.wrapping_mul(0x9e37_79b1).to_be_bytes()
}

fn fill(database: &Database, numbers: std::ops::Range<u32>) {
    for n in numbers {
        database.insert(key(n), [n as u8; 100]).unwrap();
    }
}

fn count(database: &Database) -> usize {
    database.iter().unwrap().map(Result::unwrap).count()
}

/// The environments to try: in memory with either clock, and the operating system.
fn everywhere(test: impl Fn(Arc<dyn Env>, &str)) {
    test(real_world().process(), "app.lsm");
    test(MemoryWorld::new().process(), "app.lsm");
    #[cfg(unix)]
    {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.lsm");
        test(siltstone_native::NativeEnv::shared(), path.to_str().unwrap());
    }
}

/// Remembers what kinds of work were done on which threads.
#[derive(Debug, Default)]
struct Witness {
    seen: Mutex<Vec<(WorkKind, String)>>,
}

impl WorkObserver for Witness {
    fn observe(&self, event: &WorkEvent) {
        let thread = std::thread::current().name().unwrap_or("").to_owned();
        self.seen.lock().unwrap().push((event.kind, thread));
    }
}

#[test]
fn commits_leave_the_work_to_the_threads_and_close_finishes_it() {
    everywhere(|env, path| {
        let witness = Arc::new(Witness::default());
        let options = options().background(Background::Both).on_work(witness.clone());
        let database = options.open_with_env(env.clone(), path).unwrap();
        fill(&database, 0..20_000);
        let seen = std::mem::take(&mut *witness.seen.lock().unwrap());
        for (kind, thread) in &seen {
            let expected = match kind {
                WorkKind::Checkpoint => "siltstone sync",
                _ => "siltstone worker",
            };
            assert_eq!(thread, expected, "{kind:?}");
        }
        for kind in [WorkKind::Flush, WorkKind::Merge, WorkKind::Checkpoint] {
            assert!(seen.iter().any(|(seen, _)| *seen == kind), "no {kind:?}");
        }
        assert_eq!(count(&database), 20_000);
        assert!(database.check().unwrap().is_sound());
        database.close().unwrap();
        let database = options.open_with_env(env.clone(), path).unwrap();
        assert_eq!(database.stats().unwrap().recovery.transactions, 0);
        assert_eq!(count(&database), 20_000);
    });
}

#[test]
fn every_mode_keeps_everything_while_many_write_and_read() {
    for mode in EVERY_MODE {
        everywhere(|env, path| {
            let options = options().background(mode);
            let database = options.open_with_env(env.clone(), path).unwrap();
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let database = database.clone();
                    scope.spawn(move || fill(&database, thread * 2000..(thread + 1) * 2000));
                }
                let database = database.clone();
                scope.spawn(move || {
                    for _ in 0..20 {
                        let mut last = None;
                        for entry in database.iter().unwrap() {
                            let (key, _) = entry.unwrap();
                            assert!(last.as_ref().is_none_or(|last| *last < key));
                            last = Some(key);
                        }
                    }
                });
            });
            assert_eq!(count(&database), 8000);
            assert!(database.check().unwrap().is_sound(), "{mode:?}");
            database.close().unwrap();
        });
    }
}

#[test]
fn memory_stays_bounded_however_fast_commits_are() {
    let world = real_world();
    let options = options().background(Background::Both).durability(Durability::None);
    let database = options.open_with_env(world.process(), "app.lsm").unwrap();
    let mut largest = 0;
    for round in 0..200 {
        // Each commit alone is larger than the tree may be.
        database
            .write(|transaction| {
                (0..500).try_for_each(|n| transaction.insert(key(round * 500 + n), [0; 100]))
            })
            .unwrap();
        largest = largest.max(database.stats().unwrap().live_tree_bytes);
    }
    // 256 KiB for the live tree, and one transaction.
    assert!(largest < 512 << 10, "{largest}");
    assert_eq!(count(&database), 100_000);
    database.close().unwrap();
}

#[test]
fn calls_do_not_hear_busy_because_of_the_background() {
    let world = real_world();
    let options = options().background(Background::Both).busy_timeout(Duration::ZERO);
    let database = options.open_with_env(world.process(), "app.lsm").unwrap();
    for round in 0..100 {
        fill(&database, round * 300..(round + 1) * 300);
        database.work(WorkLimit::bytes(4096)).unwrap();
        database.checkpoint().unwrap();
        database.flush().unwrap();
    }
    database.compact().unwrap();
    assert_eq!(count(&database), 30_000);
    database.close().unwrap();
}

#[test]
fn a_worker_that_fails_tries_again_and_commits_go_on() {
    for for_ever in [false, true] {
        let env = FaultEnv::new(real_world().process(), FaultPlan::default());
        let options = options().background(Background::Both);
        let database = options.open_with_env(env.clone(), "app.lsm").unwrap();
        fill(&database, 0..1000);
        let fault = Fault::at(1, Effect::Error(EnvError::Full));
        let fault = fault.on(Method::Write).of_file("app.lsm");
        env.hook().add(if for_ever { fault.for_ever() } else { fault });
        // With nowhere to flush to, the commits themselves must go on.
        fill(&database, 1000..9000);
        assert!(env.hook().fired() > 0);
        env.hook().clear();
        fill(&database, 9000..20_000);
        assert_eq!(count(&database), 20_000);
        assert!(database.check().unwrap().is_sound());
        assert!(database.stats().unwrap().live_tree_bytes < 1 << 20);
        database.close().unwrap();
        let database = options.open_with_env(env, "app.lsm").unwrap();
        assert_eq!(count(&database), 20_000);
    }
}

#[test]
fn the_last_handle_ends_the_threads_in_the_middle_of_their_work() {
    for round in 0..30 {
        everywhere(|env, path| {
            let options = options().background(Background::Both);
            let database = options.open_with_env(env.clone(), path).unwrap();
            let second = options.open_with_env(env.clone(), path).unwrap();
            fill(&database, round * 100..round * 100 + 1500);
            drop(database);
            fill(&second, 0..300);
            let snapshot = second.snapshot().unwrap();
            drop(second);
            // What is still read keeps the object, but not the threads.
            let entries = snapshot.iter().unwrap().count();
            drop(snapshot);
            let database = options.open_with_env(env, path).unwrap();
            assert_eq!(count(&database), entries);
        });
    }
}

#[test]
fn threads_come_with_the_first_handle_that_asks() {
    let world = real_world();
    let env = world.process();
    let witness = Arc::new(Witness::default());
    let plain = options().on_work(witness.clone());
    let database = plain.open_with_env(env.clone(), "app.lsm").unwrap();
    fill(&database, 0..2000);
    assert!(witness.seen.lock().unwrap().iter().all(|(_, thread)| thread != "siltstone worker"));
    let options = options().background(Background::Merge);
    let second = options.open_with_env(env.clone(), "app.lsm").unwrap();
    fill(&database, 2000..6000);
    // Both handles use it, and the first one after the second is gone.
    drop(second);
    fill(&database, 6000..9000);
    assert!(witness.seen.lock().unwrap().iter().any(|(_, thread)| thread == "siltstone worker"));
    assert_eq!(count(&database), 9000);
    database.close().unwrap();
}

#[test]
fn without_autowork_the_threads_rest() {
    let witness = Arc::new(Witness::default());
    let options = options().background(Background::Both).autowork(false).on_work(witness.clone());
    let database = options.open_with_env(real_world().process(), "app.lsm").unwrap();
    fill(&database, 0..2000);
    database.flush().unwrap();
    fill(&database, 2000..4000);
    let seen = witness.seen.lock().unwrap();
    assert!(seen.iter().all(|(_, thread)| !thread.starts_with("siltstone")), "{seen:?}");
}

#[test]
fn threads_of_several_processes_take_turns() {
    let world = real_world();
    let options = options().background(Background::Both);
    let processes = [world.process(), world.process(), world.process()];
    let databases = processes
        .each_ref()
        .map(|process| options.open_with_env(process.clone(), "app.lsm").unwrap());
    std::thread::scope(|scope| {
        for (database, part) in databases.iter().zip(0..) {
            scope.spawn(move || fill(database, part * 5000..(part + 1) * 5000));
        }
    });
    let [first, others @ ..] = databases;
    // Its process dies with its threads at work.
    processes[0].kill();
    drop(first);
    for database in others {
        assert_eq!(count(&database), 15_000);
        assert!(database.check().unwrap().is_sound());
        database.close().unwrap();
    }
    assert_eq!(world.files().len(), 1);
}

/// Calls the database from within the work.
#[derive(Debug, Default)]
struct Meddler {
    database: Mutex<Option<Database>>,
    busy: AtomicU64,
    inside: AtomicBool,
}

impl WorkObserver for Meddler {
    fn observe(&self, _: &WorkEvent) {
        if self.inside.swap(true, Ordering::SeqCst) {
            return;
        }
        let database = self.database.lock().unwrap().clone();
        if let Some(database) = database {
            // Must not wait for itself.
            if database.work(WorkLimit::bytes(1)).is_err_and(|error| error.is_busy()) {
                self.busy.fetch_add(1, Ordering::SeqCst);
            }
            // May be busy as well: the other thread writes.
            let _ = database.insert(key(0), "from within the work");
        }
        self.inside.store(false, Ordering::SeqCst);
    }
}

#[test]
fn a_callback_that_works_hears_busy_and_may_drop_the_last_handle() {
    let meddler = Arc::new(Meddler::default());
    let options = options().background(Background::Merge).on_work(meddler.clone());
    let options = options.busy_timeout(Duration::from_millis(2));
    let env = real_world().process();
    let database = options.open_with_env(env.clone(), "app.lsm").unwrap();
    *meddler.database.lock().unwrap() = Some(database.clone());
    let mut number = 0;
    while meddler.busy.load(Ordering::SeqCst) == 0 {
        if database.insert(key(number), [0; 100]).is_ok() {
            number += 1;
        }
    }
    drop(database);
    let last = meddler.database.lock().unwrap().take();
    drop(last);
    let database = options.open_with_env(env, "app.lsm").unwrap();
    assert_eq!(count(&database), number as usize);
}
