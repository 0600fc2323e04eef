//! Defects 20.1, 20.7, W3, K-9: commits around flush, checkpoint and close.

use crate::scene::{Scene, keys};
use siltstone::{Durability, Options};
use siltstone_memory::{Effect, Fault, FaultEnv, FaultPlan, MemoryWorld, Method};
use siltstone_peer::{CConfig, PeerProcess};

#[test]
fn flush_checkpoint_crash_keeps_later_commits() {
    for durability in [Durability::None, Durability::Normal, Durability::Full] {
        let scene = Scene::new(Options::new().durability(durability));
        let database = scene.open();
        database.insert("a", "1").unwrap();
        database.flush().unwrap();
        database.checkpoint().unwrap();
        database.insert("b", "2").unwrap();
        database.insert("c", "3").unwrap();
        database.kill();
        assert_eq!(keys(&scene.open()), ["a", "b", "c"]);
    }
}

#[test]
fn reads_what_c_would_lose() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file.lsm");
    let mut c = PeerProcess::spawn().unwrap();
    c.open(&path, &CConfig::new()).unwrap();
    c.put("a", "1").unwrap();
    c.flush().unwrap();
    c.checkpoint().unwrap();
    c.put("b", "2").unwrap();
    c.put("c", "3").unwrap();
    c.kill();
    let database = Options::new().open(&path).unwrap();
    assert_eq!(keys(&database), ["a", "b", "c"]);
    database.close().unwrap();
    let mut c = PeerProcess::spawn().unwrap();
    c.open(&path, &CConfig::new()).unwrap();
    assert_eq!(c.scan().unwrap().len(), 3, "and C finds them after us");
}

#[test]
fn failed_flush_keeps_everything() {
    for effect in [
        Effect::Error(siltstone::env::EnvError::Full),
        Effect::Partial(100, siltstone::env::EnvError::Full),
    ] {
        let world = MemoryWorld::new();
        let process = world.process();
        let env = FaultEnv::new(process.clone(), FaultPlan::default());
        let database = Options::new().open_with_env(env.clone(), "file.lsm").unwrap();
        database.insert("a", "1").unwrap();
        database.insert("b", vec![b'x'; 10_000]).unwrap();
        env.hook().add(Fault::at(1, effect).on(Method::Write).of_file("file.lsm").for_ever());
        assert_eq!(database.flush().unwrap_err().code(), 13);
        assert_eq!(keys(&database), ["a", "b"]);
        database.insert("c", "3").unwrap();
        assert_eq!(database.flush().unwrap_err().code(), 13);
        assert_eq!(keys(&database), ["a", "b", "c"]);
        process.kill();
        drop(database);
        let database = Options::new().open_with_env(world.process(), "file.lsm").unwrap();
        assert_eq!(keys(&database), ["a", "b", "c"]);
    }
}

#[test]
fn close_reports_a_failed_flush() {
    let world = MemoryWorld::new();
    let process = world.process();
    let env = FaultEnv::new(process.clone(), FaultPlan::default());
    let database = Options::new().open_with_env(env.clone(), "file.lsm").unwrap();
    database.insert("a", "1").unwrap();
    let full = Effect::Error(siltstone::env::EnvError::Full);
    env.hook().add(Fault::at(1, full).on(Method::Write).of_file("file.lsm").for_ever());
    assert_eq!(database.close().unwrap_err().code(), 13);
    process.kill();
    let database = Options::new().open_with_env(world.process(), "file.lsm").unwrap();
    assert_eq!(keys(&database), ["a"]);
}
