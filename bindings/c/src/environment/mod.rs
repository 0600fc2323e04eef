//! A caller's `struct lsm_env` as an environment of the engine, and `lsm_default_env()`.
//!
//! A handle that brings no functions of its own uses the native environment directly: then C
//! programs, programs that link this library and programs in Rust are the same to each other.
//! Otherwise [`caller`] offers what the structure's functions can do as [`siltstone::env::Env`];
//! [`default_env`] is that structure over the native environment, to be copied and overridden.
//!
//! | file | owns |
//! |---|---|
//! | `raw`, `outcome` | layout and result codes |
//! | `lender` | what one handle lends to the engine while one of its calls runs |
//! | `caller`, `file`, `parking`, `shared_memory`, `mutex` | the engine's traits over the caller's functions |
//! | `default_env`, `default_file`, `default_map`, `recursive` | the functions of `lsm_default_env()` |
//! | `memory` | `lsm_malloc`, `lsm_realloc`, `lsm_free`, and memory that the caller frees |

mod caller;
mod default_env;
mod default_file;
mod default_map;
mod file;
mod lender;
mod memory;
mod mutex;
mod outcome;
mod parking;
mod raw;
mod recursive;
mod shared_memory;
#[cfg(test)]
mod tests;

pub use default_env::lsm_default_env;
pub(crate) use lender::{Lender, current_hooks, remember_hook_code};
pub use memory::{lsm_free, lsm_malloc, lsm_realloc};
pub use raw::{lsm_env, lsm_file, lsm_mutex};
