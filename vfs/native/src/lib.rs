//! Native world: the operating system's files, byte-range locks, maps and shared memory, for unix.
//!
//! [`NativeEnv::shared`] is the environment of this process. Locks are the byte locks of lsm1, and
//! shared memory is its `-shm` file, so a database is shared with C peers on the same machine.
//!
//! On targets that are not unix this crate is empty: no default world exists there yet, and an
//! engine must be given one explicitly.
//!
//! Platforms live in `sys`, one folder each, with the same file names: `unix` asks the system,
//! `miri` does in memory what Miri cannot ask. Only `sys/unix/maps.rs`, `sys/unix/chunks.rs` and
//! `sys/unix/fork.rs` contain unsafe code.
#![deny(unsafe_code)]

#[cfg(unix)]
mod beside;
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
mod shared_memory;
#[cfg(unix)]
mod sys;
#[cfg(unix)]
mod thread;

#[cfg(unix)]
pub use environment::{LockStyle, NativeEnv};
