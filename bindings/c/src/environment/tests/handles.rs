//! Handles of lsm.h in callers' environments: everything comes from there and goes back in time.

use super::watched::{Lent, Watched};
use crate::environment::{lsm_env, lsm_free};
use crate::handle::{lsm_close, lsm_db, lsm_get_env, lsm_new, lsm_open};
use crate::write::lsm_insert;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

unsafe extern "C" {
    fn siltstone_c_info(
        db: *mut lsm_db,
        kind: c_int,
        id: i64,
        first: *mut c_void,
        second: *mut c_void,
    ) -> c_int;
    fn siltstone_c_config(db: *mut lsm_db, parameter: c_int, value: *mut c_void) -> c_int;
}

pub(super) fn new(env: *mut lsm_env) -> Result<*mut lsm_db, c_int> {
    let mut db = ptr::dangling_mut();
    // SAFETY: NULL or a structure of the test that outlives the handle, and room for a pointer.
    match unsafe { lsm_new(env, &mut db) } {
        0 => Ok(db),
        code => {
            assert!(db.is_null());
            Err(code)
        }
    }
}

pub(super) fn insert(db: *mut lsm_db, number: usize) -> c_int {
    let (key, value) = (format!("{number:05}"), [b'v'; 200]);
    // SAFETY: a handle of the test, and bytes with their lengths.
    unsafe { lsm_insert(db, key.as_ptr().cast(), 5, value.as_ptr().cast(), 200) }
}

pub(super) fn configure(db: *mut lsm_db, parameter: c_int, value: c_int) {
    let mut value = value;
    // SAFETY: a handle of the test, and a number, which is what these parameters take.
    assert_eq!(unsafe { siltstone_c_config(db, parameter, (&raw mut value).cast()) }, 0);
}

fn text(db: *mut lsm_db, kind: c_int, id: i64) -> Result<Option<String>, c_int> {
    let mut text: *mut c_char = ptr::dangling_mut();
    let out = (&raw mut text).cast();
    // SAFETY: a handle of the test, and room for what this kind gives.
    match unsafe { siltstone_c_info(db, kind, id, out, ptr::null_mut()) } {
        0 if text.is_null() => Ok(None),
        0 => {
            // SAFETY: `lsm_info` has given a C string, which is the test's until it frees it.
            let copy = unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned();
            // SAFETY: memory of this environment, not used again.
            unsafe { lsm_free(lsm_get_env(db), text.cast()) };
            Ok(Some(copy))
        }
        code => {
            assert!(text.is_null() || code == 21);
            Err(code)
        }
    }
}

pub(super) fn given_back(world: &Watched) {
    assert_eq!(world.opened.load(SeqCst), world.closed.load(SeqCst));
    assert_eq!((world.mutexes.load(SeqCst), world.allocated.load(SeqCst)), (0, 0));
    assert_eq!(world.locks_lost.load(SeqCst), 0);
    let (entered, left) = world.global_turns();
    assert_eq!(entered, left, "the static mutex is free");
}

/// Both modes, two handles with a structure each, the first of which goes with its handle.
#[test]
fn a_structure_is_used_as_long_as_its_handle() {
    for multiple_processes in [1, 0] {
        let world = Arc::new(Watched::default());
        let (first, second) = (Lent::new(&world), Lent::new(&world));
        let dbs = [&first, &second].map(|lent| new(lent.as_ptr()).unwrap());
        // SAFETY: a handle that is not closed yet.
        assert_eq!(unsafe { lsm_get_env(dbs[0]) }, first.as_ptr());
        for db in dbs {
            // Small pages and blocks, and a flush every few changes.
            for (parameter, value) in [(2, 512), (4, 64), (1, 8), (11, multiple_processes)] {
                configure(db, parameter, value);
            }
            // SAFETY: a handle that is not closed yet, and a C string.
            assert_eq!(unsafe { lsm_open(db, c"file.lsm".as_ptr()) }, 0);
        }
        let changes = if cfg!(miri) { 30 } else { 200 };
        for number in 0..changes {
            assert_eq!(insert(dbs[number % 2], number), 0);
        }
        // SAFETY: a handle that is not closed yet, and is not used again.
        assert_eq!(unsafe { lsm_close(dbs[0]) }, 0);
        drop(first);
        for number in changes..2 * changes {
            assert_eq!(insert(dbs[1], number), 0);
        }
        // SAFETY: as above.
        assert_eq!(unsafe { lsm_close(dbs[1]) }, 0);
        given_back(&world);
    }
}

#[test]
fn texts_are_the_environments_memory() {
    let world = Arc::new(Watched::default());
    let lent = Lent::new(&world);
    let db = new(lent.as_ptr()).unwrap();
    configure(db, 1, 8);
    assert_eq!(text(db, 3, 0), Err(21), "not open");
    // SAFETY: a handle that is not closed yet, and a C string.
    assert_eq!(unsafe { lsm_open(db, c"file.lsm".as_ptr()) }, 0);
    assert_eq!((text(db, 3, 0), text(db, 8, 0)), (Ok(None), Ok(None)));
    let changes = if cfg!(miri) { 45 } else { 100 };
    for number in 0..changes {
        assert_eq!(insert(db, number), 0);
    }
    let levels = text(db, 3, 0).unwrap().unwrap();
    let first: i64 = levels.split(['{', ' ']).filter_map(|word| word.parse().ok()).nth(1).unwrap();
    let log = text(db, 4, 0).unwrap().unwrap();
    assert_eq!(log.split(' ').count(), 6);
    let ranges = text(db, 5, first).unwrap().unwrap();
    assert!(ranges.starts_with(&format!("{first} ")));
    assert!(text(db, 9, first).unwrap().unwrap().starts_with(&format!(" {first}")));
    for kind in [6, 7] {
        assert!(text(db, kind, first).unwrap().unwrap().starts_with(&format!("Page : {first}  (")));
    }
    for kind in [5, 6, 7, 9] {
        for nowhere in [0, -1, 1, i64::MAX] {
            assert_eq!(text(db, kind, nowhere), Err(1));
        }
    }
    world.exhausted.store(true, SeqCst);
    for kind in [3, 4, 5, 6, 7, 9] {
        assert_eq!(text(db, kind, first), Err(7));
    }
    assert_eq!(new(lent.as_ptr()).err(), Some(7));
    world.exhausted.store(false, SeqCst);
    assert_eq!(text(db, 3, 0), Ok(Some(levels)), "the handle is well");
    // SAFETY: a handle that is not closed yet, and is not used again.
    assert_eq!(unsafe { lsm_close(db) }, 0);
    given_back(&world);
}

#[test]
fn codes_of_the_environment_come_out() {
    let world = Arc::new(Watched::default());
    let lent = Lent::new(&world);
    let open = |code| {
        world.read_code.store(code, SeqCst);
        let db = new(lent.as_ptr()).unwrap();
        // SAFETY: a handle that is not closed yet, and a C string.
        let opened = unsafe { lsm_open(db, c"file.lsm".as_ptr()) };
        world.read_code.store(0, SeqCst);
        // SAFETY: a handle that is not closed yet, and is not used again.
        assert_eq!(unsafe { lsm_close(db) }, 0);
        opened
    };
    for code in [0, 4711, 10, 7, 13, 266, 0] {
        assert_eq!(open(code), code);
    }
    given_back(&world);
}
