//! Group commit: threads that commit under full durability share syncs of the log, and single rows
//! their transaction as well; nobody sees what is not durable, and a failed sync fails everybody it
//! should have covered.

use siltstone::{Background, Database, Durability, Options, Result};
use siltstone_env::EnvError;
use siltstone_memory::{Call, Damage, Hook, HookedEnv, MemoryWorld, Method, Settings, Verdict};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// Counts writes and syncs of the log, and stops the syncs when told to.
#[derive(Debug, Default)]
struct LogGate {
    state: Mutex<Gate>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Gate {
    writes: u32,
    syncs: u32,
    shut: bool,
    verdict: Option<EnvError>,
}

impl Hook for LogGate {
    fn before(&self, call: &Call<'_>) -> Verdict {
        if !call.is_on("-log") || !matches!(call.method, Method::Write | Method::Sync) {
            return Verdict::Proceed;
        }
        let mut gate = self.state.lock().unwrap();
        if call.method == Method::Write {
            gate.writes += 1;
        } else {
            gate.syncs += 1;
        }
        self.changed.notify_all();
        while call.method == Method::Sync && gate.shut {
            gate = self.changed.wait(gate).unwrap();
        }
        match gate.verdict {
            Some(error) if call.method == Method::Sync => Verdict::Fail(error),
            _ => Verdict::Proceed,
        }
    }
}

impl LogGate {
    fn shut(&self) {
        *self.state.lock().unwrap() = Gate { shut: true, ..Gate::default() };
    }

    fn open(&self, verdict: Option<EnvError>) {
        let mut gate = self.state.lock().unwrap();
        gate.shut = false;
        gate.verdict = verdict;
        self.changed.notify_all();
    }

    fn wait_for(&self, reached: impl Fn(&Gate) -> bool) {
        let mut gate = self.state.lock().unwrap();
        while !reached(&gate) {
            gate = self.changed.wait(gate).unwrap();
        }
    }

    fn syncs(&self) -> u32 {
        self.state.lock().unwrap().syncs
    }
}

fn options() -> Options {
    Options::new().durability(Durability::Full).busy_timeout(LONG)
}

struct Scene {
    world: MemoryWorld,
    env: Arc<HookedEnv<LogGate>>,
    database: Database,
}

impl Scene {
    fn new() -> Self {
        let world = MemoryWorld::with(Settings { real_time: true, ..Settings::default() });
        world.record();
        let env = HookedEnv::new(world.process(), LogGate::default());
        let database = options().open_with_env(env.clone(), "app.lsm").unwrap();
        database.insert("first", "creates the log").unwrap();
        env.hook().shut();
        Scene { world, env, database }
    }

    fn gate(&self) -> &LogGate {
        self.env.hook()
    }

    /// A commit that waits in the sync of the log.
    fn begin_sync<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        key: &'static str,
    ) -> ScopedJoinHandle<'scope, Result<()>> {
        let commit = scope.spawn(move || self.database.insert(key, "value"));
        self.gate().wait_for(|gate| gate.syncs == 1);
        commit
    }

    fn keys(&self) -> Vec<String> {
        keys(&self.database)
    }

    /// What is found after a power cut that keeps what was synced, and one that keeps everything.
    fn found_after_power_cut(&self) -> [Vec<String>; 2] {
        [Damage::LOSE_UNSYNCED, Damage::KEEP_EVERYTHING].map(|damage| {
            let after = self.world.power_cut(&damage, 1).unwrap();
            keys(&Options::new().open_with_env(after.process(), "app.lsm").unwrap())
        })
    }
}

/// Inserts in a transaction, which nobody else makes for this thread.
fn transact(database: &Database, key: &str) -> Result<()> {
    database.write(|transaction| transaction.insert(key, "value"))
}

fn keys(database: &Database) -> Vec<String> {
    let entries = database.iter().unwrap();
    entries.map(|entry| String::from_utf8(entry.unwrap().0).unwrap()).collect()
}

