//! `lsm_malloc`, `lsm_realloc`, `lsm_free`: memory that passes between the library and its caller.
//!
//! It comes from the environment's allocator, by default this library's: the system's, with the size
//! in front. The engine's own memory is Rust's and no concern of environments.

use super::default_env;
use super::raw::lsm_env;
use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::c_void;
use std::ptr;

/// Bytes in front of what is handed out: its size, and alignment for anything.
const HEAD: usize = 16;

/// The layout of a piece of `size` bytes with its head.
fn layout(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(HEAD)?, HEAD).ok()
}

/// Hands out a piece whose head begins at `start`.
///
/// # Safety
/// `start` is NULL or the start of `HEAD + size` bytes.
unsafe fn with_head(start: *mut u8, size: usize) -> *mut c_void {
    if start.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the head is inside the piece and aligned.
    unsafe {
        start.cast::<usize>().write(size);
        start.add(HEAD).cast()
    }
}

/// The start and the layout of a piece that was handed out.
///
/// # Safety
/// `piece` came from `default_malloc` or `default_realloc` and was not freed.
unsafe fn behind(piece: *mut c_void) -> (*mut u8, Layout) {
    // SAFETY: the caller's promise: the head is in front.
    unsafe {
        let start = piece.cast::<u8>().sub(HEAD);
        let size = start.cast::<usize>().read();
        // It was a layout when the piece was made.
        (start, Layout::from_size_align_unchecked(size + HEAD, HEAD))
    }
}

/// `xMalloc` of the default environment.
pub(super) unsafe extern "C" fn default_malloc(_env: *mut lsm_env, size: usize) -> *mut c_void {
    let Some(layout) = layout(size) else { return ptr::null_mut() };
    // SAFETY: the layout is never empty.
    unsafe { with_head(alloc(layout), size) }
}

/// `xRealloc` of the default environment.
pub(super) unsafe extern "C" fn default_realloc(
    env: *mut lsm_env,
    piece: *mut c_void,
    size: usize,
) -> *mut c_void {
    if piece.is_null() {
        // SAFETY: nothing is asked of the arguments.
        return unsafe { default_malloc(env, size) };
    }
    if size == 0 {
        // SAFETY: the caller's promise, as in lsm.h.
        unsafe { default_free(env, piece) };
        return ptr::null_mut();
    }
    let Some(wanted) = layout(size) else { return ptr::null_mut() };
    // SAFETY: the caller's promise, as in lsm.h; the new size is a layout's.
    unsafe {
        let (start, present) = behind(piece);
        with_head(realloc(start, present, wanted.size()), size)
    }
}

/// `xFree` of the default environment.
pub(super) unsafe extern "C" fn default_free(_env: *mut lsm_env, piece: *mut c_void) {
    if !piece.is_null() {
        // SAFETY: the caller's promise, as in lsm.h.
        unsafe {
            let (start, layout) = behind(piece);
            dealloc(start, layout);
        }
    }
}

/// `xSize` of the default environment.
pub(super) unsafe extern "C" fn default_size(_env: *mut lsm_env, piece: *mut c_void) -> usize {
    if piece.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise, as in lsm.h.
    unsafe { behind(piece).1.size() - HEAD }
}

/// `env`, or the default environment, and its members.
///
/// # Safety
/// `env` is NULL or a valid `lsm_env`.
unsafe fn members(env: *mut lsm_env) -> (*mut lsm_env, lsm_env) {
    let env = if env.is_null() { default_env::structure().as_ptr() } else { env };
    // SAFETY: the caller's promise.
    (env, unsafe { env.read() })
}

/// Asks the environment's allocator.
///
/// # Safety
/// `env` is NULL or a valid `lsm_env`.
pub(super) unsafe fn allocate(env: *mut lsm_env, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    let (env, members) = unsafe { members(env) };
    match members.xMalloc {
        // SAFETY: the function gets its own structure.
        Some(allocate) => unsafe { allocate(env, size) },
        None => ptr::null_mut(),
    }
}

/// Memory from the allocator of `env`, or of the default environment; NULL if there is none.
///
/// # Safety
/// `env` is NULL or a valid `lsm_env`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_malloc(env: *mut lsm_env, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { allocate(env, size) }
}

/// Changes the size of memory had from `lsm_malloc` with the same `env`; a size of 0 frees it.
///
/// # Safety
/// As for `lsm_malloc`; `piece` is NULL or memory of that environment, which is not used any more
/// unless the result is NULL and `size` is not 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_realloc(
    env: *mut lsm_env,
    piece: *mut c_void,
    size: usize,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let (env, members) = unsafe { members(env) };
    match members.xRealloc {
        // SAFETY: the function gets its own structure and its own memory.
        Some(change) => unsafe { change(env, piece, size) },
        None => ptr::null_mut(),
    }
}

/// Frees memory had from `lsm_malloc` or `lsm_info` with the same `env`. NULL is no memory.
///
/// # Safety
/// As for `lsm_malloc`; `piece` is NULL or memory of that environment, not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_free(env: *mut lsm_env, piece: *mut c_void) {
    if piece.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let (env, members) = unsafe { members(env) };
    if let Some(free) = members.xFree {
        // SAFETY: the function gets its own structure and its own memory.
        unsafe { free(env, piece) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_shrinks_and_knows_its_size() {
        let env = ptr::null_mut();
        // SAFETY: every piece is used within its size and freed once.
        unsafe {
            let size = |piece| default_size(env, piece);
            let piece = lsm_malloc(env, 10);
            assert_eq!((piece.addr() % HEAD, size(piece)), (0, 10));
            piece.cast::<u8>().write_bytes(7, 10);
            let piece = lsm_realloc(env, piece, 100_000);
            assert_eq!(size(piece), 100_000);
            assert_eq!(std::slice::from_raw_parts(piece.cast::<u8>(), 10), [7; 10]);
            let piece = lsm_realloc(env, piece, 3);
            assert_eq!(std::slice::from_raw_parts(piece.cast::<u8>(), 3), [7; 3]);
            assert!(lsm_realloc(env, piece, 0).is_null());
            let fresh = lsm_realloc(env, ptr::null_mut(), 0);
            assert!(!fresh.is_null());
            lsm_free(env, fresh);
            lsm_free(env, ptr::null_mut());
            assert_eq!(size(ptr::null_mut()), 0);
        }
    }

    #[test]
    fn more_than_there_can_be_is_null() {
        // SAFETY: nothing is used; the piece is freed once.
        unsafe {
            for size in [usize::MAX, usize::MAX - 1, isize::MAX as usize] {
                assert!(lsm_malloc(ptr::null_mut(), size).is_null());
            }
            let piece = lsm_malloc(ptr::null_mut(), 1);
            assert!(lsm_realloc(ptr::null_mut(), piece, usize::MAX).is_null());
            lsm_free(ptr::null_mut(), piece);
        }
    }
}
