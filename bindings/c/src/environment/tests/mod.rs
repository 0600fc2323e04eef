//! Environments under test: the default one copied, one that only forwards to it, and one of its own
//! in memory that watches how it is used.

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
    // SAFETY: a leaked box of a whole structure: valid for ever, and nobody else has it.
    unsafe { Structure::new(NonNull::from(Box::leak(Box::new(members)))) }
}

/// A copy of the default environment.
fn copied() -> lsm_env {
    // SAFETY: a static structure; no test writes to it.
    unsafe { super::default_env::structure().read() }
}