#[test]
fn commits_that_are_written_during_a_sync_share_the_next_one() {
    let scene = Scene::new();
    let keys = ["b", "c", "d", "e", "f", "g", "h"];
    std::thread::scope(|scope| {
        scene.begin_sync(scope, "a");
        for key in keys {
            let database = &scene.database;
            scope.spawn(move || transact(database, key).unwrap());
        }
        scene.gate().wait_for(|gate| gate.writes == 8);
        // All records are written, and nobody sees any of them yet.
        assert_eq!(scene.keys(), ["first"]);
        assert_eq!(scene.found_after_power_cut()[0], ["first"]);
        scene.gate().open(None);
    });
    // Whoever has written last may come too late for the second one.
    assert!((2..=3).contains(&scene.gate().syncs()));
    assert_eq!(scene.keys().len(), 9);
    assert_eq!(scene.found_after_power_cut(), [scene.keys(), scene.keys()]);
    scene.database.clone().close().unwrap();
}

#[test]
fn a_failed_sync_fails_all_it_should_have_covered() {
    let scene = Scene::new();
    std::thread::scope(|scope| {
        let mut commits = vec![scene.begin_sync(scope, "a")];
        for key in ["b", "c", "d"] {
            let database = &scene.database;
            commits.push(scope.spawn(move || transact(database, key)));
        }
        scene.gate().wait_for(|gate| gate.writes == 4);
        // One more is in the middle of its transaction.
        let transaction = scene.database.begin().unwrap();
        transaction.insert("e", "value").unwrap();
        scene.gate().open(Some(EnvError::Io(5)));
        for commit in commits {
            let error = commit.join().unwrap().unwrap_err();
            assert_eq!(error.code(), 10, "{error}");
        }
        assert_eq!(scene.gate().syncs(), 1);
        assert_eq!(transaction.commit().unwrap_err().name(), "Poisoned");
    });
    scene.gate().open(None);
    assert_eq!(scene.keys(), ["first"]);
    assert_eq!(scene.database.insert("f", "value").unwrap_err().name(), "Poisoned");
    assert_eq!(scene.database.flush().unwrap_err().name(), "Poisoned");
    assert_eq!(scene.keys(), ["first"]);
    // Nor does a crash bring back what was reported as failed.
    assert_eq!(scene.found_after_power_cut(), [["first"], ["first"]]);
    // Another process goes on from what was published.
    let other = options().open_with_env(scene.world.process(), "app.lsm").unwrap();
    other.insert("other", "value").unwrap();
    assert_eq!(keys(&other), ["first", "other"]);
    assert_eq!(scene.keys(), ["first", "other"]);
}

#[test]
fn a_successor_sees_what_waits_and_can_be_rolled_back() {
    let scene = Scene::new();
    std::thread::scope(|scope| {
        let first = scene.begin_sync(scope, "a");
        for (key, commits) in [("b", false), ("c", true), ("d", false)] {
            let transaction = scene.database.begin().unwrap();
            assert_eq!(transaction.get("a").unwrap().as_deref(), Some(&b"value"[..]));
            assert!(!transaction.contains_key("b").unwrap());
            transaction.insert(key, "value").unwrap();
            let seen: Vec<_> = transaction.iter().unwrap().map(|entry| entry.unwrap().0).collect();
            assert_eq!(seen.len(), if key == "d" { 4 } else { 3 });
            if commits {
                // Waits for the sync: on a thread of its own.
                let committed = scene.gate().state.lock().unwrap().writes + 1;
                scope.spawn(move || transaction.commit().unwrap());
                scene.gate().wait_for(|gate| gate.writes == committed);
            } else {
                // Likewise: it has read what is not safe yet.
                scope.spawn(move || transaction.rollback().unwrap());
            }
        }
        assert_eq!(scene.keys(), ["first"]);
        scene.gate().open(None);
        first.join().unwrap().unwrap();
    });
    assert_eq!(scene.keys(), ["a", "c", "first"]);
    scene.database.insert("e", "value").unwrap();
    assert_eq!(scene.found_after_power_cut()[0], ["a", "c", "e", "first"]);
}

