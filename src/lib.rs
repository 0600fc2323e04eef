//! Siltstone: an embedded, ordered, transactional key-value store.
#![deny(unsafe_code)]

pub use siltstone_env as env;

mod check;
pub mod codec;
mod cursor;
mod database;
#[cfg(all(feature = "default-env", unix))]
mod default_env;
mod error;
pub mod format;
#[allow(dead_code, unused_imports)] // used by the room `shared`
mod log;
mod options;
mod shm;
mod snapshot;
mod stats;
mod transaction;
mod work;

pub use check::CheckReport;
pub use codec::{Codec, CodecError};
pub use cursor::{Cursor, Iter, Seek};
pub use database::{Batch, Database, Progress, RecoverReport, recover};
pub use error::{BusyRole, Error, ErrorKind, Place, Result};
pub use options::{CodecFactory, CodecSource, Durability, Mapping, Options, WorkObserver};
pub use snapshot::Snapshot;
pub use stats::{
    CellInfo, FreeBlock, LevelInfo, LogRecordInfo, PageInfo, RecoveryStats, SegmentInfo, Stats,
    Structure,
};
pub use transaction::{Savepoint, WriteTransaction};
pub use work::{WorkEvent, WorkKind, WorkLimit, WorkReport};
