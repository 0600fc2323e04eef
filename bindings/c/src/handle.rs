//! Handles: `lsm_new`, `lsm_open`, `lsm_close`, `lsm_get_env`.

#![allow(non_camel_case_types, reason = "names of lsm.h")]

/// A database handle of the caller's.
pub struct lsm_db {
    _private: (),
}
