//! `siltstone checkpoint`: makes what was flushed durable and frees the log.

use crate::failure::Result;
use crate::session::Session;
use crate::sizes;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Write a checkpoint
#[derive(Debug, Args)]
pub(crate) struct Checkpoint {
    /// The database
    file: PathBuf,
}

impl Checkpoint {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let database = session.open_to_write(&self.file)?;
        let bytes = database.checkpoint()?;
        database.close()?;
        if session.global.json {
            session.out.json(&json!({ "bytes_checkpointed": bytes }))?;
        } else if bytes > 0 {
            session.out.line(format!("checkpoint written, {} safe", sizes::bytes(bytes)))?;
        } else {
            session.out.line("nothing new since the last checkpoint")?;
        }
        Ok(())
    }
}
