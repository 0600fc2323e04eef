//! A caller's `struct lsm_env` as an environment of the engine.

mod raw;

pub use raw::{lsm_env, lsm_file, lsm_mutex};
