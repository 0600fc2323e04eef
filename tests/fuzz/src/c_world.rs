//! An `lsm_env` whose files are memory of this thread: what a program with a world of its own brings.

use lsm::environment::{lsm_env, lsm_file};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_int, c_longlong, c_void};
use std::ptr::null_mut;

const OK: c_int = 0;
const IOERR: c_int = 10;
const NOENT: c_int = 266;

thread_local! {
    static FILES: RefCell<HashMap<Vec<u8>, Vec<u8>>> = RefCell::default();
}

/// Forgets all files.
pub fn clear() {
    FILES.with_borrow_mut(HashMap::clear);
}

/// The default environment with files, locks and shared memory replaced.
pub fn environment() -> lsm_env {
    // SAFETY: it is static, and nothing writes to it here.
    let mut world = unsafe { *lsm::environment::lsm_default_env() };
    world.xFullpath = Some(full_path);
    world.xOpen = Some(open);
    world.xRead = Some(read);
    world.xWrite = Some(write);
    world.xTruncate = Some(truncate);
    world.xSync = Some(sync);
    world.xSectorSize = Some(sector_size);
    world.xRemap = Some(remap);
    world.xFileid = Some(file_id);
    world.xClose = Some(close);
    world.xUnlink = Some(unlink);
    world.xLock = Some(lock);
    world.xTestLock = Some(test_lock);
    world.xShmMap = Some(shm_map);
    world.xShmUnmap = Some(shm_unmap);
    world
}

/// The name a file was opened by.
///
/// # Safety
/// `file` is one that `open` made.
unsafe fn name<'a>(file: *mut lsm_file) -> &'a Vec<u8> {
    // SAFETY: `open` made it of a box of this type.
    unsafe { &*file.cast::<Vec<u8>>() }
}

fn bytes<T>(name: &[u8], f: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    FILES.with_borrow_mut(|files| f(files.entry(name.to_vec()).or_default()))
}

unsafe extern "C" fn full_path(
    _: *mut lsm_env,
    path: *const c_char,
    out: *mut c_char,
    size: *mut c_int,
) -> c_int {
    // SAFETY: the library passes a string, a buffer of `*size` bytes and where its size is.
    unsafe {
        let path = CStr::from_ptr(path).to_bytes_with_nul();
        if *size as usize >= path.len() {
            out.copy_from_nonoverlapping(path.as_ptr().cast(), path.len());
        }
        *size = path.len() as c_int;
    }
    OK
}

unsafe extern "C" fn open(
    _: *mut lsm_env,
    path: *const c_char,
    flags: c_int,
    file: *mut *mut lsm_file,
) -> c_int {
    // SAFETY: the library passes a string and where the file goes.
    unsafe {
        let path = CStr::from_ptr(path).to_bytes().to_vec();
        *file = null_mut();
        if flags & 1 != 0 && !FILES.with_borrow(|files| files.contains_key(&path)) {
            return NOENT;
        }
        bytes(&path, |_| ());
        *file = Box::into_raw(Box::new(path)).cast();
    }
    OK
}

unsafe extern "C" fn read(
    file: *mut lsm_file,
    at: c_longlong,
    out: *mut c_void,
    size: c_int,
) -> c_int {
    // SAFETY: the library passes its own file and a buffer of `size` bytes.
    let (name, out) =
        unsafe { (name(file), std::slice::from_raw_parts_mut(out.cast(), size as usize)) };
    bytes(name, |bytes| {
        let there = bytes.get(at as usize..).unwrap_or_default();
        for (index, byte) in out.iter_mut().enumerate() {
            *byte = there.get(index).copied().unwrap_or_default();
        }
    });
    OK
}

unsafe extern "C" fn write(
    file: *mut lsm_file,
    at: c_longlong,
    data: *const c_void,
    size: c_int,
) -> c_int {
    // SAFETY: as for `read`.
    let (name, data) =
        unsafe { (name(file), std::slice::from_raw_parts(data.cast::<u8>(), size as usize)) };
    bytes(name, |bytes| {
        let (at, end) = (at as usize, at as usize + data.len());
        bytes.resize(bytes.len().max(end), 0);
        bytes[at..end].copy_from_slice(data);
    });
    OK
}

unsafe extern "C" fn truncate(file: *mut lsm_file, size: c_longlong) -> c_int {
    // SAFETY: the library's own file.
    bytes(unsafe { name(file) }, |bytes| bytes.truncate(size as usize));
    OK
}

unsafe extern "C" fn sync(_: *mut lsm_file) -> c_int {
    OK
}

unsafe extern "C" fn sector_size(_: *mut lsm_file) -> c_int {
    512
}

unsafe extern "C" fn remap(
    _: *mut lsm_file,
    _: c_longlong,
    _: *mut *mut c_void,
    _: *mut c_longlong,
) -> c_int {
    IOERR
}

unsafe extern "C" fn file_id(file: *mut lsm_file, out: *mut c_void, size: *mut c_int) -> c_int {
    // SAFETY: the library passes its own file, a buffer of `*size` bytes and where its size is.
    unsafe {
        let name = name(file);
        if *size as usize >= name.len() {
            out.cast::<u8>().copy_from_nonoverlapping(name.as_ptr(), name.len());
        }
        *size = name.len() as c_int;
    }
    OK
}

unsafe extern "C" fn close(file: *mut lsm_file) -> c_int {
    // SAFETY: `open` made it of a box of this type, and it is closed once.
    drop(unsafe { Box::from_raw(file.cast::<Vec<u8>>()) });
    OK
}

unsafe extern "C" fn unlink(_: *mut lsm_env, path: *const c_char) -> c_int {
    // SAFETY: the library passes a string.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    match FILES.with_borrow_mut(|files| files.remove(path)) {
        Some(_) => OK,
        None => NOENT,
    }
}

unsafe extern "C" fn lock(_: *mut lsm_file, _: c_int, _: c_int) -> c_int {
    OK
}

unsafe extern "C" fn test_lock(_: *mut lsm_file, _: c_int, _: c_int, _: c_int) -> c_int {
    OK
}

unsafe extern "C" fn shm_map(_: *mut lsm_file, _: c_int, _: c_int, _: *mut *mut c_void) -> c_int {
    IOERR
}

unsafe extern "C" fn shm_unmap(_: *mut lsm_file, _: c_int) -> c_int {
    OK
}
