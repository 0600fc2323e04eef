//! WASI world: files below the directories a host has opened for the program, in preview 1 and 2.
//!
//! `WasiEnv::shared` is the environment of this instance. WASI knows no file locks, so one instance
//! has a database for itself: taking lsm1's lock DMS2 makes the owner file `<database>-lock`, which
//! must not exist yet. Nothing else is locked, shared or mapped, and there are no threads.
//!
//! What differs between the previews is behind one small trait, `host::Host`: `p1` calls the host's
//! functions, `p2` its descriptors, and tests a host of their own, which can be told to fail. Loops
//! over partial transfers, names, errors and ownership are written once, above it.
//!
//! On targets other than WASI this crate is empty. Only `p1.rs` contains unsafe code: that is how its
//! functions are declared.
#![deny(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")
)]

#[cfg(any(target_os = "wasi", test))]
mod environment;
#[cfg(any(target_os = "wasi", test))]
mod file;
#[cfg(any(target_os = "wasi", test))]
mod host;
#[cfg(any(target_os = "wasi", test))]
mod names;
#[cfg(any(target_os = "wasi", test))]
mod owner;
#[cfg(all(target_os = "wasi", target_env = "p1"))]
mod p1;
#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod p2;
#[cfg(test)]
mod tests;

#[cfg(any(target_os = "wasi", test))]
pub use environment::{Guard, WasiEnv};