#[test]
fn a_transaction_that_has_read_what_was_lost_cannot_be_rolled_back_in_peace() {
    let scene = Scene::new();
    std::thread::scope(|scope| {
        let first = scene.begin_sync(scope, "a");
        let transaction = scene.database.begin().unwrap();
        assert!(transaction.contains_key("a").unwrap());
        scene.gate().open(Some(EnvError::Io(5)));
        assert_eq!(first.join().unwrap().unwrap_err().code(), 10);
        assert_eq!(transaction.rollback().unwrap_err().code(), 10);
    });
    assert_eq!(scene.keys(), ["first"]);
}

#[test]
fn rows_that_are_written_during_a_sync_are_all_or_none_lost_with_it() {
    for verdict in [None, Some(EnvError::Io(5))] {
        let scene = Scene::new();
        let outcomes: Vec<bool> = std::thread::scope(|scope| {
            let mut commits = vec![scene.begin_sync(scope, "a")];
            for key in ["b", "c", "d", "e", "f", "g", "h"] {
                let database = &scene.database;
                commits.push(scope.spawn(move || database.insert(key, "value")));
            }
            scene.gate().open(verdict);
            commits.into_iter().map(|commit| commit.join().unwrap().is_ok()).collect()
        });
        assert_eq!(outcomes, [verdict.is_none(); 8]);
        assert_eq!(scene.keys().len(), if verdict.is_none() { 9 } else { 1 });
        assert_eq!(scene.found_after_power_cut(), [scene.keys(), scene.keys()]);
    }
}

#[test]
fn commits_without_a_sync_of_their_own_wait_for_those_before_them() {
    let scene = Scene::new();
    let normal = options().durability(Durability::Normal);
    let normal = normal.open_with_env(scene.env.clone(), "app.lsm").unwrap();
    std::thread::scope(|scope| {
        let first = scene.begin_sync(scope, "a");
        let second = scope.spawn(|| normal.insert("b", "value"));
        scene.gate().wait_for(|gate| gate.writes == 2);
        assert_eq!(scene.keys(), ["first"]);
        scene.gate().open(None);
        first.join().unwrap().unwrap();
        second.join().unwrap().unwrap();
    });
    // The sync began before the second one was written, which does not need one.
    assert_eq!(scene.gate().syncs(), 1);
    assert_eq!(scene.keys(), ["a", "b", "first"]);
}

#[test]
fn a_flush_waits_for_what_waits_and_close_is_refused() {
    let scene = Scene::new();
    std::thread::scope(|scope| {
        let first = scene.begin_sync(scope, "a");
        let busy = scene.database.clone().close().is_err_and(|error| error.is_busy());
        let flush = scope.spawn(|| scene.database.flush());
        scene.gate().open(None);
        first.join().unwrap().unwrap();
        flush.join().unwrap().unwrap();
        assert!(busy, "closed while a commit waits");
    });
    let database = options().open_with_env(scene.env.clone(), "app.lsm").unwrap();
    assert_eq!(keys(&database), ["a", "first"]);
    assert_eq!(database.stats().unwrap().live_tree_bytes, 0);
}

/// Writes of one thread: numbered keys, deleted again at times, with a rollback now and then.
/// `done` counts what was acknowledged.
fn work(database: &Database, thread: u32, rounds: u32, done: &AtomicU32) -> Result<()> {
    for round in 0..rounds {
        let transaction = database.begin()?;
        transaction.insert(format!("{thread}/{round:05}"), vec![round as u8; 60])?;
        if round % 5 == 4 {
            transaction.remove(format!("{thread}/{:05}", round - 2))?;
        }
        if round % 7 == 6 {
            transaction.rollback()?;
        } else {
            transaction.commit()?;
        }
        done.store(round + 1, Ordering::SeqCst);
    }
    Ok(())
}

