//! `siltstone unlock`: breaks the lock that a killed program in a sandbox left.

use crate::failure::Result;
use crate::session::Session;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Remove the owner file that a killed program in a sandbox left
///
/// Sandboxes know no file locks: a file, the database's name and `-lock`, says that somebody has the
/// database open. Make sure that no such program runs any more: two of them would damage the
/// database.
#[derive(Debug, Args)]
pub(crate) struct Unlock {
    /// The database
    file: PathBuf,
}

impl Unlock {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let removed = siltstone::break_lock(&self.file)?;
        if session.global.json {
            session.out.json(&json!({ "removed": removed }))?;
        } else if removed {
            session.out.line("owner file removed")?;
        } else {
            session.out.line("there was no owner file")?;
        }
        Ok(())
    }
}
