//! `lsm_begin`, `lsm_commit`, `lsm_rollback`, and the application's version number.
//!
//! A level below zero counts from those that are open: one more, or one less.

use crate::guard::{Failure, Need, argument, enter};
use crate::handle::{State, lsm_db};
use siltstone::Error;
use std::ffi::{c_int, c_uint};

fn below(state: &State, level: c_int) -> u32 {
    u32::try_from(level).unwrap_or_else(|_| state.connection.level().saturating_sub(1))
}

fn check_open(state: &State) -> Result<(), Failure> {
    if state.connection.is_open() {
        return Ok(());
    }
    Err(Failure::Misuse("the handle is not open"))
}

/// Opens nested transactions until `level` are open.
///
/// # Safety
/// As in lsm.h: `db` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_begin(db: *mut lsm_db, level: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Pages, |_, state| {
            let open = state.connection.level();
            let level = u32::try_from(level).unwrap_or_else(|_| open.saturating_add(1));
            state.connection.begin(level).map_err(Failure::from)
        })
    }
}

/// Closes nested transactions until `level` are open, keeping what they did.
///
/// # Safety
/// As in lsm.h: `db` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_commit(db: *mut lsm_db, level: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Handle, |_, state| {
            check_open(state)?;
            let level = below(state, level);
            state.connection.commit(level).map_err(Failure::from)
        })
    }
}

/// Goes back to where transaction `level` was opened; level 0 ends it.
///
/// # Safety
/// As in lsm.h: `db` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_rollback(db: *mut lsm_db, level: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Handle, |_, state| {
            check_open(state)?;
            let level = below(state, level);
            state.connection.rollback(level).map_err(Failure::from)
        })
    }
}

/// Reads the application's version number.
///
/// # Safety
/// As in lsm.h: `db` is a handle, `version` takes a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_get_user_version(db: *mut lsm_db, version: *mut c_uint) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Pages, |_, state| {
            let version = argument(version)?;
            *version = state.connection.user_version()?;
            Ok(())
        })
    }
}

/// Sets the application's version number.
///
/// # Safety
/// As in lsm.h: `db` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lsm_set_user_version(db: *mut lsm_db, version: c_uint) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Pages, |_, state| {
            state.connection.set_user_version(version).map_err(|error: Error| error.into())
        })
    }
}
