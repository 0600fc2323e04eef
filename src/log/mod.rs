//! The log: what makes a commit survive a crash before the tree is flushed.
//!
//! `regions` decides which bytes of the file are live, `writer` appends transactions, `reader`
//! walks records, `recovery` replays what was committed. Nothing here takes a lock or touches
//! shared memory: callers hold the writer role and pass the [`LogState`] of the tree header.
//! Format and protocol: docs/format-log.md.
//!
//! [`LogState`]: crate::format::tree_header::LogState

mod reader;
mod recovery;
mod regions;
mod writer;

pub(crate) use reader::LogOperation;
#[cfg(test)]
use recovery::Recovery;
pub(crate) use recovery::{LogEntry, recover, visit_records};
pub(crate) use regions::reclaim;
pub(crate) use writer::{LogMark, LogWriter, end_at};

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod life_tests;
#[cfg(test)]
pub(crate) mod model_tests;
#[cfg(test)]
mod test_file;
