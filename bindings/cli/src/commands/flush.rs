//! `siltstone flush`: the in-memory tree (here: what the log held) becomes a level.

use crate::failure::Result;
use crate::session::Session;
use clap::Args;
use std::path::PathBuf;

/// Write the in-memory tree to the file
#[derive(Debug, Args)]
pub(crate) struct Flush {
    /// The database
    file: PathBuf,
}

impl Flush {
    pub(super) fn run(&self, session: &mut Session) -> Result<()> {
        let database = session.open_to_write(&self.file)?;
        database.flush()?;
        Ok(database.close()?)
    }
}
