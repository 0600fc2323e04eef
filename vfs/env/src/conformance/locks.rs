//! Byte locks.
//!
//! Two kinds of worlds exist: those whose locks reach other processes (`process_locks`), and
//! single-process ones where every lock is granted. The first kind may also keep a second process
//! out altogether, by answering its `open` with `Busy`.

use super::{World, contents, open, open_elsewhere, process, rule};
use crate::{Env, EnvError, File, LockId, LockMode};
use std::sync::Arc;

use LockMode::{Exclusive, Shared, Unlock};

/// Two processes with the same file open, if locks reach that far.
struct Pair {
    _envs: (Arc<dyn Env>, Arc<dyn Env>),
    one: Arc<dyn File>,
    two: Arc<dyn File>,
}

fn pair(world: &dyn World) -> Option<Pair> {
    pair_with(process(world), world)
}

fn pair_with(env: Arc<dyn Env>, world: &dyn World) -> Option<Pair> {
    if !env.capabilities().process_locks {
        return None;
    }
    let one = open(&*env, world, "locked");
    let (other, two) = open_elsewhere(world, "locked")?;
    Some(Pair { _envs: (env, other), one, two })
}

fn granted(file: &Arc<dyn File>, lock: LockId, mode: LockMode) {
    rule(&format!("lock {} ({}) is granted in mode {mode:?}", lock.number(), lock.name()), {
        file.lock(lock, mode)
    });
}

fn refused(file: &Arc<dyn File>, lock: LockId, mode: LockMode) {
    assert_eq!(
        file.lock(lock, mode),
        Err(EnvError::Busy),
        "rule broken: lock {} ({}) in mode {mode:?} is Busy while another process holds it",
        lock.number(),
        lock.name()
    );
}

fn all_locks() -> impl Iterator<Item = LockId> {
    (1..=LockId::COUNT).filter_map(LockId::from_number)
}

/// One exclusive holder keeps everybody else out, for each of the 29 locks.
pub fn exclusive_excludes_other_processes(world: &dyn World) {
    let Some(Pair { one, two, .. }) = pair(world) else { return };
    for lock in all_locks() {
        granted(&one, lock, Exclusive);
        refused(&two, lock, Exclusive);
        refused(&two, lock, Shared);
        granted(&one, lock, Unlock);
        granted(&two, lock, Exclusive);
        refused(&one, lock, Shared);
        granted(&two, lock, Unlock);
    }
}

/// Shared holders admit each other and nobody exclusive.
pub fn shared_admits_shared_only(world: &dyn World) {
    let Some(Pair { one, two, .. }) = pair(world) else { return };
    for lock in all_locks() {
        granted(&one, lock, Shared);
        granted(&two, lock, Shared);
        refused(&two, lock, Exclusive);
        granted(&one, lock, Unlock);
        granted(&two, lock, Exclusive);
        granted(&two, lock, Unlock);
    }
}

/// Every lock stands alone.
pub fn locks_are_independent(world: &dyn World) {
    let Some(Pair { one, two, .. }) = pair(world) else { return };
    for lock in all_locks() {
        granted(if lock.number() % 2 == 0 { &one } else { &two }, lock, Exclusive);
    }
    for lock in all_locks() {
        refused(if lock.number() % 2 == 0 { &two } else { &one }, lock, Shared);
    }
}

/// Shared becomes exclusive and back without a gap.
pub fn upgrade_and_downgrade_happen_in_place(world: &dyn World) {
    let Some(Pair { one, two, .. }) = pair(world) else { return };
    granted(&one, LockId::WRITER, Shared);
    granted(&one, LockId::WRITER, Exclusive);
    refused(&two, LockId::WRITER, Shared);
    granted(&one, LockId::WRITER, Shared);
    granted(&two, LockId::WRITER, Shared);
    refused(&two, LockId::WRITER, Exclusive);
}

/// A failed upgrade costs nothing.
pub fn a_refused_upgrade_keeps_the_shared_lock(world: &dyn World) {
    let Some(Pair { one, two, .. }) = pair(world) else { return };
    granted(&one, LockId::WORKER, Shared);
    granted(&two, LockId::WORKER, Shared);
    refused(&one, LockId::WORKER, Exclusive);
    refused(&two, LockId::WORKER, Exclusive);
    granted(&two, LockId::WORKER, Unlock);
    refused(&two, LockId::WORKER, Exclusive);
}

/// Taking a lock held and releasing one not held are no errors.
pub fn relocking_and_stray_unlocking_succeed(world: &dyn World) {
    let Some(Pair { one, two, .. }) = pair(world) else { return };
    granted(&one, LockId::DMS1, Unlock);
    for mode in [Shared, Shared, Exclusive, Exclusive] {
        granted(&one, LockId::DMS1, mode);
    }
    granted(&two, LockId::DMS1, Unlock);
    refused(&two, LockId::DMS1, Shared);
    granted(&one, LockId::DMS1, Unlock);
    granted(&two, LockId::DMS1, Exclusive);
}

/// `test_lock` answers and leaves everything as it was.
pub fn testing_takes_nothing(world: &dyn World) {
    let Some(Pair { one, two, .. }) = pair(world) else { return };
    let test = |file: &Arc<dyn File>, mode| {
        rule("test_lock succeeds", file.test_lock(LockId::CHECKPOINTER, 1, mode))
    };
    assert!(test(&two, Exclusive), "rule broken: test_lock is true for a free lock");
    granted(&one, LockId::CHECKPOINTER, Shared);
    assert!(test(&two, Shared), "rule broken: test_lock is true for shared beside shared");
    assert!(!test(&two, Exclusive), "rule broken: test_lock is false for exclusive beside shared");
    granted(&one, LockId::CHECKPOINTER, Exclusive);
    assert!(!test(&two, Shared), "rule broken: test_lock is false beside an exclusive lock");
}

