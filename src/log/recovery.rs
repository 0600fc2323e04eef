//! Finds the committed transactions behind a log pointer and replays them.
//!
//! Two passes: the first proves by checksums how far the log is committed and applies nothing, the
//! second applies exactly that. Bad bytes can only shorten history, never fail recovery.
//! Protocol: docs/format-log.md, "Recovery".

use super::reader::{LogOperation, LogReader};
use crate::env::File;
use crate::error::{Error, Place, Result};
use crate::format::checkpoint::{FIRST_LOG_CHECKSUM, LogPointer};
use crate::format::log_record::{Checksum, MAX_UNCHECKED_PAYLOAD, RecordKind};
use crate::format::tree_header::{LogRegion, LogState};

/// Jumps that lead from one region to the next.
const MAX_JUMPS: usize = 2;
/// How far behind the end records are counted.
const MAX_TAIL: u64 = 64 << 20;

/// What recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// The log as the next transaction continues it.
    pub(crate) state: LogState,
    /// Nothing was found at the log pointer and the log was read from its start: the offset in
    /// the snapshots must be zeroed (the checksums stay).
    pub(crate) restart_at_zero: bool,
    /// Transactions replayed.
    pub(crate) commits: u64,
    /// Bytes they take.
    pub(crate) log_bytes: u64,
    /// Bytes behind the end that look like records: an unfinished transaction, remains of earlier
    /// use, or good records behind a damaged one.
    pub(crate) bytes_after_end: u64,
    /// Commit records among them. An unfinished transaction has none.
    pub(crate) commits_after_end: u64,
}

/// A record of the log, for those who look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogEntry<'a> {
    /// A change.
    Operation(LogOperation<'a>),
    /// The transaction is complete.
    Commit,
    /// Filler.
    Padding {
        /// Bytes, the record's own included.
        bytes: u64,
    },
    /// Reading continues elsewhere.
    Jump {
        /// Offset.
        target: u64,
    },
}

/// The part of the log that checksums prove.
#[derive(Clone, Copy, Debug)]
struct Proven {
    start: u64,
    end: u64,
    checksum: Checksum,
    commits: u64,
    restart_at_zero: bool,
}

