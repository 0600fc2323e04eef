//! Under full durability no commit returns before the names of database and log are durable, not
//! even if whoever created the files died or failed before it came to that.

use siltstone::{Durability, Options};
use siltstone_env::{Access, Env, EnvError};
use siltstone_memory::{Damage, Effect, Fault, FaultEnv, FaultPlan, MemoryWorld, Method};

fn survives(world: &MemoryWorld) {
    let after = world.power_cut(&Damage::LOSE_UNSYNCED, 1).unwrap();
    let database = Options::new().open_with_env(after.process(), "app.lsm").unwrap();
    assert_eq!(database.get("key").unwrap(), Some(b"value".to_vec()));
}

/// The last checkpoint replaces a log that was synced, so it is synced too.
#[test]
fn closing_does_not_forget_that_durability_was_raised_since_the_opening() {
    let world = MemoryWorld::new();
    world.record();
    let options = Options::new().durability(Durability::None);
    let database = options.open_with_env(world.process(), "app.lsm").unwrap();
    database.set_durability(Durability::Full);
    database.insert("key", "value").unwrap();
    survives(&world);
    database.close().unwrap();
    survives(&world);
}

#[test]
fn a_failed_directory_sync_is_made_up_for() {
    for failing in 1..=2 {
        let world = MemoryWorld::new();
        world.record();
        let plan = FaultPlan::with(
            Fault::at(failing, Effect::Error(EnvError::Io(5))).on(Method::SyncDirectory),
        );
        let env = FaultEnv::new(world.process(), plan);
        let options = Options::new().durability(Durability::Full);
        let mut errors = 0;
        loop {
            let database = options.open_with_env(env.clone(), "app.lsm");
            match database.and_then(|database| database.insert("key", "value").map(|()| database)) {
                Ok(_) => break,
                Err(_) => errors += 1,
            }
            assert!(errors < 5);
        }
        assert!(env.hook().fired() > 0 && errors > 0);
        survives(&world);
    }
}

#[test]
fn files_left_by_a_process_that_died_get_durable_names() {
    let world = MemoryWorld::new();
    world.record();
    let process = world.process();
    for name in ["app.lsm", "app.lsm-log"] {
        let path = process.canonical_path(name.as_bytes()).unwrap();
        process.open(&path, Access::ReadWriteCreate).unwrap();
    }
    process.kill();
    let options = Options::new().durability(Durability::Full);
    let database = options.open_with_env(world.process(), "app.lsm").unwrap();
    database.insert("key", "value").unwrap();
    survives(&world);
}
