//! `siltstone user-version`: the number applications may keep beside their data.
//!
//! As in lsm1 it lives in the live header only: recovery resets it.

use crate::failure::Result;
use crate::session::Session;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Print or set the application's version number (kept while the database is in use)
#[derive(Debug, Args)]
pub(crate) struct UserVersion {
    /// The database
    file: PathBuf,
    /// The new number
    #[arg(id = "number", value_name = "NUMBER")]
    version: Option<u32>,
}

impl UserVersion {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let version = match self.version {
            Some(version) => {
                let database = session.open_to_write(&self.file)?;
                database.set_user_version(version)?;
                database.close()?;
                return Ok(());
            }
            None => session.open_to_read(&self.file)?.user_version()?,
        };
        if session.global.json {
            session.out.json(&json!({ "user_version": version }))?;
        } else {
            session.out.line(version.to_string())?;
        }
        Ok(())
    }
}
