//! `siltstone backup`: a consistent copy as a database of its own.

use crate::failure::Result;
use crate::session::Session;
use crate::sizes;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Copy the newest committed state to a new database
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The database
    file: PathBuf,
    /// The copy to make
    new_file: PathBuf,
}

impl Backup {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let database = session.open_to_read(&self.file)?;
        let bytes = database.backup(&self.new_file)?;
        if session.global.json {
            session.out.json(&json!({ "bytes": bytes }))?;
        } else {
            let size = sizes::bytes(bytes);
            session.out.line(format!("{}: {size} written", self.new_file.display()))?;
        }
        Ok(())
    }
}