/// Whether the database holds what a thread has done in `done` rounds, and perhaps the one after.
fn holds(database: &Database, thread: u32, done: u32) -> bool {
    let snapshot = database.snapshot().unwrap();
    let is = |round: u32| snapshot.contains_key(format!("{thread}/{round:05}")).unwrap();
    let expected = |rounds: u32| {
        (0..rounds).all(|round| {
            let taken_back = round % 7 == 6;
            let deleter = round + 2;
            let deleted = deleter % 5 == 4 && deleter % 7 != 6 && deleter < rounds;
            is(round) == (!taken_back && !deleted)
        })
    };
    expected(done) || expected(done + 1)
}

#[test]
fn what_was_acknowledged_is_found_after_power_cuts_at_any_time() {
    const THREADS: u32 = 8;
    for background in [Background::None, Background::Both] {
        let world = MemoryWorld::with(Settings { real_time: true, ..Settings::default() });
        world.record();
        let options = options()
            .page_size(512)
            .block_size(64 << 10)
            .autoflush(8 << 10)
            .autocheckpoint(64 << 10)
            .background(background);
        let database = options.open_with_env(world.process(), "app.lsm").unwrap();
        let done: Vec<AtomicU32> = (0..THREADS).map(|_| AtomicU32::new(0)).collect();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (database, done) = (&database, &done[thread as usize]);
                    scope.spawn(move || work(database, thread, 1000, done).unwrap())
                })
                .collect();
            let mut seed = 0;
            while !threads.iter().all(ScopedJoinHandle::is_finished) {
                seed += 1;
                let before: Vec<_> = done.iter().map(|done| done.load(Ordering::SeqCst)).collect();
                let after = world.power_cut(&Damage::LOSE_UNSYNCED, seed).unwrap();
                let later: Vec<_> = done.iter().map(|done| done.load(Ordering::SeqCst)).collect();
                let recovered = Options::new().open_with_env(after.process(), "app.lsm").unwrap();
                for thread in 0..THREADS {
                    let (before, later) = (before[thread as usize], later[thread as usize]);
                    // More may have been acknowledged while the power was cut.
                    assert!(
                        (before..=later).any(|done| holds(&recovered, thread, done)),
                        "thread {thread} had {before}, later {later}"
                    );
                }
            }
        });
        for thread in 0..THREADS {
            assert!(holds(&database, thread, 1000));
        }
        assert!(database.check().unwrap().is_sound());
        database.close().unwrap();
    }
}

#[test]
fn several_processes_with_several_threads_each() {
    let world = MemoryWorld::with(Settings { real_time: true, ..Settings::default() });
    let options = options().page_size(512).block_size(64 << 10).autoflush(8 << 10);
    let processes = [world.process(), world.process(), world.process()];
    let databases = processes
        .each_ref()
        .map(|process| options.open_with_env(process.clone(), "app.lsm").unwrap());
    let [victim, others @ ..] = &databases;
    let done: Vec<AtomicU32> = (0..9).map(|_| AtomicU32::new(0)).collect();
    std::thread::scope(|scope| {
        for thread in 0..6_u32 {
            let (database, done) = (&others[thread as usize % 2], &done[thread as usize]);
            scope.spawn(move || work(database, thread, 150, done).unwrap());
        }
        for thread in 6..9_u32 {
            let done = &done[thread as usize];
            scope.spawn(move || work(victim, thread, u32::MAX, done).unwrap_err());
        }
        // Killed in the middle of it all, with commits that wait.
        while done[6].load(Ordering::SeqCst) < 40 {
            std::thread::yield_now();
        }
        processes[0].kill();
    });
    for database in others {
        for thread in 0..6 {
            assert!(holds(database, thread, 150), "thread {thread}");
        }
        for thread in 6..9 {
            let done = done[thread as usize].load(Ordering::SeqCst);
            assert!(holds(database, thread, done), "thread {thread} of the killed process");
        }
        assert!(database.check().unwrap().is_sound());
    }
}
