//! `lsm_default_env()`: the native environment as a structure of C functions.
//!
//! Programs copy the structure, replace functions and keep a pointer to the original, so its
//! functions depend on nothing in it: neither where it is nor the three contexts.

use super::caller::Structure;
use super::default_file as file;
use super::memory;
use super::outcome::report;
use super::raw::{MUTEX_GLOBAL, MUTEX_HEAP, SIZE, lsm_env, lsm_mutex};
use super::recursive::RecursiveMutex;
use crate::codes::LSM_MISUSE;
use siltstone::env::{Env, EnvError, FilePath, Result};
use siltstone_native::NativeEnv;
use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char, c_int};
use std::ptr::{self, NonNull};
use std::sync::LazyLock;
use std::time::Duration;

/// A structure that C may change.
struct Writable(UnsafeCell<lsm_env>);

// SAFETY: it is only ever handed out as a raw pointer; who changes it sees to it, as with any static
// variable of C, that nobody uses it meanwhile.
unsafe impl Sync for Writable {}

/// A structure that nobody changes.
struct Original(lsm_env);

// SAFETY: functions and NULL pointers, never written.
unsafe impl Sync for Original {}

const MEMBERS: lsm_env = lsm_env {
    nByte: SIZE,
    iVersion: 1,
    pVfsCtx: ptr::null_mut(),
    xFullpath: Some(full_path),
    xOpen: Some(file::open),
    xRead: Some(file::read),
    xWrite: Some(file::write),
    xTruncate: Some(file::truncate),
    xSync: Some(file::sync),
    xSectorSize: Some(file::sector_size),
    xRemap: Some(file::remap),
    xFileid: Some(file::file_id),
    xClose: Some(file::close),
    xUnlink: Some(unlink),
    xLock: Some(file::lock),
    xTestLock: Some(file::test_lock),
    xShmMap: Some(file::map_chunk),
    xShmBarrier: Some(barrier),
    xShmUnmap: Some(file::unmap_chunks),
    pMemCtx: ptr::null_mut(),
    xMalloc: Some(memory::default_malloc),
    xRealloc: Some(memory::default_realloc),
    xFree: Some(memory::default_free),
    xSize: Some(memory::default_size),
    pMutexCtx: ptr::null_mut(),
    xMutexStatic: Some(mutex_static),
    xMutexNew: Some(mutex_new),
    xMutexDel: Some(mutex_delete),
    xMutexEnter: Some(mutex_enter),
    xMutexTry: Some(mutex_try),
    xMutexLeave: Some(mutex_leave),
    xMutexHeld: Some(mutex_held),
    xMutexNotHeld: Some(mutex_not_held),
    xSleep: Some(sleep),
};

static ORIGINAL: Original = Original(MEMBERS);
static DEFAULT: Writable = Writable(UnsafeCell::new(MEMBERS));

/// The default environment: 264 bytes that may be copied, with every function there.
#[unsafe(no_mangle)]
pub extern "C" fn lsm_default_env() -> *mut lsm_env {
    structure().as_ptr()
}

/// What `lsm_default_env` gives.
pub(super) fn structure() -> NonNull<lsm_env> {
    NonNull::from(&DEFAULT.0).cast()
}

/// The default environment as this library made it.
pub(super) fn original_structure() -> Structure {
    // SAFETY: a static, valid for ever. Nobody writes through the pointer: this library's functions
    // do not touch the structure they are given.
    unsafe { Structure::new(NonNull::from(&ORIGINAL.0)) }
}

/// The global static mutex of the default environment.
pub(super) fn global_mutex() -> *mut lsm_mutex {
    ptr::from_ref(&*GLOBAL).cast_mut().cast()
}

/// Whether the engine can do with the native environment what it would do with `members`. Memory is
/// no concern of the engine's.
pub(super) fn works_like_the_default(members: &lsm_env) -> bool {
    let own = &ORIGINAL.0;
    macro_rules! same {
        ($($member:ident)*) => {
            $(members.$member.map(|function| function as usize)
                == own.$member.map(|function| function as usize))&&*
        };
    }
    same!(xFullpath xOpen xRead xWrite xTruncate xSync xSectorSize xFileid xClose xUnlink xLock
          xTestLock xShmMap xShmBarrier xShmUnmap xMutexStatic xMutexNew xMutexDel xMutexEnter
          xMutexTry xMutexLeave xSleep)
}

/// Whether the functions are there that no database can do without. Without `xLock` and what shared
/// memory takes, a file is for one process; mutexes, sleep, sector size and identity have stand-ins.
pub(super) fn has_what_is_needed(members: &lsm_env) -> bool {
    macro_rules! all {
        ($($member:ident)*) => { $(members.$member.is_some())&&* };
    }
    all!(xFullpath xOpen xRead xWrite xTruncate xSync xClose xUnlink xMalloc xRealloc xFree)
}

