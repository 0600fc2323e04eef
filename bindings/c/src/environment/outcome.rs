//! Result codes of an environment's functions, and errors of the engine's traits, in both directions.
//!
//! What the traits have no word for passes through as it is: `EnvError::Code`.

use crate::codes::{
    LSM_BUSY, LSM_CANTOPEN, LSM_ERROR, LSM_FULL, LSM_IOERR, LSM_IOERR_NOENT, LSM_NOMEM, LSM_OK,
    LSM_READONLY,
};
use siltstone::env::{EnvError, Result};
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a caller's function returned.
pub(super) fn check(code: c_int) -> Result<()> {
    Err(match code {
        LSM_OK => return Ok(()),
        LSM_BUSY => EnvError::Busy,
        LSM_NOMEM => EnvError::OutOfMemory,
        LSM_READONLY => EnvError::ReadOnly,
        LSM_IOERR => EnvError::Io(0),
        LSM_FULL => EnvError::Full,
        LSM_CANTOPEN => EnvError::NotAFile,
        LSM_IOERR_NOENT => EnvError::NotFound,
        other => EnvError::Code(other),
    })
}

/// The body of a function that C calls: errors become codes, a panic becomes `LSM_ERROR`.
pub(super) fn report(body: impl FnOnce() -> Result<()>) -> c_int {
    // A panic may leave a file's own bookkeeping half done, never memory in disorder: what is shared
    // is behind locks that ignore poison.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => LSM_OK,
        Ok(Err(error)) => error.code(),
        Err(_) => LSM_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_both_ways() {
        for code in [0, 1, 5, 7, 8, 10, 11, 13, 14, 15, 21, 50, 266, 522, 9999, -1] {
            assert_eq!(report(|| check(code)), code);
        }
    }

    #[test]
    fn a_panic_is_an_error() {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let code = report(|| panic!("on purpose"));
        std::panic::set_hook(hook);
        assert_eq!(code, LSM_ERROR);
    }
}
