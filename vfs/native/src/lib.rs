//! Native world: the operating system's files, byte-range locks and read-only maps, for unix.
//!
//! [`NativeEnv::shared`] is the environment of this process. Locks are the byte locks of lsm1, so a
//! database is kept apart from C peers on the same machine.
//!
//! On targets that are not unix this crate is empty: no default world exists there yet, and an
//! engine must be given one explicitly.
//!
//! Platforms live in `sys`, one folder each, with the same file names: `unix` asks the system,
//! `miri` does in memory what Miri cannot ask. Only `sys/unix/maps.rs` and
//! `sys/unix/fork.rs` contain unsafe code.
#![deny(unsafe_code)]

#[cfg(unix)]
mod environment;
#[cfg(unix)]
mod errno;
#[cfg(unix)]
mod file;
#[cfg(unix)]
mod handles;
#[cfg(unix)]
mod names;
#[cfg(unix)]
mod sys;

#[cfg(unix)]
pub use environment::{LockStyle, NativeEnv};
