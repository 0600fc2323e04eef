//! `struct lsm_env` as the caller lays it out, version 1: 264 bytes where pointers have eight.

#![allow(non_camel_case_types, non_snake_case, reason = "names of lsm.h")]

use std::ffi::{c_char, c_int, c_void};
use std::mem::offset_of;

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

/// `nByte` of a structure that has every member of version 1.
pub(super) const SIZE: c_int = size_of::<lsm_env>() as c_int;

/// `flags` of `xOpen`: for reading only; otherwise the file is created if missing.
pub(super) const OPEN_READONLY: c_int = 1;
/// Modes of `xLock` and `xTestLock`.
pub(super) const LOCK_UNLOCK: c_int = 0;
pub(super) const LOCK_SHARED: c_int = 1;
pub(super) const LOCK_EXCLUSIVE: c_int = 2;
/// The static mutexes.
pub(super) const MUTEX_GLOBAL: c_int = 1;
pub(super) const MUTEX_HEAP: c_int = 2;

/// Every member, in order, with its offset.
#[cfg(target_pointer_width = "64")]
const _: () = {
    macro_rules! at {
        ($($member:ident $offset:literal),* $(,)?) => {
            $(assert!(offset_of!(lsm_env, $member) == $offset);)*
        };
    }
    assert!(size_of::<lsm_env>() == 264);
    at!(
        nByte 0, iVersion 4, pVfsCtx 8, xFullpath 16, xOpen 24, xRead 32, xWrite 40, xTruncate 48,
        xSync 56, xSectorSize 64, xRemap 72, xFileid 80, xClose 88, xUnlink 96, xLock 104,
        xTestLock 112, xShmMap 120, xShmBarrier 128, xShmUnmap 136, pMemCtx 144, xMalloc 152,
        xRealloc 160, xFree 168, xSize 176, pMutexCtx 184, xMutexStatic 192, xMutexNew 200,
        xMutexDel 208, xMutexEnter 216, xMutexTry 224, xMutexLeave 232, xMutexHeld 240,
        xMutexNotHeld 248, xSleep 256,
    );
};

/// On 32-bit targets pointers have four bytes; the order is the same.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<lsm_env>() == 136 && offset_of!(lsm_env, xSleep) == 132);
