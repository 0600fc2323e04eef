//! The functions as C calls them: states, misuse, callbacks, panics. What they do with databases is
//! tested with programs in C (tests/c).

use crate::callbacks::*;
use crate::codes::{LSM_ERROR, LSM_MISUSE, LSM_OK};
use crate::cursor::*;
use crate::environment::{lsm_free, lsm_malloc};
use crate::extras::*;
use crate::guard::{Need, enter};
use crate::handle::*;
use crate::transaction::*;
use crate::work::*;
use crate::write::*;
use std::cell::Cell;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

/// A handle, its folder, and the path of its database.
struct Handle {
    db: *mut lsm_db,
    path: CString,
    _folder: tempfile::TempDir,
}

fn new() -> *mut lsm_db {
    let mut db = null_mut();
    // SAFETY: lsm.h's contract: the default environment, and a place for a pointer.
    assert_eq!(unsafe { lsm_new(null_mut(), &mut db) }, LSM_OK);
    // SAFETY: a handle of ours.
    unsafe { lsm_config_log(db, None, null_mut()) };
    db
}

fn open() -> Handle {
    let folder = tempfile::tempdir().unwrap();
    let path = CString::new(folder.path().join("app.lsm").to_str().unwrap()).unwrap();
    let db = new();
    // SAFETY: a handle and a C string.
    assert_eq!(unsafe { lsm_open(db, path.as_ptr()) }, LSM_OK);
    Handle { db, path, _folder: folder }
}

fn put(db: *mut lsm_db, key: &str, value: &str) -> c_int {
    let (key_len, value_len) = (key.len() as c_int, value.len() as c_int);
    // SAFETY: a handle, and strings with their lengths.
    unsafe { lsm_insert(db, key.as_ptr().cast(), key_len, value.as_ptr().cast(), value_len) }
}

fn cursor(db: *mut lsm_db) -> *mut lsm_cursor {
    let mut cursor = null_mut();
    // SAFETY: a handle, and a place for a pointer.
    assert_eq!(unsafe { lsm_csr_open(db, &mut cursor) }, LSM_OK);
    cursor
}

fn message(db: *mut lsm_db) -> String {
    // SAFETY: a handle, not used before the text is copied.
    unsafe { CStr::from_ptr(siltstone_error_message(db)) }.to_str().unwrap().to_owned()
}

#[test]
fn nothing_crashes_without_a_handle_or_arguments() {
    let (none, mut number) = (null_mut::<lsm_db>(), 0);
    let no_cursor = null_mut::<lsm_cursor>();
    // SAFETY: NULL is allowed everywhere.
    unsafe {
        assert_eq!(lsm_new(null_mut(), null_mut()), LSM_MISUSE);
        assert_eq!(lsm_close(none), LSM_OK);
        assert!(lsm_get_env(none).is_null());
        for code in [
            lsm_open(none, c"x".as_ptr()),
            lsm_begin(none, 1),
            lsm_commit(none, 0),
            lsm_rollback(none, 0),
            lsm_insert(none, null(), 0, null(), 0),
            lsm_delete(none, null(), 0),
            lsm_delete_range(none, null(), 0, null(), 0),
            lsm_work(none, 1, 1, null_mut()),
            lsm_flush(none),
            lsm_checkpoint(none, null_mut()),
            lsm_get_user_version(none, null_mut()),
            lsm_set_user_version(none, 1),
            lsm_csr_open(none, null_mut()),
            lsm_csr_seek(no_cursor, null(), 0, 0),
            lsm_csr_first(no_cursor),
            lsm_csr_last(no_cursor),
            lsm_csr_next(no_cursor),
            lsm_csr_prev(no_cursor),
            lsm_csr_key(no_cursor, null_mut(), null_mut()),
            lsm_csr_value(no_cursor, null_mut(), null_mut()),
            lsm_csr_cmp(no_cursor, null(), 0, &mut number),
            siltstone_busy_timeout(none, 1),
        ] {
            assert_eq!(code, LSM_MISUSE);
        }
        assert_eq!(lsm_csr_valid(no_cursor), 0);
        assert_eq!(lsm_csr_close(no_cursor), LSM_OK);
        lsm_config_log(none, None, null_mut());
        lsm_config_work_hook(none, None, null_mut());
        assert_eq!(message(none), "");
        lsm_free(null_mut(), lsm_malloc(null_mut(), 10));
        lsm_free(null_mut(), null_mut());

        let Handle { db, .. } = open();
        assert_eq!(lsm_open(db, null()), LSM_MISUSE);
        assert_eq!(lsm_insert(db, null(), 3, null(), 0), LSM_MISUSE);
        assert_eq!(lsm_insert(db, c"x".as_ptr().cast(), -1, null(), 0), LSM_MISUSE);
        assert!(message(db).contains("negative"), "{}", message(db));
        assert_eq!(lsm_get_user_version(db, null_mut()), LSM_MISUSE);
        let cursor = cursor(db);
        assert_eq!(lsm_csr_key(cursor, null_mut(), null_mut()), LSM_MISUSE);
        assert_eq!(lsm_csr_seek(cursor, null(), 0, 9), LSM_MISUSE);
        assert_eq!(lsm_csr_cmp(cursor, null(), 0, &mut number), LSM_MISUSE);
        assert_eq!(lsm_close(db), LSM_MISUSE);
        assert_eq!(lsm_csr_close(cursor), LSM_OK);
        assert_eq!(lsm_close(db), LSM_OK);
    }
}

