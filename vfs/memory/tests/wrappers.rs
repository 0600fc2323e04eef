//! Wrappers: planned faults, counts, steps. They change nothing else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

use siltstone_env::conformance::{World, run_all};
use siltstone_env::{Access, Env, EnvError, File, LockId, LockMode};
use siltstone_memory::{
    Count, CountEnv, Counters, Damage, Effect, Fault, FaultEnv, FaultPlan, MemoryWorld, Method,
    StepEnv, Verdict,
};
use std::io::IoSlice;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

const EIO: EnvError = EnvError::Io(5);

fn open(env: &dyn Env, name: &str) -> Arc<dyn File> {
    env.open(&env.canonical_path(name.as_bytes()).unwrap(), Access::ReadWriteCreate).unwrap()
}

struct Wrapped(MemoryWorld);

impl World for Wrapped {
    fn process(&self) -> Option<Arc<dyn Env>> {
        let faulty = FaultEnv::new(self.0.process(), FaultPlan::default());
        let counted = CountEnv::new(faulty, Counters::default());
        Some(StepEnv::calling(counted, |_| Verdict::Proceed))
    }

    fn path(&self, name: &str) -> Vec<u8> {
        name.as_bytes().to_vec()
    }
}

#[test]
fn idle_wrappers_keep_the_contract() {
    run_all(&|| Box::new(Wrapped(MemoryWorld::new())));
}

#[test]
fn a_fault_strikes_at_its_call_once() {
    let env = FaultEnv::new(MemoryWorld::new().process(), FaultPlan::default());
    let file = open(&*env, "db");
    let before = env.hook().calls();
    env.hook().add(Fault::at(3, Effect::Error(EIO)));
    file.write_at(0, b"a").unwrap();
    file.sync().unwrap();
    assert_eq!(file.size(), Err(EIO));
    assert_eq!(file.size(), Ok(1));
    assert_eq!((env.hook().calls() - before, env.hook().fired()), (4, 1));
}

#[test]
fn faults_choose_method_file_and_range() {
    let env = FaultEnv::new(MemoryWorld::new().process(), FaultPlan::default());
    let (db, log) = (open(&*env, "db"), open(&*env, "db-log"));
    let bad_sector = Fault::at(1, Effect::Error(EIO)).on(Method::Read).within(512..1024);
    env.hook().add(bad_sector.of_file("db").for_ever());
    env.hook().add(Fault::at(2, Effect::Error(EnvError::Busy)).on(Method::Lock));
    db.write_at(0, &[1; 2048]).unwrap();
    log.write_at(0, &[1; 2048]).unwrap();
    for _ in 0..3 {
        assert_eq!(db.read_at(0, &mut [0; 512]), Ok(512));
        assert_eq!(db.read_at(0, &mut [0; 513]), Err(EIO));
        assert_eq!(db.read_at(1023, &mut [0; 1]), Err(EIO));
        assert_eq!(db.read_at(1024, &mut [0; 9]), Ok(9));
        assert_eq!(log.read_at(0, &mut [0; 2048]), Ok(2048));
    }
    db.lock(LockId::DMS1, LockMode::Shared).unwrap();
    assert_eq!(db.lock(LockId::DMS1, LockMode::Exclusive), Err(EnvError::Busy));
    db.lock(LockId::DMS1, LockMode::Exclusive).unwrap();
    env.hook().clear();
    assert_eq!(db.read_at(0, &mut [0; 2048]), Ok(2048));
}

#[test]
fn faults_reach_threads_names_and_shared_memory() {
    let env = FaultEnv::new(MemoryWorld::new().process(), FaultPlan::default());
    let path = env.canonical_path(b"db").unwrap();
    let file = open(&*env, "db");
    let memory = file.shared_memory().unwrap().unwrap();
    for method in [Method::Spawn, Method::Open, Method::IsCurrent, Method::Chunk, Method::Release] {
        env.hook().add(Fault::at(1, Effect::Error(EIO)).on(method));
    }
    assert!(env.spawn("worker", Box::new(|| ())).is_err());
    let log = path.with_suffix("-log");
    let beside = || env.open_beside(&log, Access::ReadWriteCreate, &path);
    assert_eq!(beside().err(), Some(EIO));
    assert_eq!(env.is_current(&path, &*file), Err(EIO));
    assert_eq!(memory.chunk(0).err(), Some(EIO));
    assert_eq!(memory.release(false), Err(EIO));
    assert_eq!(env.hook().fired(), 5);
    env.spawn("worker", Box::new(|| ())).unwrap().join();
    beside().unwrap().write_at(0, b"log").unwrap();
    assert_eq!(env.is_current(&path, &*file), Ok(true));
    memory.chunk(0).unwrap();
    assert_eq!(memory.is_current(), Ok(true));
    env.hook().add(Fault::at(1, Effect::Error(EIO)).on(Method::IsCurrent).of_file("db"));
    assert_eq!(memory.is_current(), Err(EIO));
    memory.release(true).unwrap();
}