/// One's own lock is no obstacle.
pub fn testing_ignores_own_locks(world: &dyn World) {
    let Some(Pair { one, .. }) = pair(world) else { return };
    granted(&one, LockId::DMS2, Exclusive);
    for mode in [Shared, Exclusive] {
        assert!(
            rule("test_lock succeeds", one.test_lock(LockId::DMS2, 1, mode)),
            "rule broken: test_lock ignores the caller's own locks"
        );
    }
    granted(&one, LockId::DMS2, Unlock);
}

/// Locks `n .. n + count` are tested, these and no others.
pub fn testing_covers_the_whole_range(world: &dyn World) {
    let Some(Pair { one, two, .. }) = pair(world) else { return };
    let (Some(first), Some(last)) = (LockId::client(2), LockId::client(5)) else { return };
    let test = || rule("test_lock succeeds", two.test_lock(first, 4, Exclusive));
    for lock in all_locks() {
        granted(&one, lock, Shared);
        let inside = (first..=last).contains(&lock);
        assert_eq!(
            test(),
            !inside,
            "rule broken: test_lock of locks {}..={} looks at exactly these; lock {} is held",
            first.number(),
            last.number(),
            lock.number()
        );
        granted(&one, lock, Unlock);
    }
}

/// Dropping a handle releases its locks.
pub fn closing_releases(world: &dyn World) {
    let Some(Pair { one, two, .. }) = pair(world) else { return };
    granted(&one, LockId::WRITER, Exclusive);
    granted(&one, LockId::DMS2, Shared);
    drop(one);
    granted(&two, LockId::WRITER, Exclusive);
    granted(&two, LockId::DMS2, Exclusive);
}

/// Dropping another handle of the same process, or removing nothing, releases no lock.
pub fn closing_another_handle_releases_nothing(world: &dyn World) {
    let env = process(world);
    if !env.capabilities().process_locks {
        return;
    }
    let one = open(&*env, world, "locked");
    granted(&one, LockId::WRITER, Exclusive);
    drop(open(&*env, world, "locked"));
    let Some((_other, two)) = open_elsewhere(world, "locked") else { return };
    refused(&two, LockId::WRITER, Exclusive);
}

/// Locks and contents do not meet.
pub fn locks_leave_bytes_alone(world: &dyn World) {
    let Some(Pair { one, two, .. }) = pair(world) else { return };
    for lock in all_locks() {
        granted(&one, lock, Exclusive);
    }
    assert_eq!(one.size(), Ok(0), "rule broken: locking does not extend the file");
    rule("locked bytes can be written by others", two.write_at(4000, &[5; 200]));
    assert_eq!(contents(&*one)[4000..], [5; 200], "rule broken: locks are advisory");
}

/// A removed and recreated file has locks of its own.
pub fn locks_follow_the_file_not_the_name(world: &dyn World) {
    let env = process(world);
    if !env.capabilities().multi_process {
        return;
    }
    let old = open(&*env, world, "locked");
    granted(&old, LockId::WRITER, Exclusive);
    rule("remove succeeds", env.remove(&super::path(&*env, world, "locked")));
    let new = open(&*env, world, "locked");
    granted(&new, LockId::WRITER, Exclusive);
    assert_ne!(old.id(), new.id(), "rule broken: another file has another id");
}

/// `lock_range` works where claimed, and says so where not.
pub fn ranges_lock_like_bytes(world: &dyn World) {
    let env = process(world);
    if !env.capabilities().range_locks {
        let file = open(&*env, world, "locked");
        assert_eq!(
            file.lock_range(0..10, Exclusive),
            Err(EnvError::Unsupported),
            "rule broken: lock_range is Unsupported where range_locks is not claimed"
        );
        return;
    }
    let Some(Pair { one, two, .. }) = pair_with(env, world) else { return };
    rule("lock_range succeeds", one.lock_range(10_000..10_100, Exclusive));
    assert_eq!(
        two.lock_range(10_099..10_200, Shared),
        Err(EnvError::Busy),
        "rule broken: overlapping ranges conflict"
    );
    rule("lock_range beside a locked range succeeds", two.lock_range(10_100..10_200, Exclusive));
    rule("part of a range can be released", one.lock_range(10_050..10_100, Unlock));
    rule("a released part can be locked", two.lock_range(10_050..10_100, Shared));
    granted(&one, LockId::WRITER, Exclusive);
    assert_eq!(
        two.lock_range(4092..4093, Shared),
        Err(EnvError::Busy),
        "rule broken: lock n is the byte at 4096 - n"
    );
}

/// Without other processes nothing can be busy.
pub fn single_process_locks_always_succeed(world: &dyn World) {
    let env = process(world);
    let file = open(&*env, world, "locked");
    for mode in [Shared, Exclusive, Shared, Unlock, Exclusive, Unlock] {
        for lock in all_locks() {
            granted(&file, lock, mode);
            assert!(
                rule("test_lock succeeds", file.test_lock(lock, 1, Exclusive)),
                "rule broken: test_lock is true when nobody else is there"
            );
        }
    }
}
