//! Recovery: from the newest checkpoint and the log to the state before the crash.

use crate::checkpoint::{self, MetaPages};
use crate::env::{Access, Env, EnvError, File, FilePath};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::format::checkpoint::Checkpoint;
use crate::format::tree_header::TreeHeader;
use crate::log::{self, LogOperation};
use crate::options::Options;
use crate::shm::{ReaderSlot, Shm};
use crate::stats::RecoveryStats;
use crate::tree::{self, TreeWriter, UndoList};
use std::sync::Arc;

/// The checkpoint a file starts from.
pub(super) struct Found {
    pub(super) checkpoint: Checkpoint,
    /// Meta page it stands in; 0 = the file is empty and the checkpoint made up.
    pub(super) meta_page: u32,
}

/// State after replaying the log.
pub(super) struct Recovered {
    pub(super) checkpoint: Checkpoint,
    pub(super) header: TreeHeader,
    pub(super) shm: Shm,
    pub(super) stats: RecoveryStats,
    /// Whether there is a log: the last user did not leave in good order.
    pub(super) log_exists: bool,
}

fn open_log(env: &dyn Env, path: &FilePath) -> Result<Option<Arc<dyn File>>> {
    match env.open(&path.with_suffix("-log"), Access::ReadOnly) {
        Ok(file) => Ok(Some(file)),
        Err(EnvError::NotFound) => Ok(None),
        Err(error) => Err(Error::io("opening the log", error)),
    }
}

/// Bytes of the log, 0 if there is none or the world cannot tell.
pub(super) fn log_size(env: &dyn Env, path: &FilePath) -> Result<u64> {
    let Some(log) = open_log(env, path)? else { return Ok(0) };
    Ok(log.known_size().during("reading the size of the log")?.unwrap_or(0))
}

/// Whether the log has its first `end` bytes. `end` lies behind a commit record.
pub(super) fn log_reaches(env: &dyn Env, path: &FilePath, end: u64) -> Result<bool> {
    let Some(log) = open_log(env, path)? else { return Ok(end == 0) };
    if let Some(size) = log.known_size().during("reading the size of the log")? {
        return Ok(size >= end);
    }
    // A commit record ends with its checksum; what a file does not hold reads as zeros.
    let mut checksum = [0; 8];
    let Some(at) = end.checked_sub(checksum.len() as u64) else { return Ok(true) };
    log.read_at(at, &mut checksum).during("reading the log")?;
    Ok(checksum != [0; 8])
}

/// Whether there is a log.
pub(super) fn has_log(env: &dyn Env, path: &FilePath) -> Result<bool> {
    Ok(open_log(env, path)?.is_some())
}

/// Reads the newest valid checkpoint, or makes up the empty one for an empty file.
///
/// A file whose very first checkpoint was torn by a power cut has its whole content in the log;
/// without a log, bytes that are no checkpoint are something else than a database.
pub(super) fn find_checkpoint(
    env: &dyn Env,
    path: &FilePath,
    file: &dyn File,
    options: &Options,
) -> Result<Found> {
    let empty = || Found {
        checkpoint: Checkpoint::empty(options.page_size, options.block_size),
        meta_page: 0,
    };
    match checkpoint::read_newest(file)? {
        MetaPages::Found { page, checkpoint } => {
            Ok(Found { checkpoint: *checkpoint, meta_page: page })
        }
        MetaPages::Empty => Ok(empty()),
        MetaPages::Unreadable if open_log(env, path)?.is_some() => Ok(empty()),
        MetaPages::Unreadable => Err(Error::new(ErrorKind::NotADatabase(
            "the file holds data but no valid checkpoint; choose another file, or try `siltstone \
             recover` if it was one"
                .into(),
        ))),
    }
}

/// Replays the log into new trees in `shm`, whatever that held before.
pub(super) fn replay_log(
    env: &dyn Env,
    path: &FilePath,
    found: &Found,
    options: &Options,
    shm: Shm,
) -> Result<Recovered> {
    shm.clear_header()?;
    let mut header = tree::initialise(&shm)?;
    let mut checkpoint = found.checkpoint.clone();
    let log = open_log(env, path)?;
    let mut undo = UndoList::default();
    let mut in_use = |_| Ok(false);
    let mut writer = TreeWriter::new(&shm, &mut header, &mut undo, &mut in_use, options.tree_limit);
    let recovery =
        log::recover(
            log.as_deref(),
            checkpoint.log,
            checkpoint.id,
            &mut |operation| match operation {
                LogOperation::Insert { key, value } => writer.insert(key, value),
                LogOperation::Delete { key } => writer.delete(key),
                LogOperation::DeleteRange { low, high } => writer.delete_range(low, high),
            },
        )?;
    header.log = recovery.state;
    if recovery.restart_at_zero {
        checkpoint.log.pointer = 0;
    }
    shm.publish_tree_header(&header)?;
    shm.store_snapshot(&checkpoint.encode()?)?;
    shm.set_meta_page(found.meta_page)?;
    // The first reader finds a slot that fits without writing one.
    let slot = ReaderSlot { tree_id: header.used_chunk_id, snapshot_id: checkpoint.id };
    shm.set_reader_slot(0, slot)?;
    Ok(Recovered {
        checkpoint,
        header,
        shm,
        log_exists: log.is_some(),
        stats: RecoveryStats {
            transactions: recovery.commits,
            log_bytes: recovery.log_bytes,
            bytes_after_end: recovery.bytes_after_end,
        },
    })
}
