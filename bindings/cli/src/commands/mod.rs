//! The subcommands, one file each.

mod backup;
mod bench;
mod check;
mod checkpoint;
mod compact;
mod create;
mod delete;
mod delete_range;
mod export;
mod flush;
mod get;
#[cfg(not(target_os = "wasi"))]
mod hold_lock;
mod import;
mod info;
mod levels;
mod log;
mod pages;
mod put;
mod recover;
mod scan;
mod unlock;
mod user_version;
mod watch;
mod work;

use crate::failure::Result;
use crate::session::Session;
use clap::Subcommand;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new, empty database
    Create(create::Create),
    /// Print the value of a key
    Get(get::Get),
    /// Write a key
    Put(put::Put),
    /// Delete keys
    Delete(delete::Delete),
    /// Delete all keys of a range
    DeleteRange(delete_range::DeleteRange),
    /// Print entries in key order
    Scan(scan::Scan),
    /// Read entries from a file or stdin into a database
    Import(import::Import),
    /// Write all entries to a file or stdout
    Export(export::Export),
    /// Print sizes and counters
    Info(info::Info),
    /// Draw the tree, the levels, unfinished merges and free space
    Levels(levels::Levels),
    /// List the pages of segments, or decode one page
    Pages(pages::Pages),
    /// List the records of the log
    Log(log::Log),
    /// Verify everything; exit status 1 if damage is found
    Check(check::Check),
    /// Save what is readable of a damaged database into a new one
    Recover(recover::Recover),
    /// Merge everything into one segment and move it to the front of the file
    Compact(compact::Compact),
    /// Write a checkpoint
    Checkpoint(checkpoint::Checkpoint),
    /// Write the in-memory tree to the file
    Flush(flush::Flush),
    /// Merge segments where it is worth while
    Work(work::Work),
    /// Copy the newest committed state to a new database
    Backup(backup::Backup),
    /// Print or set the application's version number (kept while the database is in use)
    UserVersion(user_version::UserVersion),
    /// Show who uses a database and what they do, live, without disturbing them
    Watch(watch::Watch),
    /// Remove the owner file that a killed program in a sandbox left
    Unlock(unlock::Unlock),
    /// Run a program while everybody else is locked out of a database
    #[cfg(not(target_os = "wasi"))]
    HoldLock(hold_lock::HoldLock),
    /// Measure inserts, gets and scans on a scratch file
    Bench(bench::Bench),
}

impl Command {
    /// Does it.
    pub(crate) fn run(&self, session: &mut Session) -> Result<()> {
        match self {
            Command::Create(command) => command.run(session),
            Command::Get(command) => command.run(session),
            Command::Put(command) => command.run(session),
            Command::Delete(command) => command.run(session),
            Command::DeleteRange(command) => command.run(session),
            Command::Scan(command) => command.run(session),
            Command::Import(command) => command.run(session),
            Command::Export(command) => command.run(session),
            Command::Info(command) => command.run(session),
            Command::Levels(command) => command.run(session),
            Command::Pages(command) => command.run(session),
            Command::Log(command) => command.run(session),
            Command::Check(command) => command.run(session),
            Command::Recover(command) => command.run(session),
            Command::Compact(command) => command.run(session),
            Command::Checkpoint(command) => command.run(session),
            Command::Flush(command) => command.run(session),
            Command::Work(command) => command.run(session),
            Command::Backup(command) => command.run(session),
            Command::UserVersion(command) => command.run(session),
            Command::Watch(command) => command.run(session),
            Command::Unlock(command) => command.run(session),
            #[cfg(not(target_os = "wasi"))]
            Command::HoldLock(command) => command.run(session),
            Command::Bench(command) => command.run(session),
        }
    }
}
