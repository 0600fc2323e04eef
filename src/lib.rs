//! Siltstone: an embedded, ordered, transactional key-value store.
#![deny(unsafe_code)]

pub use siltstone_env as env;

mod backup;
mod batch;
mod check;
mod checkpoint;
pub mod codec;
mod cursor;
mod database;
#[cfg(all(feature = "default-env", unix))]
mod default_env;
mod error;
pub mod format;
mod freelist;
mod level;
mod log;
mod options;
mod pager;
mod recover;
mod shared;
mod shm;
mod snapshot;
mod sorted;
mod stats;
mod transaction;
mod tree;
mod work;

pub use batch::Batch;
pub use check::CheckReport;
pub use codec::{Codec, CodecError};
pub use cursor::{Cursor, Iter, Seek};
pub use database::{Database, Progress};
pub use error::{BusyRole, Error, ErrorKind, Place, Result};
pub use options::{CodecFactory, CodecSource, Durability, Mapping, Options, WorkObserver};
#[cfg(all(feature = "default-env", unix))]
pub use recover::recover;
pub use recover::{RecoverReport, recover_with_env};
pub use snapshot::Snapshot;
pub use stats::{
    CellInfo, FreeBlock, LevelInfo, LogRecordInfo, PageInfo, RecoveryStats, SegmentInfo, Stats,
    Structure,
};
pub use transaction::{Savepoint, WriteTransaction};
pub use work::{WorkEvent, WorkKind, WorkLimit, WorkReport};
