//! Result codes of lsm.h.

use std::ffi::c_int;

/// Success.
pub(crate) const LSM_OK: c_int = 0;
/// Something failed that has no code of its own.
pub(crate) const LSM_ERROR: c_int = 1;
/// Memory could not be had.
pub(crate) const LSM_NOMEM: c_int = 7;
/// The environment failed.
pub(crate) const LSM_IOERR: c_int = 10;
/// Bytes that break a rule of the format.
pub(crate) const LSM_CORRUPT: c_int = 11;
/// Shared memory did not settle.
pub(crate) const LSM_PROTOCOL: c_int = 15;
/// A call in the wrong state or with an illegal argument.
pub(crate) const LSM_MISUSE: c_int = 21;
