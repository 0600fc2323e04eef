//! What Siltstone asks of the world.
//!
//! The engine never calls an operating system, a WASI host or a browser. It asks an [`Env`] for
//! [`File`]s, a clock, random bytes and sleep; a [`File`] for positioned reads and writes, the
//! byte locks of the lsm1 protocol and shared memory. Each backend ("world") implements these
//! traits once; [`conformance`] is the suite it must pass.
//!
//! The traits mirror C lsm1's `lsm_env`, with three differences: positions are explicit, errors
//! are typed, and what only some worlds can do (maps, range locks, directory sync) is a defaulted
//! method guarded by [`Capabilities`].
#![forbid(unsafe_code)]

#[cfg(feature = "conformance")]
pub mod conformance;
mod environment;
mod error;
mod file;
mod lock;
mod mutex;
mod owner;
mod path;
mod registry;
mod shared_memory;
mod thread;

pub use environment::{Access, Capabilities, Env};
pub use error::{EnvError, Result};
pub use file::{File, FileId, FileMap};
pub use lock::{LockId, LockMode};
pub use mutex::{RawMutex, StdMutex};
pub use owner::{Owner, OwnerRecord};
pub use path::FilePath;
pub use registry::{AnyShared, Registry};
pub use shared_memory::{CHUNK_BYTES, CHUNK_WORDS, HeapChunk, SharedChunk, SharedMemory};
pub use thread::{StdThread, Task, Thread};

/// `Send + Sync` where the target has threads, nothing elsewhere.
///
/// A browser's storage handles cannot leave their worker; on such targets the traits must not ask
/// for `Send`. Everywhere else a world and its files are used from many threads.
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
pub trait MaybeSync: Send + Sync {}
#[cfg(any(not(target_family = "wasm"), target_feature = "atomics"))]
impl<T: Send + Sync + ?Sized> MaybeSync for T {}
/// Nothing is asked on targets without threads.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
pub trait MaybeSync {}
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
impl<T: ?Sized> MaybeSync for T {}
