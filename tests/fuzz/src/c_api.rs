//! `lsm.h` as a C program sees it, for the target of the same name.

pub use lsm::compression::lsm_compress;
pub use lsm::cursor::lsm_cursor;
use lsm::environment::lsm_env;
pub use lsm::handle::lsm_db;
use std::ffi::{c_char, c_int, c_uint, c_void};

pub const OK: c_int = 0;
pub const BUSY: c_int = 5;
pub const MISUSE: c_int = 21;

pub const AUTOFLUSH: c_int = 1;
pub const PAGE_SIZE: c_int = 2;
pub const BLOCK_SIZE: c_int = 4;
pub const AUTOWORK: c_int = 5;
pub const MMAP: c_int = 7;
pub const MULTIPLE_PROCESSES: c_int = 11;
pub const AUTOCHECKPOINT: c_int = 12;
pub const SET_COMPRESSION: c_int = 13;

unsafe extern "C" {
    pub fn lsm_new(environment: *mut lsm_env, out: *mut *mut lsm_db) -> c_int;
    pub fn lsm_open(db: *mut lsm_db, path: *const c_char) -> c_int;
    pub fn lsm_close(db: *mut lsm_db) -> c_int;
    pub fn lsm_get_env(db: *mut lsm_db) -> *mut lsm_env;
    pub fn lsm_free(environment: *mut lsm_env, memory: *mut c_void);
    pub fn lsm_config(db: *mut lsm_db, parameter: c_int, ...) -> c_int;
    pub fn lsm_info(db: *mut lsm_db, kind: c_int, ...) -> c_int;
    pub fn lsm_get_user_version(db: *mut lsm_db, version: *mut c_uint) -> c_int;
    pub fn lsm_set_user_version(db: *mut lsm_db, version: c_uint) -> c_int;
    pub fn lsm_begin(db: *mut lsm_db, level: c_int) -> c_int;
    pub fn lsm_commit(db: *mut lsm_db, level: c_int) -> c_int;
    pub fn lsm_rollback(db: *mut lsm_db, level: c_int) -> c_int;
    pub fn lsm_insert(
        db: *mut lsm_db,
        key: *const c_void,
        key_len: c_int,
        value: *const c_void,
        value_len: c_int,
    ) -> c_int;
    pub fn lsm_delete(db: *mut lsm_db, key: *const c_void, len: c_int) -> c_int;
    pub fn lsm_delete_range(
        db: *mut lsm_db,
        low: *const c_void,
        low_len: c_int,
        high: *const c_void,
        high_len: c_int,
    ) -> c_int;
    pub fn lsm_work(db: *mut lsm_db, merge: c_int, kb: c_int, written: *mut c_int) -> c_int;
    pub fn lsm_flush(db: *mut lsm_db) -> c_int;
    pub fn lsm_checkpoint(db: *mut lsm_db, kb: *mut c_int) -> c_int;
    pub fn lsm_csr_open(db: *mut lsm_db, out: *mut *mut lsm_cursor) -> c_int;
    pub fn lsm_csr_close(cursor: *mut lsm_cursor) -> c_int;
    pub fn lsm_csr_seek(
        cursor: *mut lsm_cursor,
        key: *const c_void,
        len: c_int,
        mode: c_int,
    ) -> c_int;
    pub fn lsm_csr_first(cursor: *mut lsm_cursor) -> c_int;
    pub fn lsm_csr_last(cursor: *mut lsm_cursor) -> c_int;
    pub fn lsm_csr_next(cursor: *mut lsm_cursor) -> c_int;
    pub fn lsm_csr_prev(cursor: *mut lsm_cursor) -> c_int;
    pub fn lsm_csr_valid(cursor: *mut lsm_cursor) -> c_int;
    pub fn lsm_csr_key(cursor: *mut lsm_cursor, key: *mut *const c_void, len: *mut c_int) -> c_int;
    pub fn lsm_csr_value(
        cursor: *mut lsm_cursor,
        value: *mut *const c_void,
        len: *mut c_int,
    ) -> c_int;
    pub fn lsm_csr_cmp(
        cursor: *mut lsm_cursor,
        key: *const c_void,
        len: c_int,
        result: *mut c_int,
    ) -> c_int;
}

/// Hooks that turn every bit around.
#[must_use]
pub fn hooks() -> lsm_compress {
    lsm_compress {
        pCtx: std::ptr::null_mut(),
        iId: 20_003,
        xBound: Some(bound),
        xCompress: Some(turn),
        xUncompress: Some(turn),
        xFree: None,
    }
}

unsafe extern "C" fn bound(_: *mut c_void, len: c_int) -> c_int {
    len
}

unsafe extern "C" fn turn(
    _: *mut c_void,
    out: *mut c_char,
    out_len: *mut c_int,
    source: *const c_char,
    len: c_int,
) -> c_int {
    // SAFETY: the library passes `*out_len` bytes to write and `len` bytes to read.
    unsafe {
        if *out_len < len {
            return 1;
        }
        for index in 0..len as usize {
            *out.add(index) = !*source.add(index);
        }
        *out_len = len;
    }
    OK
}
