//! `lsm_insert`, `lsm_delete`, `lsm_delete_range`.

use crate::guard::{Failure, Need, bytes, enter};
use crate::handle::lsm_db;
use std::ffi::{c_int, c_void};

/// Writes a key; with a value of negative length, removes it.
///
/// # Safety
/// As in lsm.h: `db` is a handle, the pointers have as many bytes as they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_insert(
    db: *mut lsm_db,
    key: *const c_void,
    key_len: c_int,
    value: *const c_void,
    value_len: c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Pages, |_, state| {
            let key = bytes(key, key_len)?;
            if value_len < 0 {
                return state.connection.remove(key).map_err(Failure::from);
            }
            state.connection.insert(key, bytes(value, value_len)?).map_err(Failure::from)
        })
    }
}

/// Removes a key, which need not exist.
///
/// # Safety
/// As in lsm.h: `db` is a handle, the pointer has as many bytes as it says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_delete(db: *mut lsm_db, key: *const c_void, key_len: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Pages, |_, state| {
            state.connection.remove(bytes(key, key_len)?).map_err(Failure::from)
        })
    }
}

/// Removes every key strictly between the two.
///
/// # Safety
/// As in lsm.h: `db` is a handle, the pointers have as many bytes as they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_delete_range(
    db: *mut lsm_db,
    low: *const c_void,
    low_len: c_int,
    high: *const c_void,
    high_len: c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Pages, |_, state| {
            let (low, high) = (bytes(low, low_len)?, bytes(high, high_len)?);
            state.connection.remove_between(low, high).map_err(Failure::from)
        })
    }
}
