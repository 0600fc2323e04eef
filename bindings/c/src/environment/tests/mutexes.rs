//! A caller's mutexes: the static one around opening and closing, and those that cannot be had.

use super::handles::{configure, given_back, insert, new};
use super::watched::{Lent, Watched};
use crate::handle::{lsm_close, lsm_db, lsm_open};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

const NOMEM: i32 = 7;
/// What functions for mutexes fail with. Under Miri an opening takes long.
const CODES: &[i32] = if cfg!(miri) { &[4711] } else { &[NOMEM, 4711] };
const MULTIPLE_PROCESSES: i32 = 11;
const READ_ONLY: i32 = 16;

fn open(db: *mut lsm_db) -> i32 {
    // SAFETY: a handle that is not closed yet, and a C string.
    unsafe { lsm_open(db, c"file.lsm".as_ptr()) }
}

fn close(db: *mut lsm_db) {
    // SAFETY: a handle that is not closed yet, and is not used again.
    assert_eq!(unsafe { lsm_close(db) }, 0);
}

/// How often `call` enters the static mutex, which it must leave as often.
fn turns(world: &Watched, call: impl FnOnce()) -> usize {
    let before = world.global_turns();
    call();
    let after = world.global_turns();
    assert_eq!(after.0 - before.0, after.1 - before.1, "left as often as entered");
    after.0 - before.0
}

#[test]
fn the_static_mutex_is_held_around_opening_and_closing() {
    for multiple_processes in [1, 0] {
        let world = Arc::new(Watched::default());
        let lent = Lent::new(&world);
        let [first, second] = [(); 2].map(|()| new(lent.as_ptr()).unwrap());
        for db in [first, second] {
            configure(db, MULTIPLE_PROCESSES, multiple_processes);
            assert_eq!(turns(&world, || assert_eq!(open(db), 0)), 1);
        }
        let writing = turns(&world, || {
            assert_eq!(insert(first, 1), 0);
            assert_eq!(insert(second, 2), 0);
        });
        assert_eq!(writing, 0);
        assert_eq!(turns(&world, || close(first)), 1);
        assert!(turns(&world, || close(second)) >= 1);
        given_back(&world);
    }
}

#[test]
fn a_mutex_that_cannot_be_made_fails_the_opening() {
    for (multiple_processes, read_only) in [(1, 0), (0, 0), (1, 1)] {
        for &code in CODES {
            let world = Arc::new(Watched::default());
            let lent = Lent::new(&world);
            // So that there is something to read.
            let db = new(lent.as_ptr()).unwrap();
            assert_eq!(open(db), 0);
            assert_eq!(insert(db, 0), 0);
            close(db);
            let (mut failures, mut which) = (0, 0);
            loop {
                which += 1;
                world.mutexes_asked_for.store(0, SeqCst);
                world.mutex_fails.1.store(code, SeqCst);
                world.mutex_fails.0.store(which, SeqCst);
                let db = new(lent.as_ptr()).unwrap();
                configure(db, MULTIPLE_PROCESSES, multiple_processes);
                configure(db, READ_ONLY, read_only);
                let opened = open(db);
                if world.mutexes_asked_for.load(SeqCst) < which {
                    assert_eq!(opened, 0);
                    close(db);
                    break;
                }
                failures += 1;
                assert_eq!(opened, code);
                assert_eq!(world.mutexes.load(SeqCst), 0);
                // The handle is as it was before, and so is the file.
                world.mutex_fails.0.store(0, SeqCst);
                assert_eq!(open(db), 0);
                if read_only == 0 {
                    assert_eq!(insert(db, which), 0);
                }
                close(db);
                given_back(&world);
            }
            assert!(failures > 0, "no mutex was asked for");
            given_back(&world);
        }
    }
}

#[test]
fn a_static_mutex_that_cannot_be_had_fails_the_opening() {
    for &code in CODES {
        let world = Arc::new(Watched::default());
        let lent = Lent::new(&world);
        let db = new(lent.as_ptr()).unwrap();
        world.global_code.store(code, SeqCst);
        assert_eq!(open(db), code);
        assert_eq!(world.global_turns(), (0, 0));
        world.global_code.store(0, SeqCst);
        assert_eq!(open(db), 0);
        assert_eq!(insert(db, 1), 0);
        // Closing comes to its end all the same.
        world.global_code.store(code, SeqCst);
        close(db);
        given_back(&world);
    }
}

#[test]
fn who_brings_no_functions_for_mutexes_does_without() {
    for missing in 0..5 {
        let world = Arc::new(Watched::default());
        let lent = Lent::new(&world);
        lent.change(|members| match missing {
            0 => members.xMutexStatic = None,
            1 => members.xMutexNew = None,
            2 => members.xMutexDel = None,
            3 => members.xMutexEnter = None,
            _ => members.xMutexLeave = None,
        });
        let db = new(lent.as_ptr()).unwrap();
        assert_eq!(open(db), 0);
        assert_eq!(insert(db, 1), 0);
        close(db);
        let entered = world.global_turns().0;
        assert_eq!(entered > 0, [1, 2].contains(&missing));
        given_back(&world);
    }
}