#[test]
fn a_partial_write_leaves_its_first_bytes() {
    let world = MemoryWorld::new();
    let plan = FaultPlan::with(
        Fault::at(1, Effect::Partial(4, EnvError::Full)).on(Method::Write).for_ever(),
    );
    let env = FaultEnv::new(world.process(), plan);
    let file = open(&*env, "db");
    let slices = [b"abc".as_slice(), b"def"].map(IoSlice::new);
    assert_eq!(file.write_vectored_at(0, &slices), Err(EnvError::Full));
    assert_eq!(world.read_file("db").unwrap(), b"abcd");
    assert_eq!(file.write_at(4, b"xy"), Err(EnvError::Full));
    assert_eq!(world.read_file("db").unwrap(), b"abcdxy");
}

#[test]
fn a_failed_sync_may_lose_pages_for_good() {
    let world = MemoryWorld::new();
    world.write_file("db", b"old").unwrap();
    world.record();
    let effect = Effect::LosePages(world.clone(), EIO);
    let plan = FaultPlan::with(Fault::at(1, effect).on(Method::Sync));
    let env = FaultEnv::new(world.process(), plan);
    let file = open(&*env, "db");
    file.write_at(0, b"new").unwrap();
    assert_eq!(file.sync(), Err(EIO));
    assert_eq!(file.sync(), Ok(()), "later syncs know nothing of it");
    assert_eq!(world.read_file("db").unwrap(), b"new");
    let after = world.power_cut(&Damage::KEEP_EVERYTHING, 0).unwrap();
    assert_eq!(after.read_file("db").unwrap(), b"old");
}

#[test]
fn counts_tell_methods_files_and_bytes_apart() {
    let env = CountEnv::new(MemoryWorld::new().process(), Counters::default());
    let (db, log) = (open(&*env, "db"), open(&*env, "db-log"));
    db.write_at(0, &[0; 100]).unwrap();
    log.write_at(0, &[0; 10]).unwrap();
    log.write_vectored_at(10, &[IoSlice::new(&[0; 5]), IoSlice::new(&[0; 6])]).unwrap();
    log.sync().unwrap();
    let counters = env.hook();
    assert_eq!(counters.of(Method::Write), Count { calls: 3, bytes: 121 });
    assert_eq!(counters.of_file(Method::Write, "-log"), Count { calls: 2, bytes: 21 });
    assert_eq!(counters.of(Method::Sync).calls, 1);
    assert_eq!(counters.of_file(Method::Sync, "db").calls, 0);
    counters.reset();
    assert_eq!(counters.of(Method::Write), Count::default());
}

#[test]
fn a_step_lets_another_process_run_in_between() {
    let world = MemoryWorld::new();
    let other = StepEnv::calling(world.process(), |_| Verdict::Proceed);
    let theirs = open(&*other, "db");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let witness = seen.clone();
    let victim = world.process();
    let condemned = victim.clone();
    let env = StepEnv::calling(victim, move |call| {
        if call.method == Method::Sync {
            theirs.write_at(0, b"them").unwrap();
            witness.lock().unwrap().push((call.method, call.path.to_string()));
        }
        if call.lock == Some(LockId::WRITER) {
            condemned.kill();
        }
        Verdict::Proceed
    });
    let file = open(&*env, "db");
    file.write_at(0, b"mine, first").unwrap();
    file.sync().unwrap();
    assert_eq!(world.read_file("db").unwrap(), b"them, first");
    assert_eq!(*seen.lock().unwrap(), [(Method::Sync, "/db".to_owned())]);
    assert_eq!(file.lock(LockId::WRITER, LockMode::Exclusive), Err(EIO), "killed at the door");
}

#[test]
fn a_callback_does_not_see_its_own_calls() {
    let world = MemoryWorld::new();
    let calls = Arc::new(AtomicU64::new(0));
    let slot: Arc<Mutex<Option<Arc<dyn File>>>> = Arc::default();
    let (counter, own) = (calls.clone(), slot.clone());
    let env = StepEnv::calling(world.process(), move |_| {
        counter.fetch_add(1, SeqCst);
        if let Some(file) = own.lock().unwrap().as_ref() {
            file.size().unwrap();
        }
        Verdict::Proceed
    });
    *slot.lock().unwrap() = Some(open(&*env, "db"));
    let before = calls.load(SeqCst);
    open(&*env, "db").sync().unwrap();
    assert_eq!(calls.load(SeqCst) - before, 3, "canonical_path, open, sync");
    slot.lock().unwrap().take();
}