/// `lsm_csr_key` or `lsm_csr_value`.
type Reader = unsafe extern "C" fn(*mut lsm_cursor, *mut *const c_void, *mut c_int) -> c_int;

#[test]
fn key_and_value_stay_where_they_are_until_the_cursor_moves() {
    let Handle { db, _folder, .. } = open();
    let long = "x".repeat(100_000);
    assert_eq!((put(db, "a", "1"), put(db, "b", &long), put(db, "c", "")), (0, 0, 0));
    for flushed in [false, true] {
        // SAFETY: a handle and its cursor; places for pointers and numbers.
        unsafe {
            if flushed {
                assert_eq!(lsm_flush(db), LSM_OK);
            }
            let cursor = cursor(db);
            assert_eq!(lsm_csr_first(cursor), LSM_OK);
            for (key, value) in [("a", "1"), ("b", long.as_str()), ("c", "")] {
                let read = |take: Reader| {
                    let (mut at, mut len) = (null::<c_void>(), -1 as c_int);
                    assert_eq!(take(cursor, &mut at, &mut len), LSM_OK);
                    assert!(!at.is_null());
                    std::slice::from_raw_parts(at.cast::<u8>(), len as usize)
                };
                let (first_key, first_value) = (read(lsm_csr_key), read(lsm_csr_value));
                let (second_key, second_value) = (read(lsm_csr_key), read(lsm_csr_value));
                assert_eq!((first_key, first_value), (key.as_bytes(), value.as_bytes()));
                assert_eq!(first_key.as_ptr(), second_key.as_ptr());
                assert_eq!(first_value.as_ptr(), second_value.as_ptr());
                let mut order = 7;
                assert_eq!(lsm_csr_cmp(cursor, c"b".as_ptr().cast(), 1, &mut order), LSM_OK);
                assert_eq!(order, key.cmp("b") as c_int);
                assert_eq!(lsm_csr_next(cursor), LSM_OK);
            }
            assert_eq!((lsm_csr_valid(cursor), lsm_csr_prev(cursor)), (0, LSM_MISUSE));
            assert_eq!(lsm_csr_close(cursor), LSM_OK);
        }
    }
    // SAFETY: a handle.
    assert_eq!(unsafe { lsm_close(db) }, LSM_OK);
}

