//! Online backup: a consistent copy of one state as a new database, while writers go on.
//!
//! Entries are read from a snapshot and written through the ordinary interface, so the copy is
//! compact and has no history; it keeps page size, block size and codec.

use crate::database::Database;
use crate::env::Env;
use crate::error::Result;
use crate::options::{Durability, Options};
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::work::{Progress, interrupted};
use std::path::Path;
use std::sync::Arc;

/// Bytes of keys and values per transaction of the copy.
const BATCH_BYTES: usize = 1 << 20;

/// Copies `snapshot` to the new database `path` of `env`; returns the number of entries.
pub(crate) fn backup(
    snapshot: &Snapshot,
    shared: &Shared,
    env: Arc<dyn Env>,
    path: &Path,
    progress: Progress<'_>,
) -> Result<u64> {
    let pager = snapshot.pager();
    let geometry = pager.geometry();
    let mut options = Options::new()
        .page_size(geometry.page_size())
        .block_size(geometry.block_size())
        .use_log(false)
        .durability(Durability::Normal)
        .create_new(true);
    if let Some(codec) = pager.codec() {
        options = options.codec(Arc::clone(codec));
    }
    let copy = options.open_with_env(env, path)?;
    let entries = copy_entries(snapshot, shared, &copy, progress)?;
    copy.compact()?;
    copy.set_user_version(snapshot.user_version())?;
    copy.close()?;
    Ok(entries)
}

fn copy_entries(
    snapshot: &Snapshot,
    shared: &Shared,
    copy: &Database,
    progress: Progress<'_>,
) -> Result<u64> {
    let total = shared.stats()?.file_bytes;
    let mut cursor = snapshot.cursor()?;
    let (mut entries, mut copied) = (0, 0u64);
    let mut more = cursor.first()?;
    while more {
        let transaction = copy.begin()?;
        let mut batch = 0;
        while more && batch < BATCH_BYTES {
            let key = cursor.key().unwrap_or_default().to_vec();
            let value = cursor.value()?.unwrap_or_default();
            transaction.insert(&key, value)?;
            batch += key.len() + value.len();
            entries += 1;
            more = cursor.next()?;
        }
        transaction.commit()?;
        copied += batch as u64;
        if !progress(copied.min(total), total) {
            return Err(interrupted());
        }
    }
    Ok(entries)
}
