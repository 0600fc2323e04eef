//! The functions of siltstone.h.

use crate::codes::LSM_OK;
use crate::guard::{Need, enter};
use crate::handle::lsm_db;
use std::ffi::{c_char, c_int};
use std::time::Duration;

/// As good as for ever.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The version of the library, `major.minor.patch`.
#[unsafe(no_mangle)]
pub extern "C" fn siltstone_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// How long calls wait for others before they return `LSM_BUSY`: at first not at all; negative for
/// as long as it takes.
///
/// # Safety
/// `db` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn siltstone_busy_timeout(db: *mut lsm_db, milliseconds: c_int) -> c_int {
    let timeout = u64::try_from(milliseconds).map_or(YEAR, Duration::from_millis);
    // SAFETY: the caller's promise.
    unsafe {
        enter(db, Need::Handle, |_, state| {
            state.connection.configure(|options| options.busy_timeout(timeout))?;
            Ok(())
        })
    }
}

/// What was wrong when a function of this handle failed last; empty if none has. Good until the
/// handle is used again.
///
/// # Safety
/// `db` is a handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn siltstone_error_message(db: *mut lsm_db) -> *const c_char {
    let mut message = c"".as_ptr();
    // SAFETY: the caller's promise.
    let code = unsafe {
        enter(db, Need::Handle, |_, state| {
            message = state.error.as_ptr();
            Ok(())
        })
    };
    if code == LSM_OK { message } else { c"".as_ptr() }
}
