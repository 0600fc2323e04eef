//! `struct lsm_env` as the caller lays it out.

#![allow(non_camel_case_types, non_snake_case, reason = "names of lsm.h")]

use std::ffi::{c_char, c_int, c_void};

/// An open file of an environment; only the environment knows what is in it.
#[repr(C)]
pub struct lsm_file {
    _private: [u8; 0],
}

/// A mutex of an environment.
#[repr(C)]
pub struct lsm_mutex {
    _private: [u8; 0],
}

type File = *mut lsm_file;
type Mutex = *mut lsm_mutex;

/// What a database asks the world for. Contracts: lsm.h.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(missing_docs, reason = "lsm.h says what each member is")]
pub struct lsm_env {
    pub nByte: c_int,
    pub iVersion: c_int,
    pub pVfsCtx: *mut c_void,
    pub xFullpath:
        Option<unsafe extern "C" fn(*mut lsm_env, *const c_char, *mut c_char, *mut c_int) -> c_int>,
    pub xOpen: Option<unsafe extern "C" fn(*mut lsm_env, *const c_char, c_int, *mut File) -> c_int>,
    pub xRead: Option<unsafe extern "C" fn(File, i64, *mut c_void, c_int) -> c_int>,
    pub xWrite: Option<unsafe extern "C" fn(File, i64, *const c_void, c_int) -> c_int>,
    pub xTruncate: Option<unsafe extern "C" fn(File, i64) -> c_int>,
    pub xSync: Option<unsafe extern "C" fn(File) -> c_int>,
    pub xSectorSize: Option<unsafe extern "C" fn(File) -> c_int>,
    pub xRemap: Option<unsafe extern "C" fn(File, i64, *mut *mut c_void, *mut i64) -> c_int>,
    pub xFileid: Option<unsafe extern "C" fn(File, *mut c_void, *mut c_int) -> c_int>,
    pub xClose: Option<unsafe extern "C" fn(File) -> c_int>,
    pub xUnlink: Option<unsafe extern "C" fn(*mut lsm_env, *const c_char) -> c_int>,
    pub xLock: Option<unsafe extern "C" fn(File, c_int, c_int) -> c_int>,
    pub xTestLock: Option<unsafe extern "C" fn(File, c_int, c_int, c_int) -> c_int>,
    pub xShmMap: Option<unsafe extern "C" fn(File, c_int, c_int, *mut *mut c_void) -> c_int>,
    pub xShmBarrier: Option<unsafe extern "C" fn()>,
    pub xShmUnmap: Option<unsafe extern "C" fn(File, c_int) -> c_int>,
    pub pMemCtx: *mut c_void,
    pub xMalloc: Option<unsafe extern "C" fn(*mut lsm_env, usize) -> *mut c_void>,
    pub xRealloc: Option<unsafe extern "C" fn(*mut lsm_env, *mut c_void, usize) -> *mut c_void>,
    pub xFree: Option<unsafe extern "C" fn(*mut lsm_env, *mut c_void)>,
    pub xSize: Option<unsafe extern "C" fn(*mut lsm_env, *mut c_void) -> usize>,
    pub pMutexCtx: *mut c_void,
    pub xMutexStatic: Option<unsafe extern "C" fn(*mut lsm_env, c_int, *mut Mutex) -> c_int>,
    pub xMutexNew: Option<unsafe extern "C" fn(*mut lsm_env, *mut Mutex) -> c_int>,
    pub xMutexDel: Option<unsafe extern "C" fn(Mutex)>,
    pub xMutexEnter: Option<unsafe extern "C" fn(Mutex)>,
    pub xMutexTry: Option<unsafe extern "C" fn(Mutex) -> c_int>,
    pub xMutexLeave: Option<unsafe extern "C" fn(Mutex)>,
    pub xMutexHeld: Option<unsafe extern "C" fn(Mutex) -> c_int>,
    pub xMutexNotHeld: Option<unsafe extern "C" fn(Mutex) -> c_int>,
    pub xSleep: Option<unsafe extern "C" fn(*mut lsm_env, c_int) -> c_int>,
}

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<lsm_env>() == 264);
    assert!(std::mem::offset_of!(lsm_env, pMemCtx) == 144);
    assert!(std::mem::offset_of!(lsm_env, xSleep) == 256);
};
