//! Result codes of lsm.h.

use std::ffi::c_int;

/// Success.
pub(crate) const LSM_OK: c_int = 0;
/// Something failed that has no code of its own.
pub(crate) const LSM_ERROR: c_int = 1;
/// Somebody else holds what the call needs.
pub(crate) const LSM_BUSY: c_int = 5;
/// Memory could not be had.
pub(crate) const LSM_NOMEM: c_int = 7;
/// A write on a read-only handle.
pub(crate) const LSM_READONLY: c_int = 8;
/// The environment failed.
pub(crate) const LSM_IOERR: c_int = 10;
/// A file does not exist: `LSM_IOERR` with a detail in the second byte.
pub(crate) const LSM_IOERR_NOENT: c_int = LSM_IOERR | (1 << 8);
/// Bytes that break a rule of the format.
pub(crate) const LSM_CORRUPT: c_int = 11;
/// No space left.
pub(crate) const LSM_FULL: c_int = 13;
/// The file cannot be opened as asked.
pub(crate) const LSM_CANTOPEN: c_int = 14;
/// Shared memory did not settle.
pub(crate) const LSM_PROTOCOL: c_int = 15;
/// A call in the wrong state or with an illegal argument.
pub(crate) const LSM_MISUSE: c_int = 21;