#[test]
fn after_a_panic_a_handle_can_only_be_closed() {
    let Handle { db, path, _folder } = open();
    assert_eq!(put(db, "a", "1"), LSM_OK);
    let cursor = cursor(db);
    // SAFETY: handles and cursors of ours.
    unsafe {
        assert_eq!(lsm_begin(db, 1), LSM_OK);
        assert_eq!(put(db, "b", "2"), LSM_OK);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        assert_eq!(enter(db, Need::Handle, |_, _| std::panic::panic_any(1)), LSM_ERROR);
        std::panic::set_hook(hook);
        assert_eq!(put(db, "c", "3"), LSM_MISUSE);
        assert_eq!(lsm_commit(db, 0), LSM_MISUSE);
        assert_eq!(lsm_csr_first(cursor), LSM_MISUSE);
        assert_eq!(lsm_csr_valid(cursor), 0);
        // A cursor knows its handle, so it goes first.
        assert_eq!(lsm_close(db), LSM_MISUSE);
        assert_eq!(lsm_csr_close(cursor), LSM_OK);
        assert_eq!(lsm_close(db), LSM_OK);

        let db = new();
        assert_eq!(lsm_open(db, path.as_ptr()), LSM_OK);
        let cursor = self::cursor(db);
        assert_eq!((lsm_csr_first(cursor), lsm_csr_valid(cursor)), (LSM_OK, 1));
        assert_eq!((lsm_csr_next(cursor), lsm_csr_valid(cursor)), (LSM_OK, 0));
        assert_eq!(lsm_csr_close(cursor), LSM_OK);
        assert_eq!(lsm_close(db), LSM_OK);
    }
}

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Uses the handle as no hook of C lsm1 may.
unsafe extern "C" fn busy_hook(db: *mut lsm_db, context: *mut c_void) {
    assert_eq!(context as usize, 17);
    CALLS.set(CALLS.get() + 1);
    // SAFETY: the handle the hook was called for.
    unsafe {
        assert_eq!(lsm_close(db), LSM_MISUSE);
        let mut written = -1;
        assert_eq!(lsm_work(db, 2, 64, &mut written), LSM_OK);
        assert!(written >= 0);
        if CALLS.get() == 1 {
            assert_eq!(put(db, "hook", "was here"), LSM_OK);
            lsm_config_work_hook(db, Some(busy_hook), context);
        }
    }
}

#[test]
fn a_work_hook_may_use_its_handle() {
    let Handle { db, _folder, .. } = open();
    CALLS.set(0);
    // SAFETY: a handle; the context is a number.
    unsafe {
        lsm_config_work_hook(db, Some(busy_hook), std::ptr::without_provenance_mut(17));
        for _ in 0..6 {
            for n in 0..100 {
                assert_eq!(put(db, &format!("{n:03}"), "x"), LSM_OK);
            }
            assert_eq!(lsm_flush(db), LSM_OK);
        }
        assert!(CALLS.get() > 6, "{}", CALLS.get());
        let cursor = cursor(db);
        assert_eq!(lsm_csr_seek(cursor, c"hook".as_ptr().cast(), 4, 0), LSM_OK);
        assert_eq!(lsm_csr_valid(cursor), 1);
        assert_eq!(lsm_csr_close(cursor), LSM_OK);
        assert_eq!(lsm_close(db), LSM_OK);
    }
}

unsafe extern "C" fn keep_message(context: *mut c_void, code: c_int, text: *const c_char) {
    // SAFETY: the context is the test's vector, and the text a C string.
    unsafe {
        let text = CStr::from_ptr(text).to_str().unwrap().to_owned();
        (*context.cast::<Vec<(c_int, String)>>()).push((code, text));
    }
}

#[test]
fn errors_are_told_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    std::fs::write(&file, [b'x'; 9000]).unwrap();
    let path = CString::new(file.to_str().unwrap()).unwrap();
    let mut messages: Vec<(c_int, String)> = Vec::new();
    let db = new();
    // SAFETY: a handle; the vector outlives it.
    unsafe {
        lsm_config_log(db, Some(keep_message), (&raw mut messages).cast());
        assert_eq!(message(db), "");
        assert_eq!(lsm_open(db, path.as_ptr()), 11);
        assert!(message(db).contains("not a database"), "{}", message(db));
        assert_eq!(lsm_begin(db, 1), LSM_MISUSE);
        assert!(message(db).contains("open"), "{}", message(db));
        assert_eq!(lsm_close(db), LSM_OK);
    }
    assert_eq!(messages.len(), 1);
    assert!(messages.iter().all(|(code, text)| *code == 11 && text.contains("not a database")));
}
