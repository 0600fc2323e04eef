//! An environment that wraps the default one's files in its own, as C's test programs do: a copy of
//! the structure, every function of a file replaced, a pointer to the real environment kept.

use super::copied;
use crate::environment::default_env::structure;
use crate::environment::raw::{lsm_env, lsm_file};
use std::ffi::{c_char, c_int, c_void};

/// What an `lsm_file` of this environment is.
struct Wrapped {
    real: *mut lsm_file,
}

fn real_env() -> (*mut lsm_env, lsm_env) {
    let at = structure();
    // SAFETY: a static structure; no test writes to it.
    (at.as_ptr(), unsafe { at.read() })
}

unsafe fn real(file: *mut lsm_file) -> *mut lsm_file {
    // SAFETY: `open` made it of a box of this type, and `close` has not freed it.
    unsafe { (*file.cast::<Wrapped>()).real }
}

unsafe extern "C" fn full_path(
    _: *mut lsm_env,
    name: *const c_char,
    out: *mut c_char,
    size: *mut c_int,
) -> c_int {
    let (env, members) = real_env();
    // SAFETY: the arguments are passed on as they came, with the structure the function belongs to.
    unsafe { members.xFullpath.unwrap()(env, name, out, size) }
}

unsafe extern "C" fn open(
    _: *mut lsm_env,
    path: *const c_char,
    flags: c_int,
    out: *mut *mut lsm_file,
) -> c_int {
    let (env, members) = real_env();
    let mut real = std::ptr::null_mut();
    // SAFETY: as for `full_path`, with room for a pointer.
    let code = unsafe { members.xOpen.unwrap()(env, path, flags, &mut real) };
    if code == 0 {
        // SAFETY: the engine passes room for a pointer.
        unsafe { out.write(Box::into_raw(Box::new(Wrapped { real })).cast()) };
    }
    code
}

unsafe extern "C" fn close(file: *mut lsm_file) -> c_int {
    // SAFETY: `open` made it of a box of this type, and it is closed once.
    let wrapped = unsafe { Box::from_raw(file.cast::<Wrapped>()) };
    // SAFETY: the real file, which is closed with the one around it.
    unsafe { real_env().1.xClose.unwrap()(wrapped.real) }
}

unsafe extern "C" fn unlink(_: *mut lsm_env, path: *const c_char) -> c_int {
    let (env, members) = real_env();
    // As many environments: one code for every failure.
    // SAFETY: as for `full_path`.
    if unsafe { members.xUnlink.unwrap()(env, path) } == 0 { 0 } else { 10 }
}

macro_rules! forward {
    ($($name:ident = $member:ident($($argument:ident: $kind:ty),*);)*) => {
        $(unsafe extern "C" fn $name(file: *mut lsm_file, $($argument: $kind),*) -> c_int {
            // SAFETY: a file of this environment; the rest is passed on as it came.
            unsafe { real_env().1.$member.unwrap()(real(file), $($argument),*) }
        })*
    };
}

forward! {
    read = xRead(offset: i64, out: *mut c_void, length: c_int);
    write = xWrite(offset: i64, bytes: *const c_void, length: c_int);
    truncate = xTruncate(size: i64);
    sync = xSync();
    sector_size = xSectorSize();
    remap = xRemap(least: i64, out: *mut *mut c_void, size: *mut i64);
    file_id = xFileid(out: *mut c_void, size: *mut c_int);
    lock = xLock(number: c_int, mode: c_int);
    test_lock = xTestLock(first: c_int, count: c_int, mode: c_int);
    map = xShmMap(index: c_int, size: c_int, out: *mut *mut c_void);
    unmap = xShmUnmap(delete: c_int);
}

/// The environment.
pub(super) fn members() -> lsm_env {
    lsm_env {
        xFullpath: Some(full_path),
        xOpen: Some(open),
        xRead: Some(read),
        xWrite: Some(write),
        xTruncate: Some(truncate),
        xSync: Some(sync),
        xSectorSize: Some(sector_size),
        xRemap: Some(remap),
        xFileid: Some(file_id),
        xClose: Some(close),
        xUnlink: Some(unlink),
        xLock: Some(lock),
        xTestLock: Some(test_lock),
        xShmMap: Some(map),
        xShmUnmap: Some(unmap),
        ..copied()
    }
}