/// Replays every transaction committed after `pointer`, in order, through `apply`. `file` is
/// `None` if there is no log. `snapshot_id` is the id of the checkpoint that holds the pointer.
///
/// # Errors
/// `Io`, and whatever `apply` returns.
pub(crate) fn recover(
    file: Option<&dyn File>,
    pointer: LogPointer,
    snapshot_id: i64,
    apply: &mut dyn FnMut(LogOperation<'_>) -> Result<()>,
) -> Result<Recovery> {
    let mut recovery = Recovery::default();
    recovery.state.snapshot_id = snapshot_id;
    let Some(file) = file else {
        recovery.restart_at_zero = pointer.offset() != 0;
        recovery.state.checksum = pointer.checksum;
        return Ok(recovery);
    };
    let proven = prove(file, pointer)?;
    let [mut first, mut second, mut last] =
        [LogRegion::default(), LogRegion::default(), LogRegion { start: proven.start, end: 0 }];
    replay(file, &proven, &mut |_, end, entry| {
        match entry {
            LogEntry::Operation(operation) => apply(operation)?,
            LogEntry::Jump { target } => {
                let behind = LogRegion { start: last.start, end };
                if last.start == 0 {
                    second = behind;
                } else {
                    first = behind;
                }
                last.start = target;
                recovery.log_bytes += behind.end.saturating_sub(behind.start);
            }
            LogEntry::Commit | LogEntry::Padding { .. } => {}
        }
        Ok(())
    })?;
    last.end = proven.end;
    recovery.log_bytes += last.end.saturating_sub(last.start);
    recovery.state.regions = [first, second, last];
    recovery.state.checksum = proven.checksum.words();
    recovery.commits = proven.commits;
    recovery.restart_at_zero = proven.restart_at_zero;
    (recovery.bytes_after_end, recovery.commits_after_end) = look_behind(file, proven.end)?;
    Ok(recovery)
}

/// Shows `visit` what `recover` would replay, each record with its offset.
///
/// # Errors
/// `Io`, and whatever `visit` returns.
pub(crate) fn visit_records(
    file: &dyn File,
    pointer: LogPointer,
    visit: &mut dyn FnMut(u64, LogEntry<'_>) -> Result<()>,
) -> Result<()> {
    let proven = prove(file, pointer)?;
    replay(file, &proven, &mut |offset, _, entry| visit(offset, entry))
}

/// Decides where to start, and proves from there.
fn prove(file: &dyn File, pointer: LogPointer) -> Result<Proven> {
    let seeds = Checksum::new(pointer.checksum);
    let at_pointer = prove_from(file, pointer.offset(), seeds)?;
    if at_pointer.commits > 0 {
        return Ok(at_pointer);
    }
    if pointer.offset() != 0 {
        // The normal case after a clean close, which deletes the log and leaves the pointer.
        let at_zero = prove_from(file, 0, seeds)?;
        return Ok(Proven { restart_at_zero: true, ..at_zero });
    }
    if pointer.checksum == [0, 0] {
        // C lsm1 writes this pointer at the first explicit flush; the log itself began with the
        // first checksum. Replaying from its start repeats changes, which is harmless.
        let at_zero = prove_from(file, 0, Checksum::new(FIRST_LOG_CHECKSUM))?;
        if at_zero.commits > 0 {
            return Ok(at_zero);
        }
    }
    Ok(at_pointer)
}

/// Walks the records from `start` up to the last commit that its checksum proves.
fn prove_from(file: &dyn File, start: u64, seeds: Checksum) -> Result<Proven> {
    let mut proven =
        Proven { start, end: start, checksum: seeds, commits: 0, restart_at_zero: false };
    let mut reader = LogReader::new(file, start, Some(seeds));
    let mut region_start = start;
    let mut passed: Vec<LogRegion> = Vec::with_capacity(MAX_JUMPS);
    while let Some(head) = reader.head()? {
        let payload = head.kind.payload();
        if head.checksum.is_none()
            && payload > MAX_UNCHECKED_PAYLOAD
            && !matches!(head.kind, RecordKind::Padding { .. })
        {
            break;
        }
        reader.consume(head.len);
        if let Some(stored) = head.checksum {
            let checksum = reader.checksum();
            if checksum.to_bytes() != stored {
                break;
            }
            if head.kind == RecordKind::Commit {
                proven.commits += 1;
                proven.end = reader.position();
                proven.checksum = checksum;
            }
        }
        if let RecordKind::Jump { target } = head.kind {
            if passed.len() == MAX_JUMPS {
                break;
            }
            passed.push(LogRegion { start: region_start, end: reader.position() });
            // No writer jumps into what it has written: this is not a log.
            if passed.iter().any(|region| (region.start..region.end).contains(&target)) {
                break;
            }
            region_start = target;
            reader.go_to(target);
        } else if !reader.skip(payload)? {
            break;
        }
    }
    Ok(proven)
}

/// Shows each record of a proven log: its offset, the offset behind it, and what it says.
fn replay(
    file: &dyn File,
    proven: &Proven,
    visit: &mut dyn FnMut(u64, u64, LogEntry<'_>) -> Result<()>,
) -> Result<()> {
    let mut reader = LogReader::new(file, proven.start, None);
    let mut commits = 0;
    while commits < proven.commits {
        let offset = reader.position();
        let changed = || Error::corrupt(Place::Log(offset), "the log changed while being replayed");
        let head = reader.head()?.ok_or_else(changed)?;
        reader.consume(head.len);
        if head.checksum.is_some() {
            reader.checksum();
        }
        let payload = head.kind.payload();
        let end = reader.position().saturating_add(payload);
        match head.kind {
            RecordKind::Commit => {
                commits += 1;
                visit(offset, end, LogEntry::Commit)?;
            }
            RecordKind::Jump { target } => {
                visit(offset, end, LogEntry::Jump { target })?;
                reader.go_to(target);
            }
            RecordKind::Padding { .. } => {
                visit(offset, end, LogEntry::Padding { bytes: end - offset })?;
            }
            _ => {
                let operation = reader.operation(head.kind)?.ok_or_else(changed)?;
                visit(offset, end, LogEntry::Operation(operation))?;
            }
        }
        if !reader.skip(payload)? {
            return Err(changed());
        }
    }
    Ok(())
}

/// How many bytes from `end` on look like records, and how many commits are among them.
fn look_behind(file: &dyn File, end: u64) -> Result<(u64, u64)> {
    let mut reader = LogReader::new(file, end, None);
    let (mut bytes, mut commits) = (0, 0);
    while bytes < MAX_TAIL {
        let Some(head) = reader.head()? else { break };
        reader.consume(head.len);
        if head.checksum.is_some() {
            reader.checksum();
        }
        if !reader.skip(head.kind.payload())? {
            break;
        }
        bytes = reader.position().saturating_sub(end);
        commits += u64::from(head.kind == RecordKind::Commit);
        if let RecordKind::Jump { .. } = head.kind {
            break;
        }
    }
    Ok((bytes, commits))
}
