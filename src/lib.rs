//! Siltstone: an embedded, ordered, transactional key-value store.
//!
//! One database is one file (with a log and shared memory beside it while it is open), in the format
//! of SQLite's lsm1: C lsm1 opens what Siltstone wrote, and the other way round, also at the same
//! time. Keys and values are bytes; keys are ordered by `memcmp`, shorter first.
//!
//! # First steps
//!
//! ```
//! use siltstone::{Batch, Database, Durability, Options};
//!
//! # fn main() -> siltstone::Result<()> {
//! # let world = siltstone_memory::MemoryWorld::new();
//! # #[cfg(any())]
//! let database = Database::open("app.lsm")?;
//! # let database = Options::new().open_with_env(world.process(), "app.lsm")?;
//!
//! // Single calls are transactions of their own.
//! database.insert("apple", "red")?;
//! assert_eq!(database.get("apple")?.as_deref(), Some(&b"red"[..]));
//!
//! // Several changes together: all or nothing.
//! database.write(|transaction| {
//!     transaction.insert("banana", "yellow")?;
//!     transaction.insert("cherry", "dark red")?;
//!     transaction.remove("apple")
//! })?;
//!
//! // Ordered reads, from both ends.
//! let keys: Vec<_> =
//!     database.range("b"..)?.map(|entry| entry.map(|(key, _)| key)).collect::<Result<_, _>>()?;
//! assert_eq!(keys, [b"banana".to_vec(), b"cherry".to_vec()]);
//!
//! // A fixed state to read from while writers go on.
//! let before = database.snapshot()?;
//! database.remove_range("a".."z")?;
//! assert!(before.contains_key("banana")? && !database.contains_key("banana")?);
//!
//! # drop(before);
//! database.close()
//! # }
//! ```
//!
//! # What is where
//!
//! * [`Database`], [`Options`]: open, single calls, work, care.
//! * [`WriteTransaction`], [`Savepoint`], [`Batch`]: changing several things together.
//! * [`Snapshot`], [`Cursor`], [`Iter`]: reading.
//! * [`Durability`]: what survives power loss. [`Error`]: what failed, where, what to do.
//! * [`Codec`] and [`codec`]: compressed and checksummed pages.
//! * [`Stats`], [`Structure`], [`Database::check`]: looking inside.
//! * [`observe_with_env`], [`lock_exclusively_with_env`], [`break_lock_with_env`]: from outside, without
//!   opening.
//! * [`env`](mod@env): the traits through which the engine asks the world for files, locks and time; implement
//!   them to run it anywhere.
//!
//! # Concurrency
//!
//! A [`Database`] is cheap to clone and usable from all threads, and any number of processes may
//! have one file open at the same time. There is one write transaction at a time, over all of them;
//! others wait up to [`Options::busy_timeout`] or get `Busy`. Readers never wait and are never
//! waited for. [`Sharing::Exclusive`] has a file for one process alone; [`Activity`] tells who has
//! it open. More in docs/sharing.md of the repository.
//!
//! Calls block. In asynchronous programs run them on a thread for blocking work
//! (`tokio::task::spawn_blocking`).
//!
//! # Features
//!
//! | feature | gives |
//! |---|---|
//! | `default-env` (default) | the native environment of the target, for [`Database::open`] |
//! | `lz4`, `zlib`, `zstd` | page codecs 10001, 10002, 10003 |
//! | `checksum` | codec 10010: pages that notice bit rot |
//! | `tracing` | events around flushes, merges and checkpoints |
//! | `metrics` | counters through the `metrics` facade |
//!
//! # Limits
//!
//! Keys and values have up to 2^31-1 bytes; a transaction must fit [`Options::memory_limit`]. The
//! rest is in docs/limits.md of the repository, with the promise on format stability.
#![deny(unsafe_code)]

pub use siltstone_env as env;

mod activity;
mod backup;
mod batch;
mod check;
mod checkpoint;
pub mod codec;
pub mod connection;
mod cursor;
mod database;
#[cfg(feature = "default-env")]
mod default_env;
mod error;
pub mod format;
mod freelist;
mod level;
mod log;
mod options;
mod outside;
mod pager;
mod recover;
mod shared;
#[allow(dead_code, unused_imports, reason = "holds the protocol between processes, tested here")]
mod shm;
mod snapshot;
mod sorted;
mod stats;
mod transaction;
#[allow(dead_code, unused_imports, reason = "repair serves several processes, tested here")]
mod tree;
mod work;

pub use activity::{Activity, LockActivity, MemoryActivity, Presence, SlotActivity};
pub use batch::Batch;
pub use check::CheckReport;
pub use codec::{Codec, CodecError};
pub use cursor::{Cursor, Iter, Seek};
pub use database::Database;
pub use error::{BusyRole, Error, ErrorKind, Place, Result};
pub use options::{
    Background, CodecFactory, CodecSource, Durability, Mapping, Options, Sharing, WorkObserver,
};
#[cfg(feature = "default-env")]
pub use outside::{break_lock, lock_exclusively, observe};
pub use outside::{break_lock_with_env, lock_exclusively_with_env, observe_with_env};
#[cfg(feature = "default-env")]
pub use recover::recover;
pub use recover::{RecoverReport, recover_with_env};
pub use shared::ExclusiveLock;
pub use snapshot::Snapshot;
pub use stats::{
    CellInfo, FreeBlock, LevelInfo, LogRecordInfo, PageInfo, PageText, RecoveryStats, SegmentInfo,
    Stats, Structure, pages_as_tcl, ranges_as_tcl,
};
pub use transaction::{OwnedSavepoint, OwnedTransaction, Savepoint, WriteTransaction};
pub use work::{Progress, WorkEvent, WorkKind, WorkLimit, WorkReport};

/// Compiles what README shows.
#[cfg(all(doctest, feature = "default-env"))]
#[doc = include_str!("../README.md")]
struct Readme;
