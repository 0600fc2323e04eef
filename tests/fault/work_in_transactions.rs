//! Merge work that a write transaction does on the way is no part of it: when it fails, the change
//! that called for it stands, and the transaction goes on.

use siltstone::Options;
use siltstone_env::EnvError;
use siltstone_memory::{Effect, Fault, FaultEnv, FaultPlan, MemoryWorld, Method};

#[test]
fn a_change_stands_when_the_work_it_called_for_fails() {
    let world = MemoryWorld::new();
    let env = FaultEnv::new(world.process(), FaultPlan::default());
    let options = Options::new().page_size(1024).block_size(64 << 10).autoflush(64 << 10);
    let database = options.open_with_env(env.clone(), "app.lsm").unwrap();
    let value = [7; 200];
    // Leaves an old tree that waits to be flushed: the work there is to do.
    database.set_autowork(false);
    database
        .write(|transaction| (0..400_u32).try_for_each(|n| transaction.insert(key(n), value)))
        .unwrap();
    database.set_autowork(true);
    let plan = env.hook();
    plan.add(
        Fault::at(1, Effect::Error(EnvError::Full)).on(Method::Write).of_file("app.lsm").for_ever(),
    );
    let transaction = database.begin().unwrap();
    for n in 400..1000 {
        transaction.insert(key(n), value).unwrap();
    }
    assert!(plan.fired() > 0, "no work was tried");
    plan.clear();
    transaction.commit().unwrap();
    assert_eq!(database.iter().unwrap().map(Result::unwrap).count(), 1000);
    assert!(database.check().unwrap().is_sound());
    database.close().unwrap();
    let database = options.open_with_env(env, "app.lsm").unwrap();
    assert_eq!(database.iter().unwrap().map(Result::unwrap).count(), 1000);
}

fn key(n: u32) -> [u8; 4] {
    n.to_be_bytes()
}
