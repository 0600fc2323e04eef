//! Names: creation, removal, canonical form.

use super::{World, contents, open, path, process, rule};
use crate::{Access, EnvError};

/// `ReadOnly` and `ReadWrite` create nothing.
pub fn a_missing_file_is_not_found(world: &dyn World) {
    let env = process(world);
    let path = path(&*env, world, "missing");
    for access in [Access::ReadOnly, Access::ReadWrite] {
        for attempt in 1..=2 {
            assert_eq!(
                env.open(&path, access).err(),
                Some(EnvError::NotFound),
                "rule broken: opening a missing file with {access:?} is NotFound (attempt {attempt})"
            );
        }
    }
    assert_eq!(
        env.remove(&path),
        Err(EnvError::NotFound),
        "rule broken: removing a missing file is NotFound"
    );
}

/// `ReadWriteCreate` creates; the file then opens in every way.
pub fn creation_is_visible_to_everybody(world: &dyn World) {
    let env = process(world);
    open(&*env, world, "new");
    let path = path(&*env, world, "new");
    for access in [Access::ReadWrite, Access::ReadOnly, Access::ReadWriteCreate] {
        rule("a created file opens", env.open(&path, access));
    }
}

/// Canonical form is a fixed point and does not depend on the file's existence.
pub fn canonical_paths_are_stable(world: &dyn World) {
    let env = process(world);
    let before = path(&*env, world, "stable");
    open(&*env, world, "stable");
    let after = path(&*env, world, "stable");
    assert_eq!(before, after, "rule broken: creating the file does not change its canonical path");
    let again = rule("a canonical path is a name", env.canonical_path(after.as_bytes()));
    assert_eq!(again, after, "rule broken: the canonical form of a canonical path is itself");
    let other = path(&*env, world, "other");
    assert_ne!(after, other, "rule broken: different files have different canonical paths");
}

/// Where a missing directory is noticed at all, it is `NotFound`, by name or at open.
pub fn a_missing_directory_is_not_found(world: &dyn World) {
    let env = process(world);
    let opened = env
        .canonical_path(&world.path("no-such-directory/file"))
        .and_then(|path| env.open(&path, Access::ReadOnly));
    assert_eq!(
        opened.err(),
        Some(EnvError::NotFound),
        "rule broken: a file in a missing directory is NotFound"
    );
}

/// A directory cannot be opened as a file.
pub fn a_directory_is_not_a_file(world: &dyn World) {
    let env = process(world);
    let mut name = world.path("x");
    while name.last().is_some_and(|&byte| byte != b'/') {
        name.pop();
    }
    if name.len() > 1 {
        let opened = env
            .canonical_path(&name)
            .and_then(|path| env.open(&path, Access::ReadWriteCreate).map(|_| ()));
        assert!(opened.is_err(), "rule broken: a directory does not open as a file");
    }
}

/// After removal the name is gone.
pub fn removal_takes_the_name_away(world: &dyn World) {
    let env = process(world);
    drop(open(&*env, world, "gone"));
    let path = path(&*env, world, "gone");
    rule("remove succeeds", env.remove(&path));
    assert_eq!(
        env.open(&path, Access::ReadOnly).err(),
        Some(EnvError::NotFound),
        "rule broken: a removed file is NotFound"
    );
    assert_eq!(
        env.remove(&path),
        Err(EnvError::NotFound),
        "rule broken: removing twice is NotFound"
    );
}

/// Handles opened before a removal neither fail nor block it.
pub fn removal_leaves_open_handles_usable(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "unlinked");
    rule("write succeeds", file.write_at(0, b"still here"));
    rule("remove succeeds with open handles", env.remove(&path(&*env, world, "unlinked")));
    let mut buffer = [0; 10];
    rule("a removed file's handle reads", file.read_at(0, &mut buffer));
    rule("a removed file's handle syncs", file.sync());
}

/// Nothing of a removed file is found in its successor.
pub fn a_recreated_file_is_empty(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "again");
    rule("write succeeds", file.write_at(0, &[7; 9000]));
    drop(file);
    rule("remove succeeds", env.remove(&path(&*env, world, "again")));
    let file = open(&*env, world, "again");
    assert!(contents(&*file).is_empty(), "rule broken: a recreated file is empty");
}

/// Syncing the directory works after creation and after removal.
pub fn directory_sync_succeeds(world: &dyn World) {
    let env = process(world);
    drop(open(&*env, world, "named"));
    let path = path(&*env, world, "named");
    rule("sync_directory succeeds after creation", env.sync_directory(&path));
    rule("remove succeeds", env.remove(&path));
    rule("sync_directory succeeds after removal", env.sync_directory(&path));
}

/// `open_beside` differs from `open` in nothing the suite can see.
pub fn files_beside_a_database_open_like_any(world: &dyn World) {
    let env = process(world);
    let database = path(&*env, world, "database");
    let beside = database.with_suffix("-log");
    for attempt in ["without", "with"] {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            assert_eq!(
                env.open_beside(&beside, access, &database).err(),
                Some(EnvError::NotFound),
                "rule broken: {access:?} creates nothing beside a database ({attempt} one)"
            );
        }
        let create = || env.open_beside(&beside, Access::ReadWriteCreate, &database);
        let file = rule("a file beside a database is created", create());
        rule("write_at succeeds", file.write_at(0, b"kept"));
        let again = rule("a file beside a database opens", create());
        assert_eq!(contents(&*again), b"kept", "rule broken: an existing file is left as it is");
        let reader = rule("a created file opens", env.open(&beside, Access::ReadOnly));
        assert_eq!(contents(&*reader), b"kept", "rule broken: the file has the name given");
        rule("remove succeeds", env.remove(&beside));
        open(&*env, world, "database");
    }
}

/// Where files have an identity, `is_current` follows their names.
pub fn removal_and_replacement_are_noticed(world: &dyn World) {
    let env = process(world);
    let old = open(&*env, world, "name");
    let (name, other_name) = (path(&*env, world, "name"), path(&*env, world, "other"));
    let other = open(&*env, world, "other");
    if rule("id succeeds", old.id()).is_none() {
        return;
    }
    let current = |name, file| rule("is_current succeeds", env.is_current(name, file));
    assert!(current(&name, &*old), "rule broken: a name leads to the file opened by it");
    assert!(current(&other_name, &*other), "rule broken: a name leads to the file opened by it");
    assert!(!current(&name, &*other), "rule broken: is_current tells files apart");
    let reader = rule("a file opens read-only", env.open(&name, Access::ReadOnly));
    assert!(current(&name, &*reader), "rule broken: access does not change the file");
    rule("remove succeeds", env.remove(&name));
    assert!(!current(&name, &*old), "rule broken: is_current notices a removal");
    let new = open(&*env, world, "name");
    assert!(!current(&name, &*old), "rule broken: is_current notices a replacement");
    assert!(!current(&name, &*reader), "rule broken: is_current notices a replacement");
    assert!(current(&name, &*new), "rule broken: a name leads to the file opened by it");
}
