//! The table of open databases and the identity of files.

use super::{World, open, open_elsewhere, process, rule};
use crate::{Access, FileId};

/// One environment always gives the same table.
pub fn a_process_has_one_table(world: &dyn World) {
    let env = process(world);
    let id = FileId(b"conformance".to_vec());
    env.registry().lock().insert(id.clone(), Box::new(42u32));
    let found = env.registry().lock().get(&id).and_then(|any| any.downcast_ref().copied());
    assert_eq!(found, Some(42u32), "rule broken: a process keeps what its registry was given");
    env.registry().lock().remove(&id);
}

/// Processes do not see each other's tables.
pub fn processes_have_tables_of_their_own(world: &dyn World) {
    let env = process(world);
    let Some(other) = world.process() else { return };
    assert!(
        !std::ptr::eq(env.registry(), other.registry()),
        "rule broken: every process has a registry of its own"
    );
}

/// `id` is the same through every handle and differs between files.
pub fn the_same_file_has_the_same_id(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "identity");
    let id = rule("id succeeds", file.id());
    let again = open(&*env, world, "identity");
    assert_eq!(id, rule("id succeeds", again.id()), "rule broken: handles of a file share its id");
    let reader = rule(
        "a file opens read-only",
        env.open(&super::path(&*env, world, "identity"), Access::ReadOnly),
    );
    assert_eq!(id, rule("id succeeds", reader.id()), "rule broken: access does not change the id");
    if let Some((_env, other)) = open_elsewhere(world, "identity") {
        assert_eq!(id, rule("id succeeds", other.id()), "rule broken: processes agree on ids");
    }
    rule("write_at succeeds", file.write_at(0, &[1; 5000]));
    assert_eq!(id, rule("id succeeds", file.id()), "rule broken: contents do not change the id");
    let stranger = open(&*env, world, "stranger");
    if id.is_some() {
        assert_ne!(id, rule("id succeeds", stranger.id()), "rule broken: ids tell files apart");
    }
}
