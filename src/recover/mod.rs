//! Saving what is readable of a damaged database into a new one.
//!
//! The best checkpoint found names the segments; they are read oldest to newest, page by page,
//! damaged pages and records left out (`segments`), and applied to the new database like a history
//! (`target`). Then come the transactions of the log that its checksums prove. Without any
//! checkpoint the file is searched for data pages (`scan`). A deleted range counts only if both its
//! ends were read: too much is better than too little. The damaged files are only read.

mod scan;
mod segments;
mod target;
#[cfg(test)]
mod tests;

use crate::check::Problems;
use crate::checkpoint;
use crate::env::{Access, Env, EnvError, File, FilePath};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::format::checkpoint::{Checkpoint, FIRST_LOG_CHECKSUM, LogPointer};
use crate::log::{self, LogEntry, LogOperation};
use crate::options::Options;
use crate::shared::{choose_codec, lock_out_others};
use crate::work::Progress;
use std::path::Path;
use std::sync::Arc;
use target::Target;

/// What [`recover`] saved, and what it could not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoverReport {
    /// Entries in the new database.
    pub entries: u64,
    /// Pages looked at.
    pub pages_read: u64,
    /// Pages among them that could not be read.
    pub pages_damaged: u64,
    /// Everything that was wrong, in words.
    pub problems: Vec<String>,
}

/// Saves what is readable of the damaged database `from` into the new database `to`, which is made
/// with `options` in this target's own world. `from` is only read.
///
/// # Errors
/// `CannotOpen` if `to` exists; `Busy` if `from` is in use; `Mismatch` if its codec is missing;
/// `Full`, `Io`; `Misuse` ("interrupted") when stopped: then `to` is incomplete.
#[cfg(feature = "default-env")]
pub fn recover(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    options: &Options,
    progress: Progress<'_>,
) -> Result<RecoverReport> {
    recover_with_env(crate::default_env::default_env()?, from, to, options, progress)
}

/// As [`recover`], in any world.
///
/// # Errors
/// As [`recover`].
pub fn recover_with_env(
    env: Arc<dyn Env>,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    options: &Options,
    progress: Progress<'_>,
) -> Result<RecoverReport> {
    let path = |path: &Path| {
        let name = path.as_os_str().as_encoded_bytes();
        let named = FilePath::from_bytes(name);
        env.canonical_path(name).during("finding the directory").map_err(|error| error.on(&named))
    };
    let (from, to_path) = (path(from.as_ref())?, path(to.as_ref())?);
    refuse_existing(&*env, &to_path).map_err(|error| error.on(&to_path))?;
    let file = env
        .open(&from, Access::ReadOnly)
        .during("opening the damaged database")
        .map_err(|error| error.on(&from))?;
    lock_out_others(&*env, &*file, &options.clone().create_new(false).read_only(true))
        .map_err(|error| error.on(&from))?;
    let mut report = Report::default();
    let start = best_checkpoint(&*file, &mut report).map_err(|error| error.on(&from))?;
    // The codec must be there before anything is created.
    let codec = match &start {
        Some(checkpoint) => choose_codec(checkpoint, options).map_err(|error| error.on(&from))?,
        None => None,
    };
    let made = options.clone().create_new(true).read_only(false);
    let database = made.open_with_env(Arc::clone(&env), to.as_ref())?;
    let mut target = Target::new(&database, file.size().during("reading the size")?, progress);
    let pointer = match &start {
        Some(checkpoint) => {
            segments::save(&file, checkpoint, codec, &mut target, &mut report)
                .map_err(|error| error.on(&from))?;
            checkpoint.log
        }
        None => {
            scan::save(&*file, &mut target, &mut report).map_err(|error| error.on(&from))?;
            LogPointer { pointer: 0, checksum: FIRST_LOG_CHECKSUM }
        }
    };
    save_log(&*env, &from, pointer, &mut target, &mut report)?;
    target.finish()?;
    let mut cursor = database.cursor()?;
    let mut more = cursor.first()?;
    while more {
        report.told.entries += 1;
        more = cursor.next()?;
    }
    drop(cursor);
    database.compact()?;
    database.close()?;
    Ok(report.finish())
}

fn refuse_existing(env: &dyn Env, path: &FilePath) -> Result<()> {
    match env.open(path, Access::ReadOnly) {
        Err(EnvError::NotFound) => Ok(()),
        Err(error) => Err(error).during("looking for the new database"),
        Ok(_) => Err(Error::new(ErrorKind::CannotOpen(
            "the database to save into exists; choose another name".into(),
        ))),
    }
}

/// A report being written.
#[derive(Default)]
struct Report {
    told: RecoverReport,
    problems: Problems,
}

impl Report {
    fn finish(self) -> RecoverReport {
        RecoverReport { problems: self.problems.finish(), ..self.told }
    }
}

/// The newest checkpoint whose checksum holds, else the newest that can be read at all.
fn best_checkpoint(file: &dyn File, report: &mut Report) -> Result<Option<Checkpoint>> {
    let mut best: Option<(bool, Checkpoint)> = None;
    for page in [1, 2] {
        let (proven, outcome) = checkpoint::read_relaxed(file, page)?;
        let found = match outcome {
            None => continue,
            Some(Err(error)) => {
                report.problems.add_damage(&error);
                continue;
            }
            Some(Ok(found)) => found,
        };
        if !proven {
            report.problems.add(format!("meta page {page}: the checksum is wrong"));
        }
        let rank = (proven, found.id);
        if best.as_ref().is_none_or(|(proven, best)| rank > (*proven, best.id)) {
            best = Some((proven, found));
        }
    }
    Ok(best.map(|(_, checkpoint)| checkpoint))
}

/// Replays what the log proves.
fn save_log(
    env: &dyn Env,
    from: &FilePath,
    pointer: LogPointer,
    target: &mut Target<'_>,
    report: &mut Report,
) -> Result<()> {
    let path = from.with_suffix("-log");
    let file = match env.open(&path, Access::ReadOnly) {
        Ok(file) => file,
        Err(EnvError::NotFound) => return Ok(()),
        Err(error) => return Err(Error::io("opening the log", error).on(&path)),
    };
    let replayed = log::visit_records(&*file, pointer, &mut |_, entry| match entry {
        LogEntry::Operation(LogOperation::Insert { key, value }) => target.insert(key, value),
        LogEntry::Operation(LogOperation::Delete { key }) => target.remove(key),
        LogEntry::Operation(LogOperation::DeleteRange { low, high }) => {
            target.remove_between(low, high)
        }
        LogEntry::Commit | LogEntry::Padding { .. } | LogEntry::Jump { .. } => Ok(()),
    });
    report.problems.noted(replayed).map(|_| ())
}