/// The bytes of a C string.
///
/// # Safety
/// `text` is NULL or a C string, valid for `'a`.
pub(super) unsafe fn name<'a>(text: *const c_char) -> Result<&'a [u8]> {
    if text.is_null() {
        return Err(EnvError::Code(LSM_MISUSE));
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// `xFullpath`.
unsafe extern "C" fn full_path(
    _env: *mut lsm_env,
    relative: *const c_char,
    out: *mut c_char,
    size: *mut c_int,
) -> c_int {
    report(|| {
        if size.is_null() {
            return Err(EnvError::Code(LSM_MISUSE));
        }
        // SAFETY: arguments are as in lsm.h.
        let path = NativeEnv::shared().canonical_path(unsafe { name(relative) }?)?;
        let path = path.as_bytes();
        let needed = c_int::try_from(path.len() + 1).map_err(|_| EnvError::OutOfMemory)?;
        // SAFETY: `size` is writable, and `out` has as many bytes as it says.
        unsafe {
            if size.read() >= needed && !out.is_null() {
                out.cast::<u8>().copy_from_nonoverlapping(path.as_ptr(), path.len());
                out.add(path.len()).write(0);
            }
            size.write(needed);
        }
        Ok(())
    })
}

/// `xUnlink`.
unsafe extern "C" fn unlink(_env: *mut lsm_env, path: *const c_char) -> c_int {
    report(|| {
        // SAFETY: arguments are as in lsm.h.
        let path = FilePath::from_bytes(unsafe { name(path) }?);
        NativeEnv::shared().remove(&path)
    })
}

/// `xShmBarrier`.
unsafe extern "C" fn barrier() {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}

/// `xSleep`.
unsafe extern "C" fn sleep(_env: *mut lsm_env, microseconds: c_int) -> c_int {
    report(|| {
        let microseconds = u64::try_from(microseconds).unwrap_or(0);
        NativeEnv::shared().sleep(Duration::from_micros(microseconds));
        Ok(())
    })
}

static GLOBAL: LazyLock<RecursiveMutex> = LazyLock::new(RecursiveMutex::new);
static HEAP: LazyLock<RecursiveMutex> = LazyLock::new(RecursiveMutex::new);

/// `xMutexStatic`.
unsafe extern "C" fn mutex_static(
    _env: *mut lsm_env,
    number: c_int,
    out: *mut *mut lsm_mutex,
) -> c_int {
    let mutex = match number {
        MUTEX_GLOBAL => global_mutex(),
        MUTEX_HEAP => ptr::from_ref(&*HEAP).cast_mut().cast(),
        _ => return LSM_MISUSE,
    };
    if out.is_null() {
        return LSM_MISUSE;
    }
    // SAFETY: arguments are as in lsm.h.
    unsafe { out.write(mutex) };
    0
}

/// `xMutexNew`.
unsafe extern "C" fn mutex_new(_env: *mut lsm_env, out: *mut *mut lsm_mutex) -> c_int {
    if out.is_null() {
        return LSM_MISUSE;
    }
    let mutex = Box::into_raw(Box::new(RecursiveMutex::new()));
    // SAFETY: arguments are as in lsm.h.
    unsafe { out.write(mutex.cast()) };
    0
}

/// `xMutexDel`. NULL is no mutex.
unsafe extern "C" fn mutex_delete(mutex: *mut lsm_mutex) {
    if !mutex.is_null() {
        // SAFETY: `mutex_new` made it, and the caller uses it no more.
        drop(unsafe { Box::from_raw(mutex.cast::<RecursiveMutex>()) });
    }
}

/// # Safety
/// `mutex` is NULL or one of ours that is not deleted before `'a` ends.
unsafe fn ours<'a>(mutex: *mut lsm_mutex) -> Option<&'a RecursiveMutex> {
    // SAFETY: the caller's promise.
    unsafe { mutex.cast::<RecursiveMutex>().as_ref() }
}

/// `xMutexEnter`.
unsafe extern "C" fn mutex_enter(mutex: *mut lsm_mutex) {
    // SAFETY: arguments are as in lsm.h.
    if let Some(mutex) = unsafe { ours(mutex) } {
        mutex.enter();
    }
}

/// `xMutexTry`: 0 if it was taken.
unsafe extern "C" fn mutex_try(mutex: *mut lsm_mutex) -> c_int {
    // SAFETY: arguments are as in lsm.h.
    let taken = unsafe { ours(mutex) }.is_some_and(RecursiveMutex::try_enter);
    if taken { 0 } else { crate::codes::LSM_BUSY }
}

/// `xMutexLeave`.
unsafe extern "C" fn mutex_leave(mutex: *mut lsm_mutex) {
    // SAFETY: arguments are as in lsm.h.
    if let Some(mutex) = unsafe { ours(mutex) } {
        mutex.leave();
    }
}

/// `xMutexHeld`.
unsafe extern "C" fn mutex_held(mutex: *mut lsm_mutex) -> c_int {
    // SAFETY: arguments are as in lsm.h.
    unsafe { ours(mutex) }.is_some_and(RecursiveMutex::is_mine).into()
}

/// `xMutexNotHeld`.
unsafe extern "C" fn mutex_not_held(mutex: *mut lsm_mutex) -> c_int {
    // SAFETY: arguments are as in lsm.h.
    unsafe { ours(mutex) }.is_none_or(|mutex| !mutex.is_mine()).into()
}
