//! `lsm_work`, `lsm_flush`, `lsm_checkpoint`. What is written is told in KB, rounded up.

use crate::guard::{Failure, Need, enter};
use crate::handle::lsm_db;
use siltstone::WorkLimit;
use std::ffi::c_int;

/// Stores a number of bytes as KB, if the caller wants to know.
///
/// # Safety
/// `out` is NULL or takes a number.
unsafe fn tell_kilobytes(out: *mut c_int, bytes: u64) {
    if !out.is_null() {
        let kilobytes = c_int::try_from(bytes.div_ceil(1024)).unwrap_or(c_int::MAX);
        // SAFETY: the caller's promise.
        unsafe { out.write(kilobytes) };
    }
}

/// Flushes an old tree and merges segments, `merge` of one age at a time, up to so many KB.
///
/// # Safety
/// As in lsm.h: `db` is a handle, `written` is NULL or takes a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_work(
    db: *mut lsm_db,
    merge: c_int,
    kilobytes: c_int,
    written: *mut c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Pages, |_, state| {
            tell_kilobytes(written, 0);
            let limit = WorkLimit {
                bytes: u64::try_from(kilobytes).ok().map(|kilobytes| kilobytes << 10),
                segments: u32::try_from(merge).ok().filter(|&merge| merge > 0),
            };
            let report = state.connection.work(limit)?;
            tell_kilobytes(written, report.bytes_written);
            Ok(())
        })
    }
}

/// Writes the in-memory trees to the file.
///
/// # Safety
/// As in lsm.h: `db` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_flush(db: *mut lsm_db) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { enter(db, Need::Pages, |_, state| state.connection.flush().map_err(Failure::from)) }
}

/// Writes a checkpoint; `written` gets the KB that it covers, 0 if nothing was new.
///
/// # Safety
/// As in lsm.h: `db` is a handle, `written` is NULL or takes a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_checkpoint(db: *mut lsm_db, written: *mut c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Handle, |_, state| {
            tell_kilobytes(written, 0);
            let bytes = state.connection.checkpoint()?;
            tell_kilobytes(written, bytes);
            Ok(())
        })
    }
}
