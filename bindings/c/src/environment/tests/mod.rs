//! Environments under test: the default one copied, one that only forwards to it, and one of its own
//! in memory that watches how it is used.

#![allow(clippy::undocumented_unsafe_blocks, reason = "tests: each world says what it relies on")]

mod conformance;
mod default_functions;
mod engine;
mod forwarding;
mod handles;
mod lending;
mod mutexes;
mod watched;

use super::caller::Structure;
use super::raw::lsm_env;
use std::ptr::NonNull;

/// A structure that stays for the rest of the process.
fn forever(members: lsm_env) -> Structure {
    unsafe { Structure::new(NonNull::from(Box::leak(Box::new(members)))) }
}

/// A copy of the default environment.
fn copied() -> lsm_env {
    unsafe { super::default_env::structure().read() }
}
