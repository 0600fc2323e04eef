//! Types of the interface to those of the engine, and back.

use super::store;
use siltstone::{Batch, Durability, ErrorKind, Options, Seek, codec};
use std::ops::Bound;
use std::time::Duration;

/// What every call that can fail gives.
pub(super) type Answer<T> = Result<T, store::Error>;

/// A range of keys as the engine takes it.
pub(super) type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

impl From<siltstone::Error> for store::Error {
    fn from(error: siltstone::Error) -> Self {
        use store::ErrorKind as Kind;
        let kind = match error.kind() {
            ErrorKind::Busy(_) => Kind::Busy,
            ErrorKind::OutOfMemory(_) => Kind::OutOfMemory,
            ErrorKind::ReadOnly(_) => Kind::ReadOnly,
            ErrorKind::Io { .. } => Kind::Io,
            ErrorKind::Corrupt { .. } => Kind::Corrupt,
            ErrorKind::NotADatabase(_) => Kind::NotADatabase,
            ErrorKind::Full(_) => Kind::Full,
            ErrorKind::CannotOpen(_) => Kind::CannotOpen,
            ErrorKind::Protocol(_) => Kind::Protocol,
            ErrorKind::Misuse(_) => Kind::Misuse,
            ErrorKind::Mismatch { .. } => Kind::Mismatch,
            ErrorKind::Codec(_) => Kind::Codec,
            ErrorKind::Poisoned(_) => Kind::Poisoned,
            _ => Kind::Other,
        };
        store::Error {
            kind,
            name: error.name().to_owned(),
            code: error.code(),
            message: error.to_string(),
            path: error.path().map(ToString::to_string),
        }
    }
}

/// Everything as given; the engine checks it.
pub(super) fn options(given: store::Options) -> Options {
    let mut options = Options::new();
    macro_rules! take {
        ($($name:ident),*) => {
            $(if let Some(value) = given.$name {
                options = options.$name(value);
            })*
        };
    }
    take!(page_size, block_size, autoflush, autocheckpoint, automerge, autowork, use_log);
    take!(memory_limit, read_only, create, create_new);
    if let Some(durability) = given.durability {
        options = options.durability(match durability {
            store::Durability::None => Durability::None,
            store::Durability::Normal => Durability::Normal,
            store::Durability::Full => Durability::Full,
        });
    }
    if let Some(bytes) = given.cache_size {
        // What is too large for this target is more than it has memory anyway.
        options = options.cache_size(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    if let Some(milliseconds) = given.busy_timeout {
        options = options.busy_timeout(Duration::from_millis(milliseconds));
    }
    let id = match given.codec {
        None | Some(store::Codec::None) => return options,
        Some(store::Codec::Lz4) => codec::LZ4,
        Some(store::Codec::Zlib) => codec::ZLIB,
        Some(store::Codec::Checksum) => codec::CHECKSUM,
    };
    match codec::built_in(id) {
        Some(codec) => options.codec(codec),
        None => options,
    }
}

fn bound(bound: store::Bound) -> Bound<Vec<u8>> {
    match bound {
        store::Bound::Unbounded => Bound::Unbounded,
        store::Bound::Included(key) => Bound::Included(key),
        store::Bound::Excluded(key) => Bound::Excluded(key),
    }
}

pub(super) fn range(low: store::Bound, high: store::Bound) -> KeyRange {
    (bound(low), bound(high))
}

pub(super) fn batch(changes: Vec<store::Change>) -> Batch {
    let mut batch = Batch::new();
    for change in changes {
        match change {
            store::Change::Put((key, value)) => batch.insert(key, value),
            store::Change::Delete(key) => batch.remove(key),
            store::Change::DeleteRange((low, high)) => batch.remove_range(range(low, high)),
        };
    }
    batch
}

pub(super) fn seek(mode: store::SeekMode) -> Seek {
    match mode {
        store::SeekMode::Exact => Seek::Exact,
        store::SeekMode::AtMost => Seek::AtMost,
        store::SeekMode::AtMostFast => Seek::AtMostFast,
        store::SeekMode::AtLeast => Seek::AtLeast,
    }
}

pub(super) fn work_report(report: siltstone::WorkReport) -> store::WorkReport {
    store::WorkReport { bytes_written: report.bytes_written, finished: report.finished }
}

pub(super) fn check_report(report: siltstone::CheckReport) -> store::CheckReport {
    store::CheckReport {
        problems: report.problems,
        pages: report.pages,
        records: report.records,
        entries: report.entries,
    }
}

pub(super) fn stats(stats: &siltstone::Stats) -> store::Stats {
    // There are 40 segments at most.
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    store::Stats {
        live_tree_bytes: stats.live_tree_bytes,
        old_tree_bytes: stats.old_tree_bytes,
        memory_bytes: stats.memory_bytes,
        cache_bytes: stats.cache_bytes,
        page_size: stats.page_size,
        block_size: stats.block_size,
        compression_id: stats.compression_id,
        checkpoint_id: stats.checkpoint_id,
        bytes_since_checkpoint: stats.bytes_since_checkpoint,
        block_count: stats.block_count,
        free_blocks: stats.free_blocks,
        file_bytes: stats.file_bytes,
        log_bytes: stats.log_bytes,
        level_count: count(stats.level_count),
        segment_count: count(stats.segment_count),
        pages_read: stats.pages_read,
        pages_written: stats.pages_written,
        recovered_transactions: stats.recovery.transactions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use siltstone::env::EnvError;
    use siltstone::{BusyRole, Error, Place};

    #[test]
    fn every_kind_of_error_keeps_its_name_code_and_text() {
        let io = ErrorKind::Io { operation: "reading", source: EnvError::NotFound };
        let corrupt = ErrorKind::Corrupt { place: Place::File, rule: "r".into() };
        for (kind, expected) in [
            (ErrorKind::Busy(BusyRole::Writer), store::ErrorKind::Busy),
            (ErrorKind::OutOfMemory("m".into()), store::ErrorKind::OutOfMemory),
            (ErrorKind::ReadOnly("m".into()), store::ErrorKind::ReadOnly),
            (io, store::ErrorKind::Io),
            (corrupt, store::ErrorKind::Corrupt),
            (ErrorKind::NotADatabase("m".into()), store::ErrorKind::NotADatabase),
            (ErrorKind::Full("m".into()), store::ErrorKind::Full),
            (ErrorKind::CannotOpen("m".into()), store::ErrorKind::CannotOpen),
            (ErrorKind::Protocol("m".into()), store::ErrorKind::Protocol),
            (ErrorKind::Misuse("m".into()), store::ErrorKind::Misuse),
            (ErrorKind::Mismatch { file: 10003, handle: 1 }, store::ErrorKind::Mismatch),
            (ErrorKind::Codec("m".into()), store::ErrorKind::Codec),
            (ErrorKind::Poisoned("m".into()), store::ErrorKind::Poisoned),
        ] {
            let error = Error::new(kind);
            let told = store::Error::from(error.clone());
            assert_eq!(told.kind, expected);
            assert_eq!(told.name, error.name());
            assert_eq!((told.code, &told.message), (error.code(), &error.to_string()));
            assert_eq!(told.path, None);
        }
    }
}
